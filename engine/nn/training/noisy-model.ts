/**
 * Noise on a model when it is revealed (output perturbation: Chaudhuri, Monteleoni, Sarwate, JMLR 12, 2011), drawn on shares so
 * that no party knows it. Knows nothing of how the model was trained, nor of what the noise guarantees.
 */
import type { Graph } from '../../tensor/graph.ts';
import { knownInput, linear } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { withNoise } from './gaussian-noise.ts';
import { lengthFactor } from './optimizers/clip.ts';
import { names, WEIGHT_MAGNITUDE_BITS } from './spec.ts';

export interface ModelNoise {
  /** Length that the change from the public first weights is cut to; undefined where the training bounds it. */
  readonly norm: number | undefined;
  /** Deviation of the noise on every weight. */
  readonly deviation: number;
  /** All compute parties, who draw the noise together. */
  readonly parties: readonly string[];
}

/** The weights as they may be revealed, by key. 18 rounds for the noise, and 12 for a cut beside them. */
export function noisyModel(
  graph: Graph,
  weights: ReadonlyMap<string, Tensor>,
  { norm, deviation, parties }: ModelNoise,
): Map<string, Tensor> {
  const bounded = norm === undefined ? weights : nearFirst(graph, weights, norm);
  return new Map(
    [...bounded].map(([key, weight]) => [key, withNoise(weight, deviation, parties).rescaled(weight.scale)]),
  );
}

/** First weights plus the change from them, cut to a length over all weights together. */
function nearFirst(graph: Graph, weights: ReadonlyMap<string, Tensor>, norm: number): Map<string, Tensor> {
  const first = new Map(
    [...weights].map(([key, { shape }]) => [key, knownInput(graph, names.weight(key), shape, WEIGHT_MAGNITUDE_BITS)]),
  );
  const changes = new Map(
    [...weights].map(([key, weight]) => [
      key,
      linear('change', [
        [1n, weight],
        [-1n, first.get(key) ?? weight],
      ]).assumeBelow(CHANGE_BITS),
    ]),
  );
  const factor = lengthFactor(graph, [...changes.values()], norm);
  return new Map(
    [...changes].map(([key, change]) => {
      const cut = change.mulRaw(factor).rescaled(change.scale);
      return [key, cut.add(first.get(key) ?? cut)];
    }),
  );
}

/** Assumed: training changes no weight by 2^8 or more. */
const CHANGE_BITS = 8;
