/**
 * Rearrangements by public indices: gather, scatter, flip, roll, strided slices, padding, tiling. All are local: an index list
 * is known when the graph is traced. Knows nothing of shares.
 */
import { constant, linear } from './tensor.ts';
import type { Tensor } from './tensor.ts';
import { ShapeError, normaliseAxis, sizeOf, stridesOf } from './shape.ts';
import type { Shape } from './shape.ts';

function indexConstant(like: Tensor, indices: readonly number[]): Tensor {
  return constant(like.graph, indices, [indices.length], 0);
}

/** Entries `indices` of an axis, in their order, repeated as they repeat; negative ones count from the end. */
export function take(x: Tensor, indices: readonly number[], axis: number): Tensor {
  const normal = normaliseAxis('take', axis, x.shape);
  const size = x.shape[normal] ?? 0;
  const outer = sizeOf(x.shape.slice(0, normal));
  const inner = x.shape.slice(normal + 1);
  const wrapped = indices.map((i) => (i < 0 ? i + size : i));
  if (wrapped.some((i) => !Number.isInteger(i) || i < 0 || i >= size))
    throw new ShapeError('take', [x.shape], `an index is outside axis ${normal}`);
  const rows = Array.from({ length: outer }, (_, o) => wrapped.map((i) => o * size + i)).flat();
  return x
    .reshape([outer * size, ...inner])
    .gatherRows(indexConstant(x, rows))
    .reshape([...x.shape.slice(0, normal), indices.length, ...inner]);
}

/** Element i of the result is element `source(index)` of x in row-major order, or zero where that is undefined. */
export function rearrange(x: Tensor, shape: Shape, source: (index: readonly number[]) => number | undefined): Tensor {
  const strides = stridesOf(shape);
  const flat = Array.from({ length: sizeOf(shape) }, (_, i) =>
    source(strides.map((stride, axis) => Math.floor(i / stride) % (shape[axis] ?? 1))),
  );
  // A zero stands behind the last element for what has no source.
  const cells = x.reshape([x.size, 1]);
  const padded = flat.includes(undefined) ? cells.embed([0, 0], [x.size + 1, 1]) : cells;
  return padded
    .gatherRows(
      indexConstant(
        x,
        flat.map((i) => i ?? x.size),
      ),
    )
    .reshape(shape);
}

/** Elements of x at the indices along an axis (the shape of `indices` and of the result), as in ONNX GatherElements. */
export function gatherElements(x: Tensor, indices: readonly number[], shape: Shape, axis: number): Tensor {
  const normal = normaliseAxis('gather', axis, x.shape);
  const strides = stridesOf(x.shape);
  const own = stridesOf(shape);
  const size = x.shape[normal] ?? 0;
  return rearrange(x, shape, (index) => {
    const chosen = indices[dot(index, own)] ?? 0;
    return dot(
      index.map((i, a) => (a === normal ? (chosen < 0 ? chosen + size : chosen) : i)),
      strides,
    );
  });
}

/**
 * x with `updates` put (or added) at the indices along an axis; `indices` has the updates' shape. Where an index repeats, the
 * last update stays, or all are added.
 */
export function scatterElements(
  x: Tensor,
  indices: readonly number[],
  updates: Tensor,
  axis: number,
  mode: 'put' | 'add' = 'put',
): Tensor {
  const normal = normaliseAxis('scatter', axis, x.shape);
  const strides = stridesOf(x.shape);
  const own = stridesOf(updates.shape);
  const size = x.shape[normal] ?? 0;
  const targets = indices.map((chosen, i) => {
    const index = own.map((stride, a) => Math.floor(i / stride) % (updates.shape[a] ?? 1));
    return dot(
      index.map((v, a) => (a === normal ? (chosen < 0 ? chosen + size : chosen) : v)),
      strides,
    );
  });
  if (targets.length !== updates.size || targets.some((target) => !(target >= 0 && target < x.size)))
    throw new ShapeError('scatter', [x.shape, updates.shape], 'the indices do not fit');
  const rows = updates.reshape([updates.size, 1]);
  if (mode === 'add') return x.add(scatterAddRows(rows, targets, x.size).reshape(x.shape));
  const last = new Map(targets.map((target, i) => [target, i] as const));
  const placed = rearrange(updates, [x.size], ([i = 0]) => last.get(i));
  const kept = rearrange(x.reshape([x.size]), [x.size], ([i = 0]) => (last.has(i) ? undefined : i));
  return kept.add(placed).reshape(x.shape);
}

