/**
 * Sums of products of tensors, fused: a tile of the output stays in the first-level cache while all terms are added to it,
 * so every operand is read from memory once. Multiplications are scalar (one a cycle; the SIMD one takes 8 operations).
 */
import { arg, arg64, copyWords, fillWords, least } from './args';
import {
  COEFFICIENT_ANY,
  COEFFICIENT_MINUS_ONE,
  COEFFICIENT_ONE,
  READ_CYCLE,
  READ_EACH,
  TERM_WORDS,
  TILE_WORDS,
} from './opcodes';

/**
 * Address of `count` consecutive values of a factor from output element `start` on: in place where they are contiguous,
 * otherwise repeated into `buffer`.
 */
function resolve(factor: usize, start: u32, count: u32, buffer: usize): usize {
  const slot = <usize>arg(factor, 0);
  const reading = arg(factor, 1);
  const size = arg(factor, 2);
  if (reading == READ_EACH) return slot + ((<usize>start) << 3);
  if (reading == READ_CYCLE) {
    const phase = start % size;
    if (phase + count <= size) return slot + ((<usize>phase) << 3);
    if (size == 1) {
      fillWords(buffer, load<u64>(slot), count);
      return buffer;
    }
    const head = least(size - phase, count);
    copyWords(buffer, slot + ((<usize>phase) << 3), head);
    const period = least(size, count);
    if (period > head) copyWords(buffer + ((<usize>head) << 3), slot, period - head);
    // A copy forward onto itself repeats the period; a pair of words never overlaps its source since size >= 2.
    const end = buffer + ((<usize>count) << 3);
    let at = buffer + ((<usize>period) << 3);
    const back = (<usize>size) << 3;
    for (; at + 8 < end; at += 16) v128.store(at, v128.load(at - back));
    if (at < end) store<u64>(at, load<u64>(at - back));
    return buffer;
  }
  let done: u32 = 0;
  let index = start / size;
  let run = least(size - (start % size), count);
  while (done < count) {
    fillWords(buffer + ((<usize>done) << 3), load<u64>(slot + ((<usize>index) << 3)), run);
    done += run;
    index++;
    run = least(size, count - done);
  }
  return buffer;
}

/** acc (+)= x + y, or x - y. */
@inline
function addPair(acc: usize, x: usize, y: usize, count: u32, minus: bool, first: bool): void {
  const pairs = acc + ((<usize>count >> 1) << 4);
  while (acc < pairs) {
    const right = v128.load(y);
    let sum = minus ? i64x2.sub(v128.load(x), right) : i64x2.add(v128.load(x), right);
    if (!first) sum = i64x2.add(sum, v128.load(acc));
    v128.store(acc, sum);
    acc += 16;
    x += 16;
    y += 16;
  }
  if (count & 1) {
    let sum = minus ? load<u64>(x) - load<u64>(y) : load<u64>(x) + load<u64>(y);
    if (!first) sum += load<u64>(acc);
    store<u64>(acc, sum);
  }
}

/** acc (+)= x, or -x. */
@inline
function addOne(acc: usize, x: usize, count: u32, minus: bool, first: bool): void {
  const pairs = acc + ((<usize>count >> 1) << 4);
  while (acc < pairs) {
    let sum = v128.load(x);
    if (first) {
      if (minus) sum = i64x2.neg(sum);
    } else {
      sum = minus ? i64x2.sub(v128.load(acc), sum) : i64x2.add(v128.load(acc), sum);
    }
    v128.store(acc, sum);
    acc += 16;
    x += 16;
  }
  if (count & 1) {
    const word = minus ? 0 - load<u64>(x) : load<u64>(x);
    store<u64>(acc, first ? word : word + load<u64>(acc));
  }
}

// The scalar loops take four words at a time: moving five pointers for each word would cost more than the arithmetic.

@inline
function scaledWord(acc: usize, x: usize, c: u64, first: bool): void {
  const product = load<u64>(x) * c;
  store<u64>(acc, first ? product : product + load<u64>(acc));
}

