/** Reciprocals of shared counts of rows. Knows nothing of what is counted. */
import { linear } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { reciprocal } from './powers.ts';

/** Fraction bits with which a reciprocal is refined. */
export const REFINED_BITS = 24;
/** Fraction bits of a number whose reciprocal is looked up, at least. */
const LEAST_TABLE_SCALE = 12;

/** h: sums over `rows` are divided by 2^h exactly, then by the rest of a count. */
export function halvingsOf(rows: number): number {
  return Math.floor(Math.log2(rows));
}

/**
 * 2^h / count for a shared count of at most `rows` at scale 0, h = floor(log2 rows); 0 for a count of 0. Relative error 1e-5:
 * a look-up, and one step of Newton's iteration y (2 - x y). About 15 rounds, for one number.
 */
export function inverseCount(count: Tensor, rows: number): Tensor {
  const halvings = halvingsOf(rows);
  // exact; with the bits that a table of reciprocals needs for its intervals
  const x = count.timesPowerOfTwo(-halvings).rescaled(Math.max(halvings, LEAST_TABLE_SCALE));
  const y = reciprocal(x, { least: 2 ** -halvings });
  const correction = linear('newton', [[-1n, x.mulRaw(y)]])
    .addNumber(2)
    .provedBelow(1.1)
    .rescaled(REFINED_BITS);
  return y
    .mulRaw(correction)
    .provedBelow(halvings + 0.1)
    .rescaled(count.graph.options.fractionBits);
}
