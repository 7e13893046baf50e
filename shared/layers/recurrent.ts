/**
 * Recurrent layers over sequences [length, inputs], unrolled. Kernels are [inputs, gates x units] and [units, gates x units],
 * gates in TensorFlow's order: LSTM input, forget, candidate, output; GRU update, reset, candidate (the reset gate before the
 * recurrent product). The first state is zero.
 */
import { z } from 'zod';
import { init, layerKind, mismatch, single, size } from './kind.ts';

/** `backwards` reads the sequence from its end; `sequences` gives the state after every place, else the last one only. */
const recurrent = (gates: number) =>
  layerKind({
    attributes: { inputs: size, units: size, sequences: z.boolean(), backwards: z.boolean(), init },
    spec: {
      units: size.max(4096),
      sequences: z.boolean().default(false),
      backwards: z.boolean().default(false),
      init,
    },
    outputShape(layer, inputs) {
      const input = single(inputs);
      if (input.length !== 2 || input[1] !== layer.inputs) throw mismatch(layer, `[length, ${layer.inputs}]`, input);
      return layer.sequences ? [input[0] ?? 1, layer.units] : [layer.units];
    },
    weights: ({ inputs, units }) => [
      {
        part: 'kernel',
        shape: [inputs, gates * units],
        role: 'factor',
        start: { fanIn: inputs, fanOut: units },
      },
      {
        part: 'recurrentKernel',
        shape: [units, gates * units],
        role: 'factor',
        start: { fanIn: units, fanOut: units },
      },
      { part: 'bias', shape: [gates * units], role: 'term', start: 0 },
    ],
    complete: (spec, inputs) => ({ ...spec, inputs: single(inputs)[1] ?? 1 }),
  });

/** The simple one takes tanh of its one gate. */
export const recurrentKinds = { rnn: recurrent(1), lstm: recurrent(4), gru: recurrent(3) };
