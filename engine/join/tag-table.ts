/**
 * Numbers tags in order of their first appearance. Tags may come from somebody who wants the table slow, so its hash is keyed.
 * About 1.5 times the tags' own bytes, plus 8 to 16 bytes a tag. Knows nothing of what a tag stands for.
 */
import type { CryptoPort } from '../random/crypto-port.ts';

export class TagTable {
  readonly #width: number;
  readonly #tags: Uint8Array;
  /** Number of the tag plus 1, or 0. */
  readonly #table: Uint32Array;
  readonly #shift: number;
  readonly #multipliers: Int32Array;
  #size = 0;

  /** For up to `capacity` different tags of `width` bytes. */
  constructor(width: number, capacity: number, crypto: CryptoPort) {
    this.#width = width;
    this.#tags = new Uint8Array(width * capacity);
    const bits = Math.max(4, Math.ceil(Math.log2(2 * capacity + 1)));
    this.#table = new Uint32Array(2 ** bits);
    this.#shift = 32 - bits;
    this.#multipliers = new Int32Array(crypto.randomBytes(4 * Math.ceil(width / 2)).buffer);
  }

  get size(): number {
    return this.#size;
  }

  /** The number of the tag at `tags[at]`, or -1. */
  find(tags: Uint8Array, at: number): number {
    return this.#table[this.#slot(tags, at)]! - 1;
  }

  /** The number of the tag at `tags[at]`, a new one if it was not there. */
  add(tags: Uint8Array, at: number): number {
    const slot = this.#slot(tags, at);
    const known = this.#table[slot]!;
    if (known > 0) return known - 1;
    const start = this.#size * this.#width;
    for (let i = 0; i < this.#width; i++) this.#tags[start + i] = tags[at + i]!;
    this.#table[slot] = ++this.#size;
    return this.#size - 1;
  }

  /** Where the tag is, or would be. */
  #slot(tags: Uint8Array, at: number): number {
    // multiply-add of 16-bit pieces with secret words, high bits taken: a universal hash
    let hash = 0;
    for (let i = 0; i < this.#width; i += 2) {
      const high = i + 1 < this.#width ? tags[at + i + 1]! : 0;
      hash = (hash + Math.imul(tags[at + i]! | (high << 8), this.#multipliers[i >> 1]!)) | 0;
    }
    const mask = this.#table.length - 1;
    for (let slot = hash >>> this.#shift; ; slot = (slot + 1) & mask) {
      const known = this.#table[slot]!;
      if (known === 0 || this.#equals(known - 1, tags, at)) return slot;
    }
  }

  #equals(number: number, tags: Uint8Array, at: number): boolean {
    const start = number * this.#width;
    for (let i = 0; i < this.#width; i++) if (this.#tags[start + i] !== tags[at + i]) return false;
    return true;
  }
}

/** The first `to` of each `from` bytes. */
export function truncated(items: Uint8Array, from: number, to: number): Uint8Array {
  if (to === from) return items;
  const short = new Uint8Array((items.length / from) * to);
  for (let read = 0, write = 0; read < items.length; read += from, write += to) {
    for (let i = 0; i < to; i++) short[write + i] = items[read + i]!;
  }
  return short;
}
