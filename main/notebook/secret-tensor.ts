/**
 * Tensors for scripts, with the names that users of TensorFlow.js know: each method adds to a computation on shares and computes
 * nothing; `reveal` of secrets.ts runs it. Ranges, errors and rounds are those of docs/functions.md, layers those of docs/layers.md.
 * Knows nothing of parties and runs.
 */
import { elu, errorFunction, exponential, gelu, hardShrink, hardSigmoid } from '../../engine/functions/activations.ts';
import { hardSwish, hardTanh, leakyRelu, mish, selu, silu, softShrink } from '../../engine/functions/activations.ts';
import { celu, softSign, tanh, thresholdedRelu } from '../../engine/functions/activations.ts';
import { dot, norm, outer, polynomial, power, powerOfPositive, trace } from '../../engine/functions/algebra.ts';
import { cosineSimilarity } from '../../engine/functions/cosine-similarity.ts';
import { sigmoid, softplus } from '../../engine/functions/elementary.ts';
import { hyperbolicCosine, hyperbolicSine } from '../../engine/functions/hyperbolic.ts';
import { inverseHyperbolicCosine, inverseHyperbolicSine } from '../../engine/functions/hyperbolic.ts';
import { inverseHyperbolicTangent } from '../../engine/functions/hyperbolic.ts';
import { inverseSquareRoot } from '../../engine/functions/inverse-square-root.ts';
import { divide, logarithm, logarithmOfOnePlus, reciprocal, squareRoot } from '../../engine/functions/powers.ts';
import { dropout, sampleByWeights } from '../../engine/functions/randomness.ts';
import type { RandomSource } from '../../engine/functions/randomness.ts';
import { ceiling, floor, remainder, round } from '../../engine/functions/rounding.ts';
import { alongAxis, logSoftmax, logSumExp, softmax } from '../../engine/functions/softmax.ts';
import {
  cosine,
  inverseCosine,
  inverseSine,
  inverseTangent,
  sine,
  tangent,
} from '../../engine/functions/trigonometry.ts';
import { forward } from '../../engine/nn/forward.ts';
import { binaryCrossEntropy, divergence, negativeLogLikelihood } from '../../engine/nn/losses/answers.ts';
import { absolute, atLeast, atMost, clamp, equal, greater } from '../../engine/tensor/comparisons.ts';
import { less, maximumOfTwo, minimumOfTwo, notEqual, sign, where } from '../../engine/tensor/comparisons.ts';
import { argumentOfMaximum, argumentOfMinimum, maximum, minimum } from '../../engine/tensor/extremes.ts';
import { oneHotOfMaximum, oneHotOfMinimum } from '../../engine/tensor/extremes.ts';
import { bitwiseAnd, bitwiseNot, bitwiseOr, bitwiseXor, shiftLeft, shiftRight } from '../../engine/tensor/integers.ts';
import { diagonal, flip, gatherElements, maskMatrix, pad, repeatEach, roll } from '../../engine/tensor/rearrange.ts';
import { scatterElements, sliceSteps, take, tile, unfoldAxis } from '../../engine/tensor/rearrange.ts';
import type { PadMode } from '../../engine/tensor/rearrange.ts';
import { cumulativeSum, mean, product, sum, variance } from '../../engine/tensor/reductions.ts';
import { oneHot, takeSecretly } from '../../engine/tensor/secret-index.ts';
import { broadcastShapes } from '../../engine/tensor/shape.ts';
import { split, squeeze, unsqueeze } from '../../engine/tensor/shapes.ts';
import { sort } from '../../engine/tensor/sorting.ts';
import { constant } from '../../engine/tensor/tensor.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import { describeLayers } from '../../shared/job-model.ts';
import { layerSpecSchema } from '../../shared/layers/table.ts';
import { flat } from './data.ts';
import type { Nested } from './data.ts';

/** What stands beside a secret in an operation; numbers and arrays are public. */
export type Operand = SecretTensor | Nested;

const axesOf = (axis: number | readonly number[] | undefined, keepAxes = false): object => ({
  keepAxes,
  ...(axis === undefined ? {} : { axes: typeof axis === 'number' ? [axis] : axis }),
});
const axisOf = (axis: number | undefined, keepAxis = false): object => ({
  keepAxis,
  ...(axis === undefined ? {} : { axis }),
});

