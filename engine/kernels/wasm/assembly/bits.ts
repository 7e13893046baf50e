/**
 * Operations on planes of bits, 128 elements (16 bytes) at a time. Inputs may be read up to the next multiple of 128
 * elements: planes are padded, and memories end with slack. Words are never written beyond their tensor.
 */
import { arg, least } from './args';
import { BIT_TERM_WORDS } from './opcodes';

const UNIT: u32 = 128;

/** Transposes bytes `half * 4` .. `half * 4 + 3` of 16 words into vectors of one byte of each, at scratch + 16 * byte. */
@inline
function transposeBytes(input: usize, scratch: usize, high: bool): void {
  const w0 = v128.load(input);
  const w1 = v128.load(input, 16);
  const w2 = v128.load(input, 32);
  const w3 = v128.load(input, 48);
  const w4 = v128.load(input, 64);
  const w5 = v128.load(input, 80);
  const w6 = v128.load(input, 96);
  const w7 = v128.load(input, 112);
  let a: v128;
  let b: v128;
  let c: v128;
  let d: v128;
  if (high) {
    a = v128.shuffle<i8>(w0, w1, 4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31);
    b = v128.shuffle<i8>(w2, w3, 4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31);
    c = v128.shuffle<i8>(w4, w5, 4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31);
    d = v128.shuffle<i8>(w6, w7, 4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31);
    scratch += 64;
  } else {
    a = v128.shuffle<i8>(w0, w1, 0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    b = v128.shuffle<i8>(w2, w3, 0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    c = v128.shuffle<i8>(w4, w5, 0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    d = v128.shuffle<i8>(w6, w7, 0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
  }
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ab2 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd2 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(scratch, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(scratch, v128.shuffle<i64>(ab, cd, 1, 3), 16);
  v128.store(scratch, v128.shuffle<i64>(ab2, cd2, 0, 2), 32);
  v128.store(scratch, v128.shuffle<i64>(ab2, cd2, 1, 3), 48);
}

/** Record: out, bytes of a plane, planes, input, lowest bit. Units: 128 elements. */
export function bitPlanes(record: usize, from: u32, to: u32, scratch: usize): void {
  const out = <usize>arg(record, 0);
  const planeBytes = <usize>arg(record, 1);
  const planes = arg(record, 2);
  const input = <usize>arg(record, 3);
  const lowest = arg(record, 4);
  if (planes == 0) return;
  const firstByte = lowest >> 3;
  const lastByte = (lowest + planes - 1) >> 3;
  // 64 planes of 16 bytes, then 8 vectors of bytes. Planes often lie a power of two apart, so whole vectors are written.
  const vectors = scratch + 1024;
  for (let unit = from; unit < to; unit++) {
    let words = input + <usize>unit * (UNIT * 8);
    for (let group: usize = 0; group < 8; group++) {
      if (firstByte < 4) transposeBytes(words, vectors, false);
      if (lastByte >= 4) transposeBytes(words, vectors, true);
      for (let byte = firstByte; byte <= lastByte; byte++) {
        let vector = v128.load(vectors + ((<usize>byte) << 4));
        let target = scratch + ((<usize>byte) << 7) + (group << 1);
        store<u16>(target, <u16>i8x16.bitmask(vector), 112);
        vector = i8x16.add(vector, vector);
        store<u16>(target, <u16>i8x16.bitmask(vector), 96);
        vector = i8x16.add(vector, vector);
        store<u16>(target, <u16>i8x16.bitmask(vector), 80);
        vector = i8x16.add(vector, vector);
        store<u16>(target, <u16>i8x16.bitmask(vector), 64);
        vector = i8x16.add(vector, vector);
        store<u16>(target, <u16>i8x16.bitmask(vector), 48);
        vector = i8x16.add(vector, vector);
        store<u16>(target, <u16>i8x16.bitmask(vector), 32);
        vector = i8x16.add(vector, vector);
        store<u16>(target, <u16>i8x16.bitmask(vector), 16);
        vector = i8x16.add(vector, vector);
        store<u16>(target, <u16>i8x16.bitmask(vector));
      }
      words += 128;
    }
    let target = out + ((<usize>unit) << 4);
    let source = scratch + ((<usize>lowest) << 4);
    const end = source + ((<usize>planes) << 4);
    for (; source < end; source += 16, target += planeBytes) v128.store(target, v128.load(source));
  }
}

/** Record: out, input, words in all. Units: 128 elements. */
export function bitsToWords(record: usize, from: u32, to: u32): void {
  const start = from * UNIT;
  const count = least(to * UNIT, arg(record, 2)) - start;
  let out = <usize>arg(record, 0) + ((<usize>start) << 3);
  let input = <usize>arg(record, 1) + (<usize>start >> 3);
  const end = out + ((<usize>count >> 3) << 6);
  for (; out < end; out += 64, input++) {
    const bits = i64x2.splat(<i64>load<u8>(input));
    for (let pair: usize = 0; pair < 4; pair++) {
      const masks = i64x2.shl(i64x2(1, 2), <i32>(pair << 1));
      v128.store(out + (pair << 4), i64x2.shr_u(i64x2.eq(v128.and(bits, masks), masks), 63));
    }
  }
  const last = load<u8>(input);
  for (let i: u32 = 0; i < (count & 7); i++) store<u64>(out + ((<usize>i) << 3), (<u64>last >> (<u64>i)) & 1);
}

/** Record: out, v, value, masked, words in all. Units: 128 elements. */
export function selectMasked(record: usize, from: u32, to: u32): void {
  const start = from * UNIT;
  const count = least(to * UNIT, arg(record, 4)) - start;
  const offset = (<usize>start) << 3;
  let out = <usize>arg(record, 0) + offset;
  let bits = <usize>arg(record, 1) + (<usize>start >> 3);
  let value = <usize>arg(record, 2) + offset;
  let masked = <usize>arg(record, 3) + offset;
  const end = out + ((<usize>count >> 3) << 6);
  for (; out < end; bits++) {
    const byte = i64x2.splat(<i64>load<u8>(bits));
    for (let pair: usize = 0; pair < 4; pair++) {
      const masks = i64x2.shl(i64x2(1, 2), <i32>(pair << 1));
      const low = v128.load(masked);
      const difference = i64x2.sub(v128.load(value), low);
      v128.store(out, v128.bitselect(difference, low, i64x2.eq(v128.and(byte, masks), masks)));
      out += 16;
      value += 16;
      masked += 16;
    }
  }
  const last = load<u8>(bits);
  for (let i: u32 = 0; i < (count & 7); i++) {
    const at = (<usize>i) << 3;
    const low = load<u64>(masked + at);
    store<u64>(out + at, (last >> <u8>i) & 1 ? load<u64>(value + at) - low : low);
  }
}

/** XOR of the terms over `pieces` times 16 bytes; W vectors are kept in registers while the terms are read. */
@inline
function combineWide(out: usize, offset: usize, terms: usize, end: usize, constant: v128): void {
  let s0 = constant;
  let s1 = constant;
  let s2 = constant;
  let s3 = constant;
  for (let term = terms; term < end; term += BIT_TERM_WORDS * 4) {
    let factor = term + 4;
    const lastFactor = factor + ((<usize>arg(term, 0)) << 3);
    let at = <usize>load<u32>(factor) + offset;
    let p0 = v128.load(at);
    let p1 = v128.load(at, 16);
    let p2 = v128.load(at, 32);
    let p3 = v128.load(at, 48);
    for (factor += 8; factor < lastFactor; factor += 8) {
      at = <usize>load<u32>(factor) + offset;
      p0 = v128.and(p0, v128.load(at));
      p1 = v128.and(p1, v128.load(at, 16));
      p2 = v128.and(p2, v128.load(at, 32));
      p3 = v128.and(p3, v128.load(at, 48));
    }
    s0 = v128.xor(s0, p0);
    s1 = v128.xor(s1, p1);
    s2 = v128.xor(s2, p2);
    s3 = v128.xor(s3, p3);
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
}

@inline
function combineNarrow(out: usize, offset: usize, terms: usize, end: usize, constant: v128): void {
  let sum = constant;
  for (let term = terms; term < end; term += BIT_TERM_WORDS * 4) {
    let factor = term + 4;
    const lastFactor = factor + ((<usize>arg(term, 0)) << 3);
    let product = v128.load(<usize>load<u32>(factor) + offset);
    for (factor += 8; factor < lastFactor; factor += 8) {
      product = v128.and(product, v128.load(<usize>load<u32>(factor) + offset));
    }
    sum = v128.xor(sum, product);
  }
  v128.store(out, sum);
}

/**
 * Record: out, bytes of a plane, constant, number of terms, then for each term BIT_TERM_WORDS words: number of factors, and
 * for each factor its address and bytes from plane to plane (0: one plane for all). Units: 16 bytes of out, plane after plane.
 * The addresses are moved from plane to plane in a copy of the terms in scratch.
 */
export function combineBits(record: usize, from: u32, to: u32, scratch: usize): void {
  const out = <usize>arg(record, 0);
  const pieces = arg(record, 1) >> 4;
  const constant = i64x2.splat(arg(record, 2) ? -1 : 0);
  const termBytes = <usize>arg(record, 3) * (BIT_TERM_WORDS * 4);
  const terms = record + 16;
  const end = scratch + termBytes;
  let unit = from;
  while (unit < to) {
    const plane = unit / pieces;
    const planeEnd = least(to, (plane + 1) * pieces);
    memory.copy(scratch, terms, termBytes);
    if (plane > 0) {
      for (let term = scratch; term < end; term += BIT_TERM_WORDS * 4) {
        const factors = arg(term, 0);
        for (let f: u32 = 0; f < factors; f++) {
          const factor = term + 4 + ((<usize>f) << 3);
          store<u32>(factor, load<u32>(factor) + plane * load<u32>(factor, 4));
        }
      }
    }
    let offset = (<usize>(unit - plane * pieces)) << 4;
    let target = out + ((<usize>unit) << 4);
    const wideEnd = target + ((<usize>(planeEnd - unit) >> 2) << 6);
    const targetEnd = out + ((<usize>planeEnd) << 4);
    for (; target < wideEnd; target += 64, offset += 64) combineWide(target, offset, scratch, end, constant);
    for (; target < targetEnd; target += 16, offset += 16) combineNarrow(target, offset, scratch, end, constant);
    unit = planeEnd;
  }
}

/** Record: out, bytes of a plane, bits of a plane, input. Units: planes. */
export function splitBits(record: usize, from: u32, to: u32): void {
  const planeBytes = <usize>arg(record, 1);
  const length = arg(record, 2);
  const input = <usize>arg(record, 3);
  for (let p = from; p < to; p++) {
    const first = <u64>p * length;
    const shift = first & 7;
    let source = input + <usize>(first >> 3);
    let target = <usize>arg(record, 0) + <usize>p * planeBytes;
    const end = target + ((<usize>(length + 63) >> 6) << 3);
    for (; target < end; target += 8, source += 8) {
      // Two shifts, so that a shift of 0 takes nothing from the ninth byte.
      store<u64>(target, (load<u64>(source) >> shift) | (((<u64>load<u8>(source, 8)) << 1) << (63 - shift)));
    }
  }
}

/** Record: out, bytes of a plane, bits of a plane, input, planes. One unit: planes share bytes of out. */
export function joinBits(record: usize): void {
  let target = <usize>arg(record, 0);
  const planeBytes = <usize>arg(record, 1);
  const length = arg(record, 2);
  const planes = arg(record, 4);
  let filled: u64 = 0;
  let word: u64 = 0;
  for (let p: u32 = 0; p < planes; p++) {
    let source = <usize>arg(record, 3) + <usize>p * planeBytes;
    for (let left = length; left > 0; ) {
      const count = <u64>least(64, left);
      let bits = load<u64>(source);
      if (count < 64) bits &= ((<u64>1) << count) - 1;
      word |= bits << filled;
      if (filled + count >= 64) {
        store<u64>(target, word);
        target += 8;
        word = filled == 0 ? 0 : bits >> (64 - filled);
        filled = filled + count - 64;
      } else {
        filled += count;
      }
      source += 8;
      left -= <u32>count;
    }
  }
  if (filled > 0) store<u64>(target, word);
}

/**
 * Record: less, equal, digit, table, bytes of a plane, digit planes d, first. Units: 128 elements.
 * A tree of multiplexers from the lowest digit bit up: a node knows, of its entries, the one chosen (equal), the XOR of those
 * above the chosen one (less), and the XOR of all (total). Nodes are merged like the carries of a binary counter, so only one
 * node a level is kept (48 bytes each at scratch).
 */
export function digitLookup(record: usize, from: u32, to: u32, scratch: usize): void {
  const planeBytes = <usize>arg(record, 4);
  const levels = arg(record, 5);
  const last: u32 = (1 << levels) - 1;
  const parity = i64x2.splat(arg(record, 6) ? -1 : 0);
  for (let unit = from; unit < to; unit++) {
    const offset = (<usize>unit) << 4;
    const digit = <usize>arg(record, 2) + offset;
    let entry = <usize>arg(record, 3) + offset;
    const bit0 = v128.load(digit);
    // XOR of the entries so far; with `parity` it becomes the implied last entry.
    let sum = parity;
    let equal = sum;
    let less = sum;
    let total = sum;
    for (let v: u32 = 0; v < last; v += 2) {
      const left = v128.load(entry);
      entry += planeBytes;
      sum = v128.xor(sum, left);
      let right = sum;
      if (v + 1 < last) {
        right = v128.load(entry);
        entry += planeBytes;
        sum = v128.xor(sum, right);
      }
      equal = v128.bitselect(right, left, bit0);
      less = v128.andnot(right, bit0);
      total = v128.xor(left, right);
      let level: u32 = 1;
      while (level < levels && (v >> level) & 1) {
        const node = scratch + <usize>level * 48;
        const bit = v128.load(digit + <usize>level * planeBytes);
        const leftTotal = v128.load(node, 32);
        // Right chosen: what lies above it. Left chosen: that, and all of the right.
        less = v128.bitselect(less, v128.xor(v128.load(node, 16), total), bit);
        equal = v128.bitselect(equal, v128.load(node), bit);
        total = v128.xor(total, leftTotal);
        level++;
      }
      if (level < levels) {
        const node = scratch + <usize>level * 48;
        v128.store(node, equal);
        v128.store(node, less, 16);
        v128.store(node, total, 32);
      }
    }
    v128.store(<usize>arg(record, 0) + offset, less);
    v128.store(<usize>arg(record, 1) + offset, equal);
  }
}

/** Products of the literals of `count` input planes: 2^count vectors at `to`, in the order of the value. */
@inline
function literalProducts(to: usize, plane: usize, planeBytes: usize, count: u32): void {
  v128.store(to, i64x2.splat(-1));
  let size: usize = 16;
  for (let p: u32 = 0; p < count; p++) {
    const bit = v128.load(plane);
    plane += planeBytes;
    for (let at = to; at < to + size; at += 16) {
      const product = v128.load(at);
      v128.store(at + size, v128.and(product, bit));
      v128.store(at, v128.andnot(product, bit));
    }
    size <<= 1;
  }
}

/** Record: out, input, bytes of a plane, input planes d. Units: 128 elements. */
export function oneHotBits(record: usize, from: u32, to: u32, scratch: usize): void {
  const out = <usize>arg(record, 0);
  const input = <usize>arg(record, 1);
  const planeBytes = <usize>arg(record, 2);
  const planes = arg(record, 3);
  const lowPlanes = planes >> 1;
  const highPlanes = planes - lowPlanes;
  const high = scratch + 1024;
  for (let unit = from; unit < to; unit++) {
    const offset = (<usize>unit) << 4;
    literalProducts(scratch, input + offset, planeBytes, lowPlanes);
    literalProducts(high, input + offset + <usize>lowPlanes * planeBytes, planeBytes, highPlanes);
    let target = out + offset;
    const lastHigh: u32 = (1 << highPlanes) - 1;
    const lastLow: u32 = (1 << lowPlanes) - 1;
    for (let h: u32 = 0; h <= lastHigh; h++) {
      const upper = v128.load(high + ((<usize>h) << 4));
      // The very last value has no plane.
      const lows = h == lastHigh ? lastLow : lastLow + 1;
      for (let l: u32 = 0; l < lows; l++) {
        v128.store(target, v128.and(upper, v128.load(scratch + ((<usize>l) << 4))));
        target += planeBytes;
      }
    }
  }
}
