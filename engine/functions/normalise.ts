/**
 * Splits a secret number into a mantissa of magnitude 1 to 4 and a power of four, for functions over many orders of magnitude.
 * All comparisons read one opening and one set of digit tables. Knows nothing of shares.
 */
import { InputError } from '../../shared/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { linear } from '../tensor/tensor.ts';
import type { TableSpec } from './interval-table.ts';

export interface Normalised {
  /** x / 4^exponent, exactly; 0 where no bucket holds x. */
  readonly mantissa: Tensor;
  /** Bit of 4^exponent <= |x| < 4^(exponent + 1) (x itself unless signed); at most one is set. */
  readonly buckets: readonly { readonly exponent: number; readonly bit: Tensor }[];
  /** Bit: no bucket holds x, which is zero, below one unit, or not positive where only positive numbers are expected. */
  readonly isSmall: Tensor;
  readonly isSigned: boolean;
}

/**
 * Buckets from one unit of x (or from `least`) to its working bound. 4 rounds with the opening of x; the mantissa is local then. Cost: a
 * comparison (two if signed) and a product with a bit for each factor of 4 in the range.
 */
export function normalise(x: Tensor, isSigned: boolean, least?: number): Normalised {
  const magnitudeBits = x.graph.workingBound(x.node) - x.scale;
  const lowest = least === undefined ? -Math.floor(x.scale / 2) : Math.floor(Math.log2(least) / 2);
  const highest = Math.ceil((magnitudeBits - 0.1) / 2) - 1;
  if (highest < lowest) {
    throw new InputError('no-magnitude', `A number below one unit at scale ${x.scale} cannot be normalised.`);
  }
  const unit = 2 ** -x.scale;
  const exponents = Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i);
  const above = exponents.map((e) => {
    const positive = x.atLeast(4 ** e);
    return isSigned ? positive.xor(x.atLeast(unit - 4 ** e).not()) : positive;
  });
  const buckets = exponents.map((exponent, i) => {
    const [bit, larger] = [above[i], above[i + 1]];
    if (bit === undefined) throw new RangeError('a bucket has a lower end');
    return { exponent, bit: larger === undefined ? bit : bit.xor(larger) };
  });
  const scaled = linear(
    'normalise',
    buckets.map(({ exponent, bit }) => [4n ** BigInt(highest - exponent), bit.select(x)] as const),
  );
  const mantissa = scaled.timesPowerOfTwo(-2 * highest).provedBelow(2.02);
  return { mantissa, buckets, isSmall: (above[0] ?? x).not(), isSigned };
}

/** Scale of a mantissa table's results, before truncation: opened in six bytes. */
export const MANTISSA_TABLE_SCALE = 45;
const OFFSET_BITS = 12;

/** Cubics over the mantissas, eight intervals a unit; for negative ones too where they are expected. */
export function mantissaTable(x: Normalised): TableSpec {
  const argumentScale = x.mantissa.scale;
  const [low, high] = x.isSigned ? [-4.125, 4.125] : [0.875, 4.125];
  return {
    low,
    widthBits: -3,
    intervals: (high - low) * 8,
    degree: 3,
    argumentScale,
    offsetShift: Math.max(0, argumentScale - OFFSET_BITS),
    resultScale: MANTISSA_TABLE_SCALE,
  };
}

/**
 * t * 2^(step * exponent) at `scale`, for t of the mantissa before its truncation: each bucket truncates the one opening of t
 * by its own shift. 1 round. What is below half a unit is left out.
 */
export function putBack(x: Normalised, t: Tensor, step: number, scale: number): Tensor {
  const terms = x.buckets.flatMap(({ exponent, bit }) => {
    const power = step * exponent;
    // The ring element of t * 2^power at `scale` is that of t at scale + power.
    if (t.node.bound - t.scale + scale + power < -1) return [];
    return [[1n, bit.select(t.rescaled(scale + power)).timesPowerOfTwo(power)] as const];
  });
  const powers = x.buckets.map(({ exponent }) => step * exponent);
  return linear('denormalise', terms).provedBelow(t.node.bound - t.scale + Math.max(...powers) + 0.01);
}
