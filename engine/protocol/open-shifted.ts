/**
 * The one opening behind truncation, comparison and look-up: c = x + 2^(bits-2) + r mod 2^bits, r uniform mod 2^bits and
 * known to the dealer. Every gadget on x reads the public c and asks the dealer for what it needs of r.
 * Ideal functionality: none (c is uniform). Correctness condition of everything built on it: -2^(bits-2) <= x < 2^(bits-2).
 * Cost: `bits` bits an element (whole bytes on a link), 1 round, nothing dealt; where one party owns x, r is its own too and
 * it alone sends. Source: edaBits (Escudero et al., CRYPTO
 * 2020) and the truncation of Escudero et al.; short openings: corrections L2e.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Words } from '../plan/program.ts';
import type { SharedWords } from './shared-value.ts';

export interface Opened {
  /** c, known to all compute parties; only its low `bits` bits mean anything. */
  readonly c: Words;
  /** r, at the dealer; only its low `bits` bits mean anything. */
  readonly r: Words;
  readonly bits: number;
}

/** 2^(bits-2): added before opening, so that the value is not negative. */
export function offsetOf(bits: number): bigint {
  return 1n << BigInt(bits - 2);
}

export function openShifted(b: ProgramBuilder, x: SharedWords, bits: number, owner?: string): Opened {
  const mask = owner === undefined ? b.random(x.share.length) : b.ownerMask(owner, x.share.length);
  const c = b.open(
    b.combine(x.share.length, [
      { factors: [x.share] },
      { factors: [mask.share] },
      { coefficient: offsetOf(bits), factors: [] },
    ]),
    bits,
    owner,
  );
  return { c, r: x.offset === undefined ? mask.dealer : b.subtract(mask.dealer, x.offset), bits };
}

/** Opening of alpha * x from the opening of x, whole words only (corrections M4): no round, no bytes. */
export function scaleOpened(b: ProgramBuilder, x: Opened, alpha: bigint): Opened {
  if (x.bits !== b.wordBits) throw new RangeError('only an opening of whole words may be multiplied');
  const offset = offsetOf(x.bits);
  return { c: b.affine(x.c, alpha, offset - alpha * offset), r: b.affine(x.r, alpha), bits: x.bits };
}

/** Opening of x - t for a public constant t: same mask, same digit tables. */
export function shiftOpened(b: ProgramBuilder, x: Opened, t: bigint): Opened {
  return t === 0n ? x : { c: b.affine(x.c, 1n, -t), r: x.r, bits: x.bits };
}

/** Opening of y - z from two openings of the same length in bits: no round, no bytes. Condition: |y - z| < 2^(bits-2). */
export function subtractOpened(b: ProgramBuilder, y: Opened, z: Opened): Opened {
  if (y.bits !== z.bits) throw new RangeError('openings of different lengths');
  return {
    c: b.combine(y.c.length, [
      { factors: [y.c] },
      { coefficient: -1n, factors: [z.c] },
      { coefficient: offsetOf(y.bits), factors: [] },
    ]),
    r: b.subtract(y.r, z.r),
    bits: y.bits,
  };
}

/** A public map that picks, repeats and reorders elements, on an opening. */
export function mapOpened(x: Opened, map: (words: Words) => Words): Opened {
  return { c: map(x.c), r: map(x.r), bits: x.bits };
}

/** The same for a map that also puts in zeros (padding): without its offset, the opening of a zero is a zero. */
export function mapOpenedPadded(b: ProgramBuilder, x: Opened, map: (words: Words) => Words): Opened {
  const offset = offsetOf(x.bits);
  return { c: b.affine(map(b.affine(x.c, 1n, -offset)), 1n, offset), r: map(x.r), bits: x.bits };
}
