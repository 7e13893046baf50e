/**
 * Public pseudo-randomness: the same numbers from the same seed at every party, on every machine. For shuffles, splits and
 * first weights only; it is predictable by design and must never make a share, a mask or a key.
 */
import { InternalError } from './errors.ts';

/** What a stream is for. Streams of different purposes, or of different indexes, are unrelated. */
const streamPurposes = { split: 1, epoch: 2, weights: 3, dropout: 4, start: 5 } as const;
export type StreamPurpose = keyof typeof streamPurposes;

/** One 32-bit output of xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021). */
export function nextXoshiro128(state: Int32Array): number {
  const second = state[1]!;
  const times5 = Math.imul(second, 5);
  state[2]! ^= state[0]!;
  state[3]! ^= second;
  state[1]! ^= state[2]!;
  state[0]! ^= state[3]!;
  state[2]! ^= second << 9;
  state[3] = (state[3]! << 11) | (state[3]! >>> 21);
  return Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
}

/**
 * A stream of xoshiro128**. Its state is filled by SplitMix32-like steps (golden-ratio increment, MurmurHash3 finaliser)
 * over low half of the seed, high half, purpose and index in turn.
 */
export class PublicRandom {
  readonly #state: Int32Array;

  /** @param seed a whole number from 0 to 2^53 - 1; @param index for instance the epoch, or the layer. */
  constructor(seed: number, purpose: StreamPurpose, index = 0) {
    if (!Number.isSafeInteger(seed) || seed < 0 || !Number.isSafeInteger(index) || index < 0) {
      throw new InternalError('seed-not-whole', `A seed and its index are whole numbers from 0 to 2^53 - 1.`);
    }
    let hash = 0;
    const absorb = (word: number): number => {
      hash = (hash + 0x9e3779b9 + word) | 0;
      let mixed = hash ^ (hash >>> 16);
      mixed = Math.imul(mixed, 0x85ebca6b);
      mixed ^= mixed >>> 13;
      mixed = Math.imul(mixed, 0xc2b2ae35);
      hash = mixed ^ (mixed >>> 16);
      return hash;
    };
    for (const word of [
      seed,
      Math.floor(seed / 2 ** 32),
      streamPurposes[purpose],
      index,
      Math.floor(index / 2 ** 32),
    ]) {
      absorb(word | 0);
    }
    this.#state = Int32Array.from([absorb(1), absorb(2), absorb(3), absorb(4)]);
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** Uniform on 0 .. 2^32 - 1. */
  nextWord(): number {
    return nextXoshiro128(this.#state);
  }

  /** Uniform on 0 .. count - 1, without bias (rejection); count is 1 .. 2^32. */
  nextBelow(count: number): number {
    const limit = 2 ** 32 - (2 ** 32 % count);
    for (;;) {
      const word = this.nextWord();
      if (word < limit) return word % count;
    }
  }

  /** Uniform on the multiples of 2^-53 in [0, 1). */
  nextFraction(): number {
    const high = this.nextWord() >>> 5;
    const low = this.nextWord() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }
}

/** A uniformly random order of 0 .. count - 1 (Fisher-Yates, from the end). */
export function shuffledIndexes(count: number, random: PublicRandom): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = random.nextBelow(last + 1);
    const kept = order[last]!;
    order[last] = order[other]!;
    order[other] = kept;
  }
  return order;
}
