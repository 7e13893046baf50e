/**
 * What a split training consists of: one party has all features and the model in the clear, others have the labels. Names of
 * what the owner of the features brings to each execution and learns from it. Knows nothing of how any of it is computed.
 */
import { InputError } from '../../../shared/errors.ts';
import type { LossSpec } from '../../../shared/losses.ts';
import type { ChainLink } from './chain.ts';
import type { TrainingSpec } from '../training/spec.ts';

export interface SplitSpec extends TrainingSpec {
  readonly split: {
    /** Who has the features, runs the model in the clear and learns each batch's gradient. */
    readonly owner: string;
    /** What one label can change a gradient's sum by, at most; undefined: whatever the rows give. */
    readonly norm: number | undefined;
    /** Deviation of the noise on every revealed sum; 0 for none. */
    readonly deviation: number;
    /** All compute parties, who draw the noise together. */
    readonly parties: readonly string[];
  };
}

export const splitNames = {
  /** Part of the scores' gradients that no label changes, [rows, outputs], and what the labels are multiplied by, [rows, 1]. */
  offset: 'clear/offset',
  slope: 'clear/slope',
  /** What a layer after the first takes, [rows, inputs]; the derivatives of its activations before it, of the same shape. */
  taken: (layer: string): string => `clear/taken/${layer}`,
  derivative: (layer: string): string => `clear/derivative/${layer}`,
  kernel: (layer: string): string => `clear/kernel/${layer}`,
  /** A metric is offset + sum of slope and label: [1] and [rows, outputs]. */
  metricOffset: (metric: string): string => `clear/${metric}/offset`,
  metricSlope: (metric: string): string => `clear/${metric}/slope`,
  weight: (key: string): string => `clear/weight/${key}`,
  /** Revealed to the owner of the features: the batch's summed gradient by a weight, with noise. */
  gradient: (key: string): string => `gradient/${key}`,
} as const;

/** Fraction bits of gradients by scores and by layers' outputs. */
export const DELTA_SCALE = 20;
/** log2 of the largest magnitudes that the owner brings: what layers take, kernels, slopes and offsets of metrics. */
export const TAKEN_BITS = 10;
export const KERNEL_BITS = 6;
export const METRIC_BITS = 8;
/** Gradients of one row by a layer's output, where nothing bounds them. */
const FREE_BITS = 8;

/** Fraction bits of labels: none for classes, whose products with slopes need no truncation then. */
export function labelScale({ task, fractionBits }: SplitSpec): number {
  return task === 'classification' ? 0 : fractionBits;
}

/** log2 of the largest gradient of a row by the output of any layer: the owner keeps each row's below twice `norm`. */
export function deltaBits({ split }: SplitSpec): number {
  return split.norm === undefined ? FREE_BITS : Math.log2(split.norm) + 1.01;
}

/**
 * Refuses losses whose gradient is no linear function of the label: the owner brings its two coefficients.
 * @throws InputError `split-loss`.
 */
export function checkSplitLoss(loss: LossSpec, outputs: number): void {
  const isLinear =
    outputs === 1
      ? loss.name !== 'l1' && loss.name !== 'huber'
      : loss.name === 'crossEntropy' && loss.classWeights === undefined;
  if (isLinear) return;
  throw new InputError('split-loss', `The gradient of the loss ${loss.name} is not linear in the label.`, {
    hint: 'Use mse, or crossEntropy (for several classes without classWeights), hinge, squaredHinge or rappor.',
  });
}

/** Fraction bits of the derivatives behind a layer: none where they are zeros and ones. */
export function derivativeScale({ fractionBits }: SplitSpec, link: ChainLink | undefined): number {
  return link?.activations.every((name) => name === 'relu') === true ? 0 : fractionBits;
}
