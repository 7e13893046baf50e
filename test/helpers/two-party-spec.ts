/** Training on rows of which a holds the features and b the classes; a learns the model. Knows nothing of how it is run. */
import type { TrainingSpec } from '../../engine/nn/training/spec.ts';
import { elementCount } from '../../shared/layers/kind.ts';

export const FRACTION_BITS = 16;

export function twoPartySpec(
  training: Pick<TrainingSpec, 'description' | 'batch' | 'optimizer'> & { readonly rows: number },
): TrainingSpec {
  const { description, batch, optimizer, rows } = training;
  return {
    features: [{ owner: 'a', rows, columns: elementCount(description.inputShape) }],
    arrangement: 'columns',
    labels: [{ owner: 'b', rows }],
    description,
    task: 'classification',
    trainingRows: rows,
    testRows: 0,
    batch,
    optimizer,
    reveal: { model: ['a'], metrics: [] },
    fractionBits: FRACTION_BITS,
    assumedBound: 54,
    featureMagnitudeBits: 1,
    labelMagnitudeBits: 1,
    standardise: undefined,
  };
}
