/**
 * Differentially private gradients on shares (Abadi et al., Deep Learning with Differential Privacy, CCS 2016): the gradient of
 * every row is cut to a length, and normal noise that no party knows is added to the sum. For chains of dense layers a row's
 * length needs no gradient of its own: it is the root of the sum over layers of (|input|^2 + 1) |delta|^2 (Goodfellow, Efficient
 * per-example gradient computations, 2015).
 */
import { InputError } from '../../../shared/errors.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import { gradients } from '../../autograd/gradients.ts';
import { inverseSquareRootOf } from '../../functions/powers.ts';
import { where } from '../../tensor/comparisons.ts';
import { constant, linear } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { forward } from '../forward.ts';
import type { WeightTensors } from '../layers/layer.ts';
import { withNoise } from './gaussian-noise.ts';

export interface PrivateGradients {
  /** Length that a row's gradient is cut to. */
  readonly norm: number;
  /** Deviation of the noise, as a multiple of the length. */
  readonly noise: number;
  /** All compute parties, who draw the noise together. */
  readonly parties: readonly string[];
}

/** Assumed: squared lengths of a layer's input, and of a row's gradient by a layer's output, below these powers of two. */
const INPUT_BITS = 12;
const DELTA_BITS = 6;
const LENGTH_BITS = 14;
const DELTA_SCALE = 24;
const LENGTH_SCALE = 34;
const FACTOR_SCALE = 24;

/** A dense layer's place in the chain. */
interface Place {
  readonly layer: Extract<Layer, { kind: 'dense' }>;
  readonly input: Tensor;
  readonly output: Tensor;
}

export interface Chain {
  readonly scores: Tensor;
  readonly places: readonly Place[];
}

/**
 * The scores of a chain of dense layers and activations, with what stands between.
 * @throws InputError `privacy-layers` for any other layer.
 */
export function traceChain(layers: readonly Layer[], weights: WeightTensors, x: Tensor): Chain {
  const places: Place[] = [];
  let value = x;
  for (const layer of layers) {
    const input = value;
    if (!['dense', 'relu', 'sigmoid', 'tanh'].includes(layer.kind) || layer.from !== undefined) {
      throw new InputError(
        'privacy-layers',
        `Layer ${layer.name} (${layer.kind}): rows' gradients can be cut in chains of dense layers and activations only.`,
        { hint: 'Use the templates linear, logistic or mlp, or take privacy.gradients out.' },
      );
    }
    value = forward([layer], weights, input);
    if (layer.kind === 'dense') places.push({ layer, input, output: value });
  }
  return { scores: value, places };
}

/** Sums over the batch of cut gradients with noise, by weight. About 20 rounds more than backward; the noise needs no data. */
export function privateGradients(
  { scores, places }: Chain,
  seed: Tensor,
  { norm, noise, parties }: PrivateGradients,
): ReadonlyMap<string, Tensor> {
  const { graph } = scores;
  const deltas = gradients(
    [[scores, seed]],
    places.map(({ output }) => output),
  );
  const rows = scores.shape[0] ?? 0;
  const squares = places.flatMap(({ layer, input }, i) => {
    const delta = deltas[i];
    if (delta === undefined) return [];
    const inputs = squaredRows(input, layer.useBias ? 1 : 0).assumeBelow(INPUT_BITS);
    const outputs = squaredRows(delta, 0).assumeBelow(DELTA_BITS).rescaled(DELTA_SCALE);
    return [
      [
        1n,
        inputs
          .rescaled(DELTA_SCALE - 8)
          .mulRaw(outputs)
          .assumeBelow(LENGTH_BITS),
      ] as const,
    ];
  });
  const factors = graph.scope('privacy', 'backward', () => {
    const square = linear('length', squares).assumeBelow(LENGTH_BITS).rescaled(LENGTH_SCALE);
    const cut = inverseSquareRootOf(square, { scale: FACTOR_SCALE, least: norm ** 2 / 2, factor: norm });
    const one = constant(graph, new Array<number>(rows).fill(1), [rows], FACTOR_SCALE);
    return where(square.atLeast(norm ** 2), cut, one)
      .provedBelow(0.01)
      .reshape([rows, 1]);
  });
  const noisy = (sum: Tensor): Tensor => graph.scope('privacy', 'update', () => withNoise(sum, noise * norm, parties));
  const found = new Map<string, Tensor>();
  places.forEach(({ layer, input }, i) => {
    const delta = deltas[i];
    if (delta === undefined) return;
    graph.scope(layer.name, 'backward', () => {
      const part = delta.mulRaw(factors).rescaled(graph.options.fractionBits);
      found.set(`${layer.name}/kernel`, noisy(input.matmulRaw(part, { transposeA: true })));
      if (layer.useBias) found.set(`${layer.name}/bias`, noisy(part.sum(0)));
    });
  });
  return found;
}

/** Squared length of each row, plus a number. */
function squaredRows(x: Tensor, extra: number): Tensor {
  return x.mulRaw(x).sum(1).addNumber(extra);
}
