/**
 * Arithmetic mod p = 2^255 - 19 on four independent elements at once. An element is ten limbs of 26 and 25 bits in turn; limb i
 * of the four stands in the lanes of one v128 (160 bytes for the four). No branch and no address depends on a value.
 *
 * Bounds: `tight` limbs are below 2^26 (even) and 2^25 + 2^16 (odd). multiply, square and scale take tight elements, sums of two
 * tight ones and differences of two tight ones, and give tight ones. Largest column: limbs below 2^27.6 (even) and 2^26.6 (odd)
 * make at most 498 * 2^53.2 < 2^63. Source of the limbs: D. J. Bernstein, "Curve25519: new Diffie-Hellman speed records" (2006).
 */

/** Bytes of four elements. */
export const FOUR: usize = 160;

const MASK26: i32 = 0x3ffffff;
const MASK25: i32 = 0x1ffffff;
/** 2p, limb by limb: added before a subtraction so that no limb goes below zero. */
const TWICE_P0: i32 = 2 * (0x4000000 - 19);
const TWICE_P_EVEN: i32 = 2 * 0x3ffffff;
const TWICE_P_ODD: i32 = 2 * 0x1ffffff;

@inline
function times19(a: v128): v128 {
  return i32x4.add(i32x4.add(i32x4.shl(a, 4), i32x4.shl(a, 1)), a);
}

