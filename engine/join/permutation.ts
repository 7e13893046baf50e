/** Secret random orders, from the operating system's randomness. Knows nothing of what is ordered. */
import type { CryptoPort } from '../random/crypto-port.ts';

const BUFFERED_WORDS = 4096;

/** A uniformly random order of 0 .. count - 1 (Fisher-Yates, from the end; words are rejected, not reduced with a bias). */
export function secretPermutation(count: number, crypto: CryptoPort): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  let words: Uint32Array = new Uint32Array(0);
  let used = 0;
  for (let last = count - 1; last > 0; last--) {
    const choices = last + 1;
    const limit = 2 ** 32 - (2 ** 32 % choices);
    let word: number;
    do {
      if (used === words.length) {
        words = new Uint32Array(crypto.randomBytes(BUFFERED_WORDS * 4).buffer);
        used = 0;
      }
      word = words[used++]!;
    } while (word >= limit);
    const other = word % choices;
    const kept = order[last]!;
    order[last] = order[other]!;
    order[other] = kept;
  }
  return order;
}