export class SecretTensor {
  readonly #traced: Tensor;
  readonly #source: RandomSource;

  /** Use Secrets. */
  constructor(traced: Tensor, source: RandomSource) {
    this.#traced = traced;
    this.#source = source;
  }

  /** The engine's tensor, a number. */
  get traced(): Tensor {
    return this.#traced.node.type === 'bit' ? this.#traced.toNumber() : this.#traced;
  }
  get shape(): readonly number[] {
    return this.#traced.shape;
  }

  // ---- arithmetic, with broadcasting ----

  add = (other: Operand): SecretTensor => this.#with(other, (a, b) => a.add(b));
  sub = (other: Operand): SecretTensor => this.#with(other, (a, b) => a.sub(b));
  mul = (other: Operand): SecretTensor => this.#with(other, (a, b) => a.mulRaw(b).rescaled(productScale(a, b)));
  div = (other: Operand): SecretTensor => this.#with(other, (a, b) => divide(whole(a), whole(b)));
  neg = (): SecretTensor => this.#map((x) => x.neg());
  square = (): SecretTensor => this.mul(this);
  matMul = (other: Operand, transposeA = false, transposeB = false): SecretTensor =>
    this.#with(other, (a, b) => a.matmulRaw(b, { transposeA, transposeB }).rescaled(productScale(a, b)));
  dot = (other: Operand): SecretTensor => this.#with(other, (a, b) => dot(whole(a), whole(b)));
  outerProduct = (other: Operand): SecretTensor => this.#with(other, (a, b) => outer(whole(a), whole(b)));
  /** A whole exponent of any sign; another one of a positive base. */
  pow = (exponent: number): SecretTensor =>
    this.#curve((x) => (Number.isInteger(exponent) ? power(x, exponent) : powerOfPositive(x, exponent)));
  /** coefficients[0] + coefficients[1] x + ... */
  polynomial = (coefficients: readonly number[]): SecretTensor => this.#curve((x) => polynomial(x, coefficients));
  maximum = (other: Operand): SecretTensor => this.#with(other, maximumOfTwo);
  minimum = (other: Operand): SecretTensor => this.#with(other, minimumOfTwo);
  mod = (divisor: number): SecretTensor => this.#curve((x) => remainder(x, divisor));
  cosineSimilarity = (other: Operand, axis = -1): SecretTensor =>
    this.#with(other, (a, b) => cosineSimilarity(whole(a), whole(b), axis));

  // ---- sums over axes; all axes if none is given ----

  sum = (axis?: number | readonly number[], keepDims = false): SecretTensor =>
    this.#map((x) => sum(x, axesOf(axis, keepDims)));
  mean = (axis?: number | readonly number[], keepDims = false): SecretTensor =>
    this.#curve((x) => mean(x, axesOf(axis, keepDims)));
  variance = (axis?: number | readonly number[], unbiased = true): SecretTensor =>
    this.#curve((x) => variance(x, { ...axesOf(axis), unbiased }));
  std = (axis?: number | readonly number[], unbiased = true): SecretTensor => this.variance(axis, unbiased).sqrt();
  prod = (axis: number): SecretTensor => this.#curve((x) => product(x, axis));
  cumsum = (axis: number, exclusive = false): SecretTensor => this.#map((x) => cumulativeSum(x, axis, { exclusive }));
  norm = (order: number | 'infinity' = 2, axis?: number | readonly number[]): SecretTensor =>
    this.#curve((x) => norm(x, order, axesOf(axis)));
  trace = (): SecretTensor => this.#map(trace);

  // ---- comparisons: 1 or 0 ----

  less = (other: Operand): SecretTensor => this.#with(other, less);
  lessEqual = (other: Operand): SecretTensor => this.#with(other, atMost);
  greater = (other: Operand): SecretTensor => this.#with(other, greater);
  greaterEqual = (other: Operand): SecretTensor => this.#with(other, atLeast);
  equal = (other: Operand): SecretTensor => this.#with(other, equal);
  notEqual = (other: Operand): SecretTensor => this.#with(other, notEqual);
  logicalAnd = (other: SecretTensor): SecretTensor => this.#wrap(this.#bit().and(other.#bit()));
  logicalOr = (other: SecretTensor): SecretTensor => this.#wrap(this.#bit().or(other.#bit()));
  logicalXor = (other: SecretTensor): SecretTensor => this.#wrap(this.#bit().xor(other.#bit()));
  logicalNot = (): SecretTensor => this.#wrap(this.#bit().not());
  /** `a` where this is 1, `b` where it is 0. */
  where = (a: Operand, b: Operand): SecretTensor => this.#wrap(where(this.#bit(), this.#operand(a), this.#operand(b)));
  sign = (): SecretTensor => this.#map(sign);
  abs = (): SecretTensor => this.#map(absolute);
  clipByValue = (low: number, high: number): SecretTensor => this.#map((x) => clamp(x, low, high));