/** The low halves of four 64-bit lanes. */
@inline
function narrow(low: v128, high: v128): v128 {
  return i8x16.shuffle(low, high, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
}

/** Ends a product: the carry out of limb 9 (64-bit lanes) comes back times 19 into limbs 0 and 1, which are stored. */
@inline
function storeCarried(out: usize, h0: v128, h1: v128, low: v128, high: v128): void {
  low = i64x2.add(i64x2.add(i64x2.shl(low, 4), i64x2.shl(low, 1)), low);
  high = i64x2.add(i64x2.add(i64x2.shl(high, 4), i64x2.shl(high, 1)), high);
  low = i64x2.add(low, i64x2.extend_low_i32x4_u(h0));
  high = i64x2.add(high, i64x2.extend_high_i32x4_u(h0));
  v128.store(out, v128.and(narrow(low, high), i32x4.splat(MASK26)));
  v128.store(out, i32x4.add(h1, narrow(i64x2.shr_u(low, 26), i64x2.shr_u(high, 26))), 16);
}

/** out = f * g. */
export function multiply(out: usize, f: usize, g: usize): void {
  const f0 = v128.load(f, 0);
  const f1 = v128.load(f, 16);
  const f2 = v128.load(f, 32);
  const f3 = v128.load(f, 48);
  const f4 = v128.load(f, 64);
  const f5 = v128.load(f, 80);
  const f6 = v128.load(f, 96);
  const f7 = v128.load(f, 112);
  const f8 = v128.load(f, 128);
  const f9 = v128.load(f, 144);
  const g0 = v128.load(g, 0);
  const g1 = v128.load(g, 16);
  const g2 = v128.load(g, 32);
  const g3 = v128.load(g, 48);
  const g4 = v128.load(g, 64);
  const g5 = v128.load(g, 80);
  const g6 = v128.load(g, 96);
  const g7 = v128.load(g, 112);
  const g8 = v128.load(g, 128);
  const g9 = v128.load(g, 144);
  const f1x2 = i32x4.shl(f1, 1);
  const f3x2 = i32x4.shl(f3, 1);
  const f5x2 = i32x4.shl(f5, 1);
  const f7x2 = i32x4.shl(f7, 1);
  const f9x2 = i32x4.shl(f9, 1);
  const g1x19 = times19(g1);
  const g2x19 = times19(g2);
  const g3x19 = times19(g3);
  const g4x19 = times19(g4);
  const g5x19 = times19(g5);
  const g6x19 = times19(g6);
  const g7x19 = times19(g7);
  const g8x19 = times19(g8);
  const g9x19 = times19(g9);
  let low: v128;
  let high: v128;
  low = i64x2.extmul_low_i32x4_u(f0, g0);
  high = i64x2.extmul_high_i32x4_u(f0, g0);
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, g9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, g9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x2, g7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x2, g7x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g6x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g6x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x2, g5x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x2, g5x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g4x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g4x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7x2, g3x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7x2, g3x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g2x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g2x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9x2, g1x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9x2, g1x19));
  const h0 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0, g1));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0, g1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1, g0));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1, g0));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3, g8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3, g8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g7x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5, g6x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5, g6x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g5x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g5x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7, g4x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7, g4x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g3x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g3x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9, g2x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9, g2x19));
  const h1 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  low = i64x2.add(i64x2.shr_u(low, 25), i64x2.extmul_low_i32x4_u(f0, g2));
  high = i64x2.add(i64x2.shr_u(high, 25), i64x2.extmul_high_i32x4_u(f0, g2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, g1));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, g1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g0));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g0));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x2, g9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x2, g9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x2, g7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x2, g7x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g6x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g6x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7x2, g5x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7x2, g5x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g4x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g4x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9x2, g3x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9x2, g3x19));
  const h2 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0, g3));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0, g3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1, g2));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1, g2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g1));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3, g0));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3, g0));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5, g8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5, g8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g7x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7, g6x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7, g6x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g5x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g5x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9, g4x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9, g4x19));
  const h3 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  low = i64x2.add(i64x2.shr_u(low, 25), i64x2.extmul_low_i32x4_u(f0, g4));
  high = i64x2.add(i64x2.shr_u(high, 25), i64x2.extmul_high_i32x4_u(f0, g4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, g3));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, g3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g2));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x2, g1));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x2, g1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g0));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g0));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x2, g9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x2, g9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7x2, g7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7x2, g7x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g6x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g6x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9x2, g5x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9x2, g5x19));
  const h4 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0, g5));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0, g5));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1, g4));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1, g4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g3));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3, g2));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3, g2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g1));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5, g0));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5, g0));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7, g8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7, g8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g7x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9, g6x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9, g6x19));
  const h5 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  low = i64x2.add(i64x2.shr_u(low, 25), i64x2.extmul_low_i32x4_u(f0, g6));
  high = i64x2.add(i64x2.shr_u(high, 25), i64x2.extmul_high_i32x4_u(f0, g6));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, g5));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, g5));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g4));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x2, g3));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x2, g3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g2));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x2, g1));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x2, g1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g0));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g0));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7x2, g9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7x2, g9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9x2, g7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9x2, g7x19));
  const h6 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0, g7));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0, g7));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1, g6));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1, g6));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g5));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g5));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3, g4));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3, g4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g3));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5, g2));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5, g2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g1));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7, g0));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7, g0));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9, g8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9, g8x19));
  const h7 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  low = i64x2.add(i64x2.shr_u(low, 25), i64x2.extmul_low_i32x4_u(f0, g8));
  high = i64x2.add(i64x2.shr_u(high, 25), i64x2.extmul_high_i32x4_u(f0, g8));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, g7));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, g7));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g6));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g6));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x2, g5));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x2, g5));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g4));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x2, g3));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x2, g3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g2));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7x2, g1));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7x2, g1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g0));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g0));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9x2, g9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9x2, g9x19));
  const h8 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0, g9));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0, g9));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1, g8));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1, g8));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, g7));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, g7));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3, g6));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3, g6));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, g5));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, g5));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5, g4));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5, g4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, g3));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, g3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7, g2));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7, g2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, g1));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, g1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9, g0));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9, g0));
  const h9 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  storeCarried(out, h0, h1, i64x2.shr_u(low, 25), i64x2.shr_u(high, 25));
  v128.store(out, h2, 32);
  v128.store(out, h3, 48);
  v128.store(out, h4, 64);
  v128.store(out, h5, 80);
  v128.store(out, h6, 96);
  v128.store(out, h7, 112);
  v128.store(out, h8, 128);
  v128.store(out, h9, 144);
}

