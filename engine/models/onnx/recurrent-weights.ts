/**
 * Weights of recurrent layers in ONNX's layout: one direction, gates as rows, an LSTM's in the order input, output, forget,
 * candidate, and biases of both products (the recurrent one is zero). Knows nothing of files.
 */
import type { WeightTensor } from '../../../shared/model.ts';

type Kind = 'rnn' | 'lstm' | 'gru';

/** Gate of ours that ONNX has at each place. */
const gateOrder: Readonly<Record<Kind, readonly number[]>> = { rnn: [0], lstm: [0, 3, 1, 2], gru: [0, 1, 2] };

/** [rows, gates x units] as [1, gates x units, rows]. */
function turned(kind: Kind, units: number, { shape, data }: WeightTensor): WeightTensor {
  const [rows = 1, width = 1] = shape;
  const turnedData = new Float64Array(data.length);
  gateOrder[kind].forEach((gate, at) => {
    for (let unit = 0; unit < units; unit++)
      for (let row = 0; row < rows; row++)
        turnedData[(at * units + unit) * rows + row] = data[row * width + gate * units + unit] ?? 0;
  });
  return { shape: [1, width, rows], data: turnedData };
}

/** W, R and B by the names of the weights that they come from. */
export function recurrentToOnnx(
  kind: Kind,
  units: number,
  weight: (part: string) => WeightTensor,
): [part: string, tensor: WeightTensor][] {
  const bias = weight('bias');
  const own = turned(kind, units, { shape: [1, bias.data.length], data: bias.data });
  const both = new Float64Array(2 * bias.data.length);
  both.set(own.data);
  return [
    ['kernel', turned(kind, units, weight('kernel'))],
    ['recurrentKernel', turned(kind, units, weight('recurrentKernel'))],
    ['bias', { shape: [1, both.length], data: both }],
  ];
}

/** The weights from W, R and B; the biases of both products are added, which is what they do in all but a GRU's candidate. */
export function recurrentFromOnnx(
  kind: Kind,
  units: number,
  tensor: (part: string) => WeightTensor,
): [part: string, weight: WeightTensor][] {
  const back = ({ shape, data }: WeightTensor): WeightTensor => {
    const [, width = 1, rows = 1] = shape;
    const original = new Float64Array(data.length);
    gateOrder[kind].forEach((gate, at) => {
      for (let unit = 0; unit < units; unit++)
        for (let row = 0; row < rows; row++)
          original[row * width + gate * units + unit] = data[(at * units + unit) * rows + row] ?? 0;
    });
    return { shape: [rows, width], data: original };
  };
  const { data } = tensor('bias');
  const half = data.length / 2;
  const sums = data.slice(0, half).map((value, i) => value + (data[half + i] ?? 0));
  return [
    ['kernel', back(tensor('kernel'))],
    ['recurrentKernel', back(tensor('recurrentKernel'))],
    ['bias', { shape: [half], data: back({ shape: [1, half, 1], data: sums }).data }],
  ];
}
