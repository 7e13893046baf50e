/**
 * What each party of a job will have learned when it is over, in words for people: from what the job reveals, how it joins,
 * and what everybody has to know to run it. Knows no values.
 */
import { dataParties, partyOrder } from '../../../shared/job-roles.ts';
import type { Job } from '../../../shared/job.ts';
import { standardisation } from '../../../shared/resolve-job.ts';

export interface Disclosure {
  readonly party: string;
  readonly role: string;
  /** Sentences without a subject: "the trained model, all weights". */
  readonly learns: readonly string[];
}

/** Compute parties in order, then the dealer. */
export function disclosures(job: Job): Disclosure[] {
  return [
    ...partyOrder(job).map((party) => ({
      party,
      role: roleOf(job, party),
      learns: [...revealed(job, party), ...shared(job)],
    })),
    {
      party: job.dealer,
      role: 'dealer',
      learns: [
        'shapes, roles, the plan and the number of executions; no data, no share, no opening',
        'together with any one compute party: everything',
      ],
    },
  ];
}

function roleOf(job: Job, party: string): string {
  if (!dataParties(job).includes(party)) return 'computes';
  const features = job.features[party] ?? [];
  const brings = [
    ...(features === '*' || features.length > 0 ? ['features'] : []),
    ...(Object.hasOwn(job.label, party) ? ['label'] : []),
  ];
  return `computes, brings ${brings.length === 0 ? 'rows' : brings.join(' and ')}`;
}

function revealed(job: Job, party: string): string[] {
  const { reveal, train } = job;
  const every = train?.metricsEvery;
  return [
    ...(reveal.model.includes(party) ? ['the trained model, all weights'] : []),
    ...(reveal.model.includes(party) && standardisation(job) === 'locally'
      ? ['mean and spread of every numeric feature: the model needs them to take raw numbers']
      : []),
    ...(reveal.metrics.includes(party)
      ? [`${job.task === 'regression' ? 'the error' : 'accuracy and loss'} on the test rows, ${occasions(every)}`]
      : []),
    ...(reveal.predictions.includes(party) ? ['the predictions'] : []),
    ...(reveal.aggregates.includes(party) ? [`the aggregates: ${(job.aggregates ?? []).join(', ')}`] : []),
  ];
}

function occasions(every: number | 'end' | undefined): string {
  if (every === undefined || every === 'end') return 'once, at the end';
  return every === 1 ? 'after every epoch' : `every ${every} epochs`;
}

/** What every compute party knows in any case. */
function shared(job: Job): string[] {
  const rows =
    job.join.how === 'stack'
      ? 'how many rows each party brings'
      : job.join.how === 'rows'
        ? 'how many rows there are; row i is the same record at all parties'
        : job.join.how === 'hidden'
          ? 'how many rows each party brings, not which of them match'
          : 'which ids the parties have in common';
  return [
    rows,
    'names and types of the columns in use, classes of the label, the model’s layers, the schedule of the training',
    ...(Object.values(job.reveal).every((receivers) => receivers.length === 0)
      ? ['no result: everything stays shared']
      : []),
  ];
}
