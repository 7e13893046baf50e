/**
 * What a split training consists of: one party has all features and the model in the clear, others have the labels. Names of
 * what the owner of the features brings to each execution and learns from it. Knows nothing of how any of it is computed.
 */
import { InputError } from '../../../shared/errors.ts';
import type { LossSpec } from '../../../shared/losses.ts';
import type { ModelDescription } from '../../../shared/model.ts';
import { batchStatisticsLayer } from '../batch-statistics.ts';
import type { TrainingSpec } from '../training/spec.ts';

export interface SplitSpec extends TrainingSpec {
  readonly split: {
    /** Who has the features, runs the model in the clear and learns each batch's gradient. */
    readonly owner: string;
    /** What one label can change a gradient's sum by, at most; undefined: whatever the rows give. Without the loss's factor. */
    readonly norm: number | undefined;
    /** Deviation of the noise on every revealed sum, without the loss's factor; 0 for none. */
    readonly deviation: number;
    /** All compute parties, who draw the noise together. */
    readonly parties: readonly string[];
  };
}

export const splitNames = {
  /** The owner's weights, brought to every execution. */
  weight: (key: string): string => `clear/weight/${key}`,
  /** How far each row is scaled down, at most 1: [rows, 1]. */
  factor: 'clear/factor',
  /** Revealed to the owner of the features: the batch's summed gradient by a weight, times 2^GAIN_BITS, with noise. */
  gradient: (key: string): string => `gradient/${key}`,
  /** Computed by the owner: a running statistic after the step. */
  statistic: (key: string): string => `statistic/${key}`,
} as const;

/** Gradients are computed as so much larger: their roundings on the way are as much finer. */
export const GAIN_BITS = 6;
/** Fraction bits of rows' factors. */
export const FACTOR_SCALE = 24;
/** log2 of the largest magnitudes of trained weights, which the owner brings. */
export const TRAINED_BITS = 6;

/** Fraction bits of labels: none for classes, whose products with slopes need no truncation then. */
export function labelScale({ task, fractionBits }: SplitSpec): number {
  return task === 'classification' ? 0 : fractionBits;
}

/**
 * Refuses losses whose gradient is no linear function of the label, score by score: its two coefficients are what the owner
 * computes.
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

/**
 * What a label changes is bounded row by row, so rows must not depend on each other.
 * @throws InputError `split-batch-statistics` naming the layer.
 */
export function checkRowsApart(description: ModelDescription): void {
  const layer = batchStatisticsLayer(description);
  if (layer === undefined) return;
  throw new InputError(
    'split-batch-statistics',
    `Layer ${layer.name} (${layer.kind}) takes statistics over the rows of a batch: what one label changes has no bound row by row.`,
    { hint: 'Use layerNorm or groupNorm, or leave privacy.split.norm and its noise out.' },
  );
}
