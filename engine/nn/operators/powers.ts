/** The operator Pow: whole and other public exponents, one or many; secret exponents of positive numbers. */
import { exponential } from '../../functions/activations.ts';
import { power, powerOfPositive } from '../../functions/algebra.ts';
import { inverseSquareRootOf, logarithm, squareRoot } from '../../functions/powers.ts';
import { broadcastShapes } from '../../tensor/shape.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall } from './call.ts';
import { inType } from './elementwise.ts';
import { isFloat, numbersOf, secretTensor, shapeOf } from './value.ts';
import type { TensorValue } from './value.ts';

/** Each different exponent costs a power of the whole tensor. */
const MOST_EXPONENTS = 16;

export function powerOf(call: OperatorCall, base: TensorValue, exponent: TensorValue): TensorValue {
  const x = numbersOf(call.graph, base);
  if (exponent.kind === 'secret' && isFloat(base.type)) {
    const e = isFloat(exponent.type)
      ? numbersOf(call.graph, exponent)
      : numbersOf(call.graph, exponent).rescaled(x.scale);
    // Of positive numbers only; 0 gives 0.
    return secretTensor(base.type, exponential(logarithm(x).mul(e)));
  }
  const exponents = call.publicNumbers(1, 'the exponent of a whole number');
  const distinct = [...new Set(exponents)];
  if (distinct.length > MOST_EXPONENTS)
    throw call.unsupported(`has ${distinct.length} different exponents; at most ${MOST_EXPONENTS} are computed`);
  const raise = isFloat(base.type) ? realPower : (t: Tensor, e: number): Tensor => wholePower(call, base.type, t, e);
  const [only] = distinct;
  const shape = broadcastShapes('pow', x.shape, shapeOf(exponent));
  if (only === undefined) return secretTensor(base.type, x.broadcastTo(shape));
  if (distinct.length === 1) return secretTensor(base.type, raise(x, only).broadcastTo(shape));
  const parts = distinct.map((e) =>
    raise(x, e).mulRaw(
      constant(
        call.graph,
        exponents.map((other) => (other === e ? 1 : 0)),
        shapeOf(exponent),
        0,
      ),
    ),
  );
  return secretTensor(
    base.type,
    parts.reduce((a, b) => a.add(b)),
  );
}

function realPower(x: Tensor, exponent: number): Tensor {
  if (Number.isInteger(exponent)) return power(x, exponent);
  if (exponent === 0.5) return squareRoot(x);
  if (exponent === -0.5) return inverseSquareRootOf(x);
  return powerOfPositive(x, exponent);
}

function wholePower(call: OperatorCall, type: TensorValue['type'], x: Tensor, exponent: number): Tensor {
  if (!Number.isInteger(exponent) || exponent < 0)
    throw call.unsupported(`raises whole numbers to the power ${exponent}; only whole powers from 0 on are exact`);
  if (exponent === 0) return x.timesInteger(0n).addNumber(1);
  let result = x;
  for (let i = 1; i < exponent; i++) result = inType(type, result.mulRaw(x));
  return result;
}