/** out = f^2. */
export function square(out: usize, f: usize): void {
  const f0 = v128.load(f, 0);
  const f1 = v128.load(f, 16);
  const f2 = v128.load(f, 32);
  const f3 = v128.load(f, 48);
  const f4 = v128.load(f, 64);
  const f5 = v128.load(f, 80);
  const f6 = v128.load(f, 96);
  const f7 = v128.load(f, 112);
  const f8 = v128.load(f, 128);
  const f9 = v128.load(f, 144);
  const f0x2 = i32x4.shl(f0, 1);
  const f1x2 = i32x4.shl(f1, 1);
  const f2x2 = i32x4.shl(f2, 1);
  const f3x2 = i32x4.shl(f3, 1);
  const f4x2 = i32x4.shl(f4, 1);
  const f5x2 = i32x4.shl(f5, 1);
  const f6x2 = i32x4.shl(f6, 1);
  const f7x2 = i32x4.shl(f7, 1);
  const f8x2 = i32x4.shl(f8, 1);
  const f9x2 = i32x4.shl(f9, 1);
  const f1x4 = i32x4.shl(f1, 2);
  const f3x4 = i32x4.shl(f3, 2);
  const f5x4 = i32x4.shl(f5, 2);
  const f7x4 = i32x4.shl(f7, 2);
  const f5x19 = times19(f5);
  const f6x19 = times19(f6);
  const f7x19 = times19(f7);
  const f8x19 = times19(f8);
  const f9x19 = times19(f9);
  let low: v128;
  let high: v128;
  low = i64x2.extmul_low_i32x4_u(f0, f0);
  high = i64x2.extmul_high_i32x4_u(f0, f0);
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x4, f9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x4, f9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2x2, f8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2x2, f8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x4, f7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x4, f7x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4x2, f6x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4x2, f6x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x2, f5x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x2, f5x19));
  const h0 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0x2, f1));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0x2, f1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2x2, f9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2x2, f9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x2, f8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x2, f8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4x2, f7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4x2, f7x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x2, f6x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x2, f6x19));
  const h1 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  low = i64x2.add(i64x2.shr_u(low, 25), i64x2.extmul_low_i32x4_u(f0x2, f2));
  high = i64x2.add(i64x2.shr_u(high, 25), i64x2.extmul_high_i32x4_u(f0x2, f2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, f1));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, f1));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x4, f9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x4, f9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4x2, f8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4x2, f8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x4, f7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x4, f7x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6, f6x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6, f6x19));
  const h2 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0x2, f3));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0x2, f3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, f2));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, f2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4x2, f9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4x2, f9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x2, f8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x2, f8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6x2, f7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6x2, f7x19));
  const h3 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  low = i64x2.add(i64x2.shr_u(low, 25), i64x2.extmul_low_i32x4_u(f0x2, f4));
  high = i64x2.add(i64x2.shr_u(high, 25), i64x2.extmul_high_i32x4_u(f0x2, f4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x4, f3));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x4, f3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2, f2));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2, f2));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f5x4, f9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f5x4, f9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6x2, f8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6x2, f8x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7x2, f7x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7x2, f7x19));
  const h4 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0x2, f5));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0x2, f5));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, f4));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, f4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2x2, f3));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2x2, f3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f6x2, f9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f6x2, f9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7x2, f8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7x2, f8x19));
  const h5 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  low = i64x2.add(i64x2.shr_u(low, 25), i64x2.extmul_low_i32x4_u(f0x2, f6));
  high = i64x2.add(i64x2.shr_u(high, 25), i64x2.extmul_high_i32x4_u(f0x2, f6));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x4, f5));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x4, f5));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2x2, f4));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2x2, f4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x2, f3));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x2, f3));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f7x4, f9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f7x4, f9x19));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8, f8x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8, f8x19));
  const h6 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0x2, f7));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0x2, f7));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, f6));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, f6));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2x2, f5));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2x2, f5));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x2, f4));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x2, f4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f8x2, f9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f8x2, f9x19));
  const h7 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  low = i64x2.add(i64x2.shr_u(low, 25), i64x2.extmul_low_i32x4_u(f0x2, f8));
  high = i64x2.add(i64x2.shr_u(high, 25), i64x2.extmul_high_i32x4_u(f0x2, f8));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x4, f7));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x4, f7));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2x2, f6));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2x2, f6));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x4, f5));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x4, f5));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4, f4));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4, f4));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f9x2, f9x19));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f9x2, f9x19));
  const h8 = v128.and(narrow(low, high), i32x4.splat(MASK26));
  low = i64x2.add(i64x2.shr_u(low, 26), i64x2.extmul_low_i32x4_u(f0x2, f9));
  high = i64x2.add(i64x2.shr_u(high, 26), i64x2.extmul_high_i32x4_u(f0x2, f9));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f1x2, f8));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f1x2, f8));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f2x2, f7));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f2x2, f7));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f3x2, f6));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f3x2, f6));
  low = i64x2.add(low, i64x2.extmul_low_i32x4_u(f4x2, f5));
  high = i64x2.add(high, i64x2.extmul_high_i32x4_u(f4x2, f5));
  const h9 = v128.and(narrow(low, high), i32x4.splat(MASK25));
  storeCarried(out, h0, h1, i64x2.shr_u(low, 25), i64x2.shr_u(high, 25));
  v128.store(out, h2, 32);
  v128.store(out, h3, 48);
  v128.store(out, h4, 64);
  v128.store(out, h5, 80);
  v128.store(out, h6, 96);
  v128.store(out, h7, 112);
  v128.store(out, h8, 128);
  v128.store(out, h9, 144);
}

