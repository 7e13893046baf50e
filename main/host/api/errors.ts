/** Errors on their way to a client. An unexpected one keeps its details for the host's log. */
import type { ApiErrorBody } from '../../../shared/api/call.ts';
import { InputError, InternalError, MachineError, PeerError, TacitError } from '../../../shared/errors.ts';

export function toApiError(error: unknown): ApiErrorBody {
  if (!(error instanceof TacitError)) {
    return {
      kind: 'unexpected',
      code: 'unexpected',
      message: 'The host met an error that it does not know.',
      hint: 'Look into its log, and report it with the steps that led here.',
    };
  }
  const { kind, code, message, hint } = error;
  return {
    kind,
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(error instanceof PeerError ? { party: error.party } : {}),
  };
}

/** The other way, where a worker has failed. */
export function fromApiError({ kind, code, party, message, hint }: ApiErrorBody): Error {
  const detail = hint === undefined ? {} : { hint };
  switch (kind) {
    case 'input':
      return new InputError(code, message, detail);
    case 'peer':
      return new PeerError(code, party ?? '', message, detail);
    case 'machine':
      return new MachineError(code, message, detail);
    case 'internal':
      return new InternalError(code, message, detail);
    case 'unexpected':
      return new Error(message);
  }
}
