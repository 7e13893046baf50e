/** What a whole model means, in float64: the yardstick for readers, writers and the baseline. */
import { elementCount } from '../../../shared/layers/kind.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { plainModel } from '../../helpers/plain-layers.ts';

/** Answers for row-major inputs, row-major. */
export function plainForward(model: TrainedModel, inputs: Float64Array): Float64Array {
  const { description, weights, standardisation } = model;
  const width = elementCount(description.inputShape);
  const cells = [...inputs].map((cell, i) =>
    standardisation === undefined
      ? cell
      : (cell - standardisation.subtract[i % width]!) * standardisation.multiply[i % width]!,
  );
  const x = { shape: [inputs.length / width, ...description.inputShape], data: cells };
  return Float64Array.from(plainModel(description, weights, x).data);
}
