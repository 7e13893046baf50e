/**
 * Keys from passphrases, by scrypt (RFC 7914). Knows nothing of what is sealed under them, nor of where salts are kept.
 */
import { scrypt } from 'node:crypto';
import { promisify } from 'node:util';

export const SHORTEST_PASSPHRASE = 10;
export const PASSPHRASE_KEY_BYTES = 32;

/** `N` a power of two; 128 N r bytes are needed. */
export interface PassphraseCost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** 128 MiB and about half a second on a small machine for each guess. */
export const PASSPHRASE_COST: PassphraseCost = { N: 2 ** 17, r: 8, p: 1 };

const derive = promisify<string, Uint8Array, number, PassphraseCost & { readonly maxmem: number }, Buffer>(scrypt);

/** The key of a passphrase; whoever calls erases it. The same one however a keyboard composes accents. */
export function passphraseKey(
  passphrase: string,
  salt: Uint8Array,
  cost: PassphraseCost = PASSPHRASE_COST,
): Promise<Buffer> {
  const maxmem = 2 * 128 * cost.N * cost.r;
  return derive(passphrase.normalize('NFKC'), salt, PASSPHRASE_KEY_BYTES, { ...cost, maxmem });
}
