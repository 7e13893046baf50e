/** Errors as structured clone and JSON carry them between threads and processes of one party, and back. */
import { InputError, InternalError, MachineError, PeerError, TacitError } from '../../shared/errors.ts';
import type { ErrorKind } from '../../shared/errors.ts';

/** An error as structured clone and JSON carry it. */
export interface PlainError {
  readonly kind: ErrorKind | 'unexpected';
  readonly code: string;
  readonly party?: string | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
}

export function toPlainError(error: unknown): PlainError {
  if (error instanceof TacitError) {
    const { kind, code, message, hint } = error;
    return { kind, code, message, hint, ...(error instanceof PeerError ? { party: error.party } : {}) };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'unexpected', code: 'unexpected', message };
}

export function fromPlainError({ kind, code, party, message, hint }: PlainError): Error {
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
