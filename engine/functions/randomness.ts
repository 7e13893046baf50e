/**
 * Random numbers on shares that no set of parties short of all knows, nor the dealer: every party brings uniform numbers of
 * its own as a private input, and their sum modulo 1 is uniform as long as one of them is. Knows nothing of generators: who
 * runs the graph feeds the inputs (randomInputs) from each party's own cryptographic generator, afresh for each execution.
 */
import { withGradient } from '../autograd/gradients.ts';
import { greater } from '../tensor/comparisons.ts';
import { cumulativeSum } from '../tensor/reductions.ts';
import type { Graph } from '../tensor/graph.ts';
import type { Shape } from '../tensor/shape.ts';
import { sizeOf } from '../tensor/shape.ts';
import { constant, linear, privateInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { logarithm, squareRoot } from './powers.ts';
import { periodic } from './trigonometry.ts';

/** Where the randomness of a graph comes from. */
export interface RandomSource {
  readonly graph: Graph;
  /** All compute parties. */
  readonly parties: readonly string[];
}

/** An input that each party fills with uniform whole numbers of `bits` bits. */
export interface RandomInput {
  readonly name: string;
  readonly owner: string;
  readonly length: number;
  readonly bits: number;
}

const RANDOM_PREFIX = 'random/';

/** What has to be fed besides the data, before each execution. */
export function randomInputs(graph: Graph): RandomInput[] {
  return graph.nodes.flatMap(({ operation, shape }) =>
    operation.op === 'input' && operation.owner !== undefined && operation.name.startsWith(RANDOM_PREFIX)
      ? [{ name: operation.name, owner: operation.owner, length: sizeOf(shape), bits: graph.options.fractionBits }]
      : [],
  );
}

/** Sum of one uniform number in [0, 1) of every party: uniform modulo 1. */
function uniformSum(source: RandomSource, shape: Shape): Tensor {
  const { graph, parties } = source;
  const name = `${RANDOM_PREFIX}${graph.nodes.length}`;
  return linear(
    'random',
    parties.map((party) => [1n, privateInput(graph, name, party, shape, 0)] as const),
  );
}

/** Uniform multiples of one unit in [0, 1). 4 rounds, independent of any data. */
export function randomUniform(source: RandomSource, shape: Shape): Tensor {
  const sum = uniformSum(source, shape);
  const wraps = source.parties.slice(1).map((_, i) => sum.atLeast(i + 1).toNumber());
  return wraps.reduce((u, wrap) => u.sub(wrap), sum).provedBelow(0);
}

/** Bits, 1 with the given probability (to one unit). 3 rounds, independent of any data. */
export function randomBits(source: RandomSource, shape: Shape, probability: number): Tensor {
  const sum = uniformSum(source, shape);
  // 1 where the sum modulo 1 is at least 1 - probability: between i + 1 - p and i + 1, for some i.
  const edges = source.parties.flatMap((_, i) => [i + 1 - probability, i + 1]).slice(0, -1);
  return edges.map((edge) => sum.atLeast(edge)).reduce((bit, other) => bit.xor(other));
}

/**
 * Standard normal numbers, cut at 4.7 (Box, Muller 1958): mean 0 and variance 1 to 1e-3. 18 rounds, independent of any data.
 */
export function randomNormal(source: RandomSource, shape: Shape): Tensor {
  const unit = 2 ** -source.graph.options.fractionBits;
  const distance = squareRoot(logarithm(randomUniform(source, shape).addNumber(unit)).timesInteger(-2n));
  const direction = periodic(uniformSum(source, shape), (turns) => Math.cos(2 * Math.PI * turns));
  return distance.mul(direction);
}

/**
 * One-hot numbers, at scale 0, of one entry of the last axis drawn with probability proportional to secret weights, which are
 * not negative. Nobody learns the entry. 10 rounds; if all weights are 0, the last entry.
 */
export function sampleByWeights(weights: Tensor, source: RandomSource): Tensor {
  const last = weights.shape.length - 1;
  const size = weights.shape[last] ?? 0;
  const entry = (t: Tensor, from: number, count: number): Tensor =>
    t.slice(
      t.shape.map((_, axis) => (axis === last ? from : 0)),
      t.shape.map((n, axis) => (axis === last ? count : n)),
    );
  const running = cumulativeSum(weights, -1);
  const total = entry(running, size - 1, 1);
  const drawn = total.mul(randomUniform(source, total.shape));
  // Entries whose running sum exceeds what was drawn: from the chosen one to the end.
  const reached = greater(entry(running, 0, size - 1), drawn).toNumber();
  const begin = weights.shape.map((_, axis) => (axis === last ? 1 : 0));
  const all = reached.embed(
    begin.map(() => 0),
    weights.shape,
  );
  const certain = constant(weights.graph, [1], [1], 0)
    .broadcastTo(total.shape)
    .embed(
      begin.map((from) => from * (size - 1)),
      weights.shape,
    );
  return all.add(certain).sub(reached.embed(begin, weights.shape)).provedBelow(0.01);
}

/**
 * Zero with the given probability, else x / (1 - probability), by a mask that nobody knows; the gradient passes the same mask.
 * `shape` of the mask may be narrower than that of x (whole channels).
 */
export function dropout(x: Tensor, source: RandomSource, probability: number, shape: Shape = x.shape): Tensor {
  if (probability <= 0) return x;
  if (probability >= 1) return x.timesInteger(0n);
  const kept = randomBits(source, shape, 1 - probability);
  const apply = (t: Tensor): Tensor => {
    const masked =
      sizeOf(shape) === x.size
        ? kept.select(t)
        : kept
            .toNumber()
            .mulRaw(t)
            .provedBelow(t.node.bound - t.scale);
    return masked.timesNumber(1 / (1 - probability));
  };
  return withGradient(apply(x), (gradient) => [[x, apply(gradient)]]);
}
