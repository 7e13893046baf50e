/**
 * Images read and written at public places: sampled on a grid or over regions, which is a product with a public matrix for each
 * image, and maxima put back where they came from, which is local.
 */
import { range, take } from '../../tensor/rearrange.ts';
import { sizeOf, stridesOf } from '../../tensor/shape.ts';
import { constant } from '../../tensor/tensor.ts';
import { roundHalfEven } from './arithmetic.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { rearrangeValue } from './moves.ts';
import { cubicWeights } from './resize.ts';
import { secretTensor, shapeOf } from './value.ts';
import type { TensorValue } from './value.ts';
import { perAxis } from './windowing.ts';

/** Cells of all matrices: they travel in the plan. */
const MOST_MATRIX_CELLS = 2 ** 22;

const modes = ['bilinear', 'linear', 'nearest', 'bicubic', 'cubic'] as const;
const paddings = ['zeros', 'border', 'reflection'] as const;

/** A cell and what it counts. */
type Tap = readonly [cell: number, weight: number];

/** Mirrored at both ends until it lies between them. */
function reflected(at: number, low: number, high: number): number {
  const span = high - low;
  if ((at >= low && at <= high) || span <= 0) return at;
  const beyond = at < low ? low - at : at - high;
  const rest = beyond % span;
  const isEven = Math.floor(beyond / span) % 2 === 0;
  return at < low === isEven ? low + rest : high - rest;
}

/** Cells of one axis that make up the value at a place from -1 to 1. */
function taps(call: OperatorCall, place: number, cells: number): Tap[] {
  const mode = call.choice('mode', modes);
  const padding = call.choice('padding_mode', paddings);
  const alignsCorners = call.int('align_corners', 0) !== 0;
  const [low, high] = alignsCorners ? [0, cells - 1] : [-0.5, cells - 0.5];
  const inCells = alignsCorners ? ((place + 1) / 2) * (cells - 1) : ((place + 1) * cells - 1) / 2;
  const rounded = mode === 'nearest' ? roundHalfEven(inCells) : inCells;
  const isInside = rounded >= low && rounded <= high;
  const at =
    isInside || padding === 'zeros'
      ? rounded
      : padding === 'border'
        ? Math.min(cells - 1, Math.max(0, rounded))
        : reflected(rounded, low, high);
  const first = Math.floor(at);
  const fraction = at - first;
  const weights: Tap[] =
    mode === 'nearest'
      ? [[Math.trunc(at), 1]]
      : mode === 'bilinear' || mode === 'linear'
        ? [
            [first, 1 - fraction],
            [first + 1, fraction],
          ]
        : cubicWeights(fraction, -0.75).map((weight, i) => [first - 1 + i, weight]);
  return weights.flatMap(([cell, weight]): Tap[] => {
    if (cell >= 0 && cell < cells) return [[cell, weight]];
    if (padding === 'zeros') return [];
    if (padding === 'border') return [[Math.min(cells - 1, Math.max(0, cell)), weight]];
    return [[Math.trunc(reflected(cell, low, high)), weight]];
  });
}

/** [batch, channels, ...cells] at the places that a public grid [batch, ...out, axes] names, the last axis of cells first. */
function gridSample(call: OperatorCall): TensorValue {
  const x = call.numbers(0);
  const [batch = 0, channels = 0, ...cells] = x.shape;
  const grid = call.publicTensor(1, 'its grid');
  const out = grid.shape.slice(1, -1);
  const axes = cells.length;
  if (grid.shape[0] !== batch || grid.shape.at(-1) !== axes || out.length !== axes)
    throw call.unsupported(`has a grid of [${grid.shape.join(', ')}] for [${x.shape.join(', ')}]`, 'Repair the model.');
  const [from, to] = [sizeOf(cells), sizeOf(out)];
  if (batch * from * to > MOST_MATRIX_CELLS)
    throw call.unsupported(`is a product with ${batch} x ${from} x ${to} numbers; ${MOST_MATRIX_CELLS} are supported`);
  const strides = stridesOf(cells);
  const values = new Float64Array(batch * from * to);
  for (const sample of range(batch * to)) {
    const [image, target] = [Math.floor(sample / to), sample % to];
    const places = grid.values.slice(sample * axes, (sample + 1) * axes).reverse();
    const all = places.reduce<Tap[]>(
      (found, place, axis) =>
        found.flatMap(([cell, weight]) =>
          taps(call, place, cells[axis] ?? 1).map(([own, part]): Tap => [
            cell + own * (strides[axis] ?? 1),
            weight * part,
          ]),
        ),
      [[0, 1]],
    );
    for (const [cell, weight] of all) values[(image * from + cell) * to + target]! += weight;
  }
  const isPicking = values.every(Number.isInteger);
  const matrix = constant(x.graph, values, [batch, from, to], isPicking ? 0 : x.graph.options.fractionBits);
  const product = x.reshape([batch, channels, from]).matmulRaw(matrix).rescaled(x.scale);
  return secretTensor(call.type(0), product.reshape([batch, channels, ...out]));
}

/**
 * How much each cell of an axis counts in the mean over `samples` places of a part from `start` on, by the distance of cell
 * centres; places more than a cell outside count nothing. Separable: a cell of an image counts the product of its axes.
 */
