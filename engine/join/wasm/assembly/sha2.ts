/**
 * SHA-256 and SHA-512 (FIPS 180-4) of data that comes in pieces: start, update as often as needed, finish. The type parameter is
 * the hash's word, u32 or u64. One hash at a time; a state can be taken out after whole blocks, and gone on from.
 */

const ROUNDS_256 = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
const INITIAL_256 = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);
const ROUNDS_512 = memory.data<u64>([
  0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
  0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
  0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
  0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
  0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
  0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
  0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
  0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
  0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
  0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
  0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
  0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
  0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
  0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
  0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
  0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
]);
const INITIAL_512 = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1,
  0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
]);

const state = memory.data(64, 16);
const block = memory.data(128, 16);
const schedule = memory.data(640, 16);
let blockBytes: usize = 0;
let totalBytes: u64 = 0;

/** Words in a block; the state has half as many. */
const BLOCK_WORDS: usize = 16;

@inline
export function blockLength<T>(): usize {
  return BLOCK_WORDS * sizeof<T>();
}

@inline
export function digestLength<T>(): usize {
  return 8 * sizeof<T>();
}

export function start<T>(): void {
  memory.copy(state, sizeof<T>() === 4 ? INITIAL_256 : INITIAL_512, digestLength<T>());
  blockBytes = 0;
  totalBytes = 0;
}

/** Copies the state out, when what was hashed so far makes whole blocks. */
export function saveState<T>(out: usize): void {
  memory.copy(out, state, digestLength<T>());
}

/** Goes on from a saved state, after `bytes` bytes. */
export function resume<T>(saved: usize, bytes: u64): void {
  memory.copy(state, saved, digestLength<T>());
  blockBytes = 0;
  totalBytes = bytes;
}

export function update<T>(data: usize, length: usize): void {
  totalBytes += length;
  while (length > 0) {
    if (blockBytes === 0 && length >= blockLength<T>()) {
      compress<T>(data);
      data += blockLength<T>();
      length -= blockLength<T>();
      continue;
    }
    const taken = min(length, blockLength<T>() - blockBytes);
    memory.copy(block + blockBytes, data, taken);
    blockBytes += taken;
    data += taken;
    length -= taken;
    if (blockBytes === blockLength<T>()) {
      compress<T>(block);
      blockBytes = 0;
    }
  }
}

/** Writes the digest. */
export function finish<T>(out: usize): void {
  store<u8>(block + blockBytes, 0x80);
  blockBytes++;
  // the length takes two words, of which a message that fits a memory fills 64 bits
  if (blockBytes > blockLength<T>() - 2 * sizeof<T>()) {
    memory.fill(block + blockBytes, 0, blockLength<T>() - blockBytes);
    compress<T>(block);
    blockBytes = 0;
  }
  memory.fill(block + blockBytes, 0, blockLength<T>() - blockBytes);
  store<u64>(block + blockLength<T>() - 8, bswap<u64>(totalBytes << 3));
  compress<T>(block);
  for (let i: usize = 0; i < digestLength<T>(); i += sizeof<T>()) store<T>(out + i, bswap<T>(load<T>(state + i)));
}

/** Forgets what was hashed. */
export function erase(): void {
  memory.fill(state, 0, 64);
  memory.fill(block, 0, 128);
  memory.fill(schedule, 0, 640);
}

/** Rotations and shifts of SHA-256 and SHA-512. */
@inline
function bits<T>(of256: i32, of512: i32): T {
  return <T>(sizeof<T>() === 4 ? of256 : of512);
}

@inline
function big0<T>(a: T): T {
  return rotr<T>(a, bits<T>(2, 28)) ^ rotr<T>(a, bits<T>(13, 34)) ^ rotr<T>(a, bits<T>(22, 39));
}

@inline
function big1<T>(e: T): T {
  return rotr<T>(e, bits<T>(6, 14)) ^ rotr<T>(e, bits<T>(11, 18)) ^ rotr<T>(e, bits<T>(25, 41));
}

@inline
function small0<T>(w: T): T {
  return rotr<T>(w, bits<T>(7, 1)) ^ rotr<T>(w, bits<T>(18, 8)) ^ (w >> bits<T>(3, 7));
}

@inline
function small1<T>(w: T): T {
  return rotr<T>(w, bits<T>(17, 19)) ^ rotr<T>(w, bits<T>(19, 61)) ^ (w >> bits<T>(10, 6));
}

function compress<T>(data: usize): void {
  const word = sizeof<T>();
  const constants = word === 4 ? ROUNDS_256 : ROUNDS_512;
  const end: usize = (word === 4 ? 64 : 80) * word;
  for (let i: usize = 0; i < blockLength<T>(); i += word) store<T>(schedule + i, bswap<T>(load<T>(data + i)));
  for (let i = blockLength<T>(); i < end; i += word) {
    const before = schedule + i;
    store<T>(
      before,
      load<T>(before - 16 * word) +
        small0<T>(load<T>(before - 15 * word)) +
        load<T>(before - 7 * word) +
        small1<T>(load<T>(before - 2 * word)),
    );
  }
  let a = load<T>(state);
  let b = load<T>(state + word);
  let c = load<T>(state + 2 * word);
  let d = load<T>(state + 3 * word);
  let e = load<T>(state + 4 * word);
  let f = load<T>(state + 5 * word);
  let g = load<T>(state + 6 * word);
  let h = load<T>(state + 7 * word);
  for (let i: usize = 0; i < end; i += word) {
    const first = h + big1<T>(e) + ((e & f) ^ (~e & g)) + load<T>(constants + i) + load<T>(schedule + i);
    const second = big0<T>(a) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  store<T>(state, load<T>(state) + a);
  store<T>(state + word, load<T>(state + word) + b);
  store<T>(state + 2 * word, load<T>(state + 2 * word) + c);
  store<T>(state + 3 * word, load<T>(state + 3 * word) + d);
  store<T>(state + 4 * word, load<T>(state + 4 * word) + e);
  store<T>(state + 5 * word, load<T>(state + 5 * word) + f);
  store<T>(state + 6 * word, load<T>(state + 6 * word) + g);
  store<T>(state + 7 * word, load<T>(state + 7 * word) + h);
}
