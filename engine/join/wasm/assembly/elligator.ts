/**
 * The map of a field element to curve25519, v^2 = u^3 + J u^2 + u: Elligator 2 as the straight line of RFC 9380 appendix
 * G.2.1, on four elements at once. Coordinates: (xn / xd, y).
 */
import {
  add,
  isEqual,
  isOdd,
  multiply,
  raiseP58,
  scale,
  select,
  setConstant,
  setSmall,
  square,
  subtract,
} from './field';

/** The curve's J (also called A). */
export const J: i32 = 486662;

/** 2^((p + 3) / 8), sqrt(-1) = 2^((p - 1) / 4) and -J, as limbs. */
const POWER_OF_TWO = memory.data<u32>([
  34513073, 25610706, 9377949, 3500415, 12389472, 33281959, 41962654, 31548777, 326685, 11406482,
]);
const ROOT_OF_MINUS_ONE = memory.data<u32>([
  34513072, 25610706, 9377949, 3500415, 12389472, 33281959, 41962654, 31548777, 326685, 11406482,
]);
const MINUS_J = memory.data<u32>([
  66622183, 33554431, 67108863, 33554431, 67108863, 33554431, 67108863, 33554431, 67108863, 33554431,
]);

const constant = memory.data(160, 16);
const root = memory.data(160, 16);
const one = memory.data(160, 16);
const t1 = memory.data(160, 16);
const t2 = memory.data(160, 16);
const t3 = memory.data(160, 16);
const gxd = memory.data(160, 16);
const gx1 = memory.data(160, 16);
const gx2 = memory.data(160, 16);
const x1n = memory.data(160, 16);
const x2n = memory.data(160, 16);
const y1 = memory.data(160, 16);
const y2 = memory.data(160, 16);
const other = memory.data(160, 16);

/** Chooses y or y sqrt(-1), whichever squared times gxd is gx; `y` is replaced. */
function chooseRoot(y: usize, gx: usize): void {
  multiply(other, y, root);
  square(t2, y);
  multiply(t2, t2, gxd);
  select(y, y, other, isEqual(t2, gx));
}

/** (xn / xd, y) = map(u); u is not changed. */
export function mapToCurve(xn: usize, xd: usize, y: usize, u: usize): void {
  setConstant(root, ROOT_OF_MINUS_ONE);
  setSmall(one, 1);
  square(t1, u);
  scale(t1, t1, 2);
  add(xd, t1, one);
  setConstant(x1n, MINUS_J);
  square(t2, xd);
  multiply(gxd, t2, xd);
  scale(gx1, t1, J);
  multiply(gx1, gx1, x1n);
  add(gx1, gx1, t2);
  multiply(gx1, gx1, x1n);
  square(t3, gxd);
  square(t2, t3);
  multiply(t3, t3, gxd);
  multiply(t3, t3, gx1);
  multiply(t2, t2, t3);
  raiseP58(t2, t2);
  multiply(y1, t2, t3);
  multiply(y2, y1, u);
  setConstant(constant, POWER_OF_TWO);
  multiply(y2, y2, constant);
  chooseRoot(y1, gx1);
  multiply(x2n, x1n, t1);
  multiply(gx2, gx1, t1);
  chooseRoot(y2, gx2);
  square(t2, y1);
  multiply(t2, t2, gxd);
  const isFirst = isEqual(t2, gx1);
  select(xn, x1n, x2n, isFirst);
  select(y, y1, y2, isFirst);
  const negated = v128.xor(isFirst, isOdd(y));
  setSmall(other, 0);
  subtract(other, other, y);
  scale(other, other, 1);
  select(y, other, y, negated);
}

const xn0 = memory.data(160, 16);
const xd0 = memory.data(160, 16);
const yy0 = memory.data(160, 16);
const xn1 = memory.data(160, 16);
const xd1 = memory.data(160, 16);
const yy1 = memory.data(160, 16);
const both = memory.data(160, 16);
const sum = memory.data(160, 16);

/**
 * X / Z = u-coordinate of map(u0) + map(u1), by the chord law in fractions. The two points have the same u-coordinate with a
 * probability of about 2^-254 (then Z is 0), so doubling is not told apart.
 */
export function mapAndAdd(x: usize, z: usize, u0: usize, u1: usize): void {
  mapToCurve(xn0, xd0, yy0, u0);
  mapToCurve(xn1, xd1, yy1, u1);
  multiply(both, xd0, xd1);
  multiply(t1, xn1, xd0);
  multiply(t2, xn0, xd1);
  subtract(t3, t1, t2);
  square(t3, t3);
  add(sum, t1, t2);
  scale(t1, both, J);
  add(sum, sum, t1);
  multiply(sum, sum, t3);
  multiply(z, t3, both);
  subtract(t1, yy1, yy0);
  square(t1, t1);
  square(t2, both);
  multiply(t1, t1, t2);
  multiply(t1, t1, both);
  subtract(x, t1, sum);
  scale(x, x, 1);
}
