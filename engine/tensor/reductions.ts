/**
 * Reductions: sums, means, variances, norms, products and their running forms. Axes may count from the end; several at once.
 * Knows nothing of shares.
 */
import { concat } from './tensor.ts';
import type { Tensor } from './tensor.ts';
import { normaliseAxis, sizeOf } from './shape.ts';
import type { Shape } from './shape.ts';

export interface ReduceOptions {
  /** All axes if not given. */
  readonly axes?: readonly number[];
  /** Leaves reduced axes in place, of size 1. */
  readonly keepAxes?: boolean;
}

/** The axes to reduce, ascending, and the shape of the result. */
function reducedAxes(x: Tensor, options: ReduceOptions): { axes: number[]; shape: Shape; kept: Shape } {
  const axes = [
    ...new Set((options.axes ?? x.shape.map((_, axis) => axis)).map((a) => normaliseAxis('reduce', a, x.shape))),
  ];
  axes.sort((a, b) => a - b);
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return { axes, kept, shape: options.keepAxes === true ? kept : x.shape.filter((_, axis) => !axes.includes(axis)) };
}

/** Local. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { axes, shape } = reducedAxes(x, options);
  return [...axes]
    .reverse()
    .reduce((t, axis) => t.sum(axis), x)
    .reshape(shape);
}

/** 1 round. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { axes } = reducedAxes(x, options);
  return sum(x, options).timesNumber(1 / sizeOf(axes.map((axis) => x.shape[axis] ?? 1)));
}

/**
 * Variance: mean squared distance from the mean. `unbiased` divides by one less than the count (the default, as in PyTorch).
 * 3 rounds with the opening of x.
 */
export function variance(x: Tensor, options: ReduceOptions & { readonly unbiased?: boolean } = {}): Tensor {
  const { axes } = reducedAxes(x, options);
  const count = sizeOf(axes.map((axis) => x.shape[axis] ?? 1));
  const centred = x.sub(mean(x, { axes, keepAxes: true }));
  const squares = sum(centred.mul(centred), options);
  return squares.timesNumber(1 / (options.unbiased === false ? count : count - 1));
}

/** Product along one axis, which disappears: a tree, 2 rounds a level. */
export function product(x: Tensor, axis: number): Tensor {
  const normal = normaliseAxis('prod', axis, x.shape);
  let t = x;
  for (let size = t.shape[normal] ?? 0; size > 1; size = t.shape[normal] ?? 0) {
    const half = Math.floor(size / 2);
    const part = (from: number, count: number): Tensor =>
      t.slice(
        t.shape.map((_, a) => (a === normal ? from : 0)),
        t.shape.map((n, a) => (a === normal ? count : n)),
      );
    const pairs = part(0, half).mul(part(half, half));
    t = size % 2 === 0 ? pairs : concat([pairs, part(size - 1, 1)], normal);
  }
  return t.reshape(t.shape.filter((_, a) => a !== normal));
}

/** Running sums along an axis: local, log2(n) additions. `exclusive` leaves the element itself out. */
export function cumulativeSum(x: Tensor, axis: number, options: { exclusive?: boolean } = {}): Tensor {
  const normal = normaliseAxis('cumsum', axis, x.shape);
  const size = x.shape[normal] ?? 0;
  const shifted = (t: Tensor, by: number): Tensor => {
    const part = t.slice(
      t.shape.map(() => 0),
      t.shape.map((n, a) => (a === normal ? n - by : n)),
    );
    return part.embed(
      t.shape.map((_, a) => (a === normal ? by : 0)),
      t.shape,
    );
  };
  let t = options.exclusive === true ? shifted(x, Math.min(1, size)) : x;
  for (let step = 1; step < size; step *= 2) t = t.add(shifted(t, step));
  return t;
}

/** Sums over what broadcasting had widened, back to `shape`. Local. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const extra = x.shape.length - shape.length;
  const axes = x.shape.flatMap((size, axis) =>
    axis < extra || (shape[axis - extra] === 1 && size !== 1) ? [axis] : [],
  );
  return axes.length === 0 ? x.reshape(shape) : sum(x, { axes, keepAxes: true }).reshape(shape);
}
