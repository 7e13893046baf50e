/** Operators on shapes: reading them, changing them, joining and splitting, padding and slicing. All local. */
import { pad, range } from '../../tensor/rearrange.ts';
import type { PadMode } from '../../tensor/rearrange.ts';
import { broadcastShapes, sizeOf, stridesOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import {
  broadcastValue,
  concatValues,
  rearrangePublic,
  rearrangeValue,
  reshapeValue,
  sliceValue,
  takeValue,
  transposeValue,
} from './moves.ts';
import { numbersOf, publicTensor, secretTensor, shapeOf } from './value.ts';
import type { PublicTensor, TensorValue } from './value.ts';

/** Axes as an attribute in old versions and as an input since `version`; undefined where none are given. */
export function axesOf(call: OperatorCall, version: number, position = 1): readonly number[] | undefined {
  if (call.version < version) return call.ints('axes');
  return call.isGiven(position) ? call.publicNumbers(position, 'its axes') : undefined;
}

/** Axes counted from the start, ascending. */
export function normalAxes(
  call: OperatorCall,
  axes: readonly number[],
  rank = shapeOf(call.tensor(0)).length,
): number[] {
  return axes.map((axis) => call.axis(axis, rank)).sort((a, b) => a - b);
}

function reshape(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const from = shapeOf(x);
  const wanted = call.version < 5 ? (call.ints('shape') ?? []) : call.publicNumbers(1, 'its shape');
  const keepsZero = call.int('allowzero', 0) !== 0;
  const sizes = wanted.map((n, axis) => (n === 0 && !keepsZero ? (from[axis] ?? 0) : n));
  const open = sizes.indexOf(-1);
  const rest = sizeOf(sizes.filter((_, axis) => axis !== open));
  return reshapeValue(
    x,
    open < 0 ? sizes : sizes.map((n, axis) => (axis === open ? sizeOf(from) / Math.max(1, rest) : n)),
  );
}

function unsqueeze(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const axes = axesOf(call, 13) ?? [];
  const rank = shapeOf(x).length + axes.length;
  const added = new Set(normalAxes(call, axes, rank));
  const kept = [...shapeOf(x)];
  return reshapeValue(
    x,
    range(rank).map((axis) => (added.has(axis) ? 1 : (kept.shift() ?? 1))),
  );
}

function squeeze(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const shape = shapeOf(x);
  const given = axesOf(call, 13);
  const gone = given === undefined ? shape.flatMap((n, axis) => (n === 1 ? [axis] : [])) : normalAxes(call, given);
  if (gone.some((axis) => shape[axis] !== 1))
    throw call.unsupported('squeezes an axis that is not of size 1', 'Repair the model.');
  return reshapeValue(
    x,
    shape.filter((_, axis) => !gone.includes(axis)),
  );
}

/** Parts along an axis: by sizes, or as many as there are outputs, the last one smaller. */
function split(call: OperatorCall): TensorValue[] {
  const x = call.tensor(0);
  const axis = call.axis(call.int('axis', 0));
  const size = shapeOf(x)[axis] ?? 0;
  const given =
    call.version >= 13 || call.isGiven(1)
      ? call.isGiven(1)
        ? call.publicNumbers(1, 'its sizes')
        : undefined
      : call.ints('split');
  const count = call.int('num_outputs', call.node.outputs.length);
  const part = Math.ceil(size / count);
  const sizes = given ?? range(count).map((i) => Math.max(0, Math.min(part, size - i * part)));
  return splitValue(call, x, sizes, axis);
}

export function splitValue(call: OperatorCall, x: TensorValue, sizes: readonly number[], axis: number): TensorValue[] {
  const shape = shapeOf(x);
  if (sizes.reduce((sum, n) => sum + n, 0) !== shape[axis])
    throw call.unsupported(
      `splits axis ${axis} of [${shape.join(', ')}] into [${sizes.join(', ')}]`,
      'Repair the model.',
    );
  let from = 0;
  return sizes.map((n) => {
    const begin = shape.map((_, a) => (a === axis ? from : 0));
    from += n;
    return sliceValue(
      x,
      begin,
      shape.map((whole, a) => (a === axis ? n : whole)),
    );
  });
}

function slice(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const old = call.version < 10;
  const starts = old ? (call.ints('starts') ?? []) : call.publicNumbers(1, 'its starts');
  const ends = old ? (call.ints('ends') ?? []) : call.publicNumbers(2, 'its ends');
  const axes =
    (old ? call.ints('axes') : call.isGiven(3) ? call.publicNumbers(3, 'its axes') : undefined) ?? range(starts.length);
  const steps = old || !call.isGiven(4) ? axes.map(() => 1) : call.publicNumbers(4, 'its steps');
  return axes.reduce((value: TensorValue, given, i) => {
    const axis = call.axis(given);
    const size = shapeOf(value)[axis] ?? 0;
    const step = steps[i] ?? 1;
    if (step === 0) throw call.unsupported('slices in steps of 0', 'Repair the model.');
    const clip = (at: number): number => {
      const counted = at < 0 ? at + size : at;
      return step > 0 ? Math.min(Math.max(counted, 0), size) : Math.min(Math.max(counted, -1), size - 1);
    };
    const [from, to] = [clip(starts[i] ?? 0), clip(ends[i] ?? 0)];
    const count = Math.max(0, Math.ceil((to - from) / step));
    return takeValue(
      value,
      range(count).map((k) => from + k * step),
      axis,
    );
  }, x);
}

function padOperator(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const rank = shapeOf(x).length;
  const old = call.version < 11;
  const pads = old ? (call.ints('pads') ?? call.ints('paddings') ?? []) : call.publicNumbers(1, 'its pads');
  const filler =
    !old && call.isGiven(2) ? (call.publicNumbers(2, 'what it pads with')[0] ?? 0) : call.float('value', 0);
  const axes = call.isGiven(3) ? call.publicNumbers(3, 'its axes').map((axis) => call.axis(axis)) : range(rank);
  const [before, after] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)];
  axes.forEach((axis, i) => {
    before[axis] = pads[i] ?? 0;
    after[axis] = pads[axes.length + i] ?? 0;
  });
  const mode: PadMode = call.choice('mode', ['constant', 'reflect', 'edge', 'wrap']);
  if (x.kind === 'secret') return secretTensor(x.type, pad(numbersOf(call.graph, x), before, after, mode, filler));
  if (mode !== 'constant') throw call.unsupported(`pads public values in mode ${mode}`);
  const shape = x.shape.map((n, axis) => n + (before[axis] ?? 0) + (after[axis] ?? 0));
  const strides = stridesOf(x.shape);
  const source = (index: readonly number[]): number | undefined => {
    const inner = index.map((i, axis) => i - (before[axis] ?? 0));
    if (inner.some((i, axis) => i < 0 || i >= (x.shape[axis] ?? 0))) return undefined;
    return inner.reduce((sum, i, axis) => sum + i * (strides[axis] ?? 1), 0);
  };
  return rearrangePublic(x, shape, source, filler);
}

