/** Errors on their way to a client. An unexpected one keeps its details for the host's log. */
import type { ApiErrorBody } from '../../../shared/api/call.ts';
import { TacitError } from '../../../shared/errors.ts';
import { toPlainError } from '../plain-error.ts';

export function toApiError(error: unknown): ApiErrorBody {
  if (!(error instanceof TacitError)) {
    return {
      kind: 'unexpected',
      code: 'unexpected',
      message: 'The host met an error that it does not know.',
      hint: 'Look into its log, and report it with the steps that led here.',
    };
  }
  return toPlainError(error);
}
