/**
 * Functions that a table holds inside an interval and that have simple limits outside: below and above it the result is
 * a constant, zero or the argument itself. Knows nothing of shares.
 */
import type { Tensor } from '../tensor/tensor.ts';
import { intervalTable, tableHigh } from './interval-table.ts';

/** What a function is outside its table. */
export type Limit = number | 'argument';

export interface Curve {
  readonly low: number;
  readonly widthBits: number;
  readonly intervals: number;
  readonly degree: 2 | 3;
  /** Fraction bits that the offset inside an interval keeps: an error of 2^-bits times the slope. */
  readonly offsetBits: number;
  readonly resultScale: number;
  /** log2 of the largest magnitude of the polynomials. */
  readonly magnitudeBits: number;
  readonly below: Limit;
  readonly above: Limit;
}

/** 3 rounds after the opening of the argument: comparison of both ends beside coefficients and truncation. */
export function saturating(x: Tensor, f: (x: number) => number, curve: Curve): Tensor {
  const { fractionBits } = x.graph.options;
  const spec = {
    ...curve,
    argumentScale: x.scale,
    offsetShift: Math.max(0, x.scale - curve.offsetBits),
  };
  const inside = x
    .lookUp(intervalTable(f, spec), curve.resultScale, curve.resultScale + curve.magnitudeBits)
    .rescaled(fractionBits);
  const fromLow = x.atLeast(curve.low);
  const above = x.atLeast(tableHigh(spec));
  let y = fromLow.xor(above).select(inside);
  if (curve.below !== 0) y = y.add(limit(fromLow.not(), x, curve.below));
  if (curve.above !== 0) y = y.add(limit(above, x, curve.above));
  return y;
}

function limit(bit: Tensor, x: Tensor, value: Limit): Tensor {
  if (value === 'argument') return bit.select(x);
  return Number.isInteger(value)
    ? bit.toNumber().timesInteger(BigInt(value))
    : bit.toNumber().timesRaw(value, x.graph.options.fractionBits);
}
