/**
 * What a layer's computation is given. A layer is a function from symbolic tensors to a symbolic tensor; weights may be secret,
 * private or public, and lowering picks the protocol. Knows nothing of losses, optimizers or files.
 */
import { InputError } from '../../../shared/errors.ts';
import type { KindName, Layer, LayerOf } from '../../../shared/layers/table.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Weights by `${layer}/${part}`. */
export type WeightTensors = ReadonlyMap<string, Tensor>;

/** What only training does. */
export interface TrainingPass {
  /**
   * Public factors of a dropout layer's cells, 0 or `kept`, drawn afresh for each step from the job's seed: they say nothing of
   * the data, so hiding them would buy nothing.
   */
  mask(layer: string, shape: Shape, kept: number): Tensor;
  /** The value of a running statistic after this step. */
  update(key: string, value: Tensor): void;
}

export interface LayerContext {
  /** Outputs of the layers that it takes, [batch, ...shape]. */
  readonly inputs: readonly Tensor[];
  /** The first of them. */
  readonly x: Tensor;
  weight(part: string): Tensor;
  /** Undefined in evaluation. */
  readonly training: TrainingPass | undefined;
}

export type Apply<K extends KindName> = (layer: LayerOf<K>, context: LayerContext) => Tensor;
/** One implementation for each of these kinds. */
export type Table<K extends KindName> = { readonly [N in K]: Apply<N> };

export function contextOf(
  layer: Layer,
  inputs: readonly [Tensor, ...Tensor[]],
  weights: WeightTensors,
  training: TrainingPass | undefined,
): LayerContext {
  return {
    inputs,
    x: inputs[0],
    training,
    weight: (part) => {
      const tensor = weights.get(`${layer.name}/${part}`);
      if (tensor === undefined)
        throw new InputError('model-weight-missing', `The model lacks the weight ${layer.name}/${part}.`);
      return tensor;
    },
  };
}

/** Rows of a tensor [batch, ...]. */
export function batchOf(x: Tensor): number {
  return x.shape[0] ?? 0;
}
