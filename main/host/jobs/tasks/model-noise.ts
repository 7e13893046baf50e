/**
 * By how much one training row can change a model, so that noise can be measured by it. Either the job cuts the model's change, or
 * the training is one of those for which a bound is known: gradient descent on a convex, smooth loss with bounded gradients (Wu,
 * Li, Kumar, Chaudhuri, Jha, Naughton: Bolt-on differential privacy, SIGMOD 2017, section 3.2). Knows nothing of how noise is drawn.
 */
import { trainingLoss } from '../../../../engine/nn/losses/table.ts';
import type { ModelNoise } from '../../../../engine/nn/training/noisy-model.ts';
import { scoreLayers } from '../../../../engine/nn/forward.ts';
import { scoreWidth } from '../../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../../engine/nn/training/spec.ts';
import { InputError } from '../../../../shared/errors.ts';
import { partyOrder } from '../../../../shared/job-roles.ts';
import type { TrainSpec } from '../../../../shared/job-train.ts';
import type { Job } from '../../../../shared/job.ts';
import { rateAt } from '../../../../shared/learning-rate.ts';
import { standardisation } from '../../../../shared/resolve-job.ts';
import { batchSizes } from '../../../../shared/schedule.ts';

/**
 * Undefined where the job asks for none.
 * @throws InputError `privacy-unbounded` where nothing bounds what a row changes, naming why.
 */
export function modelNoise(job: Job, spec: TrainingSpec): ModelNoise | undefined {
  const asked = job.privacy?.model;
  if (asked === undefined || job.train === undefined) return undefined;
  const { norm, noise } = asked;
  if (norm !== undefined && spec.modelOwner !== undefined) {
    throw new InputError(
      'privacy-first-weights',
      `The first weights are ${spec.modelOwner}’s own: a change from them tells of them.`,
      {
        hint: 'Take privacy.model out, or let the model’s file be public.',
      },
    );
  }
  // Two models whose changes are at most `norm` long differ by twice as much.
  const sensitivity = norm === undefined ? convexSensitivity(job, job.train, spec) : 2 * norm;
  return { norm, deviation: noise * sensitivity, parties: partyOrder(job) };
}

/**
 * The largest distance between two models whose training data differ in one row: twice the gradients' bound L, the rate over the
 * batch's rows, once an epoch, as all other steps bring weights no further apart where the rate is at most 2 / smoothness.
 */
export function convexSensitivity(job: Job, train: TrainSpec, spec: TrainingSpec): number {
  const { lipschitz, smoothness } = bounds(job, train, spec);
  const { optimizer, schedule, epochs } = train;
  if (optimizer.lr > 2 / smoothness) {
    throw unbounded(
      `the rate ${optimizer.lr} is above ${(2 / smoothness).toPrecision(3)}, up to which steps bring models no further apart`,
    );
  }
  const sizes = batchSizes(spec.trainingRows, spec.batch);
  const length = { steps: sizes.length * epochs, stepsPerEpoch: sizes.length };
  let sum = 0;
  for (let epoch = 0; epoch < epochs; epoch++)
    sum += Math.max(...sizes.map((rows, i) => rateAt(schedule, epoch * sizes.length + i, length) / rows));
  return 2 * lipschitz * optimizer.lr * sum;
}

/** Of one row's loss as a function of all weights. */
function bounds(job: Job, train: TrainSpec, spec: TrainingSpec): { lipschitz: number; smoothness: number } {
  const loss = trainingLoss(spec.task, spec.loss);
  const [layer, ...others] = scoreLayers(spec.description);
  if (layer?.kind !== 'dense' || others.length > 0)
    throw unbounded('the loss of a network with hidden layers is not convex');
  if (spec.membership !== undefined) throw unbounded('the join hides how many rows count');
  if (standardisation(job) !== 'none') throw unbounded('standardised features have no bound, and depend on all rows');
  const { optimizer } = train;
  if (optimizer.name !== 'sgd' || optimizer.momentum > 0 || optimizer.weightDecay > 0 || train.clip !== undefined)
    throw unbounded('a bound is known for sgd without momentum, weightDecay and clip');
  if (loss.reduction === 'sum') throw unbounded('the loss is not the mean over a batch');
  // Scaled features are at most 1 in magnitude, to rounding.
  const row = layer.inputs * 2 ** (2 * spec.featureMagnitudeBits) + (layer.useBias ? 1 : 0);
  const length = Math.sqrt(row);
  const isBinary = scoreWidth(spec) === 1;
  if (loss.name === 'crossEntropy' && loss.classWeights === undefined)
    return isBinary
      ? { lipschitz: length, smoothness: row / 4 }
      : { lipschitz: Math.SQRT2 * length, smoothness: row / 2 };
  if (loss.name === 'huber' && isBinary) return { lipschitz: loss.delta * length, smoothness: row };
  throw unbounded(`the gradient of the loss ${loss.name} has no bound, or jumps`);
}

function unbounded(why: string): InputError {
  return new InputError('privacy-unbounded', `Nothing bounds how far one row changes the model: ${why}.`, {
    hint: 'Give privacy.model a norm, to which the model’s change is cut, or use privacy.gradients.',
  });
}
