/**
 * Exact-wrap truncation: shares of x / 2^shift from the opening of x.
 * Ideal functionality (corrections M5): draws d uniform in [0, 2^shift), makes d public, outputs shares of
 * floor((x + 2^shift - 1 - d) / 2^shift); unbiased, never fails for |x| < 2^(bits-2). Here d = c mod 2^shift.
 * Cost: 0 rounds beyond the opening; dealer: one word and wordBits - (bits - 1 - shift) bits an element.
 * Source: Escudero, Ghosh, Keller, Rachuri, Scholl (CRYPTO 2020) with the wrap bit read from the public top bit.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Bits, Words } from '../plan/program.ts';
import { offsetOf } from './open-shifted.ts';
import type { Opened } from './open-shifted.ts';

export interface Truncation {
  readonly source: Opened;
  readonly shift: number;
  /** Public part: ((c mod 2^(bits-1)) >> shift) - 2^(bits-2-shift). */
  readonly publicPart: Words;
  /** T_0 = r_top * 2^(bits-1-shift) - ((r mod 2^(bits-1)) >> shift), at the dealer. */
  readonly zero: Words;
  /** T_1 - T_0 = wrap * 2^lift with wrap = 1 - 2 r_top, at the dealer. */
  readonly wrap: Words;
  readonly lift: number;
}

/** What truncation by `shift` bits (0 included) needs, before anything is dealt. */
export function prepareTruncation(b: ProgramBuilder, source: Opened, shift: number): Truncation {
  const { c, r, bits } = source;
  const lift = bits - 1 - shift;
  const top = b.field(r, bits - 1, 1);
  return {
    source,
    shift,
    publicPart: b.affine(b.field(c, shift, lift), 1n, -(offsetOf(bits) >> BigInt(shift))),
    zero: b.combine(c.length, [
      { coefficient: 1n << BigInt(lift), factors: [top] },
      { coefficient: -1n, factors: [b.field(r, shift, lift)] },
    ]),
    wrap: b.affine(top, -2n, 1n),
    lift,
  };
}

/** Shares of the truncated value. */
export function truncate(b: ProgramBuilder, t: Truncation): Words {
  const wrapTerm = b.wrap(t.source.c, t.source.bits - 1, b.deal(t.zero), b.deal(t.wrap, b.wordBits - t.lift), t.lift);
  return b.add(wrapTerm, t.publicPart);
}

/** Shares of rho * truncated value, for a bit rho of the dealer's: what `select` needs. Dealer: two words an element. */
export function truncateTimesBit(b: ProgramBuilder, t: Truncation, rho: Bits): Words {
  const rhoWords = b.bitsToWords(rho);
  const wrapTerm = b.wrap(
    t.source.c,
    t.source.bits - 1,
    b.deal(b.product(t.zero, rhoWords)),
    b.deal(b.product(t.wrap, rhoWords), b.wordBits - t.lift),
    t.lift,
  );
  return b.combine(t.publicPart.length, [
    { factors: [wrapTerm] },
    { factors: [t.publicPart, b.deal(rhoWords)] },
  ]);
}
