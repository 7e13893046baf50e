/**
 * tanh, error function, GELU, SiLU, ELU and e^x on the whole line, from tables with limits; and the piecewise linear ones.
 * Errors are measured on dense grids by test/engine/operations. Knows nothing of shares.
 */
import { withGradient } from '../autograd/gradients.ts';
import { absolute, clamp } from '../tensor/comparisons.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { sigmoid } from './elementary.ts';
import { divide } from './powers.ts';
import { saturating } from './saturating.ts';

/** -1 and 1 beyond 7.875. Largest error 4e-4. 3 rounds after the opening of x. */
export function tanh(x: Tensor): Tensor {
  const y = saturating(x, Math.tanh, {
    low: -7.875,
    widthBits: -2,
    intervals: 63,
    degree: 3,
    offsetBits: 13,
    resultScale: 47,
    magnitudeBits: 0.1,
    below: -1,
    above: 1,
  });
  return withGradient(y, (gradient) => [[x, gradient.sub(gradient.mul(y).mul(y))]]);
}

/** Largest error 2e-4, on the whole line: -1 and 1 beyond 3.9375. 3 rounds after the opening of x. */
export function errorFunction(x: Tensor): Tensor {
  const y = saturating(x, erf, { ...FINE, resultScale: 50, magnitudeBits: 0.1, below: -1, above: 1 });
  return withGradient(y, (gradient) => [[x, gradient.mul(gaussian(x).timesNumber(2 / Math.sqrt(Math.PI)))]]);
}

/** Eight intervals a unit on [-3.9375, 3.9375], 14 bits of the offset. */
const FINE = { low: -3.9375, widthBits: -3, intervals: 63, degree: 3, offsetBits: 14 } as const;

/** e^(-x^2), 0 beyond 3.9375. */
function gaussian(x: Tensor): Tensor {
  return saturating(x, (t) => Math.exp(-t * t), { ...FINE, resultScale: 50, magnitudeBits: 0.1, below: 0, above: 0 });
}

/** x times the normal distribution function. Largest error 2e-4: 0 below -3.9375, x above 3.9375. 3 rounds after the opening. */
export function gelu(x: Tensor): Tensor {
  const y = saturating(x, (t) => t * normal(t), {
    ...FINE,
    resultScale: 49,
    magnitudeBits: 2,
    below: 0,
    above: 'argument',
  });
  return withGradient(y, (gradient) => [
    [
      x,
      gradient.mul(
        saturating(x, (t) => normal(t) + (t * Math.exp((-t * t) / 2)) / Math.sqrt(2 * Math.PI), {
          ...FINE,
          resultScale: 50,
          magnitudeBits: 0.3,
          below: 0,
          above: 1,
        }),
      ),
    ],
  ]);
}

/** The approximation by tanh that some models are trained with. Same error, domain and rounds as `gelu`. */
export function geluTanh(x: Tensor): Tensor {
  const f = (t: number): number => 0.5 * t * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (t + 0.044715 * t ** 3)));
  const slope = (t: number): number => (f(t + 1e-5) - f(t - 1e-5)) / 2e-5;
  const y = saturating(x, f, { ...FINE, resultScale: 49, magnitudeBits: 2, below: 0, above: 'argument' });
  const tangent = { ...FINE, resultScale: 50, magnitudeBits: 0.3, below: 0, above: 1 };
  return withGradient(y, (gradient) => [[x, gradient.mul(saturating(x, slope, tangent))]]);
}

/** Of x times a gate that opens from 0 to 1: 0 below -10.5, x above 10.5. */
const GATED = {
  low: -10.5,
  widthBits: -1,
  intervals: 42,
  degree: 3,
  offsetBits: 13,
  resultScale: 48,
  magnitudeBits: 3.5,
  below: 0,
  above: 'argument',
} as const;

/** x sigmoid(x) (Swish). Largest error 5e-4: 0 below -10.5, x above 10.5. 3 rounds after the opening of x. */
export function silu(x: Tensor): Tensor {
  const y = saturating(x, (t) => t * logistic(t), GATED);
  return withGradient(y, (gradient) => {
    const s = sigmoid(x);
    return [[x, gradient.mul(s.add(y).sub(s.mul(y)))]];
  });
}

