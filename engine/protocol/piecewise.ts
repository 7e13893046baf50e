/**
 * Interval look-up: a function given as N <= 2^indexBits - 1 polynomials on intervals of width 2^intervalBits (in units of
 * the opened value), evaluated from the one opening of x, with no opening of the index.
 * Ideal functionality: draws r as the opening does; index i = (c >> s) - (r >> s), offset z = (c mod 2^s) - (r mod 2^s), with
 * c the opening of x - lo, so that x - lo = i 2^s + z exactly, i is floor or floor + 1 and |z| < 2^s; returns the polynomial
 * of entry i at z, before its truncation. Entry j must therefore be fitted on [lo + (j-1)h, lo + (j+1)h), j = 0..N.
 * Outside the domain the index wraps and the result is some bounded entry: callers select it away (saturation).
 * Cost: 1 round beyond the opening, (degree) words opened an element; dealer: 2^indexBits words, and for degree d
 * d + d(d-1)/2 words. Source: corrections H1, after one-hot tables of Curl and SIGMA.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Words } from '../plan/program.ts';
import { offsetOf } from './open-shifted.ts';
import type { Opened } from './open-shifted.ts';
import type { SharedWords } from './shared-value.ts';

export interface IntervalTable {
  /** Left end of entry 1's own interval's predecessor: lower end of the domain, in units of the opened value. */
  readonly low: bigint;
  /** s: an interval is 2^s units wide. */
  readonly intervalBits: number;
  readonly indexBits: number;
  /** The offset enters the polynomial as z >> offsetShift, to leave room in the ring. */
  readonly offsetShift: number;
  /** coefficients[p][j]: coefficient of (z >> offsetShift)^p in entry j, in units of the result before truncation. */
  readonly coefficients: readonly (readonly bigint[])[];
}

export function lookUp(b: ProgramBuilder, x: Opened, table: IntervalTable): SharedWords {
  const { intervalBits: s, indexBits: q } = table;
  if (s + q > x.bits) throw new RangeError('the index does not fit into the opened bits');
  const length = x.c.length;
  const degree = table.coefficients.length - 1;
  // c of x - low, without the opening's own offset.
  const c = b.affine(x.c, 1n, -(offsetOf(x.bits) + table.low));
  const oneHot = b.deal(b.oneHotWords(x.r, s, q));
  const size = 2 ** q;
  const entries = b.constant(
    table.coefficients.flatMap((row) => Array.from({ length: size }, (_, j) => row[j] ?? row[row.length - 1] ?? 0n)),
  );
  const picked = b.tableLookup(c, oneHot, entries, degree + 1, s, q);
  if (degree === 0) return { share: picked, offset: undefined };

  // Higher coefficients opened under masks: a_p = e_p + m_p.
  const higher = picked.part(length, degree * length);
  const mask = b.random(degree * length);
  const e = b.open(b.subtract(higher, mask.share));
  const zPublic = b.field(c, table.offsetShift, s - table.offsetShift);
  const zSecret = b.field(x.r, table.offsetShift, s - table.offsetShift);

  // (zc - zr)^p expanded by the binomial theorem; powers of zr alone and times m_p come from the dealer.
  const publicPowers = powers(b, zPublic, degree);
  const secretPowers = powers(b, zSecret, degree);
  const terms: { coefficient: bigint; factors: Words[] }[] = [{ coefficient: 1n, factors: [picked.part(0, length)] }];
  const offsets: { coefficient: bigint; factors: Words[] }[] = [];
  for (let p = 1; p <= degree; p++) {
    const ep = e.part((p - 1) * length, length);
    const mp = mask.share.part((p - 1) * length, length);
    const mpDealer = mask.dealer.part((p - 1) * length, length);
    for (let i = 0; i <= p; i++) {
      const coefficient = binomial(p, i) * (i % 2 === 0 ? 1n : -1n);
      const zc = factorsOf(publicPowers[p - i]);
      const zr = secretPowers[i];
      if (zr === undefined) {
        terms.push({ coefficient, factors: [ep, ...zc] }, { coefficient, factors: [mp, ...zc] });
        continue;
      }
      terms.push({ coefficient, factors: [ep, b.deal(zr), ...zc] });
      const product = b.product(mpDealer, zr);
      if (p === i) offsets.push({ coefficient, factors: [product] });
      else terms.push({ coefficient, factors: [b.deal(product), ...zc] });
    }
  }
  return { share: b.combine(length, terms), offset: offsets.length === 0 ? undefined : b.combine(length, offsets) };
}

/** [undefined, z, z^2, ...]: the zeroth power is left out of products. */
function powers(b: ProgramBuilder, z: Words, degree: number): (Words | undefined)[] {
  const all: (Words | undefined)[] = [undefined, z];
  let last = z;
  for (let p = 2; p <= degree; p++) {
    last = b.product(last, z);
    all.push(last);
  }
  return all;
}

function factorsOf(power: Words | undefined): Words[] {
  return power === undefined ? [] : [power];
}

function binomial(n: number, k: number): bigint {
  let result = 1n;
  for (let i = 1; i <= k; i++) result = (result * BigInt(n - k + i)) / BigInt(i);
  return result;
}
