/**
 * Largest and smallest along an axis, with their positions: a tournament of small groups, each decided by comparing all its
 * pairs at once. Ties go to the smallest index. Comparisons are exact, so the value is one of the inputs, unchanged.
 * Knows nothing of shares.
 */
import { withGradient } from '../autograd/gradients.ts';
import { MAXIMUM_CANDIDATES } from '../protocol/maximum.ts';
import { range } from './rearrange.ts';
import { moveAxis } from './shapes.ts';
import { normaliseAxis, sizeOf } from './shape.ts';
import type { Shape } from './shape.ts';
import { concat, constant } from './tensor.ts';
import type { Tensor } from './tensor.ts';

/** Groups of one size side by side: candidates [from, from + count * size) of a level, `size` neighbours a group. */
interface Groups {
  readonly from: number;
  readonly count: number;
  readonly size: number;
  /** One-hot bits, [size, count * rows]; undefined for groups of one. */
  readonly bits: Tensor | undefined;
}

/** Result of a tournament over the first axis of [candidates, rows]. */
export class Tournament {
  /** Largest candidate of every row. */
  readonly value: Tensor;
  readonly #levels: readonly (readonly Groups[])[];
  readonly #candidates: number;
  readonly #rows: number;

  /**
   * 5 rounds a level with the opening of the candidates, log_12(candidates) levels. Groups are no larger than the number of
   * levels asks for, because a group costs a comparison for each of its pairs.
   */
  constructor(columns: Tensor) {
    const [candidates = 0, rows = 0] = columns.shape;
    this.#candidates = candidates;
    this.#rows = rows;
    const depth = Math.max(1, Math.ceil(Math.log(candidates) / Math.log(MAXIMUM_CANDIDATES) - 1e-9));
    const most = Math.max(2, Math.ceil(candidates ** (1 / depth) - 1e-9));
    const levels: Groups[][] = [];
    let current = columns;
    for (let left = candidates; left > 1; left = current.shape[0] ?? 0) {
      const size = Math.min(most, left);
      const full = Math.floor(left / size);
      const parts = [
        { from: 0, count: full, size },
        { from: full * size, count: 1, size: left - full * size },
      ].filter((part) => part.size > 0);
      const bound = current.node.bound - current.scale;
      const level = parts.map((part): { groups: Groups; winners: Tensor } => {
        // Before its truncation, so that comparisons and truncation read one opening.
        const members = grouped(current.raw, part).rescaled(current.scale);
        const bits = part.size === 1 ? undefined : members.oneHotMaximum();
        const winners = bits === undefined ? members : bits.select(members).sum(0).provedBelow(bound);
        return { groups: { ...part, bits }, winners: winners.reshape([part.count, rows]) };
      });
      levels.push(level.map(({ groups }) => groups));
      current = concat(
        level.map(({ winners }) => winners),
        0,
      );
    }
    this.value = current.reshape([rows]);
    this.#levels = levels;
  }

