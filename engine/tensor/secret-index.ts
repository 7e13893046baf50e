/** One-hot forms of secret whole numbers, and rows picked by them, so that nobody learns which. Knows nothing of shares. */
import { range } from './rearrange.ts';
import { ShapeError, sizeOf } from './shape.ts';
import { constant } from './tensor.ts';
import type { Tensor } from './tensor.ts';

/**
 * 1 at the place that a secret index names, 0 elsewhere, at scale 0: a new last axis of `size`. An index outside gives zeros.
 * `index` holds whole numbers of magnitude up to its bound, at any scale. 4 rounds with the opening of the differences.
 */
export function oneHot(index: Tensor, size: number): Tensor {
  const places = constant(index.graph, range(size), [size], index.scale);
  return index
    .reshape([...index.shape, 1])
    .sub(places)
    .equalsNumber(0)
    .toNumber();
}

/** Rows of a table [size, ...] by secret indices [...]: shape [..., ...]. Exact. 6 rounds with the opening of the differences. */
export function takeSecretly(table: Tensor, index: Tensor): Tensor {
  const [size, ...row] = table.shape;
  if (size === undefined) throw new ShapeError('take', [table.shape], 'a table has at least one axis');
  const inner = sizeOf(row);
  return oneHot(index, size)
    .reshape([index.size, size])
    .matmulRaw(table.reshape([size, inner]))
    .provedBelow(table.node.bound - table.scale)
    .reshape([...index.shape, ...row]);
}
