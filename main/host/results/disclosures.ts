/**
 * What each party of a job will have learned when it is over, in words for people: from what the job reveals, how it joins,
 * and what everybody has to know to run it. Knows no values.
 */
import { joinDisclosures } from '../../../engine/join/disclosures.ts';
import { SHARE_BITS } from '../../../engine/nn/membership.ts';
import { hidesRows, slotFloor } from '../../../shared/job-join.ts';
import { dataParties, partyOrder, trains } from '../../../shared/job-roles.ts';
import type { Job } from '../../../shared/job.ts';
import type { ExtraMetric } from '../../../shared/metrics.ts';
import { standardisation } from '../../../shared/resolve-job.ts';
import { boundText, privacyClaims } from '../jobs/tasks/privacy-claims.ts';
import { joinTermsOf } from '../joins/join-terms.ts';

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
      learns: [...revealed(job, party), ...joined(job, party), ...shared(job)],
    })),
    {
      party: job.dealer,
      role: 'dealer',
      learns: [
        'shapes, roles, the plan and the number of executions; no data, no share, no opening',
        ...joined(job, job.dealer),
        'together with any one compute party: everything',
      ],
    },
  ];
}

/** What somebody learns from the join of identifiers. */
function joined(job: Job, participant: string): string[] {
  const terms = joinTermsOf(job, {}, 'preview');
  if (terms === undefined) return [];
  const own = joinDisclosures(hidesRows(job) ? { ...terms, floor: slotFloor(job) } : terms).find(
    (each) => each.participant === participant,
  );
  if (own !== undefined) return own.learns.map((fact) => `from the join: ${fact}`);
  return terms.purpose === 'ids' ? ['from the join: how many records all parties have'] : [];
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
    ...(reveal.model.includes(party) ? [modelOf(job)] : []),
    ...splitSums(job, party),
    ...(reveal.model.includes(party) && standardisation(job) === 'locally'
      ? [
          `mean and spread of every numeric feature: ${trains(job.task) ? 'the model needs' : 'the results need'} them to take raw numbers`,
        ]
      : []),
    ...(reveal.metrics.includes(party) ? [`${measured(job)} on the test rows, ${occasions(every)}`] : []),
    ...noiseLimits(job, party),
    ...(reveal.predictions.includes(party) ? [predictionsOf(job)] : []),
    ...(reveal.aggregates.includes(party) ? aggregatesOf(job) : []),
  ];
}

function predictionsOf(job: Job): string {
  return hidesRows(job)
    ? 'the predictions for its own rows, which depend on what the others have of them, and on whether they have them'
    : 'the predictions';
}

function aggregatesOf(job: Job): string[] {
  const { aggregates = [], minimumRows } = job;
  const list = aggregates.join(', ');
  if (!hidesRows(job)) return [`the aggregates: ${list}; over at least ${minimumRows ?? 1} rows`];
  const counted = aggregates.filter((kind) => kind === 'count' || kind === 'histogram');
  return [
    `the aggregates: ${list}; over at least ${slotFloor(job)} rows, and not which`,
    counted.length > 0
      ? `how many rows that is, from the ${counted.join(' and the ')}`
      : `figures to ${SHARE_BITS} bits, which do not tell out of how many rows they are; a sum beside a mean does`,
  ];
}

/** What `reveal.metrics` means for the job. */
function measured(job: Job): string {
  const { task, train } = job;
  const words: Record<ExtraMetric, string> = {
    mae: 'mean absolute error',
    auc: 'the area under the ROC curve (no curve, no count)',
    confusion: hidesRows(job)
      ? 'the shares of rows by true and by predicted class'
      : 'how many rows there are by true and by predicted class',
  };
  const always = task === 'regression' ? ['root mean square error', 'loss'] : ['accuracy', 'loss'];
  const all = [...always, ...(train?.metrics ?? []).map((metric) => words[metric])];
  return `${all.slice(0, -1).join(', ')} and ${all.at(-1) ?? ''}`;
}

/** What noise bounds of what somebody learns. */
function noiseLimits(job: Job, party: string): string[] {
  const { reveal, label } = job;
  const told = reveal.model.includes(party) || reveal.metrics.includes(party);
  return privacyClaims(job)
    .filter(({ of }) => (of === 'label' ? !Object.hasOwn(label, party) : reveal.model.includes(party)))
    .filter(() => told)
    .map((claim) => `of a single ${claim.of} no more than ${boundText(claim)} lets through, ${claim.holds}`);
}

/** What who has the features of a split model learns of the labels. */
function splitSums(job: Job, party: string): string[] {
  const { privacy, label, features } = job;
  const split = privacy?.split;
  const isOwner = dataParties(job).includes(party) && !Object.hasOwn(label, party) && features[party]?.length !== 0;
  if (split === undefined || !isOwner) return [];
  return [
    split.noise > 0
      ? 'of every batch the sum of the gradients, which depends on the labels, with noise that nobody knows'
      : privacy?.labels === undefined
        ? 'of every batch the sum of the gradients without noise: as a rule the labels of the training rows can be computed from them'
        : 'of every batch the sum of the gradients without noise: as a rule the flipped labels of the training rows can be computed from them',
  ];
}

/** What `reveal.model` means for the task. */
function modelOf({ task, clustering, decomposition, privacy }: Job): string {
  if (task === 'clustering') return `the ${clustering?.clusters ?? ''} centroids and how many rows each has`;
  if (task === 'decomposition')
    return `the first ${decomposition?.components ?? ''} principal components and their variances`;
  return privacy?.model === undefined
    ? 'the trained model, all weights'
    : 'the trained model, all weights with noise that nobody knows';
}

function occasions(every: number | 'end' | undefined): string {
  if (every === undefined || every === 'end') return 'once, at the end';
  return every === 1 ? 'after every epoch' : `every ${every} epochs`;
}

/** What every compute party knows in any case. */
function shared(job: Job): string[] {
  const rows =
    job.join.how === 'rows'
      ? 'how many rows there are; row i is the same record at all parties'
      : 'how many rows each party brings';
  const { model } = job;
  return [
    rows,
    'names and types of the columns in use, classes of the label, the model’s layers, the schedule of the training',
    ...(model !== undefined && ('file' in model || 'architecture' in model)
      ? [
          model.owner === undefined
            ? 'the model’s weights: they are public'
            : `the layers of ${model.owner}’s model, not its weights`,
        ]
      : []),
    ...(Object.values(job.reveal).every((receivers) => receivers.length === 0)
      ? ['no result: everything stays shared']
      : []),
  ];
}
