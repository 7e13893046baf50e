/**
 * Division of whole numbers and remainders, exactly: an estimate of the quotient from fixed-point division, corrected by
 * comparing what is left with the divisor.
 */
import { divide } from '../../functions/powers.ts';
import { floor, floorUnits, remainder } from '../../functions/rounding.ts';
import { absolute, sign } from '../../tensor/comparisons.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { broadcastShapes } from '../../tensor/shape.ts';
import type { OperatorCall } from './call.ts';
import { inType, zipPublic } from './elementwise.ts';
import { isFloat, magnitudeBits, numbersOf, secretTensor } from './value.ts';
import type { TensorValue } from './value.ts';

/** Quotient of whole numbers, towards zero. */
export function divideWhole(call: OperatorCall, a: TensorValue, b: TensorValue): TensorValue {
  if (a.kind === 'public' && b.kind === 'public') return zipPublic([a, b], (x, y) => Math.trunc(x / y), a.type);
  const [x, y] = [numbersOf(call.graph, a), numbersOf(call.graph, b)];
  const [signX, signY] = [sign(x), sign(y)];
  const quotient = floorQuotient(call, absolute(x), absolute(y));
  return secretTensor(a.type, inType(a.type, quotient.mulRaw(signX).mulRaw(signY)));
}

/** An estimate is off by this part of it at most, and by one: a second one of what is left makes it exact below 2^20. */
const ESTIMATE_BITS = 10;
const MOST_QUOTIENT_BITS = 20;

/** floor(x / y) of whole numbers from 0 on, for quotients below 2^20; meaningless for y = 0. */
function floorQuotient(call: OperatorCall, x: Tensor, y: Tensor): Tensor {
  const { fractionBits } = call.graph.options;
  const shape = broadcastShapes('divide', x.shape, y.shape);
  const estimate = (dividend: Tensor): Tensor =>
    floorUnits(divide(dividend, y, { isPositive: true, scale: fractionBits }));
  const quotientBits = Math.min(x.node.bound, MOST_QUOTIENT_BITS) + 0.01;
  let quotient = estimate(x).assumeBelow(quotientBits);
  if (quotientBits > ESTIMATE_BITS) {
    const rest = x.sub(quotient.mulRaw(y)).assumeBelow(x.node.bound);
    quotient = quotient.add(estimate(rest)).assumeBelow(quotientBits);
  }
  const left = x.sub(quotient.mulRaw(y)).broadcastTo(shape);
  const isOver = left.atLeast(0).not().toNumber();
  const isUnder = left.sub(y).atLeast(0).toNumber();
  return quotient.sub(isOver).add(isUnder).provedBelow(x.node.bound);
}

export function moduloOperator(call: OperatorCall): TensorValue {
  const [a, b] = [call.tensor(0), call.tensor(1)];
  const truncates = call.int('fmod', 0) !== 0;
  const inClear = truncates ? (x: number, y: number): number => x % y : floorModulo;
  if (a.kind === 'public' && b.kind === 'public') return zipPublic([a, b], inClear, a.type);
  if (isFloat(a.type) && !truncates)
    throw call.unsupported('takes floating-point numbers only with fmod = 1', 'Repair the model.');
  const x = numbersOf(call.graph, a);
  if (b.kind === 'public' && b.values.length === 1 && !truncates && !isFloat(a.type)) {
    const [divisor = 1] = b.values;
    if (Number.isInteger(Math.log2(Math.abs(divisor)))) return secretTensor(a.type, remainder(x, divisor));
  }
  const y = numbersOf(call.graph, b);
  const [magnitudeX, magnitudeY] = [absolute(x), absolute(y)];
  if (isFloat(a.type)) {
    const quotient = floor(divide(magnitudeX, magnitudeY, { isPositive: true }));
    const left = magnitudeX.sub(quotient.mul(magnitudeY));
    const corrected = left.add(left.atLeast(0).not().select(magnitudeY.broadcastTo(left.shape)));
    return secretTensor(a.type, corrected.mulRaw(sign(x)));
  }
  // |x| mod |y|, with the sign of x (fmod) or of y.
  const quotient = floorQuotient(call, magnitudeX, magnitudeY);
  const left = magnitudeX.sub(quotient.mulRaw(magnitudeY)).provedBelow(Math.min(x.node.bound, magnitudeBits(a.type)));
  const signed = left.mulRaw(sign(x));
  if (truncates) return secretTensor(a.type, signed);
  // A remainder whose sign is not the divisor's moves up or down by the divisor.
  const signsDiffer = signed.mulRaw(sign(y)).atLeast(0).not();
  return secretTensor(
    a.type,
    signed.add(signsDiffer.select(y.broadcastTo(signed.shape))).provedBelow(magnitudeBits(a.type)),
  );
}

function floorModulo(x: number, y: number): number {
  return x - y * Math.floor(x / y);
}