/** acc (+)= c * x. */
@inline
function addScaled(acc: usize, x: usize, c: u64, count: u32, first: bool): void {
  const end = acc + ((<usize>count) << 3);
  for (; acc + 24 < end; acc += 32, x += 32) {
    scaledWord(acc, x, c, first);
    scaledWord(acc + 8, x + 8, c, first);
    scaledWord(acc + 16, x + 16, c, first);
    scaledWord(acc + 24, x + 24, c, first);
  }
  for (; acc < end; acc += 8, x += 8) scaledWord(acc, x, c, first);
}

@inline
function productWord(acc: usize, x: usize, y: usize, minus: bool, first: bool): void {
  const product = load<u64>(x) * load<u64>(y);
  if (first) store<u64>(acc, minus ? 0 - product : product);
  else store<u64>(acc, minus ? load<u64>(acc) - product : load<u64>(acc) + product);
}

/** acc (+)= x * y, or -x * y. */
@inline
function addProduct(acc: usize, x: usize, y: usize, count: u32, minus: bool, first: bool): void {
  const end = acc + ((<usize>count) << 3);
  for (; acc + 24 < end; acc += 32, x += 32, y += 32) {
    productWord(acc, x, y, minus, first);
    productWord(acc + 8, x + 8, y + 8, minus, first);
    productWord(acc + 16, x + 16, y + 16, minus, first);
    productWord(acc + 24, x + 24, y + 24, minus, first);
  }
  for (; acc < end; acc += 8, x += 8, y += 8) productWord(acc, x, y, minus, first);
}

@inline
function twoProductsWord(acc: usize, x: usize, y: usize, z: usize, w: usize, first: bool): void {
  const sum = load<u64>(x) * load<u64>(y) + load<u64>(z) * load<u64>(w);
  store<u64>(acc, first ? sum : sum + load<u64>(acc));
}

/** acc (+)= x * y + z * w. */
@inline
function addTwoProducts(acc: usize, x: usize, y: usize, z: usize, w: usize, count: u32, first: bool): void {
  const end = acc + ((<usize>count) << 3);
  for (; acc + 24 < end; acc += 32, x += 32, y += 32, z += 32, w += 32) {
    twoProductsWord(acc, x, y, z, w, first);
    twoProductsWord(acc + 8, x + 8, y + 8, z + 8, w + 8, first);
    twoProductsWord(acc + 16, x + 16, y + 16, z + 16, w + 16, first);
    twoProductsWord(acc + 24, x + 24, y + 24, z + 24, w + 24, first);
  }
  for (; acc < end; acc += 8, x += 8, y += 8, z += 8, w += 8) twoProductsWord(acc, x, y, z, w, first);
}

/** x *= y. */
@inline
function scaleBy(x: usize, y: usize, count: u32): void {
  const end = x + ((<usize>count) << 3);
  for (; x < end; x += 8, y += 8) store<u64>(x, load<u64>(x) * load<u64>(y));
}

// One copy of each loop for a first term and one for the others: the branch would otherwise sit inside the loop.

function constant(acc: usize, c: u64, count: u32, first: bool): void {
  if (first) {
    fillWords(acc, c, count);
    return;
  }
  const both = i64x2.splat(c);
  const pairs = acc + ((<usize>count >> 1) << 4);
  for (; acc < pairs; acc += 16) v128.store(acc, i64x2.add(v128.load(acc), both));
  if (count & 1) store<u64>(acc, load<u64>(acc) + c);
}

function one(acc: usize, x: usize, count: u32, kind: u32, c: u64, first: bool): void {
  if (kind == COEFFICIENT_ONE) {
    if (first) copyWords(acc, x, count);
    else addOne(acc, x, count, false, false);
  } else if (kind == COEFFICIENT_MINUS_ONE) {
    if (first) addOne(acc, x, count, true, true);
    else addOne(acc, x, count, true, false);
  } else {
    if (first) addScaled(acc, x, c, count, true);
    else addScaled(acc, x, c, count, false);
  }
}

