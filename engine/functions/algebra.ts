/** Powers, polynomials, norms and vector products on secret numbers. Knows nothing of shares. */
import { exponential } from './activations.ts';
import { logarithm, reciprocal, squareRoot } from './powers.ts';
import { InputError } from '../../shared/errors.ts';
import { absolute } from '../tensor/comparisons.ts';
import { maximum } from '../tensor/extremes.ts';
import { diagonal } from '../tensor/rearrange.ts';
import { sum } from '../tensor/reductions.ts';
import type { ReduceOptions } from '../tensor/reductions.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** x^exponent for a whole exponent: 2 rounds for each doubling; negative exponents of the reciprocal. */
export function power(x: Tensor, exponent: number): Tensor {
  if (!Number.isInteger(exponent)) {
    throw new InputError('power-not-whole', `x^${exponent}: only whole exponents are possible on secret numbers.`);
  }
  if (exponent === 0) return x.timesInteger(0n).addNumber(1);
  // The reciprocal first: its error is relative, whatever the magnitude of x.
  if (exponent < 0) return power(reciprocal(x), -exponent);
  let result: Tensor | undefined;
  let square = x;
  for (let rest = exponent; ; square = square.mul(square)) {
    if (rest % 2 === 1) result = result === undefined ? square : result.mul(square);
    rest = Math.floor(rest / 2);
    if (rest === 0) return result ?? square;
  }
}

/** x^exponent of a positive number, as exp(exponent log x). Relative error 1e-3 (1 + |exponent|). 10 rounds; 0 gives 0. */
export function powerOfPositive(x: Tensor, exponent: number): Tensor {
  return exponential(logarithm(x).timesNumber(exponent));
}

/** coefficients[0] + coefficients[1] x + ..., from powers by doubling: 2 log2(degree) + 1 rounds. */
export function polynomial(x: Tensor, coefficients: readonly number[]): Tensor {
  const powers: Tensor[] = [x, x];
  for (let p = 2; p < coefficients.length; p++) {
    const half = powers[Math.floor(p / 2)] ?? x;
    const other = powers[p - Math.floor(p / 2)] ?? x;
    powers[p] = half.mul(other);
  }
  const { fractionBits } = x.graph.options;
  const terms = coefficients.slice(1).map((c, i) => (powers[i + 1] ?? x).timesRaw(c, fractionBits));
  const [first, ...rest] = terms;
  const start = coefficients[0] ?? 0;
  if (first === undefined) return x.timesInteger(0n).addNumber(start);
  return rest
    .reduce((total, term) => total.add(term), first)
    .addNumber(start)
    .rescaled(fractionBits);
}

/**
 * Norm of order p over axes: 1, 2, 'infinity', or another order, for which powers and root go through exp and log (whole orders
 * through the root only).
 */
export function norm(x: Tensor, p: number | 'infinity', options: ReduceOptions = {}): Tensor {
  if (p === 'infinity') {
    const [axis, ...others] = options.axes ?? [undefined];
    if (others.length > 0)
      throw new InputError('norm-axes', 'The largest magnitude is taken over one axis or over all.');
    return maximum(absolute(x), { ...(axis === undefined ? {} : { axis }), keepAxis: options.keepAxes ?? false });
  }
  if (p === 1) return sum(absolute(x), options);
  if (p === 2) return squareRoot(sum(x.mulRaw(x), options));
  if (p < 1) throw new InputError('norm-order', `There is no norm of order ${p}.`);
  const magnitude = absolute(x);
  const powers = Number.isInteger(p) ? power(magnitude, p) : powerOfPositive(magnitude, p);
  return powerOfPositive(sum(powers, options), 1 / p);
}

/** Sum of products of two vectors. 2 rounds. */
export function dot(a: Tensor, b: Tensor): Tensor {
  return sum(a.mulRaw(b)).rescaled(a.graph.options.fractionBits);
}

/** All products of an element of a and one of b, [size of a, size of b]. 2 rounds. */
export function outer(a: Tensor, b: Tensor): Tensor {
  return a.reshape([a.size, 1]).mul(b.reshape([1, b.size]));
}

/** Sum of the diagonal of the last two axes. Local. */
export function trace(x: Tensor): Tensor {
  return diagonal(x).sum(-1);
}
