/**
 * ChaCha20 and ChaCha20-Poly1305 (RFC 8439) in plain arithmetic, for runtimes whose crypto library has neither: Electron's
 * (BoringSSL offers them to TLS only) and a page. Slower than OpenSSL, equal to it bit for bit. No branch and no index depends
 * on a secret. Knows nothing of keys' purposes; its callers check lengths and counters.
 */

const BLOCK_BYTES = 64;
const BLOCK_WORDS = 16;
const TAG_BYTES = 16;
/** "expand 32-byte k". */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/** Writes the keystream from block `block` on; `bytes` may end within a block. */
export function chacha20Keystream(key: Uint8Array, nonce: Uint8Array, block: number, bytes: Uint8Array): void {
  const state = new Uint32Array(BLOCK_WORDS);
  const keyWords = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const nonceWords = new DataView(nonce.buffer, nonce.byteOffset, nonce.byteLength);
  state.set(CONSTANTS);
  for (let word = 0; word < 8; word++) state[4 + word] = keyWords.getUint32(4 * word, true);
  for (let word = 0; word < 3; word++) state[13 + word] = nonceWords.getUint32(4 * word, true);
  const out = new Uint32Array(BLOCK_WORDS);
  const view = new DataView(out.buffer);
  const outBytes = new Uint8Array(out.buffer);
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    state[12] = block++;
    chachaBlock(state, out);
    for (let word = 0; word < BLOCK_WORDS; word++) view.setUint32(4 * word, out[word]!, true);
    const left = bytes.length - at;
    bytes.set(left < BLOCK_BYTES ? outBytes.subarray(0, left) : outBytes, at);
  }
  state.fill(0);
  out.fill(0);
}

