/** Elementwise and row-wise operations on words, and copies between layouts. All are bound by memory, not by arithmetic. */
import { arg, arg64, copyWords, fillWords, least } from './args';
import { COPY_REPEAT, COPY_RUNS, COPY_TRANSPOSE } from './opcodes';

/** Elements of a unit of the elementwise operations: one 16-byte piece of a plane of bits. */
const UNIT: u32 = 128;

/** Rows x columns of words where the target's columns and the source's rows are contiguous, in blocks of 8 x 8. */
function transposeWords(to: usize, toRow: usize, from: usize, fromColumn: usize, rows: u32, columns: u32): void {
  for (let i: u32 = 0; i < rows; i += 8) {
    const iEnd = least(i + 8, rows);
    const pairEnd = i + ((iEnd - i) & ~1);
    for (let j: u32 = 0; j < columns; j += 8) {
      const jEnd = least(j + 8, columns);
      const jPairEnd = j + ((jEnd - j) & ~1);
      for (let r = i; r < pairEnd; r += 2) {
        let target = to + <usize>r * toRow + ((<usize>j) << 3);
        let source = from + <usize>j * fromColumn + ((<usize>r) << 3);
        for (let c = j; c < jPairEnd; c += 2) {
          const left = v128.load(source);
          const right = v128.load(source + fromColumn);
          v128.store(target, v128.shuffle<i64>(left, right, 0, 2));
          v128.store(target + toRow, v128.shuffle<i64>(left, right, 1, 3));
          source += 2 * fromColumn;
          target += 16;
        }
        if (jPairEnd < jEnd) {
          store<u64>(target, load<u64>(source));
          store<u64>(target + toRow, load<u64>(source, 8));
        }
      }
      if (pairEnd < iEnd) {
        for (let c = j; c < jEnd; c++) {
          store<u64>(
            to + <usize>pairEnd * toRow + ((<usize>c) << 3),
            load<u64>(from + <usize>c * fromColumn + ((<usize>pairEnd) << 3)),
          );
        }
      }
    }
  }
}

/** The two inner dimensions of a copy; dimension records hold size, step of the target, step of the source (bytes). */
function copyPlane(to: usize, from: usize, outer: usize, rows: u32, inner: usize, mode: u32): void {
  const toRow = <usize>arg(outer, 1);
  const fromRow = <usize>arg(outer, 2);
  const columns = arg(inner, 0);
  const toColumn = <usize>arg(inner, 1);
  const fromColumn = <usize>arg(inner, 2);
  if (mode == COPY_TRANSPOSE) {
    transposeWords(to, toRow, from, fromColumn, rows, columns);
    return;
  }
  for (let r: u32 = 0; r < rows; r++) {
    if (mode == COPY_RUNS) {
      copyWords(to, from, columns);
    } else if (mode == COPY_REPEAT) {
      fillWords(to, load<u64>(from), columns);
    } else {
      let target = to;
      let source = from;
      for (let c: u32 = 0; c < columns; c++) {
        store<u64>(target, load<u64>(source));
        target += toColumn;
        source += fromColumn;
      }
    }
    to += toRow;
    from += fromRow;
  }
}

function copyDimensions(to: usize, from: usize, dimension: usize, count: u32, remaining: u32, mode: u32): void {
  const next = dimension + 12;
  if (remaining == 2) {
    copyPlane(to, from, dimension, count, next, mode);
    return;
  }
  const toStep = <usize>arg(dimension, 1);
  const fromStep = <usize>arg(dimension, 2);
  for (let i: u32 = 0; i < count; i++) {
    copyDimensions(to, from, next, arg(next, 0), remaining - 1, mode);
    to += toStep;
    from += fromStep;
  }
}

/** Record: target, source, mode, dimensions (at least 2), then for each size, target step, source step. Units: dimension 0. */
export function copy(record: usize, from: u32, to: u32): void {
  const dimension = record + 16;
  const target = <usize>arg(record, 0) + <usize>from * arg(dimension, 1);
  const source = <usize>arg(record, 1) + <usize>from * arg(dimension, 2);
  copyDimensions(target, source, dimension, to - from, arg(record, 3), arg(record, 2));
}

/** Record: target, bytes of a unit, bytes in all. */
export function fillZero(record: usize, from: u32, to: u32): void {
  const unit = arg(record, 1);
  const start = <usize>from * unit;
  const end = least(<u32>(<usize>to * unit), arg(record, 2));
  memory.fill(<usize>arg(record, 0) + start, 0, end - start);
}

/** Record: out, input, index, words of a row, rows of the input. Units: rows. Returns whether all indices were in range. */
export function gatherRows(record: usize, from: u32, to: u32): bool {
  const inner = arg(record, 3);
  const rowBytes = (<usize>inner) << 3;
  const input = <usize>arg(record, 1);
  const index = <usize>arg(record, 2);
  const rows = <u64>arg(record, 4);
  let out = <usize>arg(record, 0) + <usize>from * rowBytes;
  for (let i = from; i < to; i++) {
    const row = load<u64>(index + ((<usize>i) << 3));
    if (row >= rows) return false;
    copyWords(out, input + <usize>row * rowBytes, inner);
    out += rowBytes;
  }
  return true;
}

