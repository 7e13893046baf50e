/**
 * First weights of a model from the public seed, the same at every party and in the plaintext baseline. They are public:
 * parties start from them as constants, and nothing is shared until the first update. Knows nothing of training.
 */
import {
  elementCount,
  weightShapes,
  type Layer,
  type ModelDescription,
  type ModelWeights,
  type WeightTensor,
} from './model.ts';
import { PublicRandom } from './shuffle.ts';

/** Inputs and outputs that one weight of the layer's kernel connects (fan-in, fan-out). */
function fans(layer: Layer): { fanIn: number; fanOut: number } | undefined {
  if (layer.kind === 'dense') return { fanIn: layer.inputs, fanOut: layer.outputs };
  if (layer.kind === 'conv2d') {
    const cells = elementCount(layer.kernel);
    return { fanIn: (layer.channels / layer.groups) * cells, fanOut: (layer.filters / layer.groups) * cells };
  }
  return undefined;
}

/** The activation that the layer's output meets first, looking through layers that only move values. */
function followedByRelu(layers: readonly Layer[], position: number): boolean {
  for (const layer of layers.slice(position + 1)) {
    if (layer.kind === 'flatten' || layer.kind === 'maxPool2d' || layer.kind === 'averagePool2d') continue;
    return layer.kind === 'relu';
  }
  return false;
}

/**
 * Uniform on [-limit, limit): limit = sqrt(6 / fanIn) before a ReLU (He et al. 2015), sqrt(6 / (fanIn + fanOut)) otherwise
 * (Glorot and Bengio 2010). Biases are 0. A model with a single layer of weights (linear, logistic) starts at 0: its loss is
 * convex. Each kernel has its own stream, numbered by the layer's position; elements are drawn in row-major order.
 */
export function initialWeights(description: ModelDescription, seed: number): ModelWeights {
  const shapes = weightShapes(description);
  const weights = new Map<string, WeightTensor>();
  const convex = description.layers.filter((layer) => fans(layer) !== undefined).length === 1;
  for (const [key, shape] of shapes) weights.set(key, { shape, data: new Float64Array(elementCount(shape)) });
  if (convex) return weights;
  description.layers.forEach((layer, position) => {
    const fan = fans(layer);
    if (fan === undefined) return;
    const limit = Math.sqrt(6 / (followedByRelu(description.layers, position) ? fan.fanIn : fan.fanIn + fan.fanOut));
    const random = new PublicRandom(seed, 'weights', position);
    const { data } = weights.get(`${layer.name}/kernel`)!;
    for (let index = 0; index < data.length; index++) data[index] = (2 * random.nextFraction() - 1) * limit;
  });
  return weights;
}
