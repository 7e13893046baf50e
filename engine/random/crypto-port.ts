/**
 * The cryptographic primitives the engine needs, behind an interface so that the engine also runs where there is no Node.
 * node-crypto.ts implements it. Keys are typed so that they print as nothing.
 */

import { InternalError } from '../../shared/errors.ts';

const KEY_BYTES = 32;

/** A 256-bit secret that neither prints nor serialises. Erase it when its job ends. */
export class SecretKey {
  readonly #bytes: Uint8Array;
  #erased = false;
  constructor(bytes: Uint8Array) {
    if (bytes.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes, not ${bytes.length}`);
    this.#bytes = bytes;
  }
  /** The raw bytes: only for a primitive's key argument. InternalError `key-erased`: zeros would be a key that all know. */
  expose(): Uint8Array {
    if (this.#erased) throw new InternalError('key-erased', 'A key was used after it had been erased.');
    return this.#bytes;
  }
  erase(): void {
    this.#erased = true;
    this.#bytes.fill(0);
  }
  toString(): string {
    return '[secret key]';
  }
  toJSON(): string {
    return '[secret key]';
  }
  get [Symbol.toStringTag](): string {
    return 'SecretKey';
  }
}

export interface CryptoPort {
  /** Uniform bytes from the operating system. */
  randomBytes(length: number): Uint8Array;
  sha256(data: Uint8Array): Uint8Array;
  hmacSha256(key: SecretKey, data: Uint8Array): Uint8Array;
  /** HKDF-SHA256 (RFC 5869) to a 256-bit key; `info` separates purposes. */
  deriveKey(secret: SecretKey, salt: Uint8Array, info: string): SecretKey;
  /**
   * `length` bytes of the ChaCha20 keystream (RFC 8439: 32-bit block counter, 96-bit nonce), starting at block `block`.
   * Never reuse (key, nonce, block). Throws when block + length / 64 would pass 2^32.
   */
  chacha20(key: SecretKey, nonce: Uint8Array, block: number, length: number): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439); returns ciphertext followed by the 16-byte tag. A nonce serves one message. */
  seal(key: SecretKey, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Inverse of seal; throws `record-tampered` when the tag does not fit. */
  open(key: SecretKey, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array;
}