function tile(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  let repeats: readonly number[];
  if (call.version < 6) {
    const axis = call.publicNumbers(2, 'its axis')[0] ?? 0;
    const times = call.publicNumbers(1, 'its number of tiles')[0] ?? 1;
    repeats = shapeOf(x).map((_, a) => (a === axis ? times : 1));
  } else repeats = call.publicNumbers(1, 'its repeats');
  return repeats.reduce((value: TensorValue, times, axis) => {
    const size = shapeOf(value)[axis] ?? 0;
    return times === 1
      ? value
      : takeValue(
          value,
          range(size * times).map((i) => i % size),
          axis,
        );
  }, x);
}

/** A triangle of the last two axes, zeros elsewhere. */
function trilu(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const k = call.isGiven(1) ? (call.publicNumbers(1, 'its diagonal')[0] ?? 0) : 0;
  const upper = call.int('upper', 1) !== 0;
  const strides = stridesOf(shapeOf(x));
  return rearrangeValue(x, shapeOf(x), (index) => {
    const [row = 0, column = 0] = index.slice(-2);
    const keeps = upper ? column - row >= k : column - row <= k;
    return keeps ? index.reduce((sum, i, axis) => sum + i * (strides[axis] ?? 1), 0) : undefined;
  });
}

/** The first entries of a sequence in reverse, as many as its length says. */
function reverseSequence(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const [batchAxis, timeAxis] = [call.int('batch_axis', 1), call.int('time_axis', 0)];
  const lengths = call.publicNumbers(1, 'the lengths of its sequences');
  const strides = stridesOf(shapeOf(x));
  return rearrangeValue(x, shapeOf(x), (index) => {
    const length = lengths[index[batchAxis] ?? 0] ?? 0;
    const source = index.map((i, axis) => (axis === timeAxis && i < length ? length - 1 - i : i));
    return source.reduce((sum, i, axis) => sum + i * (strides[axis] ?? 1), 0);
  });
}

function shapeOperator(call: OperatorCall): PublicTensor {
  const shape: Shape = shapeOf(call.tensor(0));
  const clip = (at: number): number => Math.min(Math.max(at < 0 ? at + shape.length : at, 0), shape.length);
  const part = shape.slice(clip(call.int('start', 0)), clip(call.int('end', shape.length)));
  return publicTensor('int64', [part.length], part);
}

export const shapes: OperatorFamily = {
  Identity: { run: (call) => call.value(0) },
  Shape: { attributes: ['start', 'end'], run: shapeOperator },
  Size: { run: (call) => publicTensor('int64', [], [sizeOf(shapeOf(call.tensor(0)))]) },
  Reshape: { attributes: ['shape', 'allowzero', 'consumed_inputs'], run: reshape },
  Flatten: {
    attributes: ['axis'],
    run: (call) => {
      const shape = shapeOf(call.tensor(0));
      const given = call.int('axis', 1);
      const axis = given < 0 ? given + shape.length : given;
      return reshapeValue(call.tensor(0), [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))]);
    },
  },
  Squeeze: { attributes: ['axes'], run: squeeze },
  Unsqueeze: { attributes: ['axes'], run: unsqueeze },
  Transpose: {
    attributes: ['perm'],
    run: (call) => {
      const rank = shapeOf(call.tensor(0)).length;
      return transposeValue(call.tensor(0), call.ints('perm') ?? range(rank).reverse());
    },
  },
  Expand: {
    run: (call) => {
      const x = call.tensor(0);
      return broadcastValue(x, broadcastShapes('expand', shapeOf(x), call.publicNumbers(1, 'its shape')));
    },
  },
  Tile: { run: tile },
  Concat: {
    attributes: ['axis'],
    run: (call) => {
      const preset = call.version < 4 ? 1 : undefined;
      const axis = call.attribute('axis', 'int') ?? preset;
      if (axis === undefined) throw call.unsupported('lacks its attribute "axis"', 'Repair the model.');
      return concatValues(call.graph, call.tensors(), call.axis(axis));
    },
  },
  Split: { attributes: ['axis', 'split', 'num_outputs'], run: split },
  Slice: { attributes: ['starts', 'ends', 'axes'], run: slice },
  Pad: { attributes: ['pads', 'paddings', 'value', 'mode'], run: padOperator },
  Trilu: { attributes: ['upper'], run: trilu },
  ReverseSequence: { attributes: ['batch_axis', 'time_axis'], run: reverseSequence },
};