/** out = f^(2^count). */
export function squareTimes(out: usize, f: usize, count: i32): void {
  square(out, f);
  for (let i = 1; i < count; i++) square(out, out);
}

/** out = f * factor, for a factor below 2^20. */
export function scale(out: usize, f: usize, factor: i32): void {
  const by = i32x4.splat(factor);
  let low = i64x2.splat(0);
  let high = low;
  for (let i: usize = 0; i < FOUR; i += 16) {
    const limb = v128.load(f + i);
    low = i64x2.add(low, i64x2.extmul_low_i32x4_u(limb, by));
    high = i64x2.add(high, i64x2.extmul_high_i32x4_u(limb, by));
    const odd = (i >> 4) & 1;
    v128.store(out + i, v128.and(narrow(low, high), i32x4.splat(odd ? MASK25 : MASK26)));
    low = i64x2.shr_u(low, odd ? 25 : 26);
    high = i64x2.shr_u(high, odd ? 25 : 26);
  }
  storeCarried(out, v128.load(out), v128.load(out, 16), low, high);
}

/** out = f + g, without carries. */
export function add(out: usize, f: usize, g: usize): void {
  v128.store(out, i32x4.add(v128.load(f, 0), v128.load(g, 0)), 0);
  v128.store(out, i32x4.add(v128.load(f, 16), v128.load(g, 16)), 16);
  v128.store(out, i32x4.add(v128.load(f, 32), v128.load(g, 32)), 32);
  v128.store(out, i32x4.add(v128.load(f, 48), v128.load(g, 48)), 48);
  v128.store(out, i32x4.add(v128.load(f, 64), v128.load(g, 64)), 64);
  v128.store(out, i32x4.add(v128.load(f, 80), v128.load(g, 80)), 80);
  v128.store(out, i32x4.add(v128.load(f, 96), v128.load(g, 96)), 96);
  v128.store(out, i32x4.add(v128.load(f, 112), v128.load(g, 112)), 112);
  v128.store(out, i32x4.add(v128.load(f, 128), v128.load(g, 128)), 128);
  v128.store(out, i32x4.add(v128.load(f, 144), v128.load(g, 144)), 144);
}

/** out = f - g, without carries; g is tight. */
export function subtract(out: usize, f: usize, g: usize): void {
  v128.store(out, i32x4.add(v128.load(f, 0), i32x4.sub(i32x4.splat(TWICE_P0), v128.load(g, 0))), 0);
  v128.store(out, i32x4.add(v128.load(f, 16), i32x4.sub(i32x4.splat(TWICE_P_ODD), v128.load(g, 16))), 16);
  v128.store(out, i32x4.add(v128.load(f, 32), i32x4.sub(i32x4.splat(TWICE_P_EVEN), v128.load(g, 32))), 32);
  v128.store(out, i32x4.add(v128.load(f, 48), i32x4.sub(i32x4.splat(TWICE_P_ODD), v128.load(g, 48))), 48);
  v128.store(out, i32x4.add(v128.load(f, 64), i32x4.sub(i32x4.splat(TWICE_P_EVEN), v128.load(g, 64))), 64);
  v128.store(out, i32x4.add(v128.load(f, 80), i32x4.sub(i32x4.splat(TWICE_P_ODD), v128.load(g, 80))), 80);
  v128.store(out, i32x4.add(v128.load(f, 96), i32x4.sub(i32x4.splat(TWICE_P_EVEN), v128.load(g, 96))), 96);
  v128.store(out, i32x4.add(v128.load(f, 112), i32x4.sub(i32x4.splat(TWICE_P_ODD), v128.load(g, 112))), 112);
  v128.store(out, i32x4.add(v128.load(f, 128), i32x4.sub(i32x4.splat(TWICE_P_EVEN), v128.load(g, 128))), 128);
  v128.store(out, i32x4.add(v128.load(f, 144), i32x4.sub(i32x4.splat(TWICE_P_ODD), v128.load(g, 144))), 144);
}

