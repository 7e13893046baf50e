/**
 * Folding a model's input standardisation into its first dense layer, for formats and uses that have no place for it.
 * Knows nothing of files or of how the statistics came about.
 */
import { InputError } from '../../shared/errors.ts';
import type { TrainedModel, WeightTensor } from '../../shared/model.ts';

/**
 * An equal model on raw inputs, without `standardisation`: W' = diag(multiply) W, b' = b - (subtract * multiply) W.
 * Equal up to rounding; where inputs are far from zero compared with their spread, b' cancels large terms.
 * @throws InputError `standardisation-not-foldable` when the first layer (after flatten) is not dense.
 */
export function foldStandardisation(model: TrainedModel): TrainedModel {
  const { description, weights, standardisation } = model;
  if (standardisation === undefined) return model;
  const position = description.layers.findIndex((layer) => layer.kind !== 'flatten');
  const layer = description.layers[position];
  const kernel = weights.get(`${layer?.name}/kernel`);
  if (layer?.kind !== 'dense' || kernel === undefined) {
    throw new InputError(
      'standardisation-not-foldable',
      'The standardisation of the input can be folded only into a dense first layer.',
      { hint: 'Write the model as ONNX, which keeps the standardisation apart.' },
    );
  }
  const { subtract, multiply } = standardisation;
  const scaled = new Float64Array(kernel.data.length);
  const bias = weights.get(`${layer.name}/bias`)?.data.slice() ?? new Float64Array(layer.outputs);
  for (let i = 0; i < layer.inputs; i++) {
    for (let j = 0; j < layer.outputs; j++) {
      const weight = (kernel.data[i * layer.outputs + j] ?? 0) * (multiply[i] ?? 1);
      scaled[i * layer.outputs + j] = weight;
      bias[j] = (bias[j] ?? 0) - (subtract[i] ?? 0) * weight;
    }
  }
  return {
    description: { ...description, layers: description.layers.with(position, { ...layer, useBias: true }) },
    weights: new Map<string, WeightTensor>([
      ...weights,
      [`${layer.name}/kernel`, { shape: kernel.shape, data: scaled }],
      [`${layer.name}/bias`, { shape: [layer.outputs], data: bias }],
    ]),
  };
}
