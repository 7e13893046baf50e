/**
 * Private joins over the transport port: a party's side and the matcher's side of one join. The job calls `joinParty` at each
 * organisation with rows and `joinMatcher` at the matcher; what each learns is said at JoinPurpose and, with the formulas and
 * their sources, in the files of the steps. Knows nothing of files, jobs or sockets.
 *
 * Every message's length follows from the terms, except that positions follow from the number of matches too. A failure ends
 * the join for this participant; it is repeated from the start with fresh keys (a new execution), never continued.
 */
import type { PackedIdentifiers } from '../../shared/identifiers.ts';
import { InputError, PeerError } from '../../shared/errors.ts';
import type { CryptoPort, SecretKey } from '../random/crypto-port.ts';
import type { Transport } from '../runtime/transport.ts';
import { JoinChannel, chunkRange, chunksOf, inOrder } from './channel.ts';
import type { Curve } from './curve.ts';
import { HASH_BYTES } from './curve.ts';
import { matcherHello, partyHello } from './hello.ts';
import type { MatchOutcome } from './match.ts';
import { matchTags } from './match.ts';
import { decodeHeader, decodePositions, encodeHeader, encodePositions } from './outcome-messages.ts';
import { OwnList } from './own-list.ts';
import { matchPairwise } from './pairwise.ts';
import { tagsByRing } from './ring.ts';
import { TagTable, truncated } from './tag-table.ts';
import type { JoinTerms } from './terms.ts';
import { HEADER_BYTES, POSITION_BYTES, Phase, checkTerms, sizeOf, slotCount, tagBytes, tagSender } from './terms.ts';

export interface JoinPorts {
  readonly transport: Transport;
  readonly crypto: CryptoPort;
  readonly signal?: AbortSignal;
}

export interface PartyPorts extends JoinPorts {
  readonly curve: Curve;
  /** Identifiers dealt with, own and others', and how many there will be. */
  readonly progress?: (done: number, total: number) => void;
}

/** What a party has after the join; `identifiers` are numbered as in the list that it gave. */
export type JoinResult =
  /** rows[i] is the own identifier that is row i of the joined table, at every party. */
  | { readonly purpose: 'ids'; readonly rows: Uint32Array }
  /**
   * slots[i] is where own identifier i goes in a table of `slotCount` rows; equal identifiers have the same slot at all parties,
   * different ones never. The table is secret-shared by each owner with presence bit 1 in these slots and zeros elsewhere:
   * `hidden` weights a row by the product of all presence bits, a left join by the named party's bit alone.
   */
  | { readonly purpose: 'hidden'; readonly slots: Uint32Array; readonly slotCount: number; readonly matches?: number }
  /** Identifiers that more than one party holds. */
  | { readonly purpose: 'repeats'; readonly count: number };

/**
 * A party's side. `identifiers` are canonical (shared/identifiers.ts) and different from each other.
 * @throws InputError when the terms do not allow the join, or `join-below-floor` when the intersection is too small to be told
 * (nobody has learnt a row then). @throws PeerError naming who sent what the protocol does not allow.
 */
export async function joinParty(
  terms: JoinTerms,
  identifiers: PackedIdentifiers,
  ports: PartyPorts,
): Promise<JoinResult> {
  checkTerms(terms);
  const { transport, crypto, signal, curve, progress = () => undefined } = ports;
  const self = transport.self;
  const { matcher } = terms;
  const channel = new JoinChannel(transport, terms, signal);
  const own = new OwnList(identifiers, sizeOf(terms, self), crypto);
  const { domain, hashKey } = await partyHello(terms, self, channel, crypto);
  try {
    if (terms.form === 'keyedHash') {
      await sendHashedTags(terms, matcher!, own, hashKey, channel, ports);
      return result(terms, own, await receiveOutcome(terms, self, matcher!, channel), matcher!);
    }
    const tags = await tagsByRing(terms, self, own, domain, { channel, curve, crypto, progress });
    if (matcher === undefined) {
      const peer = terms.parties.find((party) => party !== self)!;
      return result(terms, own, await matchPairwise(terms, self, tags, channel, crypto), peer);
    }
    if (matcher === self) return result(terms, own, await matchForAll(terms, channel, crypto, self, tags), self);
    await channel.sendList(matcher, Phase.tags, tags, tagBytes(terms));
    return result(terms, own, await receiveOutcome(terms, self, matcher, channel), matcher);
  } finally {
    hashKey.erase();
  }
}

