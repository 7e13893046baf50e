/** What the parties of a job have agreed on about its join, as the engine takes it. Knows no data and no links. */
import type { JoinTerms } from '../../../engine/join/terms.ts';
import { NO_MATCHER, identifierJoin } from '../../../shared/job-join.ts';
import { dataParties } from '../../../shared/job-roles.ts';
import type { Job } from '../../../shared/job.ts';
import type { SchemasByParty } from '../../../shared/resolve-job.ts';

/** A run's own messages have attempts from 1 on, so those of its join precede them all on every link. */
const JOIN_ATTEMPT = 0;

/** The terms of a resolved job's join; undefined where it compares no identifiers. */
export function joinTermsOf(job: Job, schemas: SchemasByParty, session: string): JoinTerms | undefined {
  const join = identifierJoin(job);
  if (join === undefined) return undefined;
  const parties = dataParties(job);
  return {
    session,
    attempt: JOIN_ATTEMPT,
    execution: 0,
    purpose: join.how === 'stack' ? 'repeats' : join.how === 'ids' ? 'ids' : 'hidden',
    form: join.form === 'keyed' ? 'keyedHash' : 'curve',
    parties,
    ...(join.matcher === NO_MATCHER ? {} : { matcher: join.matcher }),
    sizes: Object.fromEntries(parties.map((party) => [party, schemas[party]?.data.rows ?? 0])),
    floor: join.floor ?? 1,
    ...(join.revealCount === true ? { revealsSize: true } : {}),
  };
}
