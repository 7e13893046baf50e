/**
 * Diffie-Hellman tags: every party's list of points goes round the ring of parties, each of whom multiplies it by its secret
 * scalar, until the last has the tags under all scalars. Cyclic routes: nobody but the last sees two lists under the same
 * scalars, and the last sees only one under all (corrections C2, H5). Positions stay as the owner shuffled them.
 *
 * Cost of a party: a hash to the curve and a multiplication for each own identifier, a multiplication for each identifier of
 * every other party; POINT_BYTES sent for each identifier of every list but the one that it ends.
 */
import { PeerError } from '../../shared/errors.ts';
import type { CryptoPort } from '../random/crypto-port.ts';
import { SecretKey } from '../random/crypto-port.ts';
import type { JoinChannel } from './channel.ts';
import { chunkRange, chunksOf, inOrder } from './channel.ts';
import type { Curve } from './curve.ts';
import { BATCH_POINTS, POINT_BYTES } from './curve.ts';
import type { OwnList } from './own-list.ts';
import { TagTable, truncated } from './tag-table.ts';
import type { JoinTerms } from './terms.ts';
import { Phase, along, sizeOf, tagBytes } from './terms.ts';

/** Of the multiples that a list is checked for repeats by. */
const CHECKED_BYTES = 16;

export interface RingPorts {
  readonly channel: JoinChannel;
  readonly curve: Curve;
  readonly crypto: CryptoPort;
  /** Points that this party has dealt with, and how many there will be. */
  readonly progress: (done: number, total: number) => void;
}

/** The tags of the next party's list, in that party's order: what this party is the last to multiply. */
export async function tagsByRing(
  terms: JoinTerms,
  self: string,
  own: OwnList,
  domain: Uint8Array,
  ports: RingPorts,
): Promise<Uint8Array> {
  const { channel, curve, crypto } = ports;
  const next = along(terms, self, 1);
  const previous = along(terms, self, -1);
  const hops = terms.parties.length - 1;
  const width = tagBytes(terms);
  const scalar = new SecretKey(crypto.randomBytes(32));
  const ahead = curve.parallelBatches;
  const total = terms.parties.reduce((sum, party) => sum + sizeOf(terms, party), 0);
  let done = 0;
  const advance = (points: number): void => ports.progress((done += points), total);

  const sendOwn = async (): Promise<void> => {
    const index = new TagTable(CHECKED_BYTES, own.size, crypto);
    await inOrder(
      chunksOf(own.size),
      ahead,
      (chunk) => {
        const { from, to } = chunkRange(own.size, chunk);
        return curve.hashAndMultiply(own.messages(from, to), domain, scalar, channel.signal);
      },
      async (points, chunk) => {
        own.checkDistinct(index, truncated(points, POINT_BYTES, CHECKED_BYTES), CHECKED_BYTES);
        advance(points.length / POINT_BYTES);
        await channel.send(next, Phase.points, points, chunk);
      },
    );
  };

  /** The list that comes at this hop, multiplied: whole points if they go on, else tags. */
  const takeList = async (hop: number): Promise<Uint8Array> => {
    const size = sizeOf(terms, along(terms, self, -hop));
    const kept = hop < hops ? POINT_BYTES : width;
    const list = new Uint8Array(size * kept);
    const index = new TagTable(CHECKED_BYTES, size, crypto);
    await inOrder(
      chunksOf(size),
      ahead,
      async (chunk) => {
        const { from, to } = chunkRange(size, chunk);
        const points = await channel.receive(previous, Phase.points + hop - 1, (to - from) * POINT_BYTES, chunk);
        const multiples = await curve.multiply(points, scalar, channel.signal);
        if (multiples instanceof Uint8Array) return multiples;
        throw refused(previous, multiples.reason, from + multiples.index);
      },
      (points, chunk) => {
        for (let at = 0; at < points.length; at += POINT_BYTES) {
          const before = index.size;
          index.add(points, at);
          if (index.size === before) throw refused(previous, 'repeated', chunk * BATCH_POINTS + at / POINT_BYTES);
        }
        list.set(truncated(points, POINT_BYTES, kept), chunk * BATCH_POINTS * kept);
        advance(points.length / POINT_BYTES);
      },
    );
    return list;
  };

  try {
    // A list is sent on while the next one comes in: nobody waits for room at a neighbour that does the same.
    let sending = sendOwn();
    for (let hop = 1; ; hop++) {
      const [list] = await Promise.all([takeList(hop), sending]);
      if (hop === hops) return list;
      sending = channel.sendList(next, Phase.points + hop, list, POINT_BYTES);
    }
  } catch (error) {
    // What is under way must neither leave nor meet the scalar when it is gone.
    channel.end(error);
    throw error;
  } finally {
    scalar.erase();
  }
}

const refusals = {
  notCanonical: { code: 'join-point-malformed', what: 'is not a coordinate below 2^255 - 19' },
  lowOrder: { code: 'join-point-low-order', what: 'has low order' },
  repeated: { code: 'join-point-repeated', what: 'was there before' },
} as const;

function refused(peer: string, reason: keyof typeof refusals, position: number): PeerError {
  const { code, what } = refusals[reason];
  return new PeerError(code, peer, `Point ${position} of a list that ${peer} sent ${what}.`, {
    hint: 'The join has ended and nobody has learnt a match; ask that party to check its program and its identifiers.',
  });
}
