/** Layers of several inputs. */
import { concat, linear } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Table } from './layer.ts';

/** Sum before the inputs' truncations where there is room, so that one truncation serves the sum. */
function sum(inputs: readonly Tensor[]): Tensor {
  const terms = inputs.map((x) => {
    const { fractionBits } = x.graph.options;
    return [1n, x.raw.scale <= 2 * fractionBits ? x.raw : x] as const;
  });
  return linear('add', terms).rescaled(inputs[0]?.scale ?? 0);
}

export const mergeLayers: Table<'add' | 'multiply' | 'average' | 'concat'> = {
  add: (_, { inputs }) => sum(inputs),
  multiply: (_, { x, inputs }) => inputs.slice(1).reduce((product, other) => product.mul(other), x),
  average: (_, { inputs }) =>
    linear(
      'average',
      inputs.map((x) => [1n, x] as const),
    ).timesNumber(1 / inputs.length),
  concat: ({ axis }, { inputs }) => concat(inputs, axis + 1),
};
