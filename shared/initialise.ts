/**
 * First weights of a model from the public seed, the same at every party and in the plaintext baseline. They are public:
 * parties start from them as constants, and nothing is shared until the first update. Knows nothing of training.
 */
import { elementCount } from './layers/kind.ts';
import type { Fans, Initialiser, Shape } from './layers/kind.ts';
import type { KindName, Layer } from './layers/table.ts';
import { layerInputs, modelWeights, type ModelDescription, type ModelWeights, type WeightTensor } from './model.ts';
import { PublicRandom } from './shuffle.ts';

/** Layers that only move values, or scale them: the activation after them is the one that counts. */
const passing: ReadonlySet<KindName> = new Set<KindName>([
  'flatten',
  'reshape',
  'permute',
  'pad',
  'dropout',
  'batchNorm',
  'maxPool1d',
  'maxPool2d',
  'maxPool3d',
  'averagePool1d',
  'averagePool2d',
  'averagePool3d',
]);
const rectifiers: ReadonlySet<KindName> = new Set<KindName>(['relu', 'relu6', 'leakyRelu', 'gelu', 'silu', 'mish']);

/** Whether the first activation that the layer's output meets is a rectifier. */
function followedByRectifier(layers: readonly Layer[], position: number): boolean {
  const next = layers.findIndex(
    (_, later) => later > position && layerInputs(layers, later).includes(layers[position]?.name ?? ''),
  );
  const layer = layers[next];
  if (layer === undefined) return false;
  return passing.has(layer.kind) ? followedByRectifier(layers, next) : rectifiers.has(layer.kind);
}

/**
 * Kernels are drawn by the layer's `init`; without one, uniformly by He before a rectifier and by Glorot otherwise. A model
 * with a single drawn weight (linear, logistic) then starts at 0: its loss is convex. Biases start at 0, scales of
 * normalisations at 1. Each drawn weight has its own stream, numbered by the layer's position (and the weight's place among
 * those of the layer, times 2^20); elements are drawn in row-major order.
 */
export function initialWeights(description: ModelDescription, seed: number): ModelWeights {
  const { layers } = description;
  const weights = new Map<string, WeightTensor>();
  const facts = modelWeights(description);
  const isConvex = facts.filter(({ start }) => typeof start !== 'number').length === 1;
  const drawn = new Map<string, number>();
  for (const { key, shape, start, layer } of facts) {
    const data = new Float64Array(elementCount(shape));
    weights.set(key, { shape, data });
    if (typeof start === 'number') {
      data.fill(start);
      continue;
    }
    const position = layers.indexOf(layer);
    const place = drawn.get(layer.name) ?? 0;
    drawn.set(layer.name, place + 1);
    const chosen = 'init' in layer ? layer.init : undefined;
    if (chosen === undefined && isConvex) continue;
    const how = chosen ?? (followedByRectifier(layers, position) ? 'heUniform' : 'glorotUniform');
    fill(data, shape, how, start, new PublicRandom(seed, 'weights', position + place * 2 ** 20));
  }
  return weights;
}

/**
 * Uniform on [-limit, limit), limit = sqrt(6 / fanIn) by He et al. (2015) and sqrt(6 / (fanIn + fanOut)) by Glorot and Bengio
 * (2010); normal with the same variance; orthonormal rows or columns, whichever are fewer (Saxe et al. 2014).
 */
function fill(data: Float64Array, shape: Shape, how: Initialiser, fans: Fans, random: PublicRandom): void {
  if (how === 'zeros' || how === 'ones') {
    data.fill(how === 'zeros' ? 0 : 1);
    return;
  }
  if (how === 'orthogonal') {
    for (let i = 0; i < data.length; i++) data[i] = normal(random);
    orthonormalise(data, shape);
    return;
  }
  const limit = Math.sqrt(6 / (how.startsWith('he') ? fans.fanIn : fans.fanIn + fans.fanOut));
  const isNormal = how.endsWith('Normal');
  for (let i = 0; i < data.length; i++)
    data[i] = isNormal ? (normal(random) * limit) / Math.sqrt(3) : (2 * random.nextFraction() - 1) * limit;
}

/** The sum of twelve uniform numbers less 6: variance 1, nearly normal, and the same double on every machine. */
function normal(random: PublicRandom): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random.nextFraction();
  return sum;
}

/** Gram and Schmidt on the rows of [first axis, rest], or on its columns where those are fewer, in place. */
function orthonormalise(data: Float64Array, shape: Shape): void {
  const rows = shape[0] ?? 1;
  const columns = data.length / rows;
  const [vectors, length] = rows <= columns ? [rows, columns] : [columns, rows];
  const at = (vector: number, i: number): number => (rows <= columns ? vector * columns + i : i * columns + vector);
  for (let v = 0; v < vectors; v++) {
    for (let earlier = 0; earlier < v; earlier++) {
      let product = 0;
      for (let i = 0; i < length; i++) product += data[at(v, i)]! * data[at(earlier, i)]!;
      for (let i = 0; i < length; i++) data[at(v, i)]! -= product * data[at(earlier, i)]!;
    }
    let square = 0;
    for (let i = 0; i < length; i++) square += data[at(v, i)]! ** 2;
    const scale = 1 / Math.sqrt(square);
    for (let i = 0; i < length; i++) data[at(v, i)]! *= scale;
  }
}
