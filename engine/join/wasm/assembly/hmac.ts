/** HMAC-SHA256 (RFC 2104, FIPS 180-4) of many messages under one key: the key's two blocks are compressed once. */

const ROUND_CONSTANTS = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
const INITIAL = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

const BLOCK: usize = 64;
const DIGEST: usize = 32;
const state = memory.data(32, 16);
const inner = memory.data(32, 16);
const outer = memory.data(32, 16);
const block = memory.data(64, 16);
const schedule = memory.data(256, 16);

function compress(data: usize): void {
  for (let i: usize = 0; i < 64; i += 4) store<u32>(schedule + i, bswap<u32>(load<u32>(data + i)));
  for (let i: usize = 64; i < 256; i += 4) {
    const w15 = load<u32>(schedule + i - 60);
    const w2 = load<u32>(schedule + i - 8);
    const small0 = rotr<u32>(w15, 7) ^ rotr<u32>(w15, 18) ^ (w15 >> 3);
    const small1 = rotr<u32>(w2, 17) ^ rotr<u32>(w2, 19) ^ (w2 >> 10);
    store<u32>(schedule + i, load<u32>(schedule + i - 64) + small0 + load<u32>(schedule + i - 28) + small1);
  }
  let a = load<u32>(state);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  let e = load<u32>(state, 16);
  let f = load<u32>(state, 20);
  let g = load<u32>(state, 24);
  let h = load<u32>(state, 28);
  for (let i: usize = 0; i < 256; i += 4) {
    const big1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const first = h + big1 + ((e & f) ^ (~e & g)) + load<u32>(ROUND_CONSTANTS + i) + load<u32>(schedule + i);
    const big0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const second = big0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  store<u32>(state, load<u32>(state) + a);
  store<u32>(state, load<u32>(state, 4) + b, 4);
  store<u32>(state, load<u32>(state, 8) + c, 8);
  store<u32>(state, load<u32>(state, 12) + d, 12);
  store<u32>(state, load<u32>(state, 16) + e, 16);
  store<u32>(state, load<u32>(state, 20) + f, 20);
  store<u32>(state, load<u32>(state, 24) + g, 24);
  store<u32>(state, load<u32>(state, 28) + h, 28);
}

/** Hashes the rest of a message whose first block (the key's) is in `state` already; writes 32 bytes. */
function finishFrom(data: usize, length: usize, out: usize): void {
  const total: u64 = (<u64>length + BLOCK) << 3;
  while (length >= BLOCK) {
    compress(data);
    data += BLOCK;
    length -= BLOCK;
  }
  memory.copy(block, data, length);
  store<u8>(block + length, 0x80);
  length++;
  if (length > BLOCK - 8) {
    memory.fill(block + length, 0, BLOCK - length);
    compress(block);
    length = 0;
  }
  memory.fill(block + length, 0, BLOCK - length);
  store<u64>(block, bswap<u64>(total), 56);
  compress(block);
  for (let i: usize = 0; i < DIGEST; i += 4) store<u32>(out + i, bswap<u32>(load<u32>(state + i)));
}

function startKey(key: usize, pad: u8, out: usize): void {
  memory.fill(block, pad, BLOCK);
  for (let i: usize = 0; i < 32; i++) store<u8>(block + i, load<u8>(key + i) ^ pad);
  memory.copy(state, INITIAL, 32);
  compress(block);
  memory.copy(out, state, 32);
}

/**
 * HMAC of each message under a key of 32 bytes, 32 bytes each. Message i is the bytes between the 32-bit numbers offsets[i] and
 * offsets[i + 1] from `messages`.
 */
export function hmacSha256(out: usize, count: usize, messages: usize, offsets: usize, key: usize): void {
  startKey(key, 0x36, inner);
  startKey(key, 0x5c, outer);
  for (let i: usize = 0; i < count; i++) {
    const from = <usize>load<u32>(offsets + (i << 2));
    const to = <usize>load<u32>(offsets + (i << 2), 4);
    const digest = out + i * DIGEST;
    memory.copy(state, inner, 32);
    finishFrom(messages + from, to - from, digest);
    memory.copy(state, outer, 32);
    finishFrom(digest, DIGEST, digest);
  }
  memory.fill(inner, 0, 32);
  memory.fill(outer, 0, 32);
  memory.fill(block, 0, BLOCK);
  memory.fill(schedule, 0, 256);
}