function partWeights(start: number, size: number, samples: number, cells: number): number[] {
  const weights = new Array<number>(cells).fill(0);
  for (const sample of range(samples)) {
    const place = start + ((sample + 0.5) * size) / samples;
    if (place < -1 || place > cells) continue;
    const at = Math.min(Math.max(place, 0), cells - 1);
    const low = Math.floor(at);
    const high = Math.min(low + 1, cells - 1);
    weights[low]! += (1 - (at - low)) / samples;
    weights[high]! += (at - low) / samples;
  }
  return weights;
}

/** Means over the parts of public regions of images (He et al., Mask R-CNN, 2017, section 3): a product with a public matrix. */
function roiAlign(call: OperatorCall): TensorValue {
  const x = call.numbers(0);
  const [, channels = 0, ...cells] = x.shape;
  const [height = 0, width = 0] = cells;
  const regions = call.publicTensor(1, 'its regions');
  const images = call.publicNumbers(2, 'the numbers of its images');
  const out = [call.int('output_height', 1), call.int('output_width', 1)] as const;
  const [scale, ratio] = [call.float('spatial_scale', 1), call.int('sampling_ratio', 0)];
  if (call.choice('mode', ['avg', 'max']) === 'max')
    throw call.unsupported('takes maxima of weighted cells (mode = max)', 'Use mode = avg.');
  // Up to version 10 regions are not moved by half a cell.
  const isHalf =
    call.version >= 16 &&
    call.choice('coordinate_transformation_mode', ['half_pixel', 'output_half_pixel']) === 'half_pixel';
  const [count = 0, corners] = regions.shape;
  const area = height * width;
  if (corners !== 4 || cells.length !== 2 || images.length !== count)
    throw call.unsupported(
      `has regions of [${regions.shape.join(', ')}] for ${x.shape.length} axes`,
      'Repair the model.',
    );
  if (count * area * out[0] * out[1] > MOST_MATRIX_CELLS)
    throw call.unsupported(`is a product with more numbers than ${MOST_MATRIX_CELLS}`);
  const values = range(count).flatMap((region) => {
    const [left = 0, top = 0, right = 0, bottom = 0] = regions.values
      .slice(4 * region, 4 * region + 4)
      .map((corner) => corner * scale - (isHalf ? 0.5 : 0));
    const parts = ([from, to]: readonly [number, number], axis: 0 | 1): number[][] => {
      const extent = isHalf ? to - from : Math.max(to - from, 1);
      const size = extent / out[axis];
      const samples = ratio > 0 ? ratio : Math.max(1, Math.ceil(size));
      return range(out[axis]).map((part) => partWeights(from + part * size, size, samples, cells[axis] ?? 0));
    };
    const [rows, columns] = [parts([top, bottom], 0), parts([left, right], 1)];
    return range(area).flatMap((cell) =>
      rows.flatMap((row) =>
        columns.map((column) => (row[Math.floor(cell / width)] ?? 0) * (column[cell % width] ?? 0)),
      ),
    );
  });
  const matrix = constant(x.graph, values, [count, area, out[0] * out[1]]);
  const picked = take(x, images, 0).reshape([count, channels, area]);
  return secretTensor(call.type(0), picked.matmul(matrix).reshape([count, channels, ...out]));
}

/** Values at their numbers among the cells of all images, zeros elsewhere. */
function maxUnpool(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const numbers = call.publicNumbers(1, 'its indices');
  const [batch = 0, channels = 0, ...cells] = shapeOf(x);
  const axes = cells.length;
  const kernel = perAxis(call, 'kernel_shape', axes, 1);
  const [strides, pads] = [perAxis(call, 'strides', axes, 1), perAxis(call, 'pads', 2 * axes, 0)];
  const whole = cells.map(
    (n, axis) => (n - 1) * (strides[axis] ?? 1) - (pads[axis] ?? 0) - (pads[axis + axes] ?? 0) + (kernel[axis] ?? 1),
  );
  const numbered = [batch, channels, ...whole];
  const shape = call.isGiven(2) ? call.publicNumbers(2, 'its shape') : numbered;
  if (numbers.some((at) => at < 0 || at >= sizeOf(numbered)))
    throw call.unsupported(`has indices outside of [${numbered.join(', ')}]`, 'Repair the model.');
  const sources = new Map(numbers.map((at, source) => [at, source]));
  const own = stridesOf(numbered);
  return rearrangeValue(x, shape, (index) =>
    index.some((i, axis) => i >= (numbered[axis] ?? 0))
      ? undefined
      : sources.get(index.reduce((sum, i, axis) => sum + i * (own[axis] ?? 1), 0)),
  );
}

export const sampling: OperatorFamily = {
  GridSample: { attributes: ['align_corners', 'mode', 'padding_mode'], run: gridSample },
  RoiAlign: {
    attributes: [
      'coordinate_transformation_mode',
      'mode',
      'output_height',
      'output_width',
      'sampling_ratio',
      'spatial_scale',
    ],
    run: roiAlign,
  },
  MaxUnpool: { attributes: ['kernel_shape', 'pads', 'strides'], run: maxUnpool },
};
