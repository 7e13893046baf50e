/**
 * Stands between a host's data and the joins that others ask of it. A join answers the question which of the identifiers that a
 * party brings the other one holds; over a small space of identifiers (birthdays, postcodes) repeated joins would answer it for
 * everybody. So joins of a data set are counted per partner in the audit log, which outlives the process, and refused above a
 * number a day. Knows nothing of how a join works.
 */
import { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import type { JoinTerms } from '../../../engine/join/terms.ts';
import { sizeOf } from '../../../engine/join/terms.ts';
import type { AuditStore } from '../store/audit.ts';

const WINDOW_MS = 24 * 60 * 60 * 1000;
const JOINS_A_DAY = 10;
const PAGE = 1000;

const startedKind = 'join-started';
const endedKind = 'join-ended';

const startedBody = z.object({ dataset: z.string(), partners: z.array(z.string()) });

/** A partner by fingerprint: a name can be chosen anew. */
export interface JoinRequest {
  /** A name of the data that stays the same from job to job. */
  readonly dataset: string;
  readonly self: string;
  /** Fingerprints of the other parties of the join, and of the matcher. */
  readonly partners: readonly string[];
  readonly terms: JoinTerms;
}

export interface AdmittedJoin {
  /** Notes how it ended: what this party learnt, or the code of the failure. */
  ended(outcome: { readonly matches?: number; readonly repeats?: number; readonly failed?: string }): void;
}

/**
 * Notes the join in the audit log before anything of the data leaves.
 * @throws InputError `join-too-often` when a partner has had as many joins of this data set within a day as are allowed.
 */
export function admitJoin(audit: AuditStore, request: JoinRequest, nowMs = Date.now()): AdmittedJoin {
  const { dataset, self, partners, terms } = request;
  for (const partner of partners) {
    if (joinsSince(audit, dataset, partner, nowMs - WINDOW_MS) < JOINS_A_DAY) continue;
    throw new InputError(
      'join-too-often',
      `This data set was joined with the same partner ${JOINS_A_DAY} times within a day.`,
      {
        hint: 'Each join tells which of the identifiers that the partner chose are here. Wait, or ask why it needs so many.',
      },
    );
  }
  const { session, purpose, form, floor, matcher } = terms;
  const { sequence } = audit.append(startedKind, {
    dataset,
    partners: [...partners],
    session,
    purpose,
    form,
    floor,
    ...(matcher === undefined ? {} : { matcher }),
    declared: sizeOf(terms, self),
  });
  return { ended: (outcome) => void audit.append(endedKind, { started: sequence, ...outcome }) };
}

function joinsSince(audit: AuditStore, dataset: string, partner: string, sinceMs: number): number {
  let count = 0;
  for (let after = 0; ;) {
    const entries = audit.entries(after, PAGE);
    for (const { atMs, kind, body } of entries) {
      if (kind !== startedKind || atMs < sinceMs) continue;
      const started = startedBody.safeParse(body);
      if (started.success && started.data.dataset === dataset && started.data.partners.includes(partner)) count++;
    }
    if (entries.length < PAGE) return count;
    after = entries.at(-1)!.sequence;
  }
}