/** out = mask ? f : g, lane by lane; a mask is all ones or all zeros. */
export function select(out: usize, f: usize, g: usize, mask: v128): void {
  for (let i: usize = 0; i < FOUR; i += 16) v128.store(out + i, v128.bitselect(v128.load(f + i), v128.load(g + i), mask));
}

/** Exchanges f and g where the mask is ones. */
export function exchange(f: usize, g: usize, mask: v128): void {
  {
    const difference = v128.and(v128.xor(v128.load(f, 0), v128.load(g, 0)), mask);
    v128.store(f, v128.xor(v128.load(f, 0), difference), 0);
    v128.store(g, v128.xor(v128.load(g, 0), difference), 0);
  }
  {
    const difference = v128.and(v128.xor(v128.load(f, 16), v128.load(g, 16)), mask);
    v128.store(f, v128.xor(v128.load(f, 16), difference), 16);
    v128.store(g, v128.xor(v128.load(g, 16), difference), 16);
  }
  {
    const difference = v128.and(v128.xor(v128.load(f, 32), v128.load(g, 32)), mask);
    v128.store(f, v128.xor(v128.load(f, 32), difference), 32);
    v128.store(g, v128.xor(v128.load(g, 32), difference), 32);
  }
  {
    const difference = v128.and(v128.xor(v128.load(f, 48), v128.load(g, 48)), mask);
    v128.store(f, v128.xor(v128.load(f, 48), difference), 48);
    v128.store(g, v128.xor(v128.load(g, 48), difference), 48);
  }
  {
    const difference = v128.and(v128.xor(v128.load(f, 64), v128.load(g, 64)), mask);
    v128.store(f, v128.xor(v128.load(f, 64), difference), 64);
    v128.store(g, v128.xor(v128.load(g, 64), difference), 64);
  }
  {
    const difference = v128.and(v128.xor(v128.load(f, 80), v128.load(g, 80)), mask);
    v128.store(f, v128.xor(v128.load(f, 80), difference), 80);
    v128.store(g, v128.xor(v128.load(g, 80), difference), 80);
  }
  {
    const difference = v128.and(v128.xor(v128.load(f, 96), v128.load(g, 96)), mask);
    v128.store(f, v128.xor(v128.load(f, 96), difference), 96);
    v128.store(g, v128.xor(v128.load(g, 96), difference), 96);
  }
  {
    const difference = v128.and(v128.xor(v128.load(f, 112), v128.load(g, 112)), mask);
    v128.store(f, v128.xor(v128.load(f, 112), difference), 112);
    v128.store(g, v128.xor(v128.load(g, 112), difference), 112);
  }
  {
    const difference = v128.and(v128.xor(v128.load(f, 128), v128.load(g, 128)), mask);
    v128.store(f, v128.xor(v128.load(f, 128), difference), 128);
    v128.store(g, v128.xor(v128.load(g, 128), difference), 128);
  }
  {
    const difference = v128.and(v128.xor(v128.load(f, 144), v128.load(g, 144)), mask);
    v128.store(f, v128.xor(v128.load(f, 144), difference), 144);
    v128.store(g, v128.xor(v128.load(g, 144), difference), 144);
  }
}

@inline
export function copy(out: usize, f: usize): void {
  memory.copy(out, f, FOUR);
}

/** out = a small constant in all four. */
export function setSmall(out: usize, value: i32): void {
  memory.fill(out, 0, FOUR);
  v128.store(out, i32x4.splat(value));
}

/** out = ten limbs in all four. */
export function setConstant(out: usize, limbs: usize): void {
  for (let i: usize = 0; i < 10; i++) v128.store(out + (i << 4), v128.load_splat<u32>(limbs + (i << 2)));
}

/** out = f reduced to 0 .. p - 1, for limbs below 2^28. */
export function canonical(out: usize, f: usize): void {
  carry(out, f);
  carry(out, out);
  // quotient = floor((f + 19) / 2^255), which is 1 exactly when f >= p
  let quotient = i32x4.splat(19);
  for (let i: usize = 0; i < FOUR; i += 16) {
    quotient = i32x4.shr_u(i32x4.add(v128.load(out + i), quotient), (i >> 4) & 1 ? 25 : 26);
  }
  v128.store(out, i32x4.add(v128.load(out), times19(quotient)));
  let carried = i32x4.splat(0);
  for (let i: usize = 0; i < FOUR; i += 16) {
    const odd = (i >> 4) & 1;
    const limb = i32x4.add(v128.load(out + i), carried);
    v128.store(out + i, v128.and(limb, i32x4.splat(odd ? MASK25 : MASK26)));
    carried = i32x4.shr_u(limb, odd ? 25 : 26);
  }
}