/** RFC 8439, 2.3: twenty rounds on the state, then the state added. Words stay in registers, hence no loop over them. */
function chachaBlock(s: Uint32Array, out: Uint32Array): void {
  let [a0, a1, a2, a3] = [s[0]! | 0, s[1]! | 0, s[2]! | 0, s[3]! | 0];
  let [b0, b1, b2, b3] = [s[4]! | 0, s[5]! | 0, s[6]! | 0, s[7]! | 0];
  let [c0, c1, c2, c3] = [s[8]! | 0, s[9]! | 0, s[10]! | 0, s[11]! | 0];
  let [d0, d1, d2, d3] = [s[12]! | 0, s[13]! | 0, s[14]! | 0, s[15]! | 0];
  for (let doubleRound = 0; doubleRound < 10; doubleRound++) {
    // columns
    a0 = (a0 + b0) | 0;
    d0 = rotate(d0 ^ a0, 16);
    c0 = (c0 + d0) | 0;
    b0 = rotate(b0 ^ c0, 12);
    a0 = (a0 + b0) | 0;
    d0 = rotate(d0 ^ a0, 8);
    c0 = (c0 + d0) | 0;
    b0 = rotate(b0 ^ c0, 7);
    a1 = (a1 + b1) | 0;
    d1 = rotate(d1 ^ a1, 16);
    c1 = (c1 + d1) | 0;
    b1 = rotate(b1 ^ c1, 12);
    a1 = (a1 + b1) | 0;
    d1 = rotate(d1 ^ a1, 8);
    c1 = (c1 + d1) | 0;
    b1 = rotate(b1 ^ c1, 7);
    a2 = (a2 + b2) | 0;
    d2 = rotate(d2 ^ a2, 16);
    c2 = (c2 + d2) | 0;
    b2 = rotate(b2 ^ c2, 12);
    a2 = (a2 + b2) | 0;
    d2 = rotate(d2 ^ a2, 8);
    c2 = (c2 + d2) | 0;
    b2 = rotate(b2 ^ c2, 7);
    a3 = (a3 + b3) | 0;
    d3 = rotate(d3 ^ a3, 16);
    c3 = (c3 + d3) | 0;
    b3 = rotate(b3 ^ c3, 12);
    a3 = (a3 + b3) | 0;
    d3 = rotate(d3 ^ a3, 8);
    c3 = (c3 + d3) | 0;
    b3 = rotate(b3 ^ c3, 7);
    // diagonals
    a0 = (a0 + b1) | 0;
    d3 = rotate(d3 ^ a0, 16);
    c2 = (c2 + d3) | 0;
    b1 = rotate(b1 ^ c2, 12);
    a0 = (a0 + b1) | 0;
    d3 = rotate(d3 ^ a0, 8);
    c2 = (c2 + d3) | 0;
    b1 = rotate(b1 ^ c2, 7);
    a1 = (a1 + b2) | 0;
    d0 = rotate(d0 ^ a1, 16);
    c3 = (c3 + d0) | 0;
    b2 = rotate(b2 ^ c3, 12);
    a1 = (a1 + b2) | 0;
    d0 = rotate(d0 ^ a1, 8);
    c3 = (c3 + d0) | 0;
    b2 = rotate(b2 ^ c3, 7);
    a2 = (a2 + b3) | 0;
    d1 = rotate(d1 ^ a2, 16);
    c0 = (c0 + d1) | 0;
    b3 = rotate(b3 ^ c0, 12);
    a2 = (a2 + b3) | 0;
    d1 = rotate(d1 ^ a2, 8);
    c0 = (c0 + d1) | 0;
    b3 = rotate(b3 ^ c0, 7);
    a3 = (a3 + b0) | 0;
    d2 = rotate(d2 ^ a3, 16);
    c1 = (c1 + d2) | 0;
    b0 = rotate(b0 ^ c1, 12);
    a3 = (a3 + b0) | 0;
    d2 = rotate(d2 ^ a3, 8);
    c1 = (c1 + d2) | 0;
    b0 = rotate(b0 ^ c1, 7);
  }
  out[0] = a0 + s[0]!;
  out[1] = a1 + s[1]!;
  out[2] = a2 + s[2]!;
  out[3] = a3 + s[3]!;
  out[4] = b0 + s[4]!;
  out[5] = b1 + s[5]!;
  out[6] = b2 + s[6]!;
  out[7] = b3 + s[7]!;
  out[8] = c0 + s[8]!;
  out[9] = c1 + s[9]!;
  out[10] = c2 + s[10]!;
  out[11] = c3 + s[11]!;
  out[12] = d0 + s[12]!;
  out[13] = d1 + s[13]!;
  out[14] = d2 + s[14]!;
  out[15] = d3 + s[15]!;
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** Ciphertext followed by the tag (RFC 8439, 2.8). */
export function sealChaCha(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
  const ciphertext = sealed.subarray(0, plaintext.length);
  encrypt(key, nonce, plaintext, ciphertext);
  sealed.set(tagOf(key, nonce, associated, ciphertext), plaintext.length);
  return sealed;
}

/** The plaintext, or undefined where the tag does not fit. */
export function openChaCha(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const ciphertext = sealed.subarray(0, sealed.length - TAG_BYTES);
  const tag = tagOf(key, nonce, associated, ciphertext);
  let difference = 0;
  for (let byte = 0; byte < TAG_BYTES; byte++) difference |= tag[byte]! ^ sealed[ciphertext.length + byte]!;
  if (difference !== 0) return undefined;
  const plaintext = new Uint8Array(ciphertext.length);
  encrypt(key, nonce, ciphertext, plaintext);
  return plaintext;
}

/** Its own inverse. */
function encrypt(key: Uint8Array, nonce: Uint8Array, from: Uint8Array, to: Uint8Array): void {
  chacha20Keystream(key, nonce, 1, to);
  for (let byte = 0; byte < from.length; byte++) to[byte]! ^= from[byte]!;
}

function tagOf(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const oneTimeKey = new Uint8Array(32);
  chacha20Keystream(key, nonce, 0, oneTimeKey);
  const padded = (length: number): number => Math.ceil(length / TAG_BYTES) * TAG_BYTES;
  const text = new Uint8Array(padded(associated.length) + padded(ciphertext.length) + TAG_BYTES);
  text.set(associated);
  text.set(ciphertext, padded(associated.length));
  const lengths = new DataView(text.buffer, text.length - TAG_BYTES);
  lengths.setBigUint64(0, BigInt(associated.length), true);
  lengths.setBigUint64(8, BigInt(ciphertext.length), true);
  return poly1305(oneTimeKey, text);
}

const LIMBS = 10;
/** Numbers below 2^130 as ten limbs of 13 bits: products and their sums stay exact in a double. */
const LIMB = 2 ** 13;

/** RFC 8439, 2.5, for whole blocks of 16 bytes, which is all that the AEAD has. */
export function poly1305(key: Uint8Array, text: Uint8Array): Uint8Array {
  const clamped = key.slice(0, TAG_BYTES);
  for (const byte of [3, 7, 11, 15]) clamped[byte]! &= 15;
  for (const byte of [4, 8, 12]) clamped[byte]! &= 252;
  const r = limbsOf(clamped, 0, 0);
  let sum = new Float64Array(LIMBS);
  for (let at = 0; at < text.length; at += TAG_BYTES) {
    const block = limbsOf(text, at, 1);
    for (let limb = 0; limb < LIMBS; limb++) block[limb]! += sum[limb]!;
    sum = multiply(block, r);
  }
  return addPad(reduce(sum), key.subarray(TAG_BYTES));
}

/** 16 bytes from `at`, little-endian, with `top` as the 129th bit. */
function limbsOf(bytes: Uint8Array, at: number, top: number): Float64Array {
  const limbs = new Float64Array(LIMBS);
  for (let limb = 0; limb < LIMBS; limb++) {
    const bit = 13 * limb;
    const byte = at + (bit >>> 3);
    const end = at + TAG_BYTES;
    const three =
      (byte < end ? bytes[byte]! : 0) |
      (byte + 1 < end ? bytes[byte + 1]! << 8 : 0) |
      (byte + 2 < end ? bytes[byte + 2]! << 16 : 0);
    limbs[limb] = (three >>> (bit & 7)) & (LIMB - 1);
  }
  limbs[9]! += top * 2 ** (128 - 9 * 13);
  return limbs;
}

/** Modulo 2^130 - 5, limbs carried so far that another product stays exact. */
function multiply(x: Float64Array, r: Float64Array): Float64Array<ArrayBuffer> {
  const product = new Float64Array(LIMBS);
  let carry = 0;
  for (let limb = 0; limb < LIMBS; limb++) {
    let sum = carry;
    for (let j = 0; j < LIMBS; j++) sum += x[j]! * (j <= limb ? r[limb - j]! : 5 * r[limb + LIMBS - j]!);
    carry = Math.floor(sum / LIMB);
    product[limb] = sum - carry * LIMB;
  }
  product[0]! += 5 * carry;
  carry = Math.floor(product[0]! / LIMB);
  product[0]! -= carry * LIMB;
  product[1]! += carry;
  return product;
}

/** The one representative below 2^130 - 5, chosen without a branch. */
function reduce(x: Float64Array): Float64Array {
  for (let pass = 0; pass < 2; pass++) {
    let carry = 0;
    for (let limb = 0; limb < LIMBS; limb++) {
      const sum = x[limb]! + carry;
      carry = Math.floor(sum / LIMB);
      x[limb] = sum - carry * LIMB;
    }
    x[0]! += 5 * carry;
  }
  const less = new Float64Array(LIMBS);
  let carry = 5;
  for (let limb = 0; limb < LIMBS; limb++) {
    const sum = x[limb]! + carry;
    carry = Math.floor(sum / LIMB);
    less[limb] = sum - carry * LIMB;
  }
  // carry is 1 exactly where x is 2^130 - 5 or more
  for (let limb = 0; limb < LIMBS; limb++) x[limb] = x[limb]! * (1 - carry) + less[limb]! * carry;
  return x;
}

/** Adds the second half of the key, modulo 2^128. */
function addPad(x: Float64Array, pad: Uint8Array): Uint8Array {
  const tag = new Uint8Array(TAG_BYTES);
  let bits = 0;
  let held = 0;
  let limb = 0;
  let carry = 0;
  for (let byte = 0; byte < TAG_BYTES; byte++) {
    if (held < 8) {
      bits += x[limb++]! * 2 ** held;
      held += 13;
    }
    const sum = (bits % 256) + pad[byte]! + carry;
    tag[byte] = sum;
    carry = sum >>> 8;
    bits = Math.floor(bits / 256);
    held -= 8;
  }
  return tag;
}
