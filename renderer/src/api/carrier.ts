/** How calls and events reach the host. The interface knows this much of it and no more. */
import type { DesktopCommand } from '../../../shared/api/bridge.ts';
import type { Answer, ApiErrorBody } from '../../../shared/api/call.ts';
import type { DatasetView } from '../../../shared/api/dataset-calls.ts';
import type { CallName, CallReply, CallRequest, EventBody, EventName } from '../../../shared/api/map.ts';

/**
 * `refused` (a browser without the token) and `failed` (the desktop app's host cannot be started) come with a reason in words;
 * only a person can mend it. `locked`: the desktop app asks for its passphrase; `unprotected`: for a new one.
 */
export type ConnectionState = 'connecting' | 'connected' | 'lost' | 'refused' | 'failed' | 'locked' | 'unprotected';

export interface ApiCarrier {
  /** Rejects with an ApiError. */
  call<Name extends CallName>(name: Name, request: CallRequest<Name>): Promise<CallReply<Name>>;
  on<Name extends EventName>(name: Name, listener: (body: EventBody<Name>) => void): void;
  onConnection(listener: (state: ConnectionState, reason?: ApiErrorBody) => void): void;
  /** What the menu or the system asks for; a browser has no such thing. */
  onCommand(listener: (command: DesktopCommand) => void): void;
  /** Answers `locked` and `unprotected`; rejects with an ApiError. */
  unlock(passphrase: string): Promise<void>;
  /** Registers a file that a person chose or dropped. */
  addFile(file: File): Promise<DatasetView>;
}

/** A failed call: what happened, and what to do next. */
export class ApiError extends Error {
  readonly body: ApiErrorBody;
  constructor(body: ApiErrorBody) {
    super(body.message);
    this.name = 'ApiError';
    this.body = body;
  }
}

/** The reply, or the failure as an ApiError. */
export function answered<Reply>(answer: Answer<Reply>): Reply {
  if (answer.ok) return answer.reply;
  throw new ApiError(answer.error);
}

/** Of anything that was thrown. */
export function errorBody(error: unknown): ApiErrorBody {
  if (error instanceof ApiError) return error.body;
  return { kind: 'unexpected', code: 'unexpected', message: error instanceof Error ? error.message : String(error) };
}