function carry(out: usize, f: usize): void {
  let carried = i32x4.splat(0);
  for (let i: usize = 0; i < FOUR; i += 16) {
    const odd = (i >> 4) & 1;
    const limb = i32x4.add(v128.load(f + i), carried);
    v128.store(out + i, v128.and(limb, i32x4.splat(odd ? MASK25 : MASK26)));
    carried = i32x4.shr_u(limb, odd ? 25 : 26);
  }
  v128.store(out, i32x4.add(v128.load(out), times19(carried)));
}

const compared = memory.data(160, 16);
const difference = memory.data(160, 16);

/** Ones where f is 0. */
export function isZero(f: usize): v128 {
  canonical(compared, f);
  let bits = i32x4.splat(0);
  for (let i: usize = 0; i < FOUR; i += 16) bits = v128.or(bits, v128.load(compared + i));
  return i32x4.eq(bits, i32x4.splat(0));
}

/** Ones where f equals g; both tight. */
export function isEqual(f: usize, g: usize): v128 {
  subtract(difference, f, g);
  return isZero(difference);
}

/** Ones where f, reduced, is odd: sgn0 of RFC 9380 section 4.1. */
export function isOdd(f: usize): v128 {
  canonical(compared, f);
  return i32x4.eq(v128.and(v128.load(compared), i32x4.splat(1)), i32x4.splat(1));
}

const z2 = memory.data(160, 16);
const z9 = memory.data(160, 16);
const z11 = memory.data(160, 16);
const z5 = memory.data(160, 16);
const z10 = memory.data(160, 16);
const z20 = memory.data(160, 16);
const z50 = memory.data(160, 16);
const z100 = memory.data(160, 16);
const power = memory.data(160, 16);

/** power = f^(2^250 - 1); z11 = f^11. */
function raise250(f: usize): void {
  square(z2, f);
  squareTimes(power, z2, 2);
  multiply(z9, power, f);
  multiply(z11, z9, z2);
  square(power, z11);
  multiply(z5, power, z9);
  squareTimes(power, z5, 5);
  multiply(z10, power, z5);
  squareTimes(power, z10, 10);
  multiply(z20, power, z10);
  squareTimes(power, z20, 20);
  multiply(power, power, z20);
  squareTimes(power, power, 10);
  multiply(z50, power, z10);
  squareTimes(power, z50, 50);
  multiply(z100, power, z50);
  squareTimes(power, z100, 100);
  multiply(power, power, z100);
  squareTimes(power, power, 50);
  multiply(power, power, z50);
}

/** out = 1 / f, and 0 for 0: f^(p - 2). */
export function invert(out: usize, f: usize): void {
  raise250(f);
  squareTimes(power, power, 5);
  multiply(out, power, z11);
}

/** out = f^((p - 5) / 8). */
export function raiseP58(out: usize, f: usize): void {
  raise250(f);
  squareTimes(power, power, 2);
  multiply(out, power, f);
}

/** Reads lane `lane` from 32 bytes, little end first; the highest bit is left out (RFC 7748 section 5). */
export function readLane(out: usize, lane: usize, bytes: usize): void {
  let at: i32 = 0;
  for (let i: usize = 0; i < 10; i++) {
    const odd = <i32>i & 1;
    const word = load<u64>(bytes + min<usize>(at >> 3, 24)) >> <u64>(at - (min<i32>(at >> 3, 24) << 3));
    store<u32>(out + (i << 4) + (lane << 2), <u32>word & (odd ? MASK25 : MASK26));
    at += odd ? 25 : 26;
  }
}

/** Writes lane `lane` of a canonical element as 32 bytes. */
export function writeLane(bytes: usize, f: usize, lane: usize): void {
  let word: u64 = 0;
  let filled: u64 = 0;
  for (let i: usize = 0; i < 10; i++) {
    const limb = <u64>load<u32>(f + (i << 4) + (lane << 2));
    word |= limb << filled;
    filled += i & 1 ? 25 : 26;
    if (filled >= 64) {
      store<u64>(bytes, word);
      bytes += 8;
      filled -= 64;
      word = filled === 0 ? 0 : limb >> ((i & 1 ? 25 : 26) - filled);
    }
  }
  store<u64>(bytes, word);
}
