/** What a carrier answers in the host's place. Knows no carrier. */
import type { ApiErrorBody } from './call.ts';

/** The call was not sent. */
export const hostAway: ApiErrorBody = {
  kind: 'machine',
  code: 'host-away',
  message: 'The host does not answer, so nothing was sent to it.',
  hint: 'What you wrote stays here. Try again once the host is connected.',
};

/** The call was sent: nobody knows whether it was carried out. */
export const hostLost: ApiErrorBody = {
  kind: 'machine',
  code: 'host-lost',
  message: 'The connection to the host was lost before it answered.',
  hint: 'Once it is connected again, look whether what you asked for was done, then try again.',
};
