/**
 * Folding a model's input standardisation into its first layer with weights, for formats and uses that have no place for it.
 * Knows nothing of files or of how the statistics came about.
 */
import { InputError } from '../../shared/errors.ts';
import type { KindName } from '../../shared/layers/table.ts';
import type { InputStandardisation, TrainedModel, WeightTensor } from '../../shared/model.ts';

/** Layers that a common factor of their inputs passes through unchanged. */
const linear: ReadonlySet<KindName> = new Set<KindName>(['flatten', 'reshape', 'permute', 'upsample']);
const convolutions: ReadonlySet<KindName> = new Set<KindName>(['conv1d', 'conv2d', 'conv3d']);

/**
 * An equal model on raw inputs, without `standardisation`: W' = diag(multiply) W, b' = b - (subtract * multiply) W.
 * Equal up to rounding; where inputs are far from zero compared with their spread, b' cancels large terms. A factor that all
 * inputs have in common is folded into a first convolution too.
 * @throws InputError `standardisation-not-foldable` where the first layer with weights cannot take it.
 */
export function foldStandardisation(model: TrainedModel): TrainedModel {
  const { description, weights, standardisation } = model;
  if (standardisation === undefined) return model;
  const convolved = scaledConvolution(model, standardisation);
  if (convolved !== undefined) return convolved;
  const position = description.layers.findIndex((layer) => layer.kind !== 'flatten');
  const layer = description.layers[position];
  const kernel = weights.get(`${layer?.name}/kernel`);
  if (layer?.kind !== 'dense' || kernel === undefined) {
    throw new InputError(
      'standardisation-not-foldable',
      'The standardisation of the input can be folded only into a first layer that is dense, or where it is one factor for all.',
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

/** The kernel of a first convolution times the factor that all inputs have in common; undefined where that is not the case. */
function scaledConvolution(
  { description, weights }: TrainedModel,
  { subtract, multiply }: InputStandardisation,
): TrainedModel | undefined {
  const [factor = 1] = multiply;
  const layer = description.layers.find(
    ({ kind, ...rest }) => !linear.has(kind) && !('value' in rest && kind === 'pad' && rest.value === 0),
  );
  const key = `${layer?.name ?? ''}/kernel`;
  const kernel = weights.get(key);
  const isCommon = multiply.every((one) => one === factor) && subtract.every((one) => one === 0);
  if (layer === undefined || kernel === undefined || !isCommon || !convolutions.has(layer.kind)) return undefined;
  const data = kernel.data.map((weight) => weight * factor);
  return { description, weights: new Map<string, WeightTensor>([...weights, [key, { shape: kernel.shape, data }]]) };
}
