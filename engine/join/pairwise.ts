/**
 * Two parties without a matcher (corrections H5). Each gives the other's tags back in a fresh secret order, so both can count
 * the matches and neither can say which rows they are; only when the count reaches the floor does each tell the other which of
 * its positions matched. The common order is that of the first party's tags as the second one shuffled them.
 *
 * Leakage: declared sizes and the size of the intersection, to both; above the floor the intersection.
 */
import { PeerError } from '../../shared/errors.ts';
import type { CryptoPort } from '../random/crypto-port.ts';
import type { JoinChannel } from './channel.ts';
import type { MatchOutcome } from './match.ts';
import { decodeHeader, decodePositions, encodeHeader, encodePositions } from './outcome-messages.ts';
import { secretPermutation } from './permutation.ts';
import { TagTable } from './tag-table.ts';
import type { JoinTerms } from './terms.ts';
import { HEADER_BYTES, POSITION_BYTES, Phase, along, sizeOf, tagBytes } from './terms.ts';

/** @param others tags of the peer's list, in the peer's order. */
export async function matchPairwise(
  terms: JoinTerms,
  self: string,
  others: Uint8Array,
  channel: JoinChannel,
  crypto: CryptoPort,
): Promise<MatchOutcome> {
  const peer = along(terms, self, 1);
  const width = tagBytes(terms);
  const ownSize = sizeOf(terms, self);
  const peerSize = sizeOf(terms, peer);
  const order = secretPermutation(peerSize, crypto);
  const shuffled = new Uint8Array(others.length);
  order.forEach((from, to) => shuffled.set(others.subarray(from * width, (from + 1) * width), to * width));
  const [own] = await Promise.all([
    channel.receiveList(peer, Phase.tags, ownSize, width),
    channel.sendList(peer, Phase.tags, shuffled, width),
  ]);

  // peer positions of the matches, in the common order
  const positions: number[] = [];
  if (self === terms.parties[0]) {
    const index = indexOf(others, width, crypto);
    const met = indexOf(own, width, crypto);
    if (met.size < ownSize) throw repeated(peer);
    for (let at = 0; at < own.length; at += width) {
      const position = index.find(own, at);
      if (position >= 0) positions.push(position);
    }
  } else {
    const index = indexOf(own, width, crypto);
    if (index.size < ownSize) throw repeated(peer);
    order.forEach((position, place) => {
      if (index.find(shuffled, place * width) >= 0) positions.push(position);
    });
  }
  const count = positions.length;

  await channel.send(peer, Phase.header, encodeHeader(true, count));
  const theirs = decodeHeader(
    await channel.receive(peer, Phase.header, HEADER_BYTES),
    Math.min(ownSize, peerSize),
    peer,
  );
  if (theirs.count !== count) {
    throw new PeerError('join-count-differs', peer, `${peer} counts another number of matches.`, {
      hint: 'The join has ended and nobody has learnt which rows match; ask that party to check its program.',
    });
  }
  if (terms.purpose === 'repeats') return { reachesFloor: true, count, positions: new Uint32Array(0) };
  if (count < terms.floor) return { reachesFloor: false, count: 0, positions: new Uint32Array(0) };
  const [received] = await Promise.all([
    channel.receiveList(peer, Phase.positions, count, POSITION_BYTES),
    channel.sendList(peer, Phase.positions, encodePositions(Uint32Array.from(positions)), POSITION_BYTES),
  ]);
  return { reachesFloor: true, count, positions: decodePositions(received) };
}

/** Numbers in the index are positions in the list, because a list has no repeats. */
function indexOf(tags: Uint8Array, width: number, crypto: CryptoPort): TagTable {
  const index = new TagTable(width, tags.length / width, crypto);
  for (let at = 0; at < tags.length; at += width) index.add(tags, at);
  return index;
}

function repeated(peer: string): PeerError {
  return new PeerError('join-tag-repeated', peer, `${peer} sent the same tag twice.`, {
    hint: 'The join has ended and nobody has learnt a match; ask that party to check its program.',
  });
}