/** Row i of the result is the sum of the rows j with indices[j] = i. */
export function scatterAddRows(x: Tensor, indices: readonly number[], rows: number): Tensor {
  const sources = Array.from({ length: rows }, (): number[] => []);
  indices.forEach((target, source) => sources[target]?.push(source));
  const layers = Math.max(1, ...sources.map((list) => list.length));
  const inner = x.shape.slice(1);
  const padded = x.embed([0, ...inner.map(() => 0)], [indices.length + 1, ...inner]);
  return linear(
    'scatter',
    Array.from({ length: layers }, (_, layer) => {
      const picked = sources.map((list) => list[layer] ?? indices.length);
      return [1n, padded.gatherRows(indexConstant(x, picked))] as const;
    }),
  );
}

export function flip(x: Tensor, axes: readonly number[]): Tensor {
  return axes.reduce((t, axis) => {
    const size = t.shape[normaliseAxis('flip', axis, t.shape)] ?? 0;
    return take(t, range(size).reverse(), axis);
  }, x);
}

/** Moves entries `shift` places up along an axis; those that leave come back at the start. */
export function roll(x: Tensor, shift: number, axis: number): Tensor {
  const size = x.shape[normaliseAxis('roll', axis, x.shape)] ?? 0;
  return take(
    x,
    range(size).map((i) => modulo(i - shift, size)),
    axis,
  );
}

/** Entries from `start` to before `end` in steps, which may be negative, as in Python. */
export function sliceSteps(x: Tensor, axis: number, start: number, end: number, step: number): Tensor {
  const size = x.shape[normaliseAxis('slice', axis, x.shape)] ?? 0;
  if (!Number.isInteger(step) || step === 0) throw new ShapeError('slice', [x.shape], `a step of ${step}`);
  const clip = (at: number): number => {
    const counted = at < 0 ? at + size : at;
    return step > 0 ? Math.min(Math.max(counted, 0), size) : Math.min(Math.max(counted, -1), size - 1);
  };
  const [from, to] = [clip(start), clip(end)];
  const count = Math.max(0, Math.ceil((to - from) / step));
  return take(
    x,
    range(count).map((i) => from + i * step),
    axis,
  );
}

export type PadMode = 'constant' | 'reflect' | 'edge' | 'wrap';

/**
 * Puts before[axis] and after[axis] entries around x: a constant, the mirror image without the border, the border itself, or
 * the other end. Negative counts cut entries off.
 */
export function pad(
  x: Tensor,
  before: readonly number[],
  after: readonly number[],
  mode: PadMode = 'constant',
  value = 0,
): Tensor {
  const shape = x.shape.map((size, axis) => size + (before[axis] ?? 0) + (after[axis] ?? 0));
  const inside = (index: readonly number[]): boolean =>
    index.every((i, axis) => i >= (before[axis] ?? 0) && i < (before[axis] ?? 0) + (x.shape[axis] ?? 0));
  if (mode === 'constant' && [...before, ...after].every((count) => count >= 0)) {
    const embedded = x.embed(before, shape);
    return value === 0 ? embedded : embedded.add(frame(x, shape, (index) => (inside(index) ? 0 : value)));
  }
  if (mode !== 'constant') {
    return x.shape.reduce((t, size, axis) => {
      const [from, count] = [before[axis] ?? 0, shape[axis] ?? 0];
      if (from === 0 && count === size) return t;
      return take(
        t,
        range(count).map((i) => padSource(i - from, size, mode)),
        axis,
      );
    }, x);
  }
  const strides = stridesOf(x.shape);
  const moved = rearrange(x, shape, (index) =>
    inside(index)
      ? index.reduce((sum, i, axis) => sum + (i - (before[axis] ?? 0)) * (strides[axis] ?? 1), 0)
      : undefined,
  );
  return value === 0 ? moved : moved.add(frame(x, shape, (index) => (inside(index) ? 0 : value)));
}

