/**
 * Sorting along the last axis by ranks: every pair is compared at once, ranks become a secret permutation matrix, and the
 * matrix picks values and indices exactly. Equal values keep their order. Knows nothing of shares.
 */
import { range, take } from './rearrange.ts';
import { moveAxis } from './shapes.ts';
import { normaliseAxis, sizeOf } from './shape.ts';
import { constant } from './tensor.ts';
import type { Tensor } from './tensor.ts';

export interface Sorted {
  readonly values: Tensor;
  /** Where each value stood, at scale 0. */
  readonly indices: Tensor;
}

/**
 * The first `count` values in order along an axis (all if not given). 8 rounds with the opening of the differences; n (n - 1) / 2
 * comparisons and n * count equalities of short numbers a row.
 */
export function sort(
  x: Tensor,
  axis = -1,
  options: { readonly descending?: boolean; readonly count?: number } = {},
): Sorted {
  const normal = normaliseAxis('sort', axis, x.shape);
  const size = x.shape[normal] ?? 0;
  const count = Math.min(options.count ?? size, size);
  const last = moveAxis(x, normal, x.shape.length - 1);
  const rows = sizeOf(last.shape.slice(0, -1));
  const flat = last.reshape([rows, size]);
  const matrix = permutation(flat, options.descending === true, count);
  const back = (t: Tensor): Tensor =>
    moveAxis(t.reshape([...last.shape.slice(0, -1), count]), x.shape.length - 1, normal);
  const values = matrix.matmulRaw(flat.reshape([rows, size, 1])).provedBelow(x.node.bound - x.scale);
  const indices = matrix.matmulRaw(constant(x.graph, range(size), [size, 1], 0)).provedBelow(Math.log2(size) + 0.01);
  return { values: back(values), indices: back(indices) };
}

/** The `count` largest (or smallest) values along an axis, in order, with their indices. */
export function topK(x: Tensor, count: number, axis = -1, largest = true): Sorted {
  return sort(x, axis, { descending: largest, count });
}

/** Permutation matrices [rows, count, size], 0 and 1 at scale 0, that sort rows. */
function permutation(x: Tensor, descending: boolean, count: number): Tensor {
  const [rows = 0, size = 0] = x.shape;
  const pairs = range(size).flatMap((i) => range(size - i - 1).map((k) => [i, i + 1 + k] as const));
  if (pairs.length === 0) return constant(x.graph, new Array<number>(rows).fill(1), [rows, 1, 1], 0);
  const first = take(
    x,
    pairs.map(([i]) => i),
    1,
  );
  const second = take(
    x,
    pairs.map(([, j]) => j),
    1,
  );
  // 1 where the first of a pair comes before the second; equal ones keep their order.
  const before = (descending ? first.sub(second) : second.sub(first)).atLeast(0).toNumber();
  const pairOf = new Map(pairs.map(([i, j], pair) => [i * size + j, pair]));
  const padded = before.embed([0, 0], [rows, pairs.length + 1]);
  /** [rows, size, size] with what `pick` names at (i, j), 0 where it names nothing. */
  const square = (pick: (i: number, j: number) => number | undefined): Tensor =>
    take(
      padded,
      range(size * size).map((at) => pick(Math.floor(at / size), at % size) ?? pairs.length),
      1,
    ).reshape([rows, size, size]);
  // The rank of i: how many j come before it.
  const lost = square((i, j) => (j < i ? pairOf.get(j * size + i) : undefined)).sum(2);
  const won = square((i, j) => (i < j ? pairOf.get(i * size + j) : undefined)).sum(2);
  const later = constant(
    x.graph,
    range(size).map((i) => size - 1 - i),
    [size],
    0,
  );
  const rank = lost.add(later).sub(won).provedBelow(Math.log2(size));
  const places = constant(x.graph, range(count), [count, 1], 0);
  return rank.reshape([rows, 1, size]).sub(places).equalsNumber(0).toNumber();
}
