/** How a member's statement reads in the audit log: by whom, on what. No reason, no column and no value goes in. */
import { partyOf } from '../../../shared/project.ts';
import type { HeldEntry, ProjectState } from '../../../shared/project-state.ts';

type Facts = Readonly<Record<string, string | number>>;

/** Kind and body of the entry. `entry` is the hash by which the members' journals hold the statement. */
export function auditFacts(
  { charter, jobs }: ProjectState,
  { entry, hash }: HeldEntry,
): { readonly kind: string; readonly facts: Facts } {
  const { statement, author } = entry;
  const by = partyOf(charter, author) ?? author;
  const base = { project: charter.name, by, entry: hash };
  const named = (digest: string): string =>
    jobs.find(({ versions }) => versions.some((version) => version.digest === digest))?.current.agreement.job.name ??
    '';
  switch (statement.kind) {
    case 'answered':
      return { kind: 'project-answered', facts: { ...base, answer: statement.answer } };
    case 'granted':
      return { kind: 'grant-given', facts: { ...base, dataset: statement.name, columns: statement.columns.length } };
    case 'ungranted':
      return { kind: 'grant-taken-back', facts: { ...base, dataset: statement.dataset } };
    case 'proposed': {
      const version = jobs
        .find(({ id }) => id === statement.job)
        ?.versions.find((one) => one.version === statement.version);
      const facts = { ...base, version: statement.version };
      if (version === undefined) return { kind: 'job-proposed', facts };
      return { kind: 'job-proposed', facts: { ...facts, job: version.agreement.job.name, agreement: version.digest } };
    }
    case 'withdrawn':
      return { kind: 'job-withdrawn', facts: { ...base, job: statement.job } };
    case 'voted':
      return {
        kind: 'job-voted',
        facts: { ...base, job: named(statement.agreement), vote: statement.vote, agreement: statement.agreement },
      };
    case 'steered':
      return { kind: 'run-steered', facts: { ...base, job: named(statement.agreement), wish: statement.wish } };
    case 'ran':
      return {
        kind: 'run-told',
        facts: {
          ...base,
          job: named(statement.agreement),
          outcome: statement.outcome,
          attempt: statement.attempt,
          ...(statement.received.length === 0 ? {} : { received: statement.received.join(', ') }),
        },
      };
  }
}
