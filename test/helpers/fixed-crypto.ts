/**
 * Real cryptography on a fixed stream in place of the operating system's randomness, so that a test that measures an error or
 * a distribution finds the same in every run. What must be fresh (keys of processes, links, stores) does not belong here.
 */
import type { CryptoPort } from '../../engine/random/crypto-port.ts';
import { SecretKey } from '../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';

/** Every port made with the same seed gives the same bytes in the order they are asked for. */
export function fixedCrypto(seed = 7): CryptoPort {
  const key = new SecretKey(new Uint8Array(32).fill(seed));
  const nonce = new Uint8Array(12);
  let block = 0;
  return {
    ...nodeCrypto,
    randomBytes: (length) => {
      const bytes = nodeCrypto.chacha20(key, nonce, block, length);
      block += Math.ceil(length / 64);
      return bytes;
    },
  };
}