  /** Position of the first largest candidate of every row, at scale 0. 1 round for each level but one. */
  index(): Tensor {
    const { graph } = this.value;
    let indices = constant(graph, range(this.#candidates), [this.#candidates, 1], 0);
    for (const groups of this.#levels) {
      const parts = groups.map((part) => {
        const { count, size, bits } = part;
        const members = grouped(indices, part);
        if (bits === undefined) return members.broadcastTo([size, count * this.#rows]);
        const chosen = indices.isPublic
          ? bits
              .toNumber()
              .reshape([size, count, this.#rows])
              .mulRaw(members.reshape([size, count, 1]))
          : bits.select(members);
        return chosen.reshape([size, count, this.#rows]).sum(0);
      });
      indices = concat(
        parts.map((part, g) => part.reshape([groups[g]?.count ?? 0, this.#rows])),
        0,
      ).provedBelow(Math.log2(this.#candidates) + 0.01);
    }
    return indices.broadcastTo([1, this.#rows]).reshape([this.#rows]);
  }

  /** One-hot of the first largest candidate, [candidates, rows], as numbers at scale 0. 2 rounds for each level but one. */
  oneHot(): Tensor {
    let outer = constant(this.value.graph, new Array<number>(this.#rows).fill(1), [1, this.#rows], 0);
    for (const [depth, groups] of [...this.#levels].reverse().entries()) {
      let before = 0;
      const parts = groups.map(({ count, size, bits }) => {
        const winners = outer.slice([before, 0], [count, this.#rows]);
        before += count;
        if (bits === undefined) return winners;
        const inner = bits.toNumber().reshape([size, count, this.#rows]);
        const all = depth === 0 ? inner : inner.mulRaw(winners.reshape([1, count, this.#rows])).provedBelow(0.01);
        return all.transpose([1, 0, 2]).reshape([count * size, this.#rows]);
      });
      outer = concat(parts, 0);
    }
    return outer;
  }
}

/** Members of groups of neighbours: [size, count * rows]. */
function grouped(x: Tensor, { from, count, size }: { from: number; count: number; size: number }): Tensor {
  const rows = x.shape[1] ?? 0;
  return x
    .slice([from, 0], [count * size, rows])
    .reshape([count, size, rows])
    .transpose([1, 0, 2])
    .reshape([size, count * rows]);
}

export interface ExtremeOptions {
  /** The flattened tensor if not given. */
  readonly axis?: number;
  readonly keepAxis?: boolean;
}

/** Columns of the values along an axis, and the way back. */
function columnsOf(
  x: Tensor,
  options: ExtremeOptions,
): { columns: Tensor; back: (row: Tensor) => Tensor; axis: number } {
  if (options.axis === undefined) {
    const shape: Shape = options.keepAxis === true ? x.shape.map(() => 1) : [];
    return { columns: flattened(x, [x.size, 1]), back: (row) => row.reshape(shape), axis: -1 };
  }
  const axis = normaliseAxis('maximum', options.axis, x.shape);
  const rest = x.shape.filter((_, i) => i !== axis);
  const shape = options.keepAxis === true ? x.shape.map((size, i) => (i === axis ? 1 : size)) : rest;
  const moved = moveAxis(x.raw, axis, 0).rescaled(x.scale);
  return { columns: flattened(moved, [x.shape[axis] ?? 0, sizeOf(rest)]), back: (row) => row.reshape(shape), axis };
}

function flattened(x: Tensor, shape: Shape): Tensor {
  return x.raw.reshape(shape).rescaled(x.scale);
}

/** One-hot [candidates, rows] back in the shape of x. */
function uncolumn(oneHot: Tensor, x: Tensor, axis: number): Tensor {
  if (axis < 0) return oneHot.reshape(x.shape);
  const rest = x.shape.filter((_, i) => i !== axis);
  return moveAxis(oneHot.reshape([x.shape[axis] ?? 0, ...rest]), 0, axis);
}

/** Largest value along an axis. The gradient goes to the first largest. 5 rounds a level (up to 12 values: one). */
export function maximum(x: Tensor, options: ExtremeOptions = {}): Tensor {
  const { columns, back, axis } = columnsOf(x, options);
  const tournament = new Tournament(columns);
  const value = back(tournament.value);
  return withGradient(value, (gradient) => {
    const row = gradient.reshape([1, columns.shape[1] ?? 0]);
    return [[x, uncolumn(tournament.oneHot().mulRaw(row.broadcastTo(columns.shape)), x, axis)]];
  });
}

/** Smallest value along an axis; as `maximum`. */
export function minimum(x: Tensor, options: ExtremeOptions = {}): Tensor {
  return maximum(x.neg(), options).neg();
}

/** Index of the first largest value, at scale 0. */
export function argumentOfMaximum(x: Tensor, options: ExtremeOptions = {}): Tensor {
  const { columns, back } = columnsOf(x, options);
  return back(new Tournament(columns).index());
}

/** Index of the first smallest value, at scale 0. */
export function argumentOfMinimum(x: Tensor, options: ExtremeOptions = {}): Tensor {
  return argumentOfMaximum(x.neg(), options);
}

/** Numbers 0 and 1 at scale 0, of the shape of x: 1 at the first largest along the axis. */
export function oneHotOfMaximum(x: Tensor, options: { readonly axis?: number } = {}): Tensor {
  const { columns, axis } = columnsOf(x, options);
  return uncolumn(new Tournament(columns).oneHot(), x, axis);
}

export function oneHotOfMinimum(x: Tensor, options: { readonly axis?: number } = {}): Tensor {
  return oneHotOfMaximum(x.neg(), options);
}
