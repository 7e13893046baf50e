/**
 * Revealing an output: before a share leaves, it is blinded by a fresh zero share from pairwise keys that the dealer does not
 * know (corrections C1); otherwise the dealer, who knows every mask, could solve an output share for internal values.
 * Ideal functionality: the receivers learn the value, nobody anything else. Cost: one word an element to each receiver.
 */
import { InternalError } from '../../shared/errors.ts';
import type { CryptoPort, SecretKey } from '../random/crypto-port.ts';
import { bytesToWords, unpackWords } from './words.ts';

export interface BlindingContext {
  readonly crypto: CryptoPort;
  /** Key shared with each other compute party, for this attempt. */
  readonly keys: ReadonlyMap<string, SecretKey>;
  readonly parties: readonly string[];
  readonly index: number;
  readonly execution: number;
  /** Step of the reveal: with the execution, it makes the nonce. */
  readonly step: number;
  /** Bits that are revealed. */
  readonly width: number;
}

/** share += sum over j > i of PRG(k_ij) - sum over j < i of PRG(k_ji). */
export function blind(share: BigUint64Array, context: BlindingContext): void {
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setBigUint64(0, BigInt(context.execution), true);
  view.setUint32(8, context.step, true);
  context.parties.forEach((peer, j) => {
    if (j === context.index) return;
    const key = context.keys.get(peer);
    if (key === undefined) throw new InternalError('no-zero-key', `There is no pairwise key with ${peer}.`);
    const words = bytesToWords(context.crypto.chacha20(key, nonce, 0, share.length * 8));
    for (let e = 0; e < share.length; e++) {
      const word = words[e] ?? 0n;
      const sum = (share[e] ?? 0n) + (j > context.index ? word : -word);
      share[e] = BigInt.asUintN(context.width, sum);
    }
  });
}

/** Adds one party's blinded shares to a receiver's sum. */
export function addRevealShares(sum: BigUint64Array, packed: Uint8Array, width: number): void {
  const words = unpackWords(packed, width);
  for (let e = 0; e < sum.length; e++) sum[e] = BigInt.asUintN(width, (sum[e] ?? 0n) + (words[e] ?? 0n));
}
