/**
 * Exact-wrap truncation: shares of x / 2^shift from the opening of x.
 * Ideal functionality (corrections M5): draws d uniform in [0, 2^shift), makes d public, outputs shares of
 * floor((x + 2^shift - 1 - d) / 2^shift); unbiased, never fails for |x| < 2^(bits-2). Here d = c mod 2^shift.
 * With c = x + 2^(bits-2) + r - w 2^bits, the wrap w is 1 iff r's top bit is 1 and c's is 0, since x + 2^(bits-2) has a top bit of 0.
 * Cost: 0 rounds beyond the opening; dealer: one word and wordBits - bits + shift bits an element.
 * Source: Escudero, Ghosh, Keller, Rachuri, Scholl (CRYPTO 2020) with the wrap bit read from the public top bit.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Words } from '../plan/program.ts';
import { offsetOf } from './open-shifted.ts';
import type { Opened } from './open-shifted.ts';

export interface Truncation {
  readonly source: Opened;
  readonly shift: number;
  /** Public part: ((c mod 2^bits) >> shift) - 2^(bits-2-shift). */
  readonly publicPart: Words;
  /** What to add if the top bit of c is 0: t 2^(bits-1-shift) - ((r mod 2^(bits-1)) >> shift), t the top bit of r; dealer's. */
  readonly zero: Words;
  /** What to add besides, times 2^lift, if it is 1: -t; dealer's. */
  readonly wrap: Words;
  readonly lift: number;
}

/** What truncation by `shift` bits (0 included) needs, before anything is dealt. */
export function prepareTruncation(b: ProgramBuilder, source: Opened, shift: number): Truncation {
  const { c, r, bits } = source;
  if (shift > bits - 2) throw new RangeError(`a truncation by ${shift} of a value opened with ${bits} bits`);
  const top = b.field(r, bits - 1, 1);
  return {
    source,
    shift,
    publicPart: b.affine(b.field(c, shift, bits - shift), 1n, -(offsetOf(bits) >> BigInt(shift))),
    zero: b.combine(c.length, [
      { coefficient: 1n << BigInt(bits - 1 - shift), factors: [top] },
      { coefficient: -1n, factors: [b.field(r, shift, bits - 1 - shift)] },
    ]),
    wrap: b.affine(top, -1n),
    lift: bits - shift,
  };
}

/** Shares of the truncated value. */
export function truncate(b: ProgramBuilder, t: Truncation): Words {
  return b.add(secretPart(b, t, t.zero, t.wrap), t.publicPart);
}

/** Shares of rho * truncated value, for a bit rho of the dealer's: what `select` needs. Dealer: three values an element. */
export function truncateTimesBit(b: ProgramBuilder, t: Truncation, rho: Words): Words {
  return b.combine(t.publicPart.length, [
    { factors: [secretPart(b, t, b.product(t.zero, rho), b.product(t.wrap, rho))] },
    { factors: [t.publicPart, b.deal(rho)] },
  ]);
}

/** zero + (top bit of c) wrap 2^lift from dealt shares; without a wrap term where it vanishes mod 2^wordBits. */
function secretPart(b: ProgramBuilder, t: Truncation, zero: Words, wrap: Words): Words {
  const { c, bits } = t.source;
  if (t.lift >= b.wordBits) return b.deal(zero);
  return b.wrap(c, bits - 1, b.deal(zero), b.deal(wrap, b.wordBits - t.lift), t.lift);
}