/** Record: out, input, count, inner, words of a column block, column blocks. Units: column blocks of all outer indices. */
export function sum(record: usize, from: u32, to: u32): void {
  const out = <usize>arg(record, 0);
  const input = <usize>arg(record, 1);
  const count = arg(record, 2);
  const inner = arg(record, 3);
  const block = arg(record, 4);
  const blocks = arg(record, 5);
  for (let unit = from; unit < to; unit++) {
    const outer = unit / blocks;
    const column = (unit % blocks) * block;
    const columns = least(block, inner - column);
    const target = out + ((<usize>outer * inner + column) << 3);
    let source = input + ((<usize>outer * count * inner + column) << 3);
    if (inner == 1) {
      let total = i64x2.splat(0);
      let other = i64x2.splat(0);
      const end = source + ((<usize>count >> 2) << 5);
      for (; source < end; source += 32) {
        total = i64x2.add(total, v128.load(source));
        other = i64x2.add(other, v128.load(source, 16));
      }
      total = i64x2.add(total, other);
      let rest = i64x2.extract_lane(total, 0) + i64x2.extract_lane(total, 1);
      for (let j: u32 = 0; j < (count & 3); j++) rest += load<u64>(source + ((<usize>j) << 3));
      store<u64>(target, rest);
      continue;
    }
    if (count == 0) {
      memory.fill(target, 0, (<usize>columns) << 3);
      continue;
    }
    copyWords(target, source, columns);
    const pairs = target + ((<usize>columns >> 1) << 4);
    for (let j: u32 = 1; j < count; j++) {
      source += (<usize>inner) << 3;
      let at = target;
      let row = source;
      for (; at < pairs; at += 16, row += 16) v128.store(at, i64x2.add(v128.load(at), v128.load(row)));
      if (columns & 1) store<u64>(at, load<u64>(at) + load<u64>(row));
    }
  }
}

/** Record: out, input, shift, mask (two words), words in all. Units: 128 words. */
export function field(record: usize, from: u32, to: u32): void {
  const shift = arg(record, 2);
  const mask = arg64(record, 3);
  const start = from * UNIT;
  const count = least(to * UNIT, arg(record, 5)) - start;
  let out = <usize>arg(record, 0) + ((<usize>start) << 3);
  let input = <usize>arg(record, 1) + ((<usize>start) << 3);
  const masks = i64x2.splat(mask);
  const pairs = out + ((<usize>count >> 1) << 4);
  for (; out < pairs; out += 16, input += 16) {
    v128.store(out, v128.and(i64x2.shr_u(v128.load(input), shift), masks));
  }
  if (count & 1) store<u64>(out, (load<u64>(input) >> (<u64>shift)) & mask);
}

/** Record: out, opened, zero, wrap, bits above `top`, lift, words in all. Units: 128 words. */
export function wrap(record: usize, from: u32, to: u32): void {
  const above = arg(record, 4);
  const lift = arg(record, 5);
  const start = from * UNIT;
  const count = least(to * UNIT, arg(record, 6)) - start;
  const offset = (<usize>start) << 3;
  let out = <usize>arg(record, 0) + offset;
  let opened = <usize>arg(record, 1) + offset;
  let zero = <usize>arg(record, 2) + offset;
  let term = <usize>arg(record, 3) + offset;
  const none = i64x2.splat(0);
  const pairs = out + ((<usize>count >> 1) << 4);
  for (; out < pairs; out += 16, opened += 16, zero += 16, term += 16) {
    const set = i64x2.lt_s(i64x2.shl(v128.load(opened), above), none);
    const lifted = v128.and(i64x2.shl(v128.load(term), lift), set);
    v128.store(out, i64x2.add(v128.load(zero), lifted));
  }
  if (count & 1) {
    const set = <i64>(load<u64>(opened) << (<u64>above)) < 0;
    store<u64>(out, load<u64>(zero) + (set ? load<u64>(term) << (<u64>lift) : 0));
  }
}

/** Record: out, input, shift, bits. Units: rows of 2^bits words. */
export function oneHotWords(record: usize, from: u32, to: u32): void {
  const shift = <u64>arg(record, 2);
  const bits = arg(record, 3);
  const mask = ((<u64>1) << (<u64>bits)) - 1;
  const rowBytes = (<usize>8) << bits;
  const input = <usize>arg(record, 1);
  let out = <usize>arg(record, 0) + <usize>from * rowBytes;
  for (let i = from; i < to; i++) {
    const value = <usize>((load<u64>(input + ((<usize>i) << 3)) >> shift) & mask);
    if (bits < 9) fillWords(out, 0, 1 << bits);
    else memory.fill(out, 0, rowBytes);
    store<u64>(out + (value << 3), 1);
    out += rowBytes;
  }
}

