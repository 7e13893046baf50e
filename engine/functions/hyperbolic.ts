/** Hyperbolic functions and their inverses, from e^x, log and square root. Knows nothing of shares. */
import type { Tensor } from '../tensor/tensor.ts';
import { maximumOfTwo, sign } from '../tensor/comparisons.ts';
import { absolute } from '../tensor/comparisons.ts';
import { exponential } from './activations.ts';
import { logarithm, squareRoot } from './powers.ts';

/** Error 2e-3: absolute up to 1, relative beyond; limits as `exponential`. 5 rounds with the opening of x. */
export function hyperbolicSine(x: Tensor): Tensor {
  return exponential(x).sub(exponential(x.neg())).timesPowerOfTwo(-1).rescaled(x.scale);
}
export function hyperbolicCosine(x: Tensor): Tensor {
  return exponential(x).add(exponential(x.neg())).timesPowerOfTwo(-1).rescaled(x.scale);
}

/** Inverse hyperbolic sine, for magnitudes below 2^10. Error 1e-3. 16 rounds with the opening. */
export function inverseHyperbolicSine(x: Tensor): Tensor {
  const magnitude = absolute(x);
  const root = squareRoot(x.mulRaw(x).addNumber(1));
  return logarithm(magnitude.add(root), { least: 0.5 }).mulRaw(sign(x));
}

/** Inverse hyperbolic cosine; 0 below 1. Error 1e-3 from 1.01 on, for magnitudes below 2^10. 19 rounds with the opening. */
export function inverseHyperbolicCosine(x: Tensor): Tensor {
  const inside = maximumOfTwo(x, x.timesInteger(0n).addNumber(1));
  return logarithm(inside.add(squareRoot(inside.mulRaw(inside).addNumber(-1))), { least: 0.5 });
}

/** Inverse hyperbolic tangent inside (-1, 1): half the difference of two logarithms. Error 1e-3. 8 rounds with the opening. */
export function inverseHyperbolicTangent(x: Tensor): Tensor {
  return logarithm(x.addNumber(1))
    .sub(logarithm(x.neg().addNumber(1)))
    .timesPowerOfTwo(-1)
    .rescaled(x.scale);
}
