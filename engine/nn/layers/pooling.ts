/** Average and maximum over windows, over uneven parts (adaptive), and over whole images (global). */
import type { LayerOf } from '../../../shared/layers/table.ts';
import { maximum } from '../../tensor/extremes.ts';
import { range, take } from '../../tensor/rearrange.ts';
import { sizeOf, stridesOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { MAXIMUM_CANDIDATES } from '../../protocol/maximum.ts';
import { batchOf } from './layer.ts';
import type { LayerContext, Table } from './layer.ts';
import { mixAxes } from './mix.ts';
import { toImages, unfoldWindows, windowCells } from './windows.ts';
import type { WindowGeometry } from './windows.ts';

type AveragePool = LayerOf<'averagePool1d' | 'averagePool2d' | 'averagePool3d'>;
type MaximumPool = LayerOf<'maxPool1d' | 'maxPool2d' | 'maxPool3d'>;
type AdaptivePool = LayerOf<'adaptiveAveragePool' | 'adaptiveMaxPool'>;

/**
 * Mean of each window, by a public factor. 1 round.
 * @param counted cells that the divisor counts along an axis, for the window at a position.
 */
export function averageOfWindows(
  x: Tensor,
  geometry: WindowGeometry,
  counted: (position: number, axis: number) => number,
): Tensor {
  const [batch = 1, channels = 1, ...cells] = x.shape;
  const out = windowCells(geometry, cells);
  const sums = unfoldWindows(x, geometry)
    .reshape([batch * sizeOf(out), channels, sizeOf(geometry.kernel)])
    .sum(2);
  const images = toImages(sums, batch, out, channels);
  const bits = x.graph.options.fractionBits;
  const strides = stridesOf(out);
  const factors = range(sizeOf(out)).map((i) => {
    const positions = strides.map((step, axis) => Math.floor(i / step) % (out[axis] ?? 1));
    return 1 / positions.reduce((product, position, axis) => product * counted(position, axis), 1);
  });
  const [first = 1] = factors;
  if (factors.every((factor) => factor === first)) return images.timesRaw(first, bits).rescaled(bits);
  return images.mulRaw(constant(x.graph, factors, [1, 1, ...out])).rescaled(bits);
}

function averagePool(layer: AveragePool, { x }: LayerContext): Tensor {
  const { kernel, stride, padding, countPadding } = layer;
  const cells = x.shape.slice(2);
  return averageOfWindows(x, { kernel, stride, padding, dilation: kernel.map(() => 1) }, (position, axis) => {
    const size = kernel[axis] ?? 1;
    if (countPadding) return size;
    const first = position * (stride[axis] ?? 1) - (padding[axis] ?? 0);
    return Math.min(first + size, cells[axis] ?? 1) - Math.max(first, 0);
  });
}

/** Cells of each window, [window cells, batch * windows * channels]; padding is below every cell. */
export function windowCandidates(x: Tensor, geometry: WindowGeometry): Tensor {
  const { kernel, padding } = geometry;
  // Before its truncation, so that comparisons and truncation read one opening.
  const images = padBelow(x.raw, padding);
  const [batch = 1, channels = 1, ...extent] = images.shape;
  const unpadded = { ...geometry, padding: padding.map(() => 0) };
  const rows = batch * sizeOf(windowCells(unpadded, extent));
  return unfoldWindows(images, unpadded)
    .reshape([rows * channels, sizeOf(kernel)])
    .transpose()
    .rescaled(x.scale);
}

/** Largest cell of each window and channel. 5 rounds for windows of 2 to 12 cells, from the layer before. */
export function maximumOfWindows(x: Tensor, geometry: WindowGeometry): Tensor {
  const [batch = 1, channels = 1, ...cells] = x.shape;
  return toImages(maximumOf(windowCandidates(x, geometry)), batch, windowCells(geometry, cells), channels);
}

/** Zeros around images [batch, channels, ...cells] replaced by what no cell is below. */
function padBelow(x: Tensor, padding: Shape): Tensor {
  if (padding.every((n) => n === 0)) return x;
  const [batch = 1, channels = 1, ...cells] = x.shape;
  const before = padding.slice(0, cells.length);
  const extent = cells.map((n, axis) => (before[axis] ?? 0) + n + (padding[axis + cells.length] ?? 0));
  const lowest = -(2 ** (x.graph.workingBound(x.node) - x.scale));
  const strides = stridesOf(extent);
  const frame = range(sizeOf(extent)).map((i) => {
    const inside = strides.every((step, axis) => {
      const position = (Math.floor(i / step) % (extent[axis] ?? 1)) - (before[axis] ?? 0);
      return position >= 0 && position < (cells[axis] ?? 1);
    });
    return inside ? 0 : lowest;
  });
  return x
    .embed([0, 0, ...before], [batch, channels, ...extent])
    .add(constant(x.graph, frame, [1, 1, ...extent], x.scale));
}

/** Maximum over the first axis of [candidates, rows], which disappears; a tournament where one look-up cannot hold them all. */
function maximumOf(candidates: Tensor): Tensor {
  const [count = 0, rows = 0] = candidates.shape;
  if (count === 1) return candidates.reshape([rows]);
  if (count <= MAXIMUM_CANDIDATES) return candidates.oneHotMaximum().select(candidates).sum(0);
  return maximum(candidates, { axis: 0 });
}

/** Cells of part i of n along an axis: floor(i cells / n) to before ceil((i + 1) cells / n). */
function part(i: number, parts: number, cells: number): number[] {
  const from = Math.floor((i * cells) / parts);
  return range(Math.ceil(((i + 1) * cells) / parts) - from).map((cell) => from + cell);
}

function adaptiveAverage({ output }: AdaptivePool, { x }: LayerContext): Tensor {
  const cells = x.shape.slice(2);
  const matrices = output.map((parts, axis) =>
    range(parts).map((i) => {
      const members = part(i, parts, cells[axis] ?? 1);
      return range(cells[axis] ?? 1).map((cell) => (members.includes(cell) ? 1 / members.length : 0));
    }),
  );
  return mixAxes(x, matrices);
}

/** Parts of different sizes are filled up with cells that they have already. */
function adaptiveMaximum({ output }: AdaptivePool, { x }: LayerContext): Tensor {
  const [batch = 1, channels = 1, ...cells] = x.shape;
  const strides = stridesOf(cells);
  const outStrides = stridesOf(output);
  const members = range(sizeOf(output)).map((o) =>
    output.reduce<number[]>(
      (places, parts, axis) => {
        const own = part(Math.floor(o / (outStrides[axis] ?? 1)) % parts, parts, cells[axis] ?? 1);
        return places.flatMap((place) => own.map((cell) => place + cell * (strides[axis] ?? 1)));
      },
      [0],
    ),
  );
  const most = Math.max(...members.map((list) => list.length));
  const places = members.flatMap((list) => range(most).map((i) => list[i % list.length] ?? 0));
  const candidates = take(x.raw.reshape([batch * channels, sizeOf(cells)]), places, 1)
    .reshape([batch * channels * members.length, most])
    .transpose()
    .rescaled(x.scale);
  return maximumOf(candidates).reshape([batch, channels, ...output]);
}

function flatChannels(x: Tensor): Tensor {
  const [batch = 1, channels = 1] = x.shape;
  return x.reshape([batch, channels, x.size / (batch * channels)]);
}

function globalAverage({ x }: LayerContext): Tensor {
  const cells = flatChannels(x);
  return cells.sum(2).timesNumber(1 / (cells.shape[2] ?? 1));
}

function globalMaximum({ x }: LayerContext): Tensor {
  const [batch = 1, channels = 1] = x.shape;
  const candidates = flatChannels(x.raw)
    .reshape([batch * channels, x.size / (batch * channels)])
    .transpose()
    .rescaled(x.scale);
  return maximumOf(candidates).reshape([batchOf(x), channels]);
}

export const poolingLayers: Table<
  AveragePool['kind'] | MaximumPool['kind'] | AdaptivePool['kind'] | 'globalAveragePool' | 'globalMaxPool'
> = {
  averagePool1d: averagePool,
  averagePool2d: averagePool,
  averagePool3d: averagePool,
  maxPool1d: (layer, { x }) => maximumOfWindows(x, layer),
  maxPool2d: (layer, { x }) => maximumOfWindows(x, layer),
  maxPool3d: (layer, { x }) => maximumOfWindows(x, layer),
  adaptiveAveragePool: adaptiveAverage,
  adaptiveMaxPool: adaptiveMaximum,
  globalAveragePool: (_, context) => globalAverage(context),
  globalMaxPool: (_, context) => globalMaximum(context),
};
