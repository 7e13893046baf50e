/** Covariances of a table's columns on shares. Knows nothing of what they are for. */
import { meanOver, VARIANCE_SCALE } from '../nn/table.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * Covariances over the count, [columns, columns], at VARIANCE_SCALE. Columns have variances below 2. 3 rounds with the opening
 * of the table, after its mean.
 */
export function covariance(table: Tensor, mean: Tensor): Tensor {
  const [rows = 1, width = 0] = table.shape;
  const products = meanOver(table.matmulRaw(table, { transposeA: true }), rows, VARIANCE_SCALE);
  const square = mean.reshape([width, 1]).mulRaw(mean).rescaled(VARIANCE_SCALE);
  return products.sub(square).assumeBelow(1);
}