/** One polynomial: its table, reversed and written twice, so that a rotation by the opened value is a starting point in it. */
function lookupOne(
  out: usize,
  opened: usize,
  oneHot: usize,
  table: usize,
  shift: u64,
  entries: u32,
  from: u32,
  to: u32,
  scratch: usize,
): void {
  const rowBytes = (<usize>entries) << 3;
  for (let t: u32 = 0; t < entries; t++) {
    const word = load<u64>(table + ((<usize>((entries - t) & (entries - 1))) << 3));
    store<u64>(scratch + ((<usize>t) << 3), word);
    store<u64>(scratch + rowBytes + ((<usize>t) << 3), word);
  }
  for (let i = from; i < to; i++) {
    const c = <u32>(load<u64>(opened + ((<usize>i) << 3)) >> shift) & (entries - 1);
    let x = oneHot + <usize>i * rowBytes;
    const end = x + rowBytes;
    let y = scratch + ((<usize>(entries - c)) << 3);
    let sum0: u64 = 0;
    let sum1: u64 = 0;
    for (; x + 8 < end; x += 16, y += 16) {
      sum0 += load<u64>(x) * load<u64>(y);
      sum1 += load<u64>(x, 8) * load<u64>(y, 8);
    }
    if (x < end) sum0 += load<u64>(x) * load<u64>(y);
    store<u64>(out + ((<usize>i) << 3), sum0 + sum1);
  }
}

/**
 * Four polynomials: their tables, reversed and written twice, become a panel (see matmul.ts), and an element is a product of
 * its one-hot row with 2^bits rows of the panel, from a row that the opened value names.
 */
function lookupFour(
  out: usize,
  outRow: usize,
  opened: usize,
  oneHot: usize,
  table: usize,
  rows: u32,
  shift: u64,
  entries: u32,
  from: u32,
  to: u32,
  scratch: usize,
): void {
  const rowBytes = (<usize>entries) << 3;
  const half = (<usize>entries) << 5;
  for (let t: u32 = 0; t < entries; t++) {
    const at = scratch + ((<usize>t) << 5);
    const source = table + ((<usize>((entries - t) & (entries - 1))) << 3);
    for (let r: u32 = 0; r < 4; r++) {
      const word = r < rows ? load<u64>(source + <usize>r * rowBytes) : 0;
      const target = at + ((<usize>r) << 2);
      store<u32>(target, <u32>word);
      store<u32>(target, <u32>(word >> 32), 16);
      store<u32>(target + half, <u32>word);
      store<u32>(target + half, <u32>(word >> 32), 16);
    }
  }
  for (let i = from; i < to; i++) {
    const c = <u32>(load<u64>(opened + ((<usize>i) << 3)) >> shift) & (entries - 1);
    let x = oneHot + <usize>i * rowBytes;
    const end = x + rowBytes;
    let b = scratch + ((<usize>(entries - c)) << 5);
    let low = i64x2.splat(0);
    let high = i64x2.splat(0);
    let cross = i64x2.splat(0);
    for (; x < end; x += 8, b += 32) {
      const bLo = v128.load(b);
      const xLo = v128.load_splat<u32>(x);
      low = i64x2.add(low, i64x2.extmul_low_i32x4_u(bLo, xLo));
      high = i64x2.add(high, i64x2.extmul_high_i32x4_u(bLo, xLo));
      cross = i32x4.add(cross, i32x4.mul(v128.load(b, 16), xLo));
      cross = i32x4.add(cross, i32x4.mul(bLo, v128.load_splat<u32>(x, 4)));
    }
    low = i64x2.add(low, i64x2.shl(i64x2.extend_low_i32x4_u(cross), 32));
    high = i64x2.add(high, i64x2.shl(i64x2.extend_high_i32x4_u(cross), 32));
    let target = out + ((<usize>i) << 3);
    store<u64>(target, i64x2.extract_lane(low, 0));
    target += outRow;
    store<u64>(target, i64x2.extract_lane(low, 1));
    target += outRow;
    store<u64>(target, i64x2.extract_lane(high, 0));
    target += outRow;
    if (rows > 3) store<u64>(target, i64x2.extract_lane(high, 1));
  }
}

/** Record: out, opened, oneHot, table, polynomials, shift, bits, words of opened. Units: elements. */
export function tableLookup(record: usize, from: u32, to: u32, scratch: usize): void {
  let out = <usize>arg(record, 0);
  const opened = <usize>arg(record, 1);
  const oneHot = <usize>arg(record, 2);
  let table = <usize>arg(record, 3);
  let left = arg(record, 4);
  const shift = <u64>arg(record, 5);
  const entries: u32 = 1 << arg(record, 6);
  const outRow = (<usize>arg(record, 7)) << 3;
  while (left > 0) {
    // Three or four rows of SIMD cost as much as two of scalar products and a little more.
    const rows: u32 = left > 2 ? least(4, left) : 1;
    if (rows > 2) lookupFour(out, outRow, opened, oneHot, table, rows, shift, entries, from, to, scratch);
    else lookupOne(out, opened, oneHot, table, shift, entries, from, to, scratch);
    out += <usize>rows * outRow;
    table += ((<usize>rows * entries) << 3);
    left -= rows;
  }
}