  // ---- largest and smallest, ties to the first ----

  max = (axis?: number, keepDims = false): SecretTensor => this.#map((x) => maximum(x, axisOf(axis, keepDims)));
  min = (axis?: number, keepDims = false): SecretTensor => this.#map((x) => minimum(x, axisOf(axis, keepDims)));
  argMax = (axis?: number): SecretTensor => this.#map((x) => argumentOfMaximum(x, axisOf(axis)));
  argMin = (axis?: number): SecretTensor => this.#map((x) => argumentOfMinimum(x, axisOf(axis)));
  oneHotMax = (axis?: number): SecretTensor => this.#map((x) => oneHotOfMaximum(x, axisOf(axis)));
  oneHotMin = (axis?: number): SecretTensor => this.#map((x) => oneHotOfMinimum(x, axisOf(axis)));
  sort = (axis = -1, descending = false): { values: SecretTensor; indices: SecretTensor } =>
    this.#sorted(axis, { descending });
  topk = (k: number, axis = -1): { values: SecretTensor; indices: SecretTensor } =>
    this.#sorted(axis, { descending: true, count: k });

  // ---- functions of each element ----

  exp = (): SecretTensor => this.#curve(exponential);
  log = (): SecretTensor => this.#curve((x) => logarithm(x));
  log1p = (): SecretTensor => this.#curve(logarithmOfOnePlus);
  reciprocal = (): SecretTensor => this.#curve((x) => reciprocal(x));
  sqrt = (): SecretTensor => this.#curve((x) => squareRoot(x));
  rsqrt = (): SecretTensor => this.#curve(inverseSquareRoot);
  sin = (): SecretTensor => this.#curve(sine);
  cos = (): SecretTensor => this.#curve(cosine);
  tan = (): SecretTensor => this.#curve(tangent);
  asin = (): SecretTensor => this.#curve(inverseSine);
  acos = (): SecretTensor => this.#curve(inverseCosine);
  atan = (): SecretTensor => this.#curve(inverseTangent);
  sinh = (): SecretTensor => this.#curve(hyperbolicSine);
  cosh = (): SecretTensor => this.#curve(hyperbolicCosine);
  asinh = (): SecretTensor => this.#curve(inverseHyperbolicSine);
  acosh = (): SecretTensor => this.#curve(inverseHyperbolicCosine);
  atanh = (): SecretTensor => this.#curve(inverseHyperbolicTangent);
  sigmoid = (): SecretTensor => this.#curve(sigmoid);
  tanh = (): SecretTensor => this.#curve(tanh);
  erf = (): SecretTensor => this.#curve(errorFunction);
  softplus = (): SecretTensor => this.#curve(softplus);
  relu = (): SecretTensor => this.#map((x) => x.relu());
  leakyRelu = (slope = 0.01): SecretTensor => this.#curve((x) => leakyRelu(x, slope));
  thresholdedRelu = (alpha = 1): SecretTensor => this.#curve((x) => thresholdedRelu(x, alpha));
  elu = (alpha = 1): SecretTensor => this.#curve((x) => elu(x, alpha));
  selu = (): SecretTensor => this.#curve(selu);
  celu = (alpha = 1): SecretTensor => this.#curve((x) => celu(x, alpha));
  gelu = (): SecretTensor => this.#curve(gelu);
  silu = (): SecretTensor => this.#curve(silu);
  mish = (): SecretTensor => this.#curve(mish);
  hardTanh = (low = -1, high = 1): SecretTensor => this.#curve((x) => hardTanh(x, low, high));
  hardSigmoid = (): SecretTensor => this.#curve((x) => hardSigmoid(x));
  hardSwish = (): SecretTensor => this.#curve(hardSwish);
  hardShrink = (limit = 0.5): SecretTensor => this.#curve((x) => hardShrink(x, limit));
  softShrink = (limit = 0.5): SecretTensor => this.#curve((x) => softShrink(x, limit));
  softSign = (): SecretTensor => this.#curve(softSign);
  floor = (): SecretTensor => this.#curve(floor);
  ceil = (): SecretTensor => this.#curve(ceiling);
  round = (): SecretTensor => this.#curve(round);
  softmax = (axis = -1): SecretTensor => this.#curve((x) => alongAxis(x, axis, (rows) => softmax(rows)));
  logSoftmax = (axis = -1): SecretTensor => this.#curve((x) => alongAxis(x, axis, (rows) => logSoftmax(rows)));
  logSumExp = (axis = -1): SecretTensor => this.#curve((x) => alongAxis(x, axis, (rows) => logSumExp(rows)));

