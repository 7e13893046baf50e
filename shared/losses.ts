/**
 * Losses as a job names them, and what they mean in the clear: the loss of one row from the model's scores, before its last
 * sigmoid or softmax. Knows neither shares nor gradients.
 */
import { z } from 'zod';
import { strict } from './strict.ts';

/** `sum` adds the losses of a batch's rows up where the others take their mean. */
const reduction = z.enum(['mean', 'sum']).default('mean');
/** Factors of the rows of each class, in the public order of classes. */
const classWeights = z.array(z.number().min(0).max(64)).min(2).max(100).optional();

export const lossSchema = z.discriminatedUnion('name', [
  strict({ name: z.literal('mse'), reduction }),
  strict({ name: z.literal('l1'), reduction }),
  strict({ name: z.literal('huber'), delta: z.number().gt(0).max(64).default(1), reduction }),
  strict({
    name: z.literal('crossEntropy'),
    /** Part of a label that is spread evenly over all classes. */
    smoothing: z.number().min(0).lt(1).default(0),
    classWeights,
    reduction,
  }),
  /** Two classes: max(0, 1 - s z) for labels s of -1 and 1, as linear support vector machines have it. */
  strict({ name: z.literal('hinge'), classWeights, reduction }),
  strict({ name: z.literal('squaredHinge'), classWeights, reduction }),
  /** Two classes, labels that are kept with probability `keep` and flipped otherwise (see privacy.randomisedResponse). */
  strict({ name: z.literal('rappor'), keep: z.number().gt(0.5).lt(1), reduction }),
]);
export type LossSpec = z.infer<typeof lossSchema>;
export type LossName = LossSpec['name'];

/** Those that need no key beside their name. */
export const lossNames = [
  'mse',
  'l1',
  'huber',
  'crossEntropy',
  'hinge',
  'squaredHinge',
] as const satisfies readonly LossName[];

export const regressionLosses: readonly LossName[] = ['mse', 'l1', 'huber'];
/** Of two classes only. */
export const binaryLosses: readonly LossName[] = ['hinge', 'squaredHinge', 'rappor'];

export function defaultLoss(task: 'classification' | 'regression'): LossSpec {
  return task === 'regression'
    ? { name: 'mse', reduction: 'mean' }
    : { name: 'crossEntropy', smoothing: 0, reduction: 'mean' };
}

const logistic = (z: number): number => 1 / (1 + Math.exp(-z));
const softplus = (z: number): number => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

/**
 * Loss of one row.
 * @param target the numbers of a regression, a class 0 or 1, or one-hot over the classes.
 */
export function plainLoss(loss: LossSpec, scores: readonly number[], target: readonly number[]): number {
  const mean = (of: (error: number) => number): number =>
    scores.reduce((sum, score, i) => sum + of(score - (target[i] ?? 0)), 0) / scores.length;
  const [z = 0, y = 0] = [scores[0], target[0]];
  const s = 2 * y - 1;
  const weight = 'classWeights' in loss && loss.classWeights !== undefined ? rowWeight(loss.classWeights, target) : 1;
  switch (loss.name) {
    case 'mse':
      return mean((error) => error ** 2);
    case 'l1':
      return mean(Math.abs);
    case 'huber':
      return mean((error) =>
        Math.abs(error) <= loss.delta ? error ** 2 / 2 : loss.delta * (Math.abs(error) - loss.delta / 2),
      );
    case 'crossEntropy': {
      const smooth = target.map((value) => value * (1 - loss.smoothing) + loss.smoothing / Math.max(2, scores.length));
      if (scores.length === 1) return weight * (softplus(z) - z * (smooth[0] ?? 0));
      const largest = Math.max(...scores);
      const normaliser = largest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - largest), 0));
      return weight * scores.reduce((sum, score, i) => sum + (smooth[i] ?? 0) * (normaliser - score), 0);
    }
    case 'hinge':
      return weight * Math.max(0, 1 - s * z);
    case 'squaredHinge':
      return weight * Math.max(0, 1 - s * z) ** 2;
    case 'rappor': {
      const observed = 1 - loss.keep + (2 * loss.keep - 1) * logistic(z);
      return -y * Math.log(observed) - (1 - y) * Math.log(1 - observed);
    }
  }
}

/** A row's factor from its class. */
function rowWeight(weights: readonly number[], target: readonly number[]): number {
  return weights[target.length === 1 ? Math.round(target[0] ?? 0) : target.indexOf(Math.max(...target))] ?? 1;
}
