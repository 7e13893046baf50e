/** How far one label can move a row's gradient, and how rows are cut for it. Knows neither networks nor shares. */
import type { RowGradients } from '../../../engine/nn/split/row-graph.ts';

/** The labels that a row may have, as the loss takes them: a number of outputs each. */
export type PossibleLabels = readonly (readonly number[])[];

/** v' G v. */
function squaredLength(products: Float64Array, v: readonly number[]): number {
  const n = v.length;
  let sum = 0;
  for (let a = 0; a < n; a++) for (let b = 0; b < n; b++) sum += (v[a] ?? 0) * (v[b] ?? 0) * (products[a * n + b] ?? 0);
  return Math.max(0, sum);
}

/**
 * A factor for a row, at most 1: with it another label changes the gradient by all weights by at most `norm`.
 * @param rounding what roundings may add to the length of a score's gradient.
 */
export function rowFactor(
  { slope, products }: RowGradients,
  labels: PossibleLabels,
  norm: number,
  rounding: number,
): number {
  let change = 0;
  labels.forEach((label, i) => {
    for (const other of labels.slice(i + 1)) {
      const difference = label.map((y, k) => (slope[k] ?? 0) * (y - (other[k] ?? 0)));
      const rounded = rounding * difference.reduce((sum, part) => sum + Math.abs(part), 0);
      change = Math.max(change, Math.sqrt(squaredLength(products, difference)) + rounded);
    }
  });
  return Math.min(1, norm / change);
}
