/**
 * Rounding to whole numbers, exactly, and remainders by public divisors. Gradients are those of PyTorch: zero for rounding, one
 * for a remainder. Knows nothing of shares.
 */
import { withGradient } from '../autograd/gradients.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Largest whole number not above x, at scale 0. 5 rounds with the opening of x. */
export function floorUnits(x: Tensor): Tensor {
  // A truncation is the floor or one more; what is left then tells which.
  const rounded = x.rescaled(0);
  const rest = x.sub(rounded).provedBelow(0.01);
  return rounded.sub(rest.atLeast(0).not().toNumber());
}

export function floor(x: Tensor): Tensor {
  return constantSlope(floorUnits(x).rescaled(x.scale), x);
}

export function ceiling(x: Tensor): Tensor {
  return constantSlope(floorUnits(x.neg()).neg().rescaled(x.scale), x);
}

/** Nearest whole number, halves to the even one, at scale 0. 10 rounds with the opening of x. */
export function roundUnits(x: Tensor): Tensor {
  const shifted = x.addNumber(0.5);
  const nearest = floorUnits(shifted);
  const isHalf = shifted.sub(nearest).provedBelow(0.01).equalsNumber(0);
  return nearest.sub(isHalf.and(nearest.bitOf(0)).toNumber());
}

/** The same at the scale of x. */
export function round(x: Tensor): Tensor {
  return constantSlope(roundUnits(x).rescaled(x.scale), x);
}

/** x - divisor floor(x / divisor) for a public divisor: has its sign. Right to 2^-16 of the quotient times the divisor. */
export function remainder(x: Tensor, divisor: number): Tensor {
  const exponent = Math.log2(Math.abs(divisor));
  const quotient = Number.isInteger(exponent) ? x.timesRaw(1 / divisor, exponent) : x.timesNumber(1 / divisor);
  const whole = floorUnits(quotient);
  const y = x.sub(whole.timesRaw(divisor, x.scale));
  return withGradient(y, (gradient) => [[x, gradient]]);
}

function constantSlope(y: Tensor, x: Tensor): Tensor {
  return withGradient(y, (gradient) => [[x, gradient.timesInteger(0n)]]);
}
