/** How calls and events reach the host. The interface knows this much of it and no more. */
import type { ApiErrorBody } from '../../../shared/api/call.ts';
import type { DatasetView } from '../../../shared/api/dataset-calls.ts';
import type { CallName, CallReply, CallRequest, EventBody, EventName } from '../../../shared/api/map.ts';

/** `refused`: with `reason` in words; only a person can mend it. */
export type ConnectionState = 'connecting' | 'connected' | 'lost' | 'refused';

export interface ApiCarrier {
  /** Rejects with an ApiError. */
  call<Name extends CallName>(name: Name, request: CallRequest<Name>): Promise<CallReply<Name>>;
  on<Name extends EventName>(name: Name, listener: (body: EventBody<Name>) => void): void;
  onConnection(listener: (state: ConnectionState, reason?: ApiErrorBody) => void): void;
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

/** Of anything that was thrown. */
export function errorBody(error: unknown): ApiErrorBody {
  if (error instanceof ApiError) return error.body;
  return { kind: 'unexpected', code: 'unexpected', message: error instanceof Error ? error.message : String(error) };
}
