/**
 * The module's entry: batches of points on curve25519, as 32-byte u-coordinates. Memory from `heap` on belongs to the caller,
 * who lays out points, messages and work space and grows the memory as needed.
 */
import { FOUR } from './field';
import { mapAndAdd } from './elligator';
import { hashLane, reduceHashed } from './hash-to-field';
import { timesEight, toAffine } from './ladder';

export { hmacSha256 } from './hmac';
export { multiplyPoints } from './ladder';

/** First free address. */
export function heap(): usize {
  return (__heap_base + 15) & ~(<usize>15);
}

const u0 = memory.data(160, 16);
const u1 = memory.data(160, 16);

/**
 * hash_to_curve of suite curve25519_XMD:SHA-512_ELL2_RO_ (RFC 9380), u-coordinates only. Message i is the bytes between the
 * 32-bit numbers offsets[i] and offsets[i + 1] from `messages`; `count` is a multiple of 4; `work` has 480 bytes for each four.
 */
export function hashToCurve(
  points: usize,
  count: usize,
  messages: usize,
  offsets: usize,
  tag: usize,
  tagBytes: usize,
  work: usize,
): void {
  const quads = count >> 2;
  for (let quad: usize = 0; quad < quads; quad++) {
    for (let lane: usize = 0; lane < 4; lane++) {
      const entry = offsets + (((quad << 2) + lane) << 2);
      const from = <usize>load<u32>(entry);
      const to = <usize>load<u32>(entry, 4);
      hashLane(u0, u1, lane, messages + from, to - from, tag, tagBytes);
    }
    reduceHashed(u0, u1);
    const x = work + quad * FOUR;
    const z = work + (quads + quad) * FOUR;
    mapAndAdd(x, z, u0, u1);
    timesEight(x, z);
  }
  toAffine(points, quads, work);
}

/** The first point that is not the canonical form of a coordinate (p or more, or the highest bit set), or `count`. */
export function firstNotCanonical(points: usize, count: usize): usize {
  for (let i: usize = 0; i < count; i++) {
    const point = points + (i << 5);
    const top = load<u64>(point, 24);
    if (top >>> 63) return i;
    const isTop = top === 0x7fffffffffffffff && (load<u64>(point, 8) & load<u64>(point, 16)) === u64.MAX_VALUE;
    if (isTop && load<u64>(point) >= 0xffffffffffffffed) return i;
  }
  return count;
}

/** The first point whose 32 bytes are 0, or `count`. */
export function firstZero(points: usize, count: usize): usize {
  for (let i: usize = 0; i < count; i++) {
    const point = points + (i << 5);
    if ((load<u64>(point) | load<u64>(point, 8) | load<u64>(point, 16) | load<u64>(point, 24)) === 0) return i;
  }
  return count;
}
