/**
 * What the parties of a join have agreed on before it starts, and what follows from it for everyone: phases, widths, sizes.
 * Everything here is public. Knows nothing of identifiers, keys or links.
 */
import { InputError } from '../../shared/errors.ts';
import { canonicalDigest } from '../../shared/canonical.ts';
import { POINT_BYTES } from './curve.ts';

/**
 * ids: every party learns the rows that all have, in a common order. hidden: every party learns only the slots of a padded
 * table in which its rows go; equal identifiers share a slot. repeats: everybody learns how many identifiers more than one
 * party holds, and nothing else.
 */
export type JoinPurpose = 'ids' | 'hidden' | 'repeats';

/**
 * curve: Diffie-Hellman tags; nobody can test an identifier without every party's help. keyedHash: one HMAC an identifier under
 * a key that the parties share and the matcher does not have; whoever holds key and tags could test a whole dictionary, so it
 * is for parties and a matcher who do not collude.
 */
export type JoinForm = 'curve' | 'keyedHash';

export interface JoinTerms {
  /** The session or job that the join belongs to; enters every key. */
  readonly session: string;
  /** Of the job, and the number of the execution whose messages the join uses; see MessageKey. */
  readonly attempt: number;
  readonly execution: number;
  readonly purpose: JoinPurpose;
  readonly form: JoinForm;
  /** Those who bring rows, in an order that all share. */
  readonly parties: readonly string[];
  /**
   * Who compares the tags. Should have no rows in the join: a matcher among the parties learns for each of its rows which other
   * parties hold it, and is refused for `hidden` and `keyedHash`. Without one two parties compare by themselves.
   */
  readonly matcher?: string;
  /** Identifiers that each party declares; it pads with random ones up to there. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Nobody learns a row, or a count, of a smaller intersection. At least 1. */
  readonly floor: number;
  /** `hidden` only: the parties learn the size of the intersection when it reaches the floor. */
  readonly revealsSize?: boolean;
}

/** Largest declared size: positions and slots are 32-bit. */
const MAXIMUM_SIZE = 2 ** 28;
const MAXIMUM_PARTIES = 32;
/** A tag of this many bits is wrong once in 2^80 joins: 80 + 2 log2 n for n identifiers in all. */
const SAFETY_BITS = 80;

export const NONCE_BYTES = 32;
export const DIGEST_BYTES = 32;
export const HEADER_BYTES = 8;
export const POSITION_BYTES = 4;

/** High part of a message's round, the chunk's number is the low one; in the order of sending. Points: one for each hop. */
export const Phase = { hello: 0, points: 1, tags: 64, header: 65, positions: 66 } as const;

const reject = (code: string, message: string, hint: string): never => {
  throw new InputError(code, message, { hint });
};

/** @throws InputError when the terms make no sense or give away more than their purpose says. */
export function checkTerms(terms: JoinTerms): void {
  const { parties, matcher, purpose, form, sizes, floor } = terms;
  if (parties.length < 2 || parties.length > MAXIMUM_PARTIES || new Set(parties).size !== parties.length) {
    reject('join-parties', `A join has 2 to ${MAXIMUM_PARTIES} different parties.`, 'Check the parties of the job.');
  }
  for (const party of parties) {
    const size = sizes[party];
    if (size === undefined || !Number.isInteger(size) || size < 0 || size > MAXIMUM_SIZE) {
      reject('join-size', `${party} declares ${size} identifiers.`, `Sizes are whole numbers up to ${MAXIMUM_SIZE}.`);
    }
  }
  if (!Number.isInteger(floor) || floor < 1) {
    reject('join-floor', `${floor} is no size floor.`, 'Use a whole number of at least 1.');
  }
  const outside = matcher !== undefined && !parties.includes(matcher);
  if (matcher === undefined && parties.length > 2) {
    reject(
      'join-needs-matcher',
      `A join of ${parties.length} parties needs somebody who compares the tags.`,
      'Name a matcher, best one without rows in the join.',
    );
  }
  if (purpose === 'hidden' && !outside) {
    reject(
      'join-matcher-has-rows',
      matcher === undefined
        ? 'A hidden join needs a matcher without rows in it.'
        : `${matcher} brings rows to the join and would learn whose they are too.`,
      'Name a matcher that brings no rows.',
    );
  }
  if (form === 'keyedHash' && !outside) {
    reject(
      'join-hash-needs-matcher',
      'Keyed hashes are compared by a matcher who has neither rows nor the key.',
      'Name such a matcher, or use the form "curve".',
    );
  }
}

/** What parties compare before anything secret moves. */
export function termsDigest(terms: JoinTerms, sha256: (data: Uint8Array) => Uint8Array): Uint8Array {
  const hex = canonicalDigest({ ...terms }, sha256);
  return Uint8Array.from({ length: DIGEST_BYTES }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

export function sizeOf(terms: JoinTerms, party: string): number {
  return terms.sizes[party] ?? 0;
}

/** Slots of a hidden join's table: enough for disjoint sets. */
export function slotCount(terms: JoinTerms): number {
  return terms.parties.reduce((sum, party) => sum + sizeOf(terms, party), 0);
}

export function tagBytes(terms: JoinTerms): number {
  return Math.ceil((SAFETY_BITS + 2 * Math.ceil(Math.log2(Math.max(2, slotCount(terms))))) / 8);
}

/** The party `steps` further on the ring. */
export function along(terms: JoinTerms, party: string, steps: number): string {
  const { parties } = terms;
  const index = parties.indexOf(party) + steps;
  return parties[((index % parties.length) + parties.length) % parties.length]!;
}

/** Who sends the matcher the tags of `party`: the last on their way round the ring, or the party itself. */
export function tagSender(terms: JoinTerms, party: string): string {
  return terms.form === 'keyedHash' ? party : along(terms, party, -1);
}

/**
 * Payload bytes that each participant sends, the matcher included, when the intersection has `matches` rows. Exact: everything
 * but the positions follows from public sizes. Two parties, curve form: 32 + tag + 4 at most for each identifier.
 */
export function predictJoinBytes(terms: JoinTerms, matches: number): Map<string, number> {
  const { parties, matcher, purpose, form } = terms;
  const outside = matcher !== undefined && !parties.includes(matcher);
  const width = tagBytes(terms);
  const revealed = purpose === 'ids' && matches >= terms.floor ? POSITION_BYTES * matches : 0;
  const bytes = new Map<string, number>();
  for (const party of parties) {
    let sum = (parties.length - 1) * (NONCE_BYTES + DIGEST_BYTES) + (outside ? DIGEST_BYTES : 0);
    if (form === 'curve') {
      for (let hop = 0; hop < parties.length - 1; hop++) sum += POINT_BYTES * sizeOf(terms, along(terms, party, -hop));
    }
    const carried = form === 'keyedHash' ? party : along(terms, party, 1);
    if (matcher !== party) sum += width * sizeOf(terms, carried);
    if (matcher === undefined) sum += HEADER_BYTES + revealed;
    bytes.set(party, sum);
  }
  if (matcher !== undefined) {
    let sum = (bytes.get(matcher) ?? 0) + (outside ? parties.length * DIGEST_BYTES : 0);
    for (const party of parties) {
      if (party === matcher) continue;
      sum += HEADER_BYTES + (purpose === 'hidden' ? POSITION_BYTES * sizeOf(terms, party) : revealed);
    }
    bytes.set(matcher, sum);
  }
  return bytes;
}
