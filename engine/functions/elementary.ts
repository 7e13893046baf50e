/**
 * Elementary functions as traced programs over interval tables: sigmoid, exp of non-positive numbers, softplus, and
 * reciprocal and logarithm on a known range. Each states its domain, its limit outside, and its rounds after the argument's
 * opening. Errors are measured by test/engine/functions on dense grids. Knows nothing of shares.
 */
import { withGradient } from '../autograd/gradients.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { intervalTable, tableHigh } from './interval-table.ts';
import type { TableSpec } from './interval-table.ts';

/** Scale of table results of second order, and fraction bits of the offset: coefficients keep 12 bits. */
const QUADRATIC_SCALE = 44;
const QUADRATIC_OFFSET_BITS = 16;
/** The same for third order, whose offset keeps twelve bits; with 45 bits the result is opened in six bytes. */
const CUBIC_SCALE = 45;
const CUBIC_OFFSET_BITS = 12;

/** f(x) inside the table's domain, before any saturation. 2 rounds: coefficients, truncation. */
function inside(x: Tensor, f: (x: number) => number, spec: TableSpec, magnitudeBits: number): Tensor {
  return x
    .lookUp(intervalTable(f, spec), spec.resultScale, spec.resultScale + magnitudeBits)
    .rescaled(x.graph.options.fractionBits);
}

function fractionBits(x: Tensor): number {
  return x.graph.options.fractionBits;
}

/** Of functions that differ from their limits within [-7.875, 7.875]: 63 quadratics. */
function logisticTable(x: Tensor): TableSpec {
  return {
    low: -7.875,
    widthBits: -2,
    intervals: 63,
    degree: 2,
    argumentScale: fractionBits(x),
    offsetShift: Math.max(0, fractionBits(x) - QUADRATIC_OFFSET_BITS),
    resultScale: QUADRATIC_SCALE,
  };
}

/**
 * 1 / (1 + e^-x) on [-7.875, 7.875] by 63 quadratics, 0 below and 1 above. Largest error 4e-4 (at the ends of the domain;
 * 1e-4 inside). 3 rounds after the argument's opening; dealer: 433 bytes an element.
 */
export function sigmoid(x: Tensor): Tensor {
  const spec = logisticTable(x);
  const above = x.atLeast(tableHigh(spec));
  const within = x.atLeast(spec.low).xor(above);
  const y = within.select(inside(x, (t) => 1 / (1 + Math.exp(-t)), spec, 0.2)).add(above.toNumber());
  return withGradient(y, (gradient) => [[x, gradient.mul(y.mul(y.neg().addNumber(1)))]]);
}

/**
 * log(1 + e^x) on [-7.875, 7.875], 0 below and x above. Largest error 4e-4. 3 rounds after the argument's opening; dealer:
 * 516 bytes an element. Its gradient is sigmoid(x).
 */
export function softplus(x: Tensor): Tensor {
  const spec = logisticTable(x);
  const above = x.atLeast(tableHigh(spec));
  const within = x.atLeast(spec.low).xor(above);
  const y = within.select(inside(x, (t) => Math.log1p(Math.exp(t)), spec, 3.1)).add(above.select(x));
  return withGradient(y, (gradient) => [[x, gradient.mul(sigmoid(x))]]);
}

/**
 * e^x for x <= 0 (up to 0.25): [-15.25, 0.25] by 31 cubics, 0 below. Largest error 5e-4, near 0. 3 rounds after the argument's
 * opening; dealer: 255 bytes an element. A larger `resultScale` (up to 60) keeps small results accurate for long sums.
 */
export function expNonPositive(x: Tensor, resultScale = CUBIC_SCALE): Tensor {
  const spec: TableSpec = {
    low: -15.25,
    widthBits: -1,
    intervals: 31,
    degree: 3,
    argumentScale: fractionBits(x),
    offsetShift: Math.max(0, fractionBits(x) - CUBIC_OFFSET_BITS),
    resultScale,
  };
  const y = x.atLeast(spec.low).select(inside(x, Math.exp, spec, 0.5));
  return withGradient(y, (gradient) => [[x, gradient.mul(y)]]);
}

/** Slightly below 1: sums that should be at least 1 come with rounding errors. */
const NEARLY_ONE = 63 / 64;

/** Interval tables from nearly 1 to `high`, four intervals a unit. */
function fromOne(x: Tensor, high: number): TableSpec {
  return {
    low: NEARLY_ONE,
    widthBits: -2,
    intervals: Math.ceil((high - NEARLY_ONE) * 4),
    degree: 3,
    argumentScale: fractionBits(x),
    offsetShift: Math.max(0, fractionBits(x) - CUBIC_OFFSET_BITS),
    resultScale: CUBIC_SCALE,
  };
}

/** 1 / x for 63/64 <= x <= high; meaningless outside. Largest error 5e-4. 2 rounds. */
export function reciprocalFromOne(x: Tensor, high: number): Tensor {
  const y = inside(x, (t) => 1 / t, fromOne(x, high), 0.5);
  return withGradient(y, (gradient) => [[x, gradient.mul(y.mul(y)).neg()]]);
}

/** log x for 63/64 <= x <= high; meaningless outside. Largest error 3e-4. 2 rounds. */
export function logFromOne(x: Tensor, high: number): Tensor {
  const magnitude = Math.log2(Math.max(1, Math.log(high))) + 0.2;
  return inside(x, Math.log, fromOne(x, high), magnitude);
}
