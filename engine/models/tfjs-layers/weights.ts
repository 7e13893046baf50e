/**
 * Where the weights of each kind of layer stand in TensorFlow.js, and in which order their axes are. Knows nothing of files.
 */
import { stridesOf } from '../../tensor/shape.ts';
import type { KindName } from '../../../shared/layers/table.ts';
import { modelWeights } from '../../../shared/model.ts';
import type { ModelDescription, ModelWeights, WeightTensor } from '../../../shared/model.ts';

interface Place {
  /** Keras' name of the part. */
  readonly name: string;
  /** Axis of ours that stands at each place of theirs; left out where all stay. */
  readonly order?: readonly number[];
}

const kernelAndBias: Readonly<Record<string, Place>> = { kernel: { name: 'kernel' }, bias: { name: 'bias' } };
const scaleAndBias: Readonly<Record<string, Place>> = { scale: { name: 'gamma' }, bias: { name: 'beta' } };
const recurrent = { ...kernelAndBias, recurrentKernel: { name: 'recurrent_kernel' } };

/** Ours is [filters, channels, ...kernel], or [channels, filters, ...kernel] where transposed: channels and filters go last. */
const filters = (axes: number): Readonly<Record<string, Place>> => ({
  kernel: { name: 'kernel', order: [...Array.from({ length: axes }, (_, axis) => axis + 2), 1, 0] },
  bias: { name: 'bias' },
});

/** Kinds that TensorFlow.js holds weights for. */
const places: { readonly [K in KindName]?: Readonly<Record<string, Place>> } = {
  dense: kernelAndBias,
  embedding: { kernel: { name: 'embeddings' } },
  conv1d: filters(1),
  conv2d: filters(2),
  conv3d: filters(3),
  convTranspose2d: filters(2),
  convTranspose3d: filters(3),
  batchNorm: { ...scaleAndBias, mean: { name: 'moving_mean' }, variance: { name: 'moving_variance' } },
  layerNorm: scaleAndBias,
  rnn: recurrent,
  lstm: recurrent,
  gru: recurrent,
};

/** A weight under its name in the file. */
export interface StoredWeight {
  readonly name: string;
  readonly tensor: WeightTensor;
}

/** All weights in layer order, as TensorFlow.js has them; those of kinds that it lacks are left out. */
export function storedWeights(description: ModelDescription, weights: ModelWeights): StoredWeight[] {
  return modelWeights(description).flatMap(({ key, part, layer }) => {
    const [place, tensor] = [places[layer.kind]?.[part], weights.get(key)];
    if (place === undefined || tensor === undefined) return [];
    const { name, order } = place;
    return [{ name: `${layer.name}/${name}`, tensor: order === undefined ? tensor : permuted(tensor, order) }];
  });
}

/** The weights of a description from those of a file; undefined where one is missing. */
export function weightsFrom(
  description: ModelDescription,
  stored: ReadonlyMap<string, WeightTensor>,
): ModelWeights | undefined {
  const weights = new Map<string, WeightTensor>();
  for (const { key, part, layer } of modelWeights(description)) {
    const place = places[layer.kind]?.[part];
    const tensor = stored.get(`${layer.name}/${place?.name ?? ''}`);
    if (place === undefined || tensor === undefined) return undefined;
    const { order } = place;
    weights.set(key, order === undefined ? tensor : permuted(tensor, inverse(order)));
  }
  return weights;
}

function inverse(order: readonly number[]): number[] {
  return order.map((_, axis) => order.indexOf(axis));
}

/** Axis i of the result is axis order[i] of the tensor. */
export function permuted({ shape, data }: WeightTensor, order: readonly number[]): WeightTensor {
  const strides = stridesOf(shape);
  const target = order.map((axis) => shape[axis] ?? 1);
  const steps = order.map((axis) => strides[axis] ?? 1);
  const result = new Float64Array(data.length);
  const index = target.map(() => 0);
  let source = 0;
  for (let i = 0; i < data.length; i++) {
    result[i] = data[source] ?? 0;
    for (let axis = target.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      source += steps[axis] ?? 0;
      if ((index[axis] ?? 0) < (target[axis] ?? 1)) break;
      source -= (target[axis] ?? 1) * (steps[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return { shape: target, data: result };
}
