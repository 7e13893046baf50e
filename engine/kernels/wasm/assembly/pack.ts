/**
 * Words and planes to and from the packed bytes of links and records (see packedBytes in kernels.ts), through a staging
 * area with 16 bytes of slack behind it: vectors are written and read beyond the last word.
 */

/** Bytes 0 .. bytes - 1 of both words of a vector, one after the other; the rest zero. */
@inline
function packingOrder(bytes: u32): v128 {
  let low: u64 = 0;
  let high: u64 = 0;
  for (let at: u32 = 0; at < 16; at++) {
    const from = <u64>(at < bytes ? at : at < 2 * bytes ? at - bytes + 8 : 0x80);
    if (at < 8) low |= from << (<u64>at * 8);
    else high |= from << (<u64>(at - 8) * 8);
  }
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** The inverse of packingOrder. */
@inline
function unpackingOrder(bytes: u32): v128 {
  let word: u64 = 0;
  for (let at: u32 = 0; at < 8; at++) word |= <u64>(at < bytes ? at : 0x80) << (<u64>at * 8);
  const second = word + <u64>bytes * (0x0101010101010101 & lowBytes(bytes));
  return i64x2.replace_lane(i64x2.splat(word), 1, second);
}

@inline
function lowBytes(bytes: u32): u64 {
  return bytes >= 8 ? u64.MAX_VALUE : ((<u64>1) << (<u64>bytes * 8)) - 1;
}

@inline
function lowBits(width: u32): u64 {
  return width >= 64 ? u64.MAX_VALUE : ((<u64>1) << (<u64>width)) - 1;
}

/** Packs `count` words from `words` to `packed`, keeping `width` bits of each. */
export function packWords(packed: usize, words: usize, count: u32, width: u32): void {
  const bytes = (width + 7) >> 3;
  const order = packingOrder(bytes);
  const mask = i64x2.splat(lowBits(width));
  const end = words + ((<usize>count) << 3);
  // An odd count reads one word too many: memories end with slack.
  for (; words < end; words += 16) {
    v128.store(packed, i8x16.swizzle(v128.and(v128.load(words), mask), order));
    packed += 2 * bytes;
  }
}

/** Unpacks `count` words, overwriting. */
export function unpackWords(words: usize, packed: usize, count: u32, width: u32): void {
  const bytes = (width + 7) >> 3;
  const order = unpackingOrder(bytes);
  const mask = i64x2.splat(lowBits(width));
  const pairs = words + ((<usize>count >> 1) << 4);
  for (; words < pairs; words += 16) {
    v128.store(words, v128.and(i8x16.swizzle(v128.load(packed), order), mask));
    packed += 2 * bytes;
  }
  if (count & 1) {
    store<u64>(words, i64x2.extract_lane(v128.and(i8x16.swizzle(v128.load(packed), order), mask), 0));
  }
}

/** Unpacks `count` words and adds them mod 2^width. */
export function addPackedWords(words: usize, packed: usize, count: u32, width: u32): void {
  const bytes = (width + 7) >> 3;
  const order = unpackingOrder(bytes);
  const mask = i64x2.splat(lowBits(width));
  const pairs = words + ((<usize>count >> 1) << 4);
  for (; words < pairs; words += 16) {
    const sum = i64x2.add(v128.load(words), i8x16.swizzle(v128.load(packed), order));
    v128.store(words, v128.and(sum, mask));
    packed += 2 * bytes;
  }
  if (count & 1) {
    const word = i64x2.extract_lane(i8x16.swizzle(v128.load(packed), order), 0);
    store<u64>(words, (load<u64>(words) + word) & lowBits(width));
  }
}

/** Copies `bytes` bytes of each of `planes` planes, `fromStep` and `toStep` apart, and clears the bits not in `lastMask`. */
export function copyPlanes(
  to: usize,
  toStep: usize,
  from: usize,
  fromStep: usize,
  bytes: u32,
  planes: u32,
  lastMask: u32,
): void {
  for (let p: u32 = 0; p < planes; p++) {
    memory.copy(to, from, bytes);
    const last = to + bytes - 1;
    store<u8>(last, load<u8>(last) & <u8>lastMask);
    to += toStep;
    from += fromStep;
  }
}

/** XORs `bytes` bytes of each of `planes` planes into others. */
export function addPlanes(to: usize, toStep: usize, from: usize, fromStep: usize, bytes: u32, planes: u32): void {
  for (let p: u32 = 0; p < planes; p++) {
    let target = to;
    let source = from;
    const end = to + bytes;
    for (; target + 16 <= end; target += 16, source += 16) {
      v128.store(target, v128.xor(v128.load(target), v128.load(source)));
    }
    for (; target < end; target++, source++) store<u8>(target, load<u8>(target) ^ load<u8>(source));
    to += toStep;
    from += fromStep;
  }
}
