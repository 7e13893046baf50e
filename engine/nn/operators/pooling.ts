/** Averages and maxima over windows and whole images. Padding never wins, and counts in a mean only where it is said. */
import { Tournament, maximum } from '../../tensor/extremes.ts';
import { range } from '../../tensor/rearrange.ts';
import { mean } from '../../tensor/reductions.ts';
import { sizeOf, stridesOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { averageOfWindows, maximumOfWindows, windowCandidates } from '../layers/pooling.ts';
import { toImages, windowCells } from '../layers/windows.ts';
import type { WindowGeometry } from '../layers/windows.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { secretTensor } from './value.ts';
import type { TensorValue } from './value.ts';
import { roundedUp, windowAttributes, windowsOf } from './windowing.ts';

interface Pool {
  readonly x: Tensor;
  readonly cells: Shape;
  /** As the attributes say. */
  readonly stated: WindowGeometry;
  /** With what rounding up adds at the ends. */
  readonly geometry: WindowGeometry;
}

function poolOf(call: OperatorCall): Pool {
  const x = call.numbers(0);
  const cells = x.shape.slice(2);
  const kernel = call.ints('kernel_shape');
  if (kernel?.length !== cells.length)
    throw call.unsupported(`has no window for images of ${cells.join('x')}`, 'Repair the model.');
  const stated = windowsOf(call, cells, kernel);
  return { x, cells, stated, geometry: call.int('ceil_mode', 0) === 0 ? stated : roundedUp(stated, cells) };
}

function averagePool(call: OperatorCall): TensorValue {
  const { x, cells, stated, geometry } = poolOf(call);
  const countsPadding = call.int('count_include_pad', 0) !== 0;
  const { kernel, stride, dilation, padding } = stated;
  const means = averageOfWindows(x, geometry, (position, axis) => {
    const [before, after] = countsPadding ? [padding[axis] ?? 0, padding[axis + cells.length] ?? 0] : [0, 0];
    const first = position * (stride[axis] ?? 1) - (padding[axis] ?? 0);
    const places = range(kernel[axis] ?? 1).map((i) => first + i * (dilation[axis] ?? 1));
    return places.filter((place) => place >= -before && place < (cells[axis] ?? 0) + after).length;
  });
  return secretTensor(call.type(0), means);
}

function maxPool(call: OperatorCall): TensorValue[] {
  const { x, cells, geometry } = poolOf(call);
  if (call.node.outputs[1] === undefined || call.node.outputs[1] === '')
    return [secretTensor(call.type(0), maximumOfWindows(x, geometry))];
  const candidates = windowCandidates(x, geometry);
  const tournament = new Tournament(candidates);
  const [batch = 1, channels = 1] = x.shape;
  const out = windowCells(geometry, cells);
  const images = (rows: Tensor): Tensor => toImages(rows, batch, out, channels);
  const places = constant(x.graph, cellNumbers(call, x.shape, geometry), candidates.shape, 0);
  return [
    secretTensor(call.type(0), images(tournament.value)),
    secretTensor('int64', images(tournament.oneHot().mulRaw(places).sum(0))),
  ];
}

/** Number of each window's cells among all cells of the images, laid out as the candidates; 0 for padding, which never wins. */
function cellNumbers(call: OperatorCall, shape: Shape, geometry: WindowGeometry): number[] {
  const [batch = 1, channels = 1, ...cells] = shape;
  const isColumnMajor = call.int('storage_order', 0) !== 0;
  const strides = isColumnMajor ? cells.map((_, axis) => sizeOf(cells.slice(0, axis))) : stridesOf(cells);
  const out = windowCells(geometry, cells);
  const [outStrides, kernelStrides] = [stridesOf(out), stridesOf(geometry.kernel)];
  const numberOf = (window: number, cell: number): number => {
    let sum = 0;
    for (const axis of cells.keys()) {
      const position = Math.floor(window / (outStrides[axis] ?? 1)) % (out[axis] ?? 1);
      const inWindow = Math.floor(cell / (kernelStrides[axis] ?? 1)) % (geometry.kernel[axis] ?? 1);
      const place =
        position * (geometry.stride[axis] ?? 1) +
        inWindow * (geometry.dilation[axis] ?? 1) -
        (geometry.padding[axis] ?? 0);
      if (place < 0 || place >= (cells[axis] ?? 0)) return -1;
      sum += place * (strides[axis] ?? 1);
    }
    return sum;
  };
  const [windows, image] = [sizeOf(out), sizeOf(cells)];
  return range(sizeOf(geometry.kernel)).flatMap((cell) =>
    range(batch * windows * channels).map((row) => {
      const channel = row % channels;
      const window = Math.floor(row / channels) % windows;
      const number = numberOf(window, cell);
      return number < 0 ? 0 : (Math.floor(row / (channels * windows)) * channels + channel) * image + number;
    }),
  );
}

/** The first axes stay, of the images only one cell is left. */
function overImages(call: OperatorCall, reduce: (x: Tensor, axes: readonly number[]) => Tensor): TensorValue {
  const x = call.numbers(0);
  return secretTensor(call.type(0), reduce(x, range(x.shape.length).slice(2)));
}

export const pooling: OperatorFamily = {
  AveragePool: { attributes: [...windowAttributes, 'ceil_mode', 'count_include_pad'], run: averagePool },
  MaxPool: { attributes: [...windowAttributes, 'ceil_mode', 'storage_order'], run: maxPool },
  GlobalAveragePool: { run: (call) => overImages(call, (x, axes) => mean(x, { axes, keepAxes: true })) },
  GlobalMaxPool: {
    run: (call) =>
      overImages(call, (x, axes) => {
        const [batch = 1, channels = 1] = x.shape;
        const cells = x.reshape([batch, channels, x.size / Math.max(1, batch * channels)]);
        return maximum(cells, { axis: 2 }).reshape([batch, channels, ...axes.map(() => 1)]);
      }),
  },
};
