/**
 * Position of the maximum of a few values from their openings, as XOR-shared one-hot bits: all pairs are compared at once.
 * Ideal functionality: one-hot of the first largest among K values (ties go to the smallest index). Condition:
 * differences fit, |a - b| < 2^(bits-2). Rounds: 3 after the openings (2 of comparison, 1 of products); the products are read
 * from one-time tables of the masks, one table of 2^(K-1) - 1 bits a candidate.
 * Cost a row of K candidates: K(K-1)/2 comparisons, K(K-1)/2 bits opened for the products, (K-1) (2^(K-1) - 1) bits dealt.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Bits, Words } from '../plan/program.ts';
import { openUnderMasks } from './and-products.ts';
import { digitTables, isNotNegative } from './compare.ts';
import { subtractOpened } from './open-shifted.ts';
import type { Opened } from './open-shifted.ts';
import type { SharedBits } from './shared-value.ts';

/** Tables of 2^(K-1) bits stay small up to here; larger sets are reduced in groups by the caller. */
export const MAXIMUM_CANDIDATES = 12;

/** `candidates` are K >= 2 openings of equal length; result i is the bit of candidate i. */
export function oneHotOfMaximum(b: ProgramBuilder, candidates: readonly Opened[]): SharedBits[] {
  if (candidates.length < 2 || candidates.length > MAXIMUM_CANDIDATES) {
    throw new RangeError(`2 to ${MAXIMUM_CANDIDATES} candidates at once, not ${candidates.length}`);
  }
  // All pairs i < j side by side in one comparison: wins(i, j) = 1{x_i >= x_j}.
  const pairs = candidates.flatMap((_, i) => candidates.slice(i + 1).map((__, j) => [i, i + 1 + j] as const));
  const difference = subtractOpened(
    b,
    stack(
      b,
      candidates,
      pairs.map(([i]) => i),
    ),
    stack(
      b,
      candidates,
      pairs.map(([, j]) => j),
    ),
  );
  const wins = isNotNegative(b, digitTables(b, difference), difference.c);
  const masked = openUnderMasks(b, {
    share: b.splitBits(wins.share, pairs.length),
    offset: wins.offset === undefined ? undefined : b.splitBits(wins.offset, pairs.length),
  });
  const inverse = b.combineBits(masked.opened.length, pairs.length, [[masked.opened]], 1);

  // Candidate i wins iff all its bits (complements where it stands second) are 1, that is iff the masks equal a public value.
  const winners = candidates.slice(0, -1).map((_, i): Bits => {
    const mine = pairs.flatMap(([a, c], pair) =>
      a === i ? [{ pair, first: true }] : c === i ? [{ pair, first: false }] : [],
    );
    const digit: Bits = b.stackBits(mine.map(({ pair, first }) => (first ? inverse : masked.opened).part(pair, 1)));
    const table = b.dealBits(b.oneHotBits(b.stackBits(mine.map(({ pair }) => masked.mask.part(pair, 1)))));
    return b.digitLookup(digit, table).equal;
  });
  // Exactly one wins, so the last bit is 1 XOR the others.
  const last = b.combineBits(
    difference.c.length / pairs.length,
    1,
    winners.map((bit) => [bit]),
    1,
  );
  return [...winners, last].map((share) => ({ share, offset: undefined }));
}

function stack(b: ProgramBuilder, candidates: readonly Opened[], order: readonly number[]): Opened {
  const picked = order.map((i) => candidates[i]).filter((c): c is Opened => c !== undefined);
  const length = picked[0]?.c.length ?? 0;
  const assemble = (part: (opened: Opened) => Words): Words =>
    b.assemble(
      length * picked.length,
      picked.map((opened, i) => ({ input: part(opened), shape: [length], strides: [1], start: i * length })),
    );
  return { c: assemble((o) => o.c), r: assemble((o) => o.r), bits: picked[0]?.bits ?? 0 };
}
