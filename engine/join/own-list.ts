/**
 * A party's identifiers as they enter a join: padded to the declared size with random ones and in a fresh secret order, so that
 * neither the number of rows nor their order can be seen (corrections C2). Knows nothing of tags or links.
 */
import type { PackedIdentifiers } from '../../shared/identifiers.ts';
import { InputError, PeerError } from '../../shared/errors.ts';
import type { CryptoPort } from '../random/crypto-port.ts';
import type { PackedMessages } from './curve.ts';
import { secretPermutation } from './permutation.ts';
import type { TagTable } from './tag-table.ts';

/** As unlikely to be an identifier as a key is to be guessed. */
const FILLER_BYTES = 32;

export class OwnList {
  /** Declared size. */
  readonly size: number;
  /** Identifiers before padding. */
  readonly count: number;
  readonly #identifiers: PackedIdentifiers;
  /** Identifier, or filler from `count` on, at each position. */
  readonly #order: Uint32Array;
  readonly #crypto: CryptoPort;

  constructor(identifiers: PackedIdentifiers, size: number, crypto: CryptoPort) {
    this.size = size;
    this.count = identifiers.offsets.length - 1;
    this.#identifiers = identifiers;
    this.#crypto = crypto;
    if (this.count > size) {
      throw new InputError('join-more-rows', `There are ${this.count} identifiers, and ${size} were declared.`, {
        hint: 'Declare at least as many as there are.',
      });
    }
    this.#order = secretPermutation(size, crypto);
  }

  /** The messages at positions from .. to - 1; fillers are drawn, so each position is asked for once. */
  messages(from: number, to: number): PackedMessages {
    const { bytes, offsets } = this.#identifiers;
    const lengths = new Uint32Array(to - from + 1);
    for (let position = from; position < to; position++) {
      const which = this.#order[position]!;
      const length = which < this.count ? offsets[which + 1]! - offsets[which]! : FILLER_BYTES;
      lengths[position - from + 1] = lengths[position - from]! + length;
    }
    const packed = new Uint8Array(lengths[to - from]!);
    for (let position = from; position < to; position++) {
      const which = this.#order[position]!;
      const at = lengths[position - from]!;
      if (which < this.count) packed.set(bytes.subarray(offsets[which], offsets[which + 1]), at);
      else packed.set(this.#crypto.randomBytes(FILLER_BYTES), at);
    }
    return { bytes: packed, offsets: lengths };
  }

  /** Adds own tags, in order of positions; an identifier that comes twice is the owner's mistake. */
  checkDistinct(index: TagTable, tags: Uint8Array, width: number): void {
    for (let at = 0; at < tags.length; at += width) {
      const before = index.size;
      index.add(tags, at);
      if (index.size > before) continue;
      throw new InputError('join-identifier-repeated', 'An identifier comes twice in the own list.', {
        hint: 'Choose what to do with duplicates: refuse, first, last or aggregate.',
      });
    }
  }

  /** Own identifiers at these positions, which `peer` says are matches. @throws PeerError for what cannot be one. */
  identifiersAt(positions: Uint32Array, peer: string): Uint32Array {
    const seen = new Uint8Array(this.size);
    return positions.map((position) => {
      const which = this.#order[position];
      if (which === undefined || which >= this.count || seen[position] === 1) {
        throw new PeerError('join-position-invalid', peer, `${peer} names a match that cannot be one.`, {
          hint: 'The join has ended; ask that party to check its program.',
        });
      }
      seen[position] = 1;
      return which;
    });
  }

  /** Values given by position, for the identifiers in their own order. */
  byIdentifier(values: Uint32Array): Uint32Array {
    const sorted = new Uint32Array(this.count);
    this.#order.forEach((which, position) => {
      if (which < this.count) sorted[which] = values[position]!;
    });
    return sorted;
  }
}