function pair(acc: usize, x: usize, y: usize, count: u32, minus: bool, first: bool): void {
  if (minus) {
    if (first) addPair(acc, x, y, count, true, true);
    else addPair(acc, x, y, count, true, false);
  } else {
    if (first) addPair(acc, x, y, count, false, true);
    else addPair(acc, x, y, count, false, false);
  }
}

function product(acc: usize, x: usize, y: usize, count: u32, minus: bool, first: bool): void {
  if (minus) {
    if (first) addProduct(acc, x, y, count, true, true);
    else addProduct(acc, x, y, count, true, false);
  } else {
    if (first) addProduct(acc, x, y, count, false, true);
    else addProduct(acc, x, y, count, false, false);
  }
}

function twoProducts(acc: usize, x: usize, y: usize, z: usize, w: usize, count: u32, first: bool): void {
  if (first) addTwoProducts(acc, x, y, z, w, count, true);
  else addTwoProducts(acc, x, y, z, w, count, false);
}

/**
 * Record: out, number of terms, then for each term TERM_WORDS words: kind of coefficient, coefficient (two words), number of
 * factors, and for each factor address, reading, size. Units: words.
 */
export function combine(record: usize, from: u32, to: u32, scratch: usize): void {
  const out = <usize>arg(record, 0);
  const terms = arg(record, 1);
  const tileBytes: usize = TILE_WORDS * 8;
  const termBytes: usize = TERM_WORDS * 4;
  const buffer1 = scratch + tileBytes;
  const buffer2 = buffer1 + tileBytes;
  const buffer3 = buffer2 + tileBytes;
  for (let start = from; start < to; start += TILE_WORDS) {
    const count = least(TILE_WORDS, to - start);
    const acc = out + ((<usize>start) << 3);
    if (terms == 0) memory.fill(acc, 0, (<usize>count) << 3);
    let first = true;
    let term = record + 8;
    const end = term + <usize>terms * termBytes;
    for (; term < end; term += termBytes) {
      const kind = arg(term, 0);
      const c = arg64(term, 1);
      const factors = arg(term, 3);
      const factor = term + 16;
      const next = term + termBytes;
      if (factors == 0) {
        constant(acc, c, count, first);
      } else if (factors == 1) {
        const x = resolve(factor, start, count, scratch);
        // Terms are sorted (+1 before -1 before others), so x + y and x - y are neighbours.
        if (kind == COEFFICIENT_ONE && next < end && arg(next, 3) == 1 && arg(next, 0) != COEFFICIENT_ANY) {
          const y = resolve(next + 16, start, count, buffer1);
          pair(acc, x, y, count, arg(next, 0) == COEFFICIENT_MINUS_ONE, first);
          term = next;
        } else {
          one(acc, x, count, kind, c, first);
        }
      } else {
        const x = resolve(factor, start, count, scratch);
        const y = resolve(factor + 12, start, count, buffer1);
        const plain = factors == 2 && kind == COEFFICIENT_ONE;
        if (plain && next < end && arg(next, 3) == 2 && arg(next, 0) == COEFFICIENT_ONE) {
          const z = resolve(next + 16, start, count, buffer2);
          const w = resolve(next + 28, start, count, buffer3);
          twoProducts(acc, x, y, z, w, count, first);
          term = next;
        } else if (factors == 2 && kind != COEFFICIENT_ANY) {
          product(acc, x, y, count, kind == COEFFICIENT_MINUS_ONE, first);
        } else {
          // The product grows in buffer2; the coefficient, or the sign, is applied when it is added.
          product(buffer2, x, y, count, false, true);
          if (factors > 2) scaleBy(buffer2, resolve(factor + 24, start, count, buffer3), count);
          if (factors > 3) scaleBy(buffer2, resolve(factor + 36, start, count, buffer3), count);
          one(acc, buffer2, count, kind, c, first);
        }
      }
      first = false;
    }
  }
}
