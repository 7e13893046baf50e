/**
 * Builds interval tables: fits a function by one polynomial an interval and rounds the coefficients to ring integers.
 * Entry j is the Chebyshev interpolant on [low + (j-1)h, low + (j+1)h), because the look-up's index may be one too high
 * (protocol/piecewise.ts); the first and the last keep to the domain. Knows nothing of shares or graphs.
 */
import type { IntervalTable } from '../protocol/piecewise.ts';

export interface TableSpec {
  /** Lower end of the domain. */
  readonly low: number;
  /** The interval width is 2^widthBits (negative for fractions). */
  readonly widthBits: number;
  /** Number of intervals; at most 2^indexBits - 1. */
  readonly intervals: number;
  readonly degree: number;
  /** Scale of the argument. */
  readonly argumentScale: number;
  /** Low bits of the offset inside an interval that the polynomial does without. */
  readonly offsetShift: number;
  /** Scale of the result before truncation; near degree times the offset's scale or above, or coefficients lose bits. */
  readonly resultScale: number;
}

export function intervalTable(f: (x: number) => number, spec: TableSpec): IntervalTable {
  const { low, widthBits, intervals, degree, argumentScale, offsetShift, resultScale } = spec;
  const indexBits = Math.ceil(Math.log2(intervals + 1));
  const width = 2 ** widthBits;
  const entries = Array.from({ length: intervals + 1 }, (_, j) => {
    const from = j === 0 ? 0 : -width;
    const to = j === intervals ? 0 : width;
    return interpolate((z) => f(low + j * width + z), from, to, degree);
  });
  return {
    low: BigInt(Math.round(low * 2 ** argumentScale)),
    intervalBits: argumentScale + widthBits,
    indexBits,
    offsetShift,
    coefficients: Array.from({ length: degree + 1 }, (_, p) =>
      entries.map((polynomial) => roundUnits(polynomial[p] ?? 0, resultScale - p * (argumentScale - offsetShift))),
    ),
  };
}

/** A function of period 1 in 2^indexBits intervals a period, whose index wraps where the period does. */
export function periodicTable(
  f: (x: number) => number,
  spec: Pick<TableSpec, 'degree' | 'argumentScale' | 'offsetShift' | 'resultScale'> & { readonly indexBits: number },
): IntervalTable {
  const { indexBits, degree, argumentScale, offsetShift, resultScale } = spec;
  const width = 2 ** -indexBits;
  const entries = Array.from({ length: 2 ** indexBits }, (_, j) =>
    interpolate((z) => f(j * width + z), -width, width, degree),
  );
  return {
    low: 0n,
    intervalBits: argumentScale - indexBits,
    indexBits,
    offsetShift,
    coefficients: Array.from({ length: degree + 1 }, (_, p) =>
      entries.map((polynomial) => roundUnits(polynomial[p] ?? 0, resultScale - p * (argumentScale - offsetShift))),
    ),
  };
}

/** Upper end of the domain. */
export function tableHigh(spec: TableSpec): number {
  return spec.low + spec.intervals * 2 ** spec.widthBits;
}

/** Monomial coefficients of the interpolant of f at the Chebyshev nodes of [from, to]. */
function interpolate(f: (z: number) => number, from: number, to: number, degree: number): number[] {
  const middle = (from + to) / 2;
  const nodes = Array.from(
    { length: degree + 1 },
    (_, i) => middle + ((to - from) / 2) * Math.cos(((2 * i + 1) * Math.PI) / (2 * degree + 2)),
  );
  // Newton's divided differences, expanded to monomials.
  const divided = nodes.map(f);
  for (let order = 1; order <= degree; order++) {
    for (let i = degree; i >= order; i--) {
      divided[i] = ((divided[i] ?? 0) - (divided[i - 1] ?? 0)) / ((nodes[i] ?? 0) - (nodes[i - order] ?? 0));
    }
  }
  let polynomial: number[] = [divided[degree] ?? 0];
  for (let i = degree - 1; i >= 0; i--) {
    const shifted = [0, ...polynomial];
    polynomial = shifted.map((c, p) => c - (nodes[i] ?? 0) * (polynomial[p] ?? 0));
    polynomial[0] = (polynomial[0] ?? 0) + (divided[i] ?? 0);
  }
  return polynomial;
}

/** round(value * 2^scale) for scales beyond a double's integers. */
function roundUnits(value: number, scale: number): bigint {
  const direct = value * 2 ** scale;
  if (Math.abs(direct) < 2 ** 52) return BigInt(Math.round(direct));
  const exponent = Math.max(0, Math.ceil(Math.log2(Math.abs(direct))) - 52);
  return BigInt(Math.round(direct / 2 ** exponent)) << BigInt(exponent);
}
