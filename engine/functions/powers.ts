/**
 * Reciprocal, quotient, square root, its inverse, and logarithm, from one unit of the argument to its bound, by normalisation
 * (normalise.ts). Errors are relative, and one unit of the result besides. Knows nothing of shares.
 */
import { InputError } from '../../shared/errors.ts';
import { withGradient } from '../autograd/gradients.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { sumTo } from '../tensor/reductions.ts';
import { broadcastShapes } from '../tensor/shape.ts';
import { constant, linear } from '../tensor/tensor.ts';
import { intervalTable } from './interval-table.ts';
import { MANTISSA_TABLE_SCALE, mantissaTable, normalise, putBack } from './normalise.ts';
import type { Normalised } from './normalise.ts';

export interface DomainOptions {
  /** The argument is known to be positive: half the comparisons. */
  readonly isPositive?: boolean;
  /** The argument is known to be at least this: fewer comparisons. Implies that it is positive. */
  readonly least?: number;
  /** Scale of the result; the graph's if not given. */
  readonly scale?: number;
}

function isSigned(options: DomainOptions): boolean {
  return options.isPositive !== true && options.least === undefined;
}

function ofMantissa(x: Normalised, f: (u: number) => number, magnitudeBits: number): Tensor {
  return x.mantissa.lookUp(
    intervalTable(f, mantissaTable(x)),
    MANTISSA_TABLE_SCALE,
    MANTISSA_TABLE_SCALE + magnitudeBits,
  );
}

/** Continued to where no mantissa lies. */
function inverse(u: number): number {
  return Math.abs(u) < 0.8 ? 1 : 1 / u;
}

/**
 * 1 / x. Relative error 4e-4 for magnitudes from one unit to the bound of x; 1/0 is one over a unit. Positive numbers only:
 * 0 where x is not positive. 7 rounds with the opening of x.
 */
export function reciprocal(x: Tensor, options: DomainOptions = {}): Tensor {
  const scale = options.scale ?? x.graph.options.fractionBits;
  const parts = normalise(x, isSigned(options), options.least);
  const y = putBack(parts, ofMantissa(parts, inverse, 0.2), -2, scale);
  const limited = parts.isSigned ? y.add(parts.isSmall.toNumber().timesInteger(1n << BigInt(x.scale))) : y;
  return withGradient(limited, (gradient) => [[x, gradient.mul(limited).mul(limited).neg()]]);
}

/**
 * a / b. Relative error 5e-4 and one unit, for divisors from one unit to their bound; a / 0 is a over a unit. 9 rounds with the
 * opening of b, 2 with that of a for public divisors. The quotient must stay inside the ring.
 */
export function divide(a: Tensor, b: Tensor, options: DomainOptions = {}): Tensor {
  const scale = options.scale ?? a.graph.options.fractionBits;
  const operation = b.node.operation;
  if (operation.op === 'constant') return a.mulRaw(publicInverse(b, operation.words)).rescaled(scale);
  const parts = normalise(b.broadcastTo(broadcastShapes('divide', a.shape, b.shape)), isSigned(options), options.least);
  const product = a.mulRaw(ofMantissa(parts, inverse, 0.2).rescaled(QUOTIENT_BITS));
  const quotient = putBack(parts, product, -2, scale);
  const small = parts.isSmall.select(product.rescaled(scale + b.scale)).timesPowerOfTwo(b.scale);
  const y = parts.isSigned ? quotient.add(small) : quotient;
  return withGradient(y, (gradient) => {
    const part = divide(gradient, b, options);
    return [
      [a, sumTo(part, a.shape)],
      [b, sumTo(part.mul(y).neg(), b.shape)],
    ];
  });
}

/** 1 / b of public numbers that are not 0, with as many fraction bits as the largest of them needs. */
function publicInverse(b: Tensor, words: readonly bigint[]): Tensor {
  if (words.includes(0n)) throw new InputError('division-by-zero', 'A public divisor is 0.');
  const values = words.map((word) => Number(word) / 2 ** b.scale);
  const largest = Math.max(...values.map(Math.abs));
  const bits = b.graph.options.fractionBits + Math.max(0, Math.ceil(Math.log2(largest)));
  return constant(
    b.graph,
    values.map((value) => 1 / value),
    b.shape,
    bits,
  );
}

/** Fraction bits of a mantissa's reciprocal in a product: enough for 1e-4 relative, and room for the other factor. */
const QUOTIENT_BITS = 16;

/** Square root; 0 where x is not positive. Relative error 2e-4 and one unit. 7 rounds with the opening of x. */
export function squareRoot(x: Tensor, options: { scale?: number } = {}): Tensor {
  const parts = normalise(x, false);
  const y = putBack(parts, ofMantissa(parts, Math.sqrt, 1.03), 1, options.scale ?? x.graph.options.fractionBits);
  return withGradient(y, (gradient) => [[x, gradient.mul(reciprocal(y, { isPositive: true }).timesPowerOfTwo(-1))]]);
}

/**
 * factor / sqrt(x). Relative error 3e-4 and one unit; what is below one unit counts as one unit. 7 rounds with the opening of
 * x. With `least`, x is known to be at least that, and smaller numbers give 0.
 */
export function inverseSquareRootOf(
  x: Tensor,
  options: { readonly scale?: number; readonly least?: number; readonly factor?: number } = {},
): Tensor {
  const { scale = x.graph.options.fractionBits, least, factor = 1 } = options;
  const parts = normalise(x, false, least);
  // The factor's power of two moves the scale, so that the table's results keep their magnitude.
  const power = Math.floor(Math.log2(factor));
  const t = ofMantissa(parts, (u) => factor / 2 ** power / Math.sqrt(u), factor === 1 ? 0.2 : 1.2);
  const found = putBack(parts, t, -1, scale + power).timesPowerOfTwo(power);
  const y = least === undefined ? found.add(parts.isSmall.toNumber().timesRaw(factor * 2 ** (x.scale / 2), 0)) : found;
  return withGradient(y, (gradient) => [[x, gradient.mul(y).mul(y).mul(y).timesPowerOfTwo(-1).neg()]]);
}

/**
 * Natural logarithm. Largest error 4e-4; what is below one unit counts as one unit. 7 rounds with the opening of x.
 */
export function logarithm(x: Tensor, options: { least?: number } = {}): Tensor {
  const { fractionBits } = x.graph.options;
  const parts = normalise(x, false, options.least);
  const t = ofMantissa(parts, Math.log, 0.7);
  const largest = Math.max(...parts.buckets.map(({ exponent }) => Math.abs(exponent))) + 1;
  const sum = linear('log', [
    [1n, t],
    ...parts.buckets.map(({ exponent, bit }) => [1n, bitTimes(bit, exponent * Math.log(4), t.scale)] as const),
  ]).provedBelow(Math.log2(largest * Math.log(4)));
  const y = parts.isSmall
    .not()
    .select(sum.rescaled(fractionBits))
    .add(bitTimes(parts.isSmall, -x.scale * Math.LN2, fractionBits));
  return withGradient(y, (gradient) => [[x, gradient.mul(reciprocal(x, { isPositive: true }))]]);
}

/** log(1 + x), as `logarithm` of 1 + x. */
export function logarithmOfOnePlus(x: Tensor): Tensor {
  return logarithm(x.addNumber(1));
}

/** A bit times a public number, at a scale. */
function bitTimes(bit: Tensor, value: number, scale: number): Tensor {
  return bit.toNumber().timesRaw(value, scale);
}
