/**
 * Windows of images as rows of a matrix, and sums of such rows back in the images: of all of them (unfold, fold), or of a few
 * at a time for products that never write them out (matmul.ts).
 *
 * A geometry is: channels, height, width, outHeight, outWidth, kernel (2), stride (2), dilation (2), padding top, left. Row r
 * is the window at position r of the images' windows, image by image; its words are channel by channel, each row by row.
 */
import { arg, least } from './args';

export function rowsOfImage(g: usize): u32 {
  return arg(g, 3) * arg(g, 4);
}

export function channelsOf(g: usize): u32 {
  return arg(g, 0);
}

/** Words of a window in one channel. */
export function cellsOfChannel(g: usize): u32 {
  return arg(g, 5) * arg(g, 6);
}

export function imageBytes(g: usize): usize {
  return (<usize>(arg(g, 0) * arg(g, 1) * arg(g, 2))) << 3;
}

/** Zeros in channels channelStart .. channelEnd - 1 of one image. */
export function clearChannels(image: usize, g: usize, channelStart: u32, channelEnd: u32): void {
  const bytes = (<usize>(arg(g, 1) * arg(g, 2))) << 3;
  memory.fill(image + <usize>channelStart * bytes, 0, <usize>(channelEnd - channelStart) * bytes);
}

/** Words `at`, `at` + 1 step, ... of `count` windows from or into an image's row, which begins `x` words before the first. */
@inline
function moveRun(row: usize, rowBytes: usize, line: usize, x: i32, stride: i32, width: i32, count: i32, adds: bool): void {
  let low = 0;
  let high = count;
  if (x < 0) low = (stride - 1 - x) / stride;
  if (x + (count - 1) * stride >= width) high = x >= width ? 0 : (width - 1 - x) / stride + 1;
  if (low > high) low = high;
  let at = row;
  if (!adds) {
    for (let i = 0; i < low; i++, at += rowBytes) store<u64>(at, 0);
  } else {
    at += <usize>low * rowBytes;
  }
  const step = (<usize>stride) << 3;
  let cell = line + ((<usize>(x + low * stride)) << 3);
  const end = cell + <usize>(high - low) * step;
  while (cell != end) {
    if (adds) store<u64>(cell, load<u64>(cell) + load<u64>(at));
    else store<u64>(at, load<u64>(cell));
    cell += step;
    at += rowBytes;
  }
  if (!adds) {
    for (let i = high; i < count; i++, at += rowBytes) store<u64>(at, 0);
  }
}

/** Windows rowStart .., their words cellStart ..: windows of one line of positions together, so that most of the sums are made once. */
@inline
function moveWindows(
  rows: usize,
  rowBytes: usize,
  images: usize,
  g: usize,
  rowStart: u32,
  rowCount: u32,
  cellStart: u32,
  cells: u32,
  adds: bool,
): void {
  const channels = arg(g, 0);
  const height = <i32>arg(g, 1);
  const width = <i32>arg(g, 2);
  const outHeight = arg(g, 3);
  const outWidth = arg(g, 4);
  const kernelHeight = <i32>arg(g, 5);
  const kernelWidth = <i32>arg(g, 6);
  const strideY = <i32>arg(g, 7);
  const strideX = <i32>arg(g, 8);
  const dilationY = <i32>arg(g, 9);
  const dilationX = <i32>arg(g, 10);
  const top = <i32>arg(g, 11);
  const left = <i32>arg(g, 12);
  const lineBytes = (<usize>width) << 3;
  const firstColumn = <i32>cellStart % kernelWidth;
  const firstLine = (<i32>cellStart / kernelWidth) % kernelHeight;
  const firstChannel = <i32>cellStart / (kernelWidth * kernelHeight);
  const end = rowStart + rowCount;
  let row = rowStart;
  while (row < end) {
    const ox = row % outWidth;
    const run = least(outWidth - ox, end - row);
    const line = row / outWidth;
    const y0 = <i32>(line % outHeight) * strideY - top;
    const x0 = <i32>ox * strideX - left;
    let plane = images + <usize>((line / outHeight) * channels + firstChannel) * height * lineBytes;
    let ky = firstLine;
    let kx = firstColumn;
    let y = y0 + ky * dilationY;
    let at = rows;
    for (let cell: u32 = 0; cell < cells; cell++) {
      if (y >= 0 && y < height) {
        const source = plane + <usize>y * lineBytes;
        moveRun(at, rowBytes, source, x0 + kx * dilationX, strideX, width, <i32>run, adds);
      } else if (!adds) {
        let to = at;
        for (let i: u32 = 0; i < run; i++, to += rowBytes) store<u64>(to, 0);
      }
      at += 8;
      if (++kx == kernelWidth) {
        kx = 0;
        y += dilationY;
        if (++ky == kernelHeight) {
          ky = 0;
          y = y0;
          plane += <usize>height * lineBytes;
        }
      }
    }
    rows += <usize>run * rowBytes;
    row += run;
  }
}

/** Words cellStart .. cellStart + cells - 1 of windows rowStart .. rowStart + count - 1, `rowBytes` from one window to the next. */
export function gatherWindows(
  rows: usize,
  rowBytes: usize,
  images: usize,
  g: usize,
  rowStart: u32,
  count: u32,
  cellStart: u32,
  cells: u32,
): void {
  moveWindows(rows, rowBytes, images, g, rowStart, count, cellStart, cells, false);
}

/** The other way: adds them to the images' cells; those of the padding are dropped. */
export function addToImages(
  images: usize,
  rows: usize,
  rowBytes: usize,
  g: usize,
  rowStart: u32,
  count: u32,
  cellStart: u32,
  cells: u32,
): void {
  moveWindows(rows, rowBytes, images, g, rowStart, count, cellStart, cells, true);
}

/** Record: out, input, geometry. Units: lines of positions (batch * outHeight). */
export function unfold(record: usize, from: u32, to: u32): void {
  const g = record + 8;
  const outWidth = arg(g, 4);
  const cells = channelsOf(g) * cellsOfChannel(g);
  const rowBytes = (<usize>cells) << 3;
  const out = <usize>arg(record, 0) + <usize>(from * outWidth) * rowBytes;
  gatherWindows(out, rowBytes, <usize>arg(record, 1), g, from * outWidth, (to - from) * outWidth, 0, cells);
}

/** Record as of unfold. Units: channels of images (batch * channels); windows of one image overlap, those of two never do. */
export function fold(record: usize, from: u32, to: u32): void {
  const g = record + 8;
  const images = <usize>arg(record, 0);
  const channels = channelsOf(g);
  const cells = cellsOfChannel(g);
  const rowBytes = (<usize>(channels * cells)) << 3;
  const rows = rowsOfImage(g);
  for (let unit = from; unit < to; unit++) {
    const image = unit / channels;
    const channel = unit % channels;
    clearChannels(images + <usize>image * imageBytes(g), g, channel, channel + 1);
    const input = <usize>arg(record, 1) + <usize>(image * rows) * rowBytes + ((<usize>(channel * cells)) << 3);
    addToImages(images, input, rowBytes, g, image * rows, rows, channel * cells, cells);
  }
}
