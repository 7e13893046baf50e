/**
 * Sign of x - t for a public t, from the opening of x, by one-time digit tables.
 * Ideal functionality: XOR shares of 1{x >= t}, right iff |x - t| < 2^(bits-2). Rounds: 2 after the opening (1 for up to 16
 * bits, 0 for up to 4), then 1 to open the bit under its mask (masked-bit.ts).
 * Cost an element at bits = 48: 24 bits opened; dealer 20.5 bytes of tables (once for each opening, whatever the number of
 * thresholds) and 8 bytes of monomials. Source: table look-up in the spirit of one-time truth tables (Ishai et al., TCC 2013)
 * and comparison with a public value (Damgård et al., TCC 2006); radix-4 merge as in CrypTFlow2 (CCS 2020).
 *
 * With c = x - t + 2^(bits-2) + r, bit bits-2 of c - r is the answer; it is c_k XOR r_k XOR borrow, where k = bits-2 and
 * borrow = 1{c mod 2^k < r mod 2^k} is found digit by digit.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Bits, Words } from '../plan/program.ts';
import { andProducts } from './and-products.ts';
import type { BitSum } from './and-products.ts';
import type { Opened } from './open-shifted.ts';
import type { SharedBits } from './shared-value.ts';

/** Digits merged at once; two levels of merging serve up to RADIX^2 digits. */
const RADIX = 4;
/** A longer digit costs more in its table than it saves in merging. */
const LONGEST_DIGIT_BITS = 4;

/** An opened bit is sent by every party and waited for; a dealt one goes to one party, ahead of time. */
const OPENED_WEIGHT = 5;

/** Shared tables of the digits of the low k bits of r, most significant first; they serve every threshold of one opening. */
export interface DigitTables {
  readonly k: number;
  readonly digits: readonly { readonly from: number; readonly bits: number; readonly table: Bits }[];
  /** Bit k of r, at the dealer. */
  readonly topBit: Bits;
}

/** Deals the tables. 2^d - 1 bits for each d-bit digit (the last entry is implied). */
export function digitTables(b: ProgramBuilder, opened: Opened, k = opened.bits - 2): DigitTables {
  const planes = b.bitPlanes(opened.r, 0, k + 1);
  const digits: { from: number; bits: number; table: Bits }[] = [];
  let from = 0;
  for (const bits of digitSizes(k)) {
    digits.unshift({ from, bits, table: b.dealBits(b.oneHotBits(planes.part(from, bits))) });
    from += bits;
  }
  return { k, digits, topBit: planes.part(k, 1) };
}

/**
 * Sizes of the digits of k bits, least significant first, nearly equal: of the numbers of digits that need no more levels of
 * merging than the fewest do, the one with the least traffic.
 */
function digitSizes(k: number): number[] {
  const fewest = Math.ceil(k / LONGEST_DIGIT_BITS);
  const most = Math.min(k, fewest <= 1 ? 1 : fewest <= RADIX ? RADIX : RADIX * RADIX);
  let best: { sizes: number[]; traffic: number } | undefined;
  for (let count = fewest; count <= most; count++) {
    const sizes = Array.from(
      { length: count },
      (_, i) => Math.floor(((i + 1) * k) / count) - Math.floor((i * k) / count),
    );
    const traffic = trafficOf(sizes);
    if (best === undefined || traffic < best.traffic) best = { sizes, traffic };
  }
  return best?.sizes ?? [];
}

/** Bits an element for tables, monomials and openings, an opened bit counted OPENED_WEIGHT times. */
function trafficOf(sizes: readonly number[]): number {
  let bits = sizes.reduce((sum, size) => sum + 2 ** size - 1, 0);
  for (let digits = sizes.length; digits > 1; digits = Math.ceil(digits / RADIX)) {
    for (let done = 0; done < digits; done += RADIX) {
      const group = Math.min(RADIX, digits - done);
      const equals = done + group < digits ? group : group - 1;
      const monomials = 2 ** group - 1 - group + (2 ** equals - 1 - equals);
      if (group > 1) bits += monomials + OPENED_WEIGHT * (group - 1 + equals);
    }
  }
  return bits;
}

interface Digit {
  readonly less: Bits;
  readonly equal: Bits;
}

/**
 * Shares of 1{value of c >= 0}, where c has the mask of the tables (the opening itself, or shifted by a threshold). With tables
 * of fewer bits, and c without the opening's offset, it is bit k of the value in two's complement.
 */
export function isNotNegative(b: ProgramBuilder, tables: DigitTables, c: Words): SharedBits {
  const { k } = tables;
  const planes = b.bitPlanes(c, 0, k + 1);
  let level: Digit[] = tables.digits.map(({ from, bits, table }) => b.digitLookup(planes.part(from, bits), table));
  while (level.length > 1) {
    const groups: Digit[][] = [];
    for (let i = 0; i < level.length; i += RADIX) groups.push(level.slice(i, i + RADIX));
    level = groups.map((group, index) => mergeDigits(b, group, index < groups.length - 1));
  }
  const borrow = level[0]?.less;
  const top = planes.part(k, 1);
  return {
    share: b.combineBits(c.length, 1, borrow === undefined ? [[top]] : [[top], [borrow]]),
    offset: tables.topBit,
  };
}

/**
 * Shares of 1{value of c = 0}: c and r agree in all digits, which decides it for a value below 2^k in magnitude. 2 rounds for
 * 16 digits; fewer bits than a comparison.
 */
export function isZero(b: ProgramBuilder, tables: DigitTables, c: Words): SharedBits {
  const planes = b.bitPlanes(c, 0, tables.k);
  let level = tables.digits.map(({ from, bits, table }) => b.digitLookup(planes.part(from, bits), table).equal);
  while (level.length > 1) {
    const groups: Bits[][] = [];
    for (let i = 0; i < level.length; i += RADIX) groups.push(level.slice(i, i + RADIX));
    level = groups.flatMap((group) =>
      group.length === 1 ? group : andProducts(b, group, [{ plus: [], products: [group.map((_, i) => i)] }]),
    );
  }
  const [equal] = level;
  if (equal === undefined) throw new RangeError('an opening has at least one digit');
  return { share: equal, offset: undefined };
}

/**
 * One group, most significant digit first: less = L3 + E3 L2 + E3 E2 L1 + E3 E2 E1 L0, equal = E3 E2 E1 E0. The lowest group
 * of a level needs no `equal`.
 */
function mergeDigits(b: ProgramBuilder, group: readonly Digit[], withEqual: boolean): Digit {
  const [first, ...rest] = group;
  if (first === undefined) throw new RangeError('a group has at least one digit');
  if (rest.length === 0) return first;
  const factors: Bits[] = [first.equal];
  const products: number[][] = [];
  const equals: number[] = [0];
  for (const [i, digit] of rest.entries()) {
    products.push([...equals, factors.push(digit.less) - 1]);
    if (withEqual || i < rest.length - 1) equals.push(factors.push(digit.equal) - 1);
  }
  const sums: BitSum[] = [{ plus: [first.less], products }];
  if (withEqual) sums.push({ plus: [], products: [equals] });
  const [less, equal] = andProducts(b, factors, sums);
  if (less === undefined) throw new RangeError('a merge has a result');
  return { less, equal: equal ?? less };
}
