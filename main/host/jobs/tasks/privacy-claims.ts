/** What the noise of a training job guarantees, as numbers and in words. Knows nothing of how noise is made. */
import { dataParties } from '../../../../shared/job-roles.ts';
import type { Job } from '../../../../shared/job.ts';
import { gaussianEpsilon, randomisedResponseEpsilon } from '../../../../shared/privacy-account.ts';
import type { PrivacyClaim, PrivacySpent } from '../../../../shared/privacy-account.ts';
import { standardisation } from '../../../../shared/resolve-job.ts';
import { batchSizes } from '../../../../shared/schedule.ts';

/**
 * Of the same thing first what holds against more; none where the job adds no noise.
 * @param trainingRows where they are known: what holds against who does not know the batches is said too.
 */
export function privacyClaims(job: Job, trainingRows?: number): PrivacyClaim[] {
  return [...labelClaims(job), ...gradientClaims(job, trainingRows), ...splitClaims(job), ...modelClaims(job)];
}

/** Those that are of a party's own rows or labels. */
export function ownClaims(job: Job, party: string): PrivacyClaim[] {
  if (!dataParties(job).includes(party)) return [];
  return privacyClaims(job).filter((claim) => claim.of !== 'label' || Object.hasOwn(job.label, party));
}

/** A row of name and value for people. */
export function claimFact({ of, epsilon, delta, holds }: PrivacyClaim): [name: string, value: string] {
  return [`privacy of a ${of}`, `${boundText({ epsilon, delta })}, ${holds}`];
}

/** The same of all runs over a party's data. */
export function spentFact({ of, runs, ...bound }: PrivacySpent): [name: string, value: string] {
  return [
    `spent of the privacy of a ${of}`,
    `${boundText(bound)}, by ${runs} run${runs === 1 ? '' : 's'} over this data`,
  ];
}

export function boundText({ epsilon, delta }: Pick<PrivacyClaim, 'epsilon' | 'delta'>): string {
  return `epsilon ${epsilon.toPrecision(3)}${delta === 0 ? '' : ` at delta ${delta}`}`;
}

function labelClaims({ privacy }: Job): PrivacyClaim[] {
  const keep = privacy?.labels?.keep;
  if (keep === undefined) return [];
  const epsilon = randomisedResponseEpsilon(keep);
  return [{ of: 'label', epsilon, delta: 0, holds: 'against everybody, each time that it is told' }];
}

function gradientClaims({ privacy, train }: Job, trainingRows: number | undefined): PrivacyClaim[] {
  const gradients = privacy?.gradients;
  if (gradients === undefined || train === undefined) return [];
  const { noise: multiplier, delta } = gradients;
  const holds = 'for the model and whatever follows from it';
  // Batches of an epoch have no row in common: who knows them sees every row once an epoch.
  const known = gaussianEpsilon({ multiplier, sampling: 1, steps: train.epochs }, delta);
  const batches = trainingRows === undefined ? [] : batchSizes(trainingRows, train.batch);
  if (trainingRows === undefined || batches.length === 1) return [{ of: 'training row', epsilon: known, delta, holds }];
  const sampling = (batches[0] ?? trainingRows) / trainingRows;
  const hidden = gaussianEpsilon({ multiplier, sampling, steps: batches.length * train.epochs }, delta);
  return [
    {
      of: 'training row',
      epsilon: known,
      delta,
      holds: `${holds}, against who knows the public order of the rows, as all parties do; epsilon ${hidden.toPrecision(3)} against who does not`,
    },
  ];
}

/** Every label is in one batch of an epoch, and the owner of the features knows in which. */
function splitClaims({ privacy, train }: Job): PrivacyClaim[] {
  const split = privacy?.split;
  if (split === undefined || split.noise === 0 || train === undefined) return [];
  const epsilon = gaussianEpsilon({ multiplier: split.noise, sampling: 1, steps: train.epochs }, split.delta);
  return [{ of: 'label', epsilon, delta: split.delta, holds: 'against who has the features, by all sums together' }];
}

/** Told once. */
function modelClaims(job: Job): PrivacyClaim[] {
  const model = job.privacy?.model;
  if (model === undefined) return [];
  const { noise: multiplier, delta } = model;
  const besides = [
    ...(standardisation(job) === 'none' ? [] : ['means and spreads of the columns']),
    ...(job.reveal.metrics.length > 0 ? ['metrics'] : []),
  ];
  const holds = `for the revealed weights and whatever follows from them${besides.length === 0 ? '' : `, not for ${besides.join(' and ')}`}`;
  return [{ of: 'training row', epsilon: gaussianEpsilon({ multiplier, sampling: 1, steps: 1 }, delta), delta, holds }];
}