/** The side of a matcher without rows. @throws PeerError naming who sent what the protocol does not allow. */
export async function joinMatcher(terms: JoinTerms, ports: JoinPorts): Promise<void> {
  checkTerms(terms);
  const channel = new JoinChannel(ports.transport, terms, ports.signal);
  await matcherHello(terms, channel, ports.crypto);
  await matchForAll(terms, channel, ports.crypto, ports.transport.self, undefined);
}

/** Receives all lists of tags, compares them, and tells each party its part; returns the own part if there is one. */
async function matchForAll(
  terms: JoinTerms,
  channel: JoinChannel,
  crypto: CryptoPort,
  self: string,
  ownTags: Uint8Array | undefined,
): Promise<MatchOutcome> {
  const width = tagBytes(terms);
  const sets = await Promise.all(
    terms.parties.map(async (party) => {
      const sender = tagSender(terms, party);
      if (sender === self && ownTags !== undefined) return ownTags;
      return await channel.receiveList(sender, Phase.tags, sizeOf(terms, party), width);
    }),
  );
  const outcomes = matchTags(terms, sets, crypto);
  await Promise.all(
    terms.parties.map(async (party, who) => {
      if (party === self) return;
      const { reachesFloor, count, positions } = outcomes[who]!;
      await channel.send(party, Phase.header, encodeHeader(reachesFloor, count));
      await channel.sendList(party, Phase.positions, encodePositions(positions), POSITION_BYTES);
    }),
  );
  return outcomes[Math.max(0, terms.parties.indexOf(self))]!;
}

async function receiveOutcome(
  terms: JoinTerms,
  self: string,
  matcher: string,
  channel: JoinChannel,
): Promise<MatchOutcome> {
  const size = sizeOf(terms, self);
  const largest = terms.purpose === 'repeats' ? slotCount(terms) : size;
  const header = await channel.receive(matcher, Phase.header, HEADER_BYTES);
  const { reachesFloor, count } = decodeHeader(header, largest, matcher);
  const expected = terms.purpose === 'hidden' ? size : terms.purpose === 'ids' ? count : 0;
  const positions = await channel.receiveList(matcher, Phase.positions, expected, POSITION_BYTES);
  return { reachesFloor, count, positions: decodePositions(positions) };
}

/** Sends HMAC-SHA256 of each identifier, truncated, straight to the matcher (corrections C2, "fast form"). */
async function sendHashedTags(
  terms: JoinTerms,
  matcher: string,
  own: OwnList,
  key: SecretKey,
  channel: JoinChannel,
  ports: PartyPorts,
): Promise<void> {
  const width = tagBytes(terms);
  const table = new TagTable(width, own.size, ports.crypto);
  await inOrder(
    chunksOf(own.size),
    ports.curve.parallelBatches,
    (chunk) => {
      const { from, to } = chunkRange(own.size, chunk);
      return ports.curve.keyedHash(own.messages(from, to), key, channel.signal);
    },
    async (hashes, chunk) => {
      const tags = truncated(hashes, HASH_BYTES, width);
      own.checkDistinct(table, tags, width);
      ports.progress?.(chunkRange(own.size, chunk).to, own.size);
      await channel.send(matcher, Phase.tags, tags, chunk);
    },
  );
}

function result(terms: JoinTerms, own: OwnList, outcome: MatchOutcome, from: string): JoinResult {
  const { reachesFloor, count, positions } = outcome;
  if (terms.purpose === 'repeats') return { purpose: 'repeats', count };
  if (!reachesFloor) {
    throw new InputError(
      'join-below-floor',
      `The parties have fewer than ${terms.floor} identifiers in common, the least that the job allows to be told.`,
      { hint: 'Check that all use the same kind of identifier and the same normalisation, or agree on another floor.' },
    );
  }
  if (terms.purpose === 'ids') return { purpose: 'ids', rows: own.identifiersAt(positions, from) };
  const slots = slotCount(terms);
  const taken = new Uint8Array(slots);
  for (const slot of positions) {
    if (slot >= slots || taken[slot] === 1) {
      throw new PeerError('join-slot-invalid', from, `${from} gave a slot that is taken or does not exist.`, {
        hint: 'The join has ended; ask that party to check its program.',
      });
    }
    taken[slot] = 1;
  }
  const known = terms.revealsSize === true && count >= terms.floor ? { matches: count } : {};
  return { purpose: 'hidden', slots: own.byIdentifier(positions), slotCount: slots, ...known };
}
