/**
 * 1 / sqrt(x) for 0 < x <= 1, by normalising x to [1, 4) with the bits of comparisons against powers of 4 (which share one
 * opening), a table there, and the power of 2 put back. Knows nothing of shares.
 */
import type { Tensor } from '../tensor/tensor.ts';
import { linear } from '../tensor/tensor.ts';
import { intervalTable } from './interval-table.ts';

/** Smaller arguments than 4^-SMALLEST give 0. */
const SMALLEST = 14;
const TABLE_SCALE = 45;

/**
 * `x` at a scale of 2 SMALLEST bits or more, at most 1; the result at the graph's scale. Relative error 1e-3 down to 4^-10
 * at scale 30, limited by x's own last bits below. 0 for x < 4^-SMALLEST. 7 rounds after the opening of x.
 */
export function inverseSquareRoot(x: Tensor): Tensor {
  const fractionBits = x.graph.options.fractionBits;
  // above[j] = 1{x >= 4^-j}; inside[j] marks 4^-j <= x < 4^-(j-1).
  const above = Array.from({ length: SMALLEST + 1 }, (_, j) => x.atLeast(4 ** -j));
  const inside = above.map((bit, j) => {
    const larger = above[j - 1];
    return larger === undefined ? bit : bit.xor(larger);
  });
  const normalised = linear(
    'normalise',
    inside.map((bit, j) => [4n ** BigInt(j), bit.select(x)] as const),
  )
    .assumeBelow(2.01)
    .rescaled(fractionBits);
  const table = intervalTable((u) => 1 / Math.sqrt(u), {
    low: 1,
    widthBits: -3,
    intervals: 25,
    degree: 3,
    argumentScale: fractionBits,
    offsetShift: Math.max(0, fractionBits - 12),
    resultScale: TABLE_SCALE,
  });
  const root = normalised.lookUp(table, TABLE_SCALE, TABLE_SCALE + 0.2).rescaled(fractionBits);
  const power = linear(
    'power',
    inside.map((bit, j) => [2n ** BigInt(j), bit.toNumber()] as const),
  );
  return root.mulRaw(power);
}
