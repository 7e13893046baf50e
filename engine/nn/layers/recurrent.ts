/** Recurrent layers: cells of recurrence.ts with the activations of their inventors, from a state of zeros. Knows nothing of shares. */
import type { LayerOf } from '../../../shared/layers/table.ts';
import { tanh } from '../../functions/activations.ts';
import { sigmoid } from '../../functions/elementary.ts';
import { stack } from '../../tensor/shapes.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { gatedCell, longCell, simpleCell, unroll } from '../recurrence.ts';
import type { Cell } from '../recurrence.ts';
import type { LayerContext, Table } from './layer.ts';

type Recurrent = LayerOf<'rnn' | 'lstm' | 'gru'>;

/** Kernels are [inputs or units, gates x units]. `activations`: as a cell's direction counts them. */
function recurrent(cell: Cell, activations: readonly ((x: Tensor) => Tensor)[]) {
  return (layer: Recurrent, { x, weight }: LayerContext): Tensor => {
    const { inputs, units, sequences, backwards } = layer;
    const [rows = 1, places = 1] = x.shape;
    const kernel = weight('recurrentKernel');
    const { outputs, last } = unroll({
      cell,
      direction: {
        units,
        product: (state, first, count) => {
          const isWhole = count * units === kernel.shape[1];
          return state.matmulRaw(isWhole ? kernel : kernel.slice([0, first * units], [units, count * units]));
        },
        activation: (index) => activations[index] ?? tanh,
      },
      // Places first, so that one place is a slice of whole rows.
      inputs: x
        .transpose([1, 0, 2])
        .reshape([places * rows, inputs])
        .matmulRaw(weight('kernel'))
        .add(weight('bias')),
      places,
      backwards,
      start: { output: undefined, memory: undefined },
    });
    return sequences ? stack([...outputs], 1) : (last.output ?? x);
  };
}

export const recurrentLayers: Table<'rnn' | 'lstm' | 'gru'> = {
  // 6 rounds a place.
  rnn: recurrent(simpleCell, [tanh]),
  lstm: recurrent(longCell({ input: 0, forget: 1, cell: 2, output: 3 }), [sigmoid, tanh, tanh]),
  gru: recurrent(gatedCell(false), [sigmoid, tanh]),
};
