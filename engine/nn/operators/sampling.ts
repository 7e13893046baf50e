/**
 * Images read and written at public places: sampled on a grid, which is a product with a public matrix for each image, and maxima
 * put back where they came from, which is local.
 */
import { range } from '../../tensor/rearrange.ts';
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
  MaxUnpool: { attributes: ['kernel_shape', 'pads', 'strides'], run: maxUnpool },
};
