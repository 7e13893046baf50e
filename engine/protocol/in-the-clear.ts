/**
 * The gadgets on values that everybody knows, or that one party owns: whoever knows the operands computes them alone. Nothing is
 * opened, nothing dealt, no round; the result is known to the same.
 * Ideal functionality: the gadget's own, with the choices that are free on shares made once for all: a truncation's dither is
 * 2^(shift-1) - 1, which rounds to nearest, halves up; a look-up's mask is 0, so that the entry is that of the interval in which
 * the argument lies. Whatever is right on shares for every dither and mask is therefore right here, and every machine that
 * repeats the step gets the same words. Condition: |x| < 2^(w-2), which every bound below the job's assumption implies.
 * Knows nothing of graphs and of who the owner is: the builder keeps that.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Bits, Words } from '../plan/program.ts';
import type { IntervalTable } from './piecewise.ts';

/** floor((x + 2^(shift-1)) / 2^shift). */
export function roundClear(b: ProgramBuilder, x: Words, shift: number): Words {
  if (shift === 0) return x;
  const [lift, half] = [1n << BigInt(b.wordBits - 2), 1n << BigInt(shift - 1)];
  const quotient = b.field(b.affine(x, 1n, lift + half), shift, b.wordBits - shift);
  return b.affine(quotient, 1n, -(lift >> BigInt(shift)));
}

/** 1 where x >= threshold. */
export function atLeastClear(b: ProgramBuilder, x: Words, threshold: bigint): Bits {
  return not(b, isNegative(b, b.affine(x, 1n, -threshold)));
}

/** 1 where x = value: neither x - value nor value - x is negative. */
export function equalsClear(b: ProgramBuilder, x: Words, value: bigint): Bits {
  const [below, above] = [isNegative(b, b.affine(x, 1n, -value)), isNegative(b, b.affine(x, -1n, value))];
  // At most one of them is 1.
  return b.combineBits(x.length, 1, [[below], [above]], 1);
}

/** Bit `position` of x in two's complement. */
export function bitClear(b: ProgramBuilder, x: Words, position: number): Bits {
  return b.bitPlanes(x, Math.min(position, b.wordBits - 1), 1);
}

/** A bit times a number. */
export function selectClear(b: ProgramBuilder, bit: Bits, x: Words): Words {
  return b.product(b.bitsToWords(bit), x);
}

/** One-hot at the first largest of K >= 2 candidates of equal length: bit i of element e is at i * length + e. */
export function oneHotMaximumClear(b: ProgramBuilder, candidates: readonly Words[]): Bits {
  const [first, ...rest] = candidates;
  if (first === undefined) throw new RangeError('a maximum needs candidates');
  const { length } = first;
  let best = first;
  /** Bit i: candidate i + 1 exceeds all before it. */
  const leads = rest.map((candidate) => {
    const gain = b.subtract(candidate, best);
    const exceeds = isNegative(b, b.affine(gain, -1n));
    best = b.add(best, selectClear(b, exceeds, gain));
    return exceeds;
  });
  // The last that leads wins; `open` where none behind has won.
  const [last, ...earlier] = leads.toReversed();
  if (last === undefined) throw new RangeError('a maximum needs two candidates');
  let open = not(b, last);
  const winners = [last];
  for (const lead of earlier) {
    const wins = b.combineBits(length, 1, [[lead, open]]);
    winners.unshift(wins);
    open = b.combineBits(length, 1, [[open], [wins]]);
  }
  return b.joinBits(b.stackBits([open, ...winners]));
}

/** The polynomial of the interval that x lies in, before its truncation; outside the domain that of some interval. */
export function lookUpClear(b: ProgramBuilder, x: Words, table: IntervalTable): Words {
  const { intervalBits, indexBits, offsetShift } = table;
  const size = 2 ** indexBits;
  const place = b.affine(x, 1n, -table.low);
  const index = b.field(place, intervalBits, indexBits);
  const offset = b.field(place, offsetShift, intervalBits - offsetShift);
  return table.coefficients
    .map((row) => {
      const entries = Array.from({ length: size }, (_, j) => row[j] ?? row[row.length - 1] ?? 0n);
      return b.gatherRows(b.constant(entries), index, 1);
    })
    .reduceRight((sum, coefficient) => b.combine(x.length, [{ factors: [sum, offset] }, { factors: [coefficient] }]));
}

function isNegative(b: ProgramBuilder, x: Words): Bits {
  return b.bitPlanes(x, b.wordBits - 1, 1);
}

function not(b: ProgramBuilder, bit: Bits): Bits {
  return b.combineBits(bit.length, 1, [[bit]], 1);
}
