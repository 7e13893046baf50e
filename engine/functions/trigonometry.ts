/**
 * Sine and cosine by a periodic table: the argument becomes turns by a public factor, and the table's index wraps where a turn
 * ends, so that range reduction costs nothing. Knows nothing of shares.
 */
import { withGradient } from '../autograd/gradients.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { absolute, clamp, sign, where } from '../tensor/comparisons.ts';
import { periodicTable } from './interval-table.ts';
import { divide, inverseSquareRootOf, reciprocal, squareRoot } from './powers.ts';
import { saturating } from './saturating.ts';

const TURN_INDEX_BITS = 6;
const OFFSET_BITS = 16;
const RESULT_SCALE = 46;

/** Largest error 2e-4 for magnitudes below 2^14, twice that for each further bit. 3 rounds with the opening of x. */
export function sine(x: Tensor): Tensor {
  const y = ofTurns(x, (turns) => Math.sin(2 * Math.PI * turns));
  return withGradient(y, (gradient) => [[x, gradient.mul(cosine(x))]]);
}

/** As `sine`. */
export function cosine(x: Tensor): Tensor {
  const y = ofTurns(x, (turns) => Math.cos(2 * Math.PI * turns));
  return withGradient(y, (gradient) => [[x, gradient.mul(sine(x)).neg()]]);
}

/** Bits of the factor 1/(2 pi): an error of 2^-31 turns for each unit of the argument. */
const FACTOR_BITS = 30;

/** A function of period 1 at x / (2 pi), of magnitude 1 at most. */
function ofTurns(x: Tensor, f: (turns: number) => number): Tensor {
  return periodic(x.timesRaw(1 / (2 * Math.PI), FACTOR_BITS), f);
}

/** A function of period 1, of magnitude 1 at most. */
export function periodic(turns: Tensor, f: (turns: number) => number): Tensor {
  const table = periodicTable(f, {
    indexBits: TURN_INDEX_BITS,
    degree: 2,
    argumentScale: turns.scale,
    offsetShift: Math.max(0, turns.scale - OFFSET_BITS),
    resultScale: RESULT_SCALE,
  });
  // Whole turns make no difference: the opening needs no more than the fraction's bits, whatever the magnitude.
  return turns
    .provedBelow(0)
    .lookUp(table, RESULT_SCALE, RESULT_SCALE + 0.01)
    .rescaled(turns.graph.options.fractionBits);
}

/** sin / cos. Largest error 2e-3 on [-1.2, 1.2]. 11 rounds with the opening of x. */
export function tangent(x: Tensor): Tensor {
  return divide(sine(x), cosine(x).provedBelow(0.1));
}

/** Inverse tangent. Largest error 5e-4. 13 rounds with the opening of x: beyond 1, pi/2 minus that of the reciprocal. */
export function inverseTangent(x: Tensor): Tensor {
  const isLarge = x.atLeast(1).xor(x.atLeast(-1).not());
  const inner = where(isLarge, reciprocal(x), x).provedBelow(0.01);
  const y = saturating(inner, Math.atan, {
    low: -1.125,
    widthBits: -3,
    intervals: 18,
    degree: 3,
    offsetBits: 13,
    resultScale: 47,
    magnitudeBits: 0.1,
    below: 0,
    above: 0,
  });
  const quarter = sign(x).timesRaw(Math.PI / 2, x.scale);
  const whole = where(isLarge, quarter.sub(y), y);
  return withGradient(whole, (gradient) => [[x, divide(gradient, x.mul(x).addNumber(1), { least: 0.5 })]]);
}

/**
 * Inverse cosine on [-1, 1], clamped outside: sqrt(1 - |x|) times a smooth function (Abramowitz, Stegun 4.4.45). Largest error
 * 1e-3. 18 rounds with the opening of x.
 */
export function inverseCosine(x: Tensor): Tensor {
  const inside = clamp(x, -1, 1);
  const magnitude = absolute(inside).provedBelow(0.01);
  const smooth = saturating(magnitude, (t) => (t > 0.9999 ? Math.SQRT2 : Math.acos(t) / Math.sqrt(1 - t)), {
    low: -0.125,
    widthBits: -3,
    intervals: 10,
    degree: 3,
    offsetBits: 13,
    resultScale: 47,
    magnitudeBits: 1,
    below: 0,
    above: 0,
  });
  const ofMagnitude = squareRoot(magnitude.neg().addNumber(1)).mul(smooth);
  const isNegative = inside.atLeast(0).not();
  const y = where(isNegative, ofMagnitude.neg().addNumber(Math.PI), ofMagnitude);
  // Beyond any bound at the ends: there it is that of one unit inside.
  return withGradient(y, (gradient) => [
    [inside, gradient.mul(inverseSquareRootOf(inside.mul(inside).neg().addNumber(1))).neg()],
  ]);
}

/** Inverse sine: pi/2 minus the inverse cosine. */
export function inverseSine(x: Tensor): Tensor {
  return inverseCosine(x)
    .neg()
    .addNumber(Math.PI / 2);
}
