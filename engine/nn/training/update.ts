/** From gradients to the next weights: limits, the optimizer, and what it keeps. Knows nothing of losses or layers. */
import { rateAt } from '../../../shared/learning-rate.ts';
import type { TrainingLength } from '../../../shared/learning-rate.ts';
import { encodeFixed } from '../../runtime/words.ts';
import type { Graph } from '../../tensor/graph.ts';
import { knownInput, stateInput } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { clipped } from './optimizers/clip.ts';
import { meanGradient } from './optimizers/optimizer.ts';
import type { UpdateContext } from './optimizers/optimizer.ts';
import { optimizerOf } from './optimizers/table.ts';
import { names } from './spec.ts';
import type { TrainingSpec } from './spec.ts';

export interface TrainedWeight {
  readonly key: string;
  readonly weight: Tensor;
  /** Of the batch's summed loss. */
  readonly gradient: Tensor;
  /** What the sum is multiplied by. */
  readonly perRow: number;
}

/** The gradients as the job limits them; as they are where it does not. */
export function limited(graph: Graph, spec: TrainingSpec, weights: readonly TrainedWeight[]): readonly TrainedWeight[] {
  const { clip } = spec;
  if (clip === undefined) return weights;
  return graph.scope('clip', 'update', () => {
    const means = weights.map((one) => meanGradient(one));
    return clipped(means, clip).flatMap((gradient, i) => {
      const one = weights[i];
      return one === undefined ? [] : [{ ...one, gradient, perRow: 1 }];
    });
  });
}

/** Stores the next weights and the optimizer's states. */
export function updateWeights(graph: Graph, spec: TrainingSpec, weights: readonly TrainedWeight[]): void {
  const optimizer = optimizerOf(spec.optimizer, spec.schedule);
  const factors = new Map(
    optimizer.factors.map(({ name, bits, largest }) => [
      name,
      knownInput(graph, names.factor(name), [1], Math.log2(largest) + 0.01, bits),
    ]),
  );
  for (const { key, weight, gradient, perRow } of weights) {
    graph.scope(key.split('/')[0] ?? key, 'update', () => {
      const context: UpdateContext = {
        weight,
        gradient,
        perRow,
        factor: (name) => {
          const factor = factors.get(name);
          if (factor === undefined) throw new RangeError(`the optimizer has no factor ${name}`);
          return factor;
        },
        state: (name) => {
          const facts = optimizer.states.find((state) => state.name === name);
          const scale = facts?.scale ?? weight.scale;
          const bound = scale + (facts?.magnitudeBits ?? 0);
          return stateInput(graph, names.optimizer(name, key), weight.shape, { scale, bound });
        },
        keep: (name, value) => value.store(names.optimizer(name, key)),
      };
      optimizer.update(context).store(names.weight(key));
    });
  }
}

/** The optimizer's public factors at a step, counted from 0, by input name. */
export function factorWords(
  spec: TrainingSpec,
  step: number,
  length: TrainingLength,
): (readonly [string, BigUint64Array])[] {
  const optimizer = optimizerOf(spec.optimizer, spec.schedule);
  const values = optimizer.values(step, (at) => (spec.schedule === undefined ? 1 : rateAt(spec.schedule, at, length)));
  return optimizer.factors.map(({ name, bits, largest }) => {
    const words = encodeFixed([values[name] ?? 0], bits, Math.log2(largest) + 0.01, () => `The factor ${name}`);
    return [names.factor(name), words] as const;
  });
}
