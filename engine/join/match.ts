/**
 * Compares sets of tags: the whole work of a matcher, without links. Tags are pseudonyms; the matcher learns the declared sizes
 * and the sizes of all regions of the sets' diagram, in shuffled order, and nothing of the identifiers.
 */
import type { CryptoPort } from '../random/crypto-port.ts';
import { PeerError } from '../../shared/errors.ts';
import { secretPermutation } from './permutation.ts';
import { TagTable } from './tag-table.ts';
import type { JoinTerms } from './terms.ts';
import { sizeOf, slotCount, tagBytes, tagSender } from './terms.ts';

/** What a party gets to know. */
export interface MatchOutcome {
  /** False: the intersection is below the floor; then there is nothing else. Always true for a hidden join. */
  readonly reachesFloor: boolean;
  /** Size of the intersection (ids; hidden where the terms say so) or number of repeats; else 0. */
  readonly count: number;
  /** ids: positions in the party's shuffled list, in the common order. hidden: the slot of each position. */
  readonly positions: Uint32Array;
}

/** @param sets of each party in order of terms.parties, tagBytes(terms) bytes an identifier. */
export function matchTags(terms: JoinTerms, sets: readonly Uint8Array[], crypto: CryptoPort): MatchOutcome[] {
  const width = tagBytes(terms);
  const { parties, purpose } = terms;
  const index = new TagTable(width, slotCount(terms), crypto);
  /** Number of each party's tag in the index, by position. */
  const numbers = parties.map((party, who) => {
    const set = sets[who]!;
    const seen = new Uint32Array(sizeOf(terms, party));
    for (let i = 0; i < seen.length; i++) seen[i] = index.add(set, i * width);
    return seen;
  });
  const holders = new Uint8Array(index.size);
  const lastHolder = new Uint8Array(index.size);
  numbers.forEach((seen, who) => {
    for (const number of seen) {
      if (lastHolder[number] === who + 1) throw repeatedTag(terms, parties[who]!);
      lastHolder[number] = who + 1;
      holders[number]!++;
    }
  });
  if (purpose === 'repeats') {
    const count = holders.reduce((sum, held) => sum + (held > 1 ? 1 : 0), 0);
    return parties.map(() => ({ reachesFloor: true, count, positions: new Uint32Array(0) }));
  }
  const common = holders.reduce((sum, held) => sum + (held === parties.length ? 1 : 0), 0);
  const reachesFloor = common >= terms.floor;
  if (purpose === 'hidden') {
    const slots = secretPermutation(slotCount(terms), crypto);
    const count = terms.revealsSize === true && reachesFloor ? common : 0;
    return numbers.map((seen) => ({ reachesFloor: true, count, positions: seen.map((number) => slots[number]!) }));
  }
  if (!reachesFloor) return parties.map(() => ({ reachesFloor, count: 0, positions: new Uint32Array(0) }));
  const places = secretPermutation(common, crypto);
  const placeOf = new Uint32Array(index.size);
  let next = 0;
  holders.forEach((held, number) => {
    if (held === parties.length) placeOf[number] = places[next++]!;
  });
  return numbers.map((seen) => {
    const positions = new Uint32Array(common);
    seen.forEach((number, position) => {
      if (holders[number] === parties.length) positions[placeOf[number]!] = position;
    });
    return { reachesFloor, count: common, positions };
  });
}

function repeatedTag(terms: JoinTerms, party: string): PeerError {
  const sender = tagSender(terms, party);
  return new PeerError('join-tag-repeated', sender, `${sender} sent the same tag twice in the set of ${party}.`, {
    hint: 'The join has ended and nobody has learnt a match; ask that party to check its program and its identifiers.',
  });
}