  // ---- shapes; indices are public ----

  reshape = (shape: readonly number[]): SecretTensor => this.#map((x) => x.reshape(shape));
  flatten = (): SecretTensor => this.#map((x) => x.reshape([x.size]));
  transpose = (order?: readonly number[]): SecretTensor => this.#map((x) => x.transpose(order));
  expandDims = (axis: number): SecretTensor => this.#map((x) => unsqueeze(x, axis));
  squeeze = (axes?: readonly number[]): SecretTensor => this.#map((x) => squeeze(x, axes));
  broadcastTo = (shape: readonly number[]): SecretTensor => this.#map((x) => x.broadcastTo(shape));
  slice = (begin: readonly number[], size: readonly number[]): SecretTensor => this.#map((x) => x.slice(begin, size));
  /** Every `step`-th entry from `start` up to `end`. */
  stridedSlice = (axis: number, start: number, end: number, step: number): SecretTensor =>
    this.#map((x) => sliceSteps(x, axis, start, end, step));
  split = (sizes: readonly number[], axis = 0): SecretTensor[] =>
    split(this.traced, sizes, axis).map((part) => this.#wrap(part));
  gather = (indices: readonly number[], axis = 0): SecretTensor => this.#map((x) => take(x, indices, axis));
  /** An element for each index along an axis; `indices` has the result's shape. */
  gatherElements = (indices: Nested, axis = 0): SecretTensor =>
    this.#map((x) => gatherElements(x, flat(indices).values, flat(indices).shape, axis));
  /** With updates put, or added, at the indices along an axis. */
  scatter = (indices: Nested, updates: SecretTensor, axis = 0, mode: 'put' | 'add' = 'put'): SecretTensor =>
    this.#map((x) => scatterElements(x, flat(indices).values, updates.traced, axis, mode));
  reverse = (axes: readonly number[]): SecretTensor => this.#map((x) => flip(x, axes));
  roll = (shift: number, axis: number): SecretTensor => this.#map((x) => roll(x, shift, axis));
  tile = (times: readonly number[]): SecretTensor => this.#map((x) => tile(x, times));
  repeat = (times: number, axis: number): SecretTensor => this.#map((x) => repeatEach(x, times, axis));
  pad = (before: readonly number[], after: readonly number[], mode: PadMode = 'constant', value = 0): SecretTensor =>
    this.#map((x) => pad(x, before, after, mode, value));
  /** Windows of `size` entries along an axis, `step` apart, as a new last axis. */
  unfold = (axis: number, size: number, step: number): SecretTensor =>
    this.#map((x) => unfoldAxis(x, axis, size, step));
  diagonal = (offset = 0): SecretTensor => this.#map((x) => diagonal(x, offset));
  /** Zeros outside what `keep` says of the last two axes. */
  maskMatrix = (keep: (row: number, column: number) => boolean): SecretTensor => this.#map((x) => maskMatrix(x, keep));

  // ---- secret indices ----

  /** 1 at the place that each whole number names: a new last axis. */
  oneHot = (size: number): SecretTensor => this.#map((x) => oneHot(x, size));
  /** Rows by secret whole numbers; nobody learns which. */
  gatherSecretly = (indices: SecretTensor): SecretTensor => this.#map((x) => takeSecretly(x, indices.traced));

  // ---- whole numbers as signed binary ones of `bits` bits ----

  bitwiseAnd = (other: Operand, bits: number): SecretTensor => this.#whole(other, (a, b) => bitwiseAnd(a, b, bits));
  bitwiseOr = (other: Operand, bits: number): SecretTensor => this.#whole(other, (a, b) => bitwiseOr(a, b, bits));
  bitwiseXor = (other: Operand, bits: number): SecretTensor => this.#whole(other, (a, b) => bitwiseXor(a, b, bits));
  bitwiseNot = (): SecretTensor => this.#map((x) => bitwiseNot(x.rescaled(0)));
  shiftLeft = (by: number, bits: number): SecretTensor => this.#map((x) => shiftLeft(x.rescaled(0), by, bits));
  shiftRight = (by: number, bits: number): SecretTensor => this.#map((x) => shiftRight(x.rescaled(0), by, bits));

  // ---- randomness that nobody knows ----

  dropout = (rate: number): SecretTensor => this.#map((x) => dropout(x, this.#source, rate));
  /** One-hot of one entry of the last axis, drawn with probability in proportion to these weights. */
  sample = (): SecretTensor => this.#map((x) => sampleByWeights(x, this.#source));

  // ---- losses a row, [rows, 1], of answers [rows, outputs] ----

  /** Of probabilities, for labels 0 and 1. */
  binaryCrossEntropy = (labels: Operand): SecretTensor =>
    this.#with(labels, (p, y) => binaryCrossEntropy(whole(p), whole(y)));
  /** Of logarithms of probabilities, for one-hot labels. */
  negativeLogLikelihood = (labels: Operand): SecretTensor =>
    this.#with(labels, (logP, y) => negativeLogLikelihood(whole(logP), whole(y)));
  /** Of logarithms of probabilities, from a distribution. */
  divergence = (distribution: Operand): SecretTensor =>
    this.#with(distribution, (logP, q) => divergence(whole(logP), whole(q)));

  // ---- layers ----

  /**
   * A layer of docs/layers.md, as a job file writes it, on rows [rows, ...]: convolutions, pools, normalisation, recurrent ones.
   * @param weights by part: kernel, bias ... @throws ZodError for no layer, InputError for a weight that is missing.
   */
  apply(layer: object, weights: Readonly<Record<string, SecretTensor>> = {}): SecretTensor {
    const { layers } = describeLayers([layerSpecSchema.parse(layer)], this.shape.slice(1));
    const named = Object.entries(weights).map(
      ([part, weight]) => [`${layers[0]?.name ?? ''}/${part}`, whole(weight.traced)] as const,
    );
    return this.#curve((x) => forward(layers, new Map(named), x));
  }

  #wrap(traced: Tensor): SecretTensor {
    return new SecretTensor(traced, this.#source);
  }
  #map(f: (x: Tensor) => Tensor): SecretTensor {
    return this.#wrap(f(this.traced));
  }
  /** A function that takes numbers with fraction bits. */
  #curve(f: (x: Tensor) => Tensor): SecretTensor {
    return this.#map((x) => f(whole(x)));
  }
  #with(other: Operand, f: (a: Tensor, b: Tensor) => Tensor): SecretTensor {
    return this.#map((x) => f(x, this.#operand(other)));
  }
  #whole(other: Operand, f: (a: Tensor, b: Tensor) => Tensor): SecretTensor {
    return this.#with(other, (a, b) => {
      const shape = broadcastShapes('bitwise', a.shape, b.shape);
      return f(a.rescaled(0).broadcastTo(shape), b.rescaled(0).broadcastTo(shape));
    });
  }
  #sorted(
    axis: number,
    options: { descending: boolean; count?: number },
  ): { values: SecretTensor; indices: SecretTensor } {
    const { values, indices } = sort(this.traced, axis, options);
    return { values: this.#wrap(values), indices: this.#wrap(indices) };
  }
  #operand(other: Operand): Tensor {
    if (other instanceof SecretTensor) return other.traced;
    const { values, shape } = flat(other);
    return constant(this.#traced.graph, values, shape);
  }
  /** This as a truth value: a comparison's result, or 1 for numbers of one half and more. */
  #bit(): Tensor {
    return this.#traced.node.type === 'bit' ? this.#traced : this.#traced.atLeast(0.5);
  }
}

/** With the graph's fraction bits. */
function whole(x: Tensor): Tensor {
  return x.rescaled(x.graph.options.fractionBits);
}

/** Products with whole numbers are exact. */
function productScale(a: Tensor, b: Tensor): number {
  return Math.min(a.scale + b.scale, a.graph.options.fractionBits);
}
