/**
 * Sine and cosine by a periodic table: the argument becomes turns by a public factor, and the table's index wraps where a turn
 * ends, so that range reduction costs nothing. Knows nothing of shares.
 */
import { withGradient } from '../autograd/gradients.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { periodicTable } from './interval-table.ts';

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
export function ofTurns(x: Tensor, f: (turns: number) => number): Tensor {
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
