/** How far one label can move a row's gradient, and how rows are cut to a length. Knows neither networks nor shares. */
import type { ClearPass } from './clear-network.ts';

/** The labels that a row may have, as the loss takes them: a number of outputs each. */
export type PossibleLabels = readonly (readonly number[])[];

/** v' G v. */
function squaredLength(products: Float64Array, at: number, v: readonly number[]): number {
  const n = v.length;
  let sum = 0;
  for (let a = 0; a < n; a++)
    for (let b = 0; b < n; b++) sum += (v[a] ?? 0) * (v[b] ?? 0) * (products[at + a * n + b] ?? 0);
  return Math.max(0, sum);
}

/**
 * A factor for each row, at most 1: with it another label changes the gradient by all weights by at most `norm`, and the gradient
 * itself is at most twice as long whatever the label is.
 */
export function rowFactors({ gradient, products }: ClearPass, labels: PossibleLabels, norm: number): Float64Array {
  const outputs = labels[0]?.length ?? 1;
  return gradient.slope.map((slope, row) => {
    const at = row * outputs * outputs;
    const length = (v: readonly number[]): number => Math.sqrt(squaredLength(products, at, v));
    let change = 0;
    let longest = 0;
    labels.forEach((label, i) => {
      const whole = label.map((y, k) => (gradient.offset[row * outputs + k] ?? 0) + slope * y);
      longest = Math.max(longest, length(whole));
      for (const other of labels.slice(i + 1))
        change = Math.max(change, Math.abs(slope) * length(label.map((y, k) => y - (other[k] ?? 0))));
    });
    // A thousandth less, for what single precision rounds.
    return Math.min(1, (0.999 * norm) / change, (1.998 * norm) / longest);
  });
}