function padSource(i: number, size: number, mode: Exclude<PadMode, 'constant'>): number {
  switch (mode) {
    case 'edge':
      return Math.min(Math.max(i, 0), size - 1);
    case 'wrap':
      return modulo(i, size);
    case 'reflect': {
      if (size === 1) return 0;
      const period = modulo(i, 2 * size - 2);
      return period < size ? period : 2 * size - 2 - period;
    }
  }
}

function frame(x: Tensor, shape: Shape, value: (index: readonly number[]) => number): Tensor {
  const strides = stridesOf(shape);
  const values = range(sizeOf(shape)).map((i) =>
    value(strides.map((stride, axis) => Math.floor(i / stride) % (shape[axis] ?? 1))),
  );
  return constant(x.graph, values, shape, x.scale);
}

/** The tensor `times` times in a row along each axis. */
export function tile(x: Tensor, times: readonly number[]): Tensor {
  const shape = [...new Array<number>(Math.max(0, times.length - x.shape.length)).fill(1), ...x.shape];
  const counts = [...new Array<number>(Math.max(0, shape.length - times.length)).fill(1), ...times];
  return counts.reduce(
    (t, count, axis) =>
      count === 1
        ? t
        : take(
            t,
            range((shape[axis] ?? 0) * count).map((i) => i % (shape[axis] ?? 1)),
            axis,
          ),
    x.reshape(shape),
  );
}

/** Every entry of an axis `times` times in a row. */
export function repeatEach(x: Tensor, times: number, axis: number): Tensor {
  const size = x.shape[normaliseAxis('repeat', axis, x.shape)] ?? 0;
  return take(
    x,
    range(size * times).map((i) => Math.floor(i / times)),
    axis,
  );
}

/** Elements [i, i + offset] of the last two axes. */
export function diagonal(x: Tensor, offset = 0): Tensor {
  const [rows = 0, columns = 0] = x.shape.slice(-2);
  const length = Math.max(0, Math.min(rows + Math.min(offset, 0), columns - Math.max(offset, 0)));
  const flat = x.reshape([...x.shape.slice(0, -2), rows * columns]);
  return take(
    flat,
    range(length).map((i) => (i - Math.min(offset, 0)) * columns + i + Math.max(offset, 0)),
    -1,
  );
}

/** What `keep(row, column)` says of the last two axes, zeros elsewhere (triangles, bands). */
export function maskMatrix(x: Tensor, keep: (row: number, column: number) => boolean): Tensor {
  const [rows = 0, columns = 0] = x.shape.slice(-2);
  const mask = range(rows * columns).map((i) => (keep(Math.floor(i / columns), i % columns) ? 1 : 0));
  return x.mulRaw(constant(x.graph, mask, [rows, columns], 0));
}

/** Windows of `size` entries along an axis, `step` apart, as a new last axis. */
export function unfoldAxis(x: Tensor, axis: number, size: number, step: number): Tensor {
  const normal = normaliseAxis('unfold', axis, x.shape);
  const count = Math.floor(((x.shape[normal] ?? 0) - size) / step) + 1;
  if (count < 1) throw new ShapeError('unfold', [x.shape], `no window of ${size} fits into axis ${normal}`);
  const picked = take(
    x,
    range(count).flatMap((w) => range(size).map((i) => w * step + i)),
    normal,
  );
  const split = picked.reshape([...x.shape.slice(0, normal), count, size, ...x.shape.slice(normal + 1)]);
  const order = split.shape.map((_, a) => a).filter((a) => a !== normal + 1);
  return split.transpose([...order, normal + 1]);
}

/** Places are listed in memory: a size that a damaged file names must not fill it. */
const MOST_PLACES = 2 ** 27;

export function range(count: number): number[] {
  if (!(count <= MOST_PLACES)) throw new ShapeError('range', [[count]], `up to ${MOST_PLACES} places can be listed`);
  return Array.from({ length: count }, (_, i) => i);
}

function dot(index: readonly number[], strides: readonly number[]): number {
  return index.reduce((sum, i, axis) => sum + i * (strides[axis] ?? 1), 0);
}

function modulo(i: number, size: number): number {
  return ((i % size) + size) % size;
}
