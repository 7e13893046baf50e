/**
 * Windows of images along one to three axes, as rows, and the adjoint. All local. Two axes are one instruction; one axis is an
 * image of height 1; of three, the first is picked by public indices and joined to the channels. Knows nothing of shares.
 */
import type { Windows } from '../../kernels/kernels.ts';
import { range, scatterAddRows, take } from '../../tensor/rearrange.ts';
import { sizeOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';

export interface WindowGeometry {
  readonly kernel: Shape;
  readonly stride: Shape;
  readonly dilation: Shape;
  /** Cells before each axis, then after each. */
  readonly padding: Shape;
}

/** Cells that the windows yield along each axis. */
export function windowCells({ kernel, stride, dilation, padding }: WindowGeometry, cells: Shape): Shape {
  return cells.map((n, axis) => {
    const extent = n + (padding[axis] ?? 0) + (padding[axis + cells.length] ?? 0);
    return Math.floor((extent - (dilation[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) - 1) / (stride[axis] ?? 1)) + 1;
  });
}

/** One axis of a geometry. */
function along(geometry: WindowGeometry, axis: number) {
  const axes = geometry.kernel.length;
  return {
    kernel: geometry.kernel[axis] ?? 1,
    stride: geometry.stride[axis] ?? 1,
    dilation: geometry.dilation[axis] ?? 1,
    before: geometry.padding[axis] ?? 0,
    after: geometry.padding[axis + axes] ?? 0,
  };
}

/** The last two axes, the first of them of size 1 where there is only one. */
function plane(geometry: WindowGeometry, batch: number, channels: number, cells: Shape): Windows {
  const axes = geometry.kernel.length;
  const flat = { kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 };
  const [y, x] = [axes > 1 ? along(geometry, axes - 2) : flat, along(geometry, axes - 1)];
  return {
    batch,
    channels,
    height: axes > 1 ? (cells[axes - 2] ?? 1) : 1,
    width: cells[axes - 1] ?? 1,
    kernel: [y.kernel, x.kernel],
    stride: [y.stride, x.stride],
    dilation: [y.dilation, x.dilation],
    padding: [y.before, x.before, y.after, x.after],
  };
}

/** Windows of [batch, channels, ...cells] as rows: [batch * window cells, channels * kernel cells]. */
export function unfoldWindows(x: Tensor, geometry: WindowGeometry): Tensor {
  const [batch = 1, channels = 1, ...cells] = x.shape;
  if (cells.length < 3) {
    const windows = plane(geometry, batch, channels, cells);
    return x.reshape([batch, channels, windows.height, windows.width]).unfold(windows);
  }
  const { before, after, kernel } = along(geometry, 0);
  const [depth = 1, height = 1, width = 1] = cells;
  const padded = x.embed([0, 0, before, 0, 0], [batch, channels, before + depth + after, height, width]);
  const places = depthPlaces(geometry, depth);
  const slabs = take(padded, places, 2)
    .reshape([batch, channels, places.length / kernel, kernel, height, width])
    .transpose([0, 2, 1, 3, 4, 5]);
  const [images, planes] = [(batch * places.length) / kernel, channels * kernel];
  return slabs.reshape([images, planes, height, width]).unfold(plane(geometry, images, planes, cells));
}

/** The adjoint: sums of the rows' cells where they lie in images [batch, channels, ...cells]; padding is dropped. */
export function foldWindows(rows: Tensor, geometry: WindowGeometry, shape: Shape): Tensor {
  const [batch = 1, channels = 1, ...cells] = shape;
  if (cells.length < 3) return rows.fold(plane(geometry, batch, channels, cells)).reshape(shape);
  const { before, after, kernel } = along(geometry, 0);
  const [depth = 1, height = 1, width = 1] = cells;
  const places = depthPlaces(geometry, depth);
  const slabs = rows
    .fold(plane(geometry, (batch * places.length) / kernel, channels * kernel, cells))
    .reshape([batch, places.length / kernel, channels, kernel, height, width])
    .transpose([1, 3, 0, 2, 4, 5])
    .reshape([places.length, batch, channels, height, width]);
  return scatterAddRows(slabs, places, before + depth + after)
    .slice([before, 0, 0, 0, 0], [depth, batch, channels, height, width])
    .transpose([1, 2, 0, 3, 4]);
}

/** Positions of the windows' cells along the first axis, padding included, window by window. */
function depthPlaces(geometry: WindowGeometry, depth: number): number[] {
  const { kernel, stride, dilation } = along(geometry, 0);
  const [windows = 0] = windowCells(geometry, [depth, ...geometry.kernel.slice(1).map(() => 1)]);
  return range(windows).flatMap((window) => range(kernel).map((cell) => window * stride + cell * dilation));
}

/** Rows of windows with a value a channel, [batch * cells, channels], as images. */
export function toImages(rows: Tensor, batch: number, cells: Shape, channels: number): Tensor {
  const axes = cells.map((_, axis) => axis + 1);
  return rows.reshape([batch, ...cells, channels]).transpose([0, cells.length + 1, ...axes]);
}

/** The other way: [batch * cells, channels]. */
export function toRows(images: Tensor): Tensor {
  const [batch = 1, channels = 1, ...cells] = images.shape;
  const axes = cells.map((_, axis) => axis + 2);
  return images.transpose([0, ...axes, 1]).reshape([batch * sizeOf(cells), channels]);
}
