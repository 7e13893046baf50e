/**
 * Images in another size, axis by axis: every cell of the result is a sum of cells of the input by public weights. Nearest
 * cells are picked, which is local and exact; linear and cubic interpolation are products with constant matrices.
 */
import { range, take } from '../../tensor/rearrange.ts';
import type { Shape } from '../../tensor/shape.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { mixAxes } from '../layers/mix.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { isFloat, secretTensor } from './value.ts';
import type { TensorValue } from './value.ts';

interface Axis {
  readonly cells: number;
  readonly out: number;
  readonly scale: number;
  /** Part of the axis that is shown, for tf_crop_and_resize. */
  readonly region: readonly [from: number, to: number];
}

const coordinateModes = [
  'half_pixel',
  'asymmetric',
  'pytorch_half_pixel',
  'align_corners',
  'tf_half_pixel_for_nn',
  'tf_crop_and_resize',
] as const;
type CoordinateMode = (typeof coordinateModes)[number];
const roundings = ['round_prefer_floor', 'floor', 'ceil', 'round_prefer_ceil'] as const;

/** Where in the input, in cells, the centre of an output cell lies (ONNX, Resize, coordinate_transformation_mode). */
function coordinate(mode: CoordinateMode, i: number, { cells, out, scale, region }: Axis): number {
  switch (mode) {
    case 'half_pixel':
      return (i + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return out > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case 'asymmetric':
      return i / scale;
    case 'align_corners':
      // By the size before it is rounded down, as ONNX's own test data has it.
      return out > 1 ? (i * (cells - 1)) / (cells * scale - 1) : 0;
    case 'tf_half_pixel_for_nn':
      return (i + 0.5) / scale;
    case 'tf_crop_and_resize': {
      const [from, to] = region;
      return out > 1
        ? from * (cells - 1) + (i * (to - from) * (cells - 1)) / (out - 1)
        : 0.5 * (from + to) * (cells - 1);
    }
  }
}

function nearest(call: OperatorCall, at: number): number {
  switch (call.choice('nearest_mode', roundings)) {
    case 'floor':
      return Math.floor(at);
    case 'ceil':
      return Math.ceil(at);
    case 'round_prefer_ceil':
      return Math.floor(at + 0.5);
    case 'round_prefer_floor':
      return Math.ceil(at - 0.5);
  }
}

/** Keys 1981: weights of the four cells around a place, `fraction` behind the second of them. */
export function cubicWeights(fraction: number, a: number): number[] {
  return [1 + fraction, fraction, 1 - fraction, 2 - fraction].map((d) =>
    d <= 1 ? (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1 : a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a,
  );
}

/** Weights of all cells for the cell at a place, the edge repeated beyond it or left out. */
function interpolation(call: OperatorCall, mode: 'linear' | 'cubic', at: number, cells: number): number[] {
  const first = Math.floor(at) - (mode === 'cubic' ? 1 : 0);
  const fraction = at - Math.floor(at);
  const weights =
    mode === 'cubic' ? cubicWeights(fraction, call.float('cubic_coeff_a', -0.75)) : [1 - fraction, fraction];
  const isInside = (cell: number): boolean => cell >= 0 && cell < cells;
  const excludes = call.int('exclude_outside', 0) !== 0;
  const kept = weights.map((weight, i) => (excludes && !isInside(first + i) ? 0 : weight));
  const sum = excludes ? kept.reduce((total, weight) => total + weight, 0) : 1;
  const row = new Array<number>(cells).fill(0);
  kept.forEach((weight, i) => {
    const cell = Math.min(cells - 1, Math.max(0, first + i));
    row[cell] = (row[cell] ?? 0) + weight / sum;
  });
  return row;
}

function resize(call: OperatorCall, axes: readonly Axis[], mode: 'nearest' | 'linear' | 'cubic'): TensorValue {
  const transformation: CoordinateMode =
    call.version < 11 ? 'asymmetric' : call.choice('coordinate_transformation_mode', coordinateModes);
  const x = call.numbers(0);
  const places = axes.map((axis) => range(axis.out).map((i) => coordinate(transformation, i, axis)));
  if (mode === 'nearest') {
    const picked = places.reduce((t: Tensor, list, axis) => {
      const { cells } = axes[axis] ?? { cells: 1 };
      if (list.length === cells && list.every((at, i) => at === i)) return t;
      const round = (at: number): number => (call.version < 11 ? Math.floor(at) : nearest(call, at));
      return take(
        t,
        list.map((at) => Math.min(cells - 1, Math.max(0, round(at)))),
        axis,
      );
    }, x);
    return secretTensor(call.type(0), picked);
  }
  if (!isFloat(call.type(0))) throw call.unsupported('interpolates whole numbers', 'Cast them first.');
  const changed = axes.findIndex(({ cells, out }, axis) => cells !== out || places[axis]?.some((at, i) => at !== i));
  if (changed < 0) return secretTensor(call.type(0), x);
  const matrices = places.slice(changed).map((list, i) => {
    const cells = axes[changed + i]?.cells ?? 1;
    return list.map((at) => interpolation(call, mode, at, cells));
  });
  const mixed = mixAxes(x, matrices);
  return secretTensor(
    call.type(0),
    transformation === 'tf_crop_and_resize' ? extrapolated(call, mixed, axes, places) : mixed,
  );
}

/** With a fixed value where the place lies outside the image. */
function extrapolated(
  call: OperatorCall,
  x: Tensor,
  axes: readonly Axis[],
  places: readonly (readonly number[])[],
): Tensor {
  const isInside = places.map((list, axis) => list.map((at) => at >= 0 && at <= (axes[axis]?.cells ?? 1) - 1));
  if (isInside.flat().every(Boolean)) return x;
  const mask = isInside.reduce<boolean[]>((all, list) => all.flatMap((one) => list.map((own) => one && own)), [true]);
  const outside = call.float('extrapolation_value', 0);
  const kept = x.mulRaw(constant(x.graph, mask.map(Number), x.shape, 0));
  return kept.add(
    constant(
      x.graph,
      mask.map((one) => (one ? 0 : outside)),
      x.shape,
    ),
  );
}

/** Scales or sizes, of all axes. */
function axesOf(call: OperatorCall, scales: readonly number[], sizes: readonly number[], shape: Shape): Axis[] {
  if (call.attribute('axes', 'ints') !== undefined || call.int('antialias', 0) !== 0)
    throw call.unsupported('names axes or asks for antialiasing');
  if (call.choice('keep_aspect_ratio_policy', ['stretch']) !== 'stretch')
    throw call.unsupported('keeps an aspect ratio');
  const region = call.isGiven(1) && call.version >= 11 ? call.publicNumbers(1, 'its region') : [];
  return shape.map((cells, axis) => {
    const out = sizes.length > 0 ? (sizes[axis] ?? cells) : Math.floor(cells * (scales[axis] ?? 1));
    const scale = sizes.length > 0 ? out / cells : (scales[axis] ?? 1);
    return { cells, out, scale, region: [region[axis] ?? 0, region[axis + shape.length] ?? 1] };
  });
}

function resized(call: OperatorCall): TensorValue {
  const { shape } = call.numbers(0);
  const mode = call.choice('mode', ['nearest', 'linear', 'cubic']);
  const position = call.version < 11 ? 1 : 2;
  const scales = call.isGiven(position) ? call.publicNumbers(position, 'its scales') : [];
  const sizes = call.isGiven(3) ? call.publicNumbers(3, 'its sizes') : [];
  if (scales.length === 0 && sizes.length === 0)
    throw call.unsupported('has neither scales nor sizes', 'Repair the model.');
  return resize(call, axesOf(call, scales, sizes, shape), mode);
}

function upsampled(call: OperatorCall): TensorValue {
  const { shape } = call.numbers(0);
  const mode = call.choice('mode', ['nearest', 'linear', 'bilinear']);
  const scales = call.attribute('scales', 'floats') ?? call.publicNumbers(1, 'its scales');
  return resize(call, axesOf(call, scales, [], shape), mode === 'nearest' ? 'nearest' : 'linear');
}

export const resizing: OperatorFamily = {
  Resize: {
    attributes: [
      'antialias',
      'axes',
      'coordinate_transformation_mode',
      'cubic_coeff_a',
      'exclude_outside',
      'extrapolation_value',
      'keep_aspect_ratio_policy',
      'mode',
      'nearest_mode',
    ],
    run: resized,
  },
  Upsample: { attributes: ['mode', 'scales'], run: upsampled },
};