/** x where positive, alpha (e^x - 1) elsewhere. Largest error 4e-4 max(1, alpha). 3 rounds after the opening (4 if alpha is not 1). */
export function elu(x: Tensor, alpha = 1): Tensor {
  const y = saturating(x, (t) => alpha * Math.expm1(t), {
    low: -8,
    widthBits: -2,
    intervals: 32,
    degree: 3,
    offsetBits: 13,
    resultScale: 47,
    magnitudeBits: Math.log2(Math.max(1, Math.abs(alpha))) + 0.1,
    below: -alpha,
    above: 'argument',
  });
  const isPositive = x.atLeast(0);
  return withGradient(y, (gradient) => [
    [x, gradient.add(isPositive.not().select(gradient.mul(y.addNumber(alpha - 1))))],
  ]);
}

/** Scaled ELU (Klambauer et al., 2017). */
export function selu(x: Tensor): Tensor {
  return elu(x, 1.6732632423543772).timesNumber(1.0507009873554805);
}

/** alpha ELU(x / alpha). */
export function celu(x: Tensor, alpha = 1): Tensor {
  return elu(x.timesNumber(1 / alpha)).timesNumber(alpha);
}

/** x tanh(log(1 + e^x)). Largest error 5e-4: 0 below -10.5, x above 10.5. 3 rounds after the opening of x. */
export function mish(x: Tensor): Tensor {
  const f = (t: number): number => t * Math.tanh(Math.log1p(Math.exp(t)));
  const slope = (t: number): number => (f(t + 1e-5) - f(t - 1e-5)) / 2e-5;
  return withGradient(saturating(x, f, GATED), (gradient) => [
    [x, gradient.mul(saturating(x, slope, { ...GATED, magnitudeBits: 0.3, above: 1 }))],
  ]);
}

/**
 * e^x on the whole line: 0 below -12.25, e^15 above 15 (the ring ends at 2^22). Error 1e-3: relative above 1, absolute below.
 * 3 rounds after the opening of x.
 */
export function exponential(x: Tensor): Tensor {
  const y = saturating(x, Math.exp, {
    low: -12.25,
    widthBits: -2,
    intervals: 109,
    degree: 2,
    offsetBits: 14,
    resultScale: 40,
    magnitudeBits: 21.9,
    below: 0,
    above: Math.exp(15),
  });
  return withGradient(y, (gradient) => [[x, gradient.mul(y)]]);
}

// ---- piecewise linear ----

/** x where positive, slope times x elsewhere. 4 rounds after the opening. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  const positive = x.relu();
  return positive.add(x.sub(positive).timesNumber(slope));
}

export function hardTanh(x: Tensor, low = -1, high = 1): Tensor {
  return clamp(x, low, high);
}

export function relu6(x: Tensor): Tensor {
  return clamp(x, 0, 6);
}

/** alpha x + beta between 0 and 1. */
export function hardSigmoid(x: Tensor, alpha = 1 / 6, beta = 0.5): Tensor {
  const { fractionBits } = x.graph.options;
  // The constant goes in before the truncation, which is then fused with the comparisons.
  return clamp(x.timesRaw(alpha, fractionBits).addNumber(beta).rescaled(x.scale), 0, 1);
}

export function hardSwish(x: Tensor): Tensor {
  return x.mul(hardSigmoid(x));
}

/** x outside [-limit, limit], 0 inside. */
export function hardShrink(x: Tensor, limit = 0.5): Tensor {
  const unit = 2 ** -x.scale;
  return x
    .atLeast(limit + unit)
    .select(x)
    .add(x.atLeast(-limit).not().select(x));
}

/** x moved towards 0 by `limit`, 0 inside [-limit, limit]. */
export function softShrink(x: Tensor, limit = 0.5): Tensor {
  return x.sub(clamp(x, -limit, limit));
}

/** x where above alpha, 0 elsewhere. */
export function thresholdedRelu(x: Tensor, alpha = 1): Tensor {
  return x.atLeast(alpha + 2 ** -x.scale).select(x);
}

/** x / (1 + |x|). 12 rounds. */
export function softSign(x: Tensor): Tensor {
  return divide(x, absolute(x).addNumber(1), { isPositive: true });
}

// ---- plain numbers ----

function logistic(t: number): number {
  return 1 / (1 + Math.exp(-t));
}

function normal(t: number): number {
  return 0.5 * (1 + erf(t / Math.SQRT2));
}

/** Error function to 1e-15: its series near 0, a continued fraction further out. */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
      if (n > 100) break;
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 60; k >= 1; k--) fraction = k / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + fraction)));
}
