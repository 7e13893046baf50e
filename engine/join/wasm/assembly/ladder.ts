/**
 * The u-coordinates of multiples on curve25519, four points at once: the Montgomery ladder of RFC 7748 section 5. All points of
 * a call have the same scalar, so one mask serves the conditional exchanges; no branch and no address depends on it.
 */
import { FOUR, add, canonical, copy, exchange, invert, isZero, multiply, readLane, scale, select } from './field';
import { setSmall, square, subtract, writeLane } from './field';

/** (J - 2) / 4. */
const A24: i32 = 121665;

const x1 = memory.data(160, 16);
const x3 = memory.data(160, 16);
const z3 = memory.data(160, 16);
const a = memory.data(160, 16);
const aa = memory.data(160, 16);
const b = memory.data(160, 16);
const bb = memory.data(160, 16);
const e = memory.data(160, 16);
const c = memory.data(160, 16);
const d = memory.data(160, 16);
const zero = memory.data(160, 16);
const one = memory.data(160, 16);

/** (X : Z) = 2 (X : Z), given a = X + Z and b = X - Z. */
@inline
function doubleFrom(x: usize, z: usize): void {
  square(aa, a);
  square(bb, b);
  subtract(e, aa, bb);
  multiply(x, aa, bb);
  scale(z, e, A24);
  add(z, aa, z);
  multiply(z, e, z);
}

/** (X : Z) = 8 (X : Z): clears the cofactor. */
export function timesEight(x: usize, z: usize): void {
  for (let i = 0; i < 3; i++) {
    add(a, x, z);
    subtract(b, x, z);
    doubleFrom(x, z);
  }
}

/** (X : Z) = k x1 for the clamped scalar k of 32 bytes. */
function multiplyByScalar(x2: usize, z2: usize, scalar: usize): void {
  setSmall(x2, 1);
  setSmall(z2, 0);
  copy(x3, x1);
  setSmall(z3, 1);
  let swap: i32 = 0;
  for (let t: i32 = 254; t >= 0; t--) {
    const bit = <i32>((load<u8>(scalar + (<usize>t >> 3)) >> <u8>(t & 7)) & 1);
    swap ^= bit;
    const mask = i32x4.splat(-swap);
    exchange(x2, x3, mask);
    exchange(z2, z3, mask);
    swap = bit;
    add(a, x2, z2);
    subtract(b, x2, z2);
    add(c, x3, z3);
    subtract(d, x3, z3);
    multiply(d, d, a);
    multiply(c, c, b);
    add(x3, d, c);
    square(x3, x3);
    subtract(z3, d, c);
    square(z3, z3);
    multiply(z3, x1, z3);
    doubleFrom(x2, z2);
  }
  const mask = i32x4.splat(-swap);
  exchange(x2, x3, mask);
  exchange(z2, z3, mask);
}

const clamped = memory.data(32, 16);

/** Where the Zs begin. */
@inline
function zsOf(work: usize, quads: usize): usize {
  return work + quads * FOUR;
}

/** points[i] = u-coordinate of scalar * points[i]; `count` is a multiple of 4, `work` has 480 bytes for each four. */
export function multiplyPoints(points: usize, count: usize, scalar: usize, work: usize): void {
  memory.copy(clamped, scalar, 32);
  store<u8>(clamped, load<u8>(clamped) & 248);
  store<u8>(clamped, (load<u8>(clamped, 31) & 127) | 64, 31);
  const quads = count >> 2;
  const zs = zsOf(work, quads);
  for (let quad: usize = 0; quad < quads; quad++) {
    for (let lane: usize = 0; lane < 4; lane++) readLane(x1, lane, points + (((quad << 2) + lane) << 5));
    multiplyByScalar(work + quad * FOUR, zs + quad * FOUR, clamped);
  }
  memory.fill(clamped, 0, 32);
  toAffine(points, quads, work);
}

/** Writes X / Z of each point as 32 bytes, 0 where Z is 0; the Xs lie at `work`, then the Zs, then room for products. */
export function toAffine(points: usize, quads: usize, work: usize): void {
  const zs = zsOf(work, quads);
  const products = zs + quads * FOUR;
  setSmall(zero, 0);
  setSmall(one, 1);
  for (let quad: usize = 0; quad < quads; quad++) {
    const x = work + quad * FOUR;
    const z = zs + quad * FOUR;
    const isInfinite = isZero(z);
    select(x, zero, x, isInfinite);
    select(z, one, z, isInfinite);
    if (quad === 0) copy(products, z);
    else multiply(products + quad * FOUR, products + (quad - 1) * FOUR, z);
  }
  // Montgomery's trick: one inversion for all
  invert(a, products + (quads - 1) * FOUR);
  for (let quad: usize = quads; quad-- > 0; ) {
    const x = work + quad * FOUR;
    if (quad === 0) copy(b, a);
    else multiply(b, a, products + (quad - 1) * FOUR);
    multiply(a, a, zs + quad * FOUR);
    multiply(x, x, b);
    canonical(x, x);
    for (let lane: usize = 0; lane < 4; lane++) writeLane(points + (((quad << 2) + lane) << 5), x, lane);
  }
}
