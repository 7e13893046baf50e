/** What all parties of a session must agree on before a frame flows, and how a disagreement is put. Knows no sockets. */
import { PeerError } from '../../../shared/errors.ts';
import type { SessionHello } from '../../../shared/wire.ts';

/** This party's view of the session. */
export interface SessionTerms {
  readonly session: string;
  readonly attempt: number;
  /** SHA-256 of the canonical job, lower-case hex. */
  readonly jobDigest: string;
  /** SHA-256 of the plan, lower-case hex. */
  readonly planDigest: string;
  /** Name and role of this party in the job. */
  readonly party: string;
  readonly role: string;
}

/** A peer has left this attempt for a later one; a party that sees this goes on with attempt `attempt` or a later one. */
export class AttemptOverError extends PeerError {
  readonly attempt: number;
  constructor(party: string, attempt: number, message: string) {
    super('attempt-over', party, message, { hint: 'Continue as a new attempt from the last checkpoint.' });
    this.attempt = attempt;
  }
}

/** Codes with which a party leaves an attempt in order to begin a later one. */
export const ROLLBACK_CODES: readonly string[] = ['attempt-over'];

/**
 * The first difference between this party's terms and a peer's hello, as an error that names the peer; or undefined.
 * Attempts are compared by whoever calls: the one behind follows.
 */
export function helloMismatch(
  terms: SessionTerms,
  expected: { readonly party: string; readonly role: string },
  hello: SessionHello,
): PeerError | undefined {
  const peer = expected.party;
  const differ = (code: string, what: string, theirs: string, ours: string, hint: string) =>
    new PeerError(code, peer, `${peer} has ${what} ${theirs}, this party has ${ours}.`, { hint });
  if (hello.party !== peer) {
    return differ(
      'party-mismatch',
      'itself as party',
      hello.party,
      peer,
      'Compare the list of parties in both sessions.',
    );
  }
  if (hello.role !== expected.role) {
    return differ('role-mismatch', 'the role', hello.role, expected.role, 'Compare the job at both parties.');
  }
  if (hello.jobDigest !== terms.jobDigest) {
    return differ(
      'job-mismatch',
      'the job',
      short(hello.jobDigest),
      short(terms.jobDigest),
      'Vote on one version of the job, then start again.',
    );
  }
  if (hello.planDigest !== terms.planDigest) {
    return differ(
      'plan-mismatch',
      'the plan',
      short(hello.planDigest),
      short(terms.planDigest),
      'Use the same version of Tacit at all parties.',
    );
  }
  return undefined;
}

function short(digest: string): string {
  return `${digest.slice(0, 12)}...`;
}
