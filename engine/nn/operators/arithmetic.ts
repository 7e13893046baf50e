/** Arithmetic, powers, rounding and elementary functions. Knows nothing of shares. */
import { withGradient } from '../../autograd/gradients.ts';
import { errorFunction, exponential, erf } from '../../functions/activations.ts';
import {
  hyperbolicCosine,
  hyperbolicSine,
  inverseHyperbolicCosine,
  inverseHyperbolicSine,
  inverseHyperbolicTangent,
} from '../../functions/hyperbolic.ts';
import { divide, logarithm, reciprocal, squareRoot } from '../../functions/powers.ts';
import { ceiling, floor, round } from '../../functions/rounding.ts';
import { cosine, inverseCosine, inverseSine, inverseTangent, sine, tangent } from '../../functions/trigonometry.ts';
import { absolute, maximumOfTwo, minimumOfTwo, sign } from '../../tensor/comparisons.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { OLD_BROADCAST, binary, operandPair, unary, unaryOfReals, variadic, zipPublic } from './elementwise.ts';
import { divideWhole, moduloOperator } from './integer-division.ts';
import { powerOf } from './powers.ts';
import { isFloat, numbersOf, secretTensor } from './value.ts';
import type { PublicTensor, TensorValue } from './value.ts';

const real = (clear: (x: number) => number, secret: (x: Tensor) => Tensor) => ({
  attributes: ['consumed_inputs'],
  run: (call: OperatorCall): TensorValue => unaryOfReals(call, clear, secret),
});

/** Half to even. */
export function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

/** Whole numbers are whole already. */
const rounding = (clear: (x: number) => number, secret: (x: Tensor) => Tensor) => ({
  run: (call: OperatorCall): TensorValue => (isFloat(call.type(0)) ? unary(call, clear, secret) : call.tensor(0)),
});

/** Masks have entries of minus infinity, or as good as that: of a sum with secret numbers they become the least that has room. */
function maskedOperands(call: OperatorCall): readonly [TensorValue, TensorValue] {
  const [a, b] = operandPair(call);
  if ((a.kind === 'public') === (b.kind === 'public') || !isFloat(a.type)) return [a, b];
  const cut = (x: TensorValue): TensorValue =>
    x.kind === 'public' ? { ...x, values: x.values.map((value) => Math.max(value, MASKED)) } : x;
  return [cut(a), cut(b)];
}

/** Below every score, and far inside the range of fixed point. */
const MASKED = -(2 ** 20);

export const arithmetic: OperatorFamily = {
  Abs: { attributes: ['consumed_inputs'], run: (call) => unary(call, Math.abs, absolute) },
  Neg: {
    attributes: ['consumed_inputs'],
    run: (call) =>
      unary(
        call,
        (x) => -x,
        (x) => x.neg(),
      ),
  },
  Sign: {
    run: (call) =>
      unary(call, Math.sign, (x) =>
        withGradient(sign(x).rescaled(x.scale), (gradient) => [[x, gradient.timesInteger(0n)]]),
      ),
  },
  Add: {
    attributes: OLD_BROADCAST,
    run: (call) =>
      binary(
        call,
        maskedOperands(call),
        (a, b) => a + b,
        (a, b) => a.add(b),
      ),
  },
  Sub: {
    attributes: OLD_BROADCAST,
    run: (call) =>
      binary(
        call,
        operandPair(call),
        (a, b) => a - b,
        (a, b) => a.sub(b),
      ),
  },
  Mul: { attributes: OLD_BROADCAST, run: (call) => multiply(call, operandPair(call)) },
  Div: {
    attributes: OLD_BROADCAST,
    run: (call) => {
      const [a, b] = operandPair(call);
      if (!isFloat(a.type)) return divideWhole(call, a, b);
      if (a.kind === 'public' && b.kind === 'public') return zipPublic([a, b], (x, y) => x / y, a.type);
      return secretTensor(a.type, divide(numbersOf(call.graph, a), divisor(call, b)));
    },
  },
  Mod: { attributes: ['fmod'], run: moduloOperator },
  Pow: {
    attributes: OLD_BROADCAST,
    run: (call) => {
      const [base, exponent] = operandPair(call);
      if (base.kind === 'public' && exponent.kind === 'public')
        return zipPublic([base, exponent], (x, y) => x ** y, base.type);
      return powerOf(call, base, exponent);
    },
  },
  Sum: {
    attributes: ['consumed_inputs'],
    run: (call) =>
      variadic(
        call,
        (a, b) => a + b,
        (a, b) => a.add(b),
      ),
  },
  Mean: {
    attributes: ['consumed_inputs'],
    run: (call) => {
      const total = variadic(
        call,
        (a, b) => a + b,
        (a, b) => a.add(b),
      );
      const count = call.inputs.length;
      if (total.kind === 'sequence' || count === 1) return total;
      return total.kind === 'public'
        ? { ...total, values: total.values.map((x) => x / count) }
        : secretTensor(total.type, total.tensor.timesNumber(1 / count));
    },
  },
  Max: { attributes: ['consumed_inputs'], run: (call) => variadic(call, Math.max, maximumOfTwo) },
  Min: { attributes: ['consumed_inputs'], run: (call) => variadic(call, Math.min, minimumOfTwo) },
  Reciprocal: real(
    (x) => 1 / x,
    (x) => reciprocal(x),
  ),
  Sqrt: real(Math.sqrt, (x) => squareRoot(x)),
  Exp: real(Math.exp, exponential),
  Log: real(Math.log, (x) => logarithm(x)),
  Erf: real(erf, errorFunction),
  Sin: real(Math.sin, sine),
  Cos: real(Math.cos, cosine),
  Tan: real(Math.tan, tangent),
  Asin: real(Math.asin, inverseSine),
  Acos: real(Math.acos, inverseCosine),
  Atan: real(Math.atan, inverseTangent),
  Sinh: real(Math.sinh, hyperbolicSine),
  Cosh: real(Math.cosh, hyperbolicCosine),
  Asinh: real(Math.asinh, inverseHyperbolicSine),
  Acosh: real(Math.acosh, inverseHyperbolicCosine),
  Atanh: real(Math.atanh, inverseHyperbolicTangent),
  Floor: rounding(Math.floor, floor),
  Ceil: rounding(Math.ceil, ceiling),
  Round: rounding(roundHalfEven, round),
};

/** Product with broadcasting; small public factors get more fraction bits, so that their relative error stays small. */
export function multiply(call: OperatorCall, [a, b]: readonly [TensorValue, TensorValue]): TensorValue {
  if (!isFloat(a.type)) {
    return binary(
      call,
      [a, b],
      (x, y) => x * y,
      (x, y) => x.mulRaw(y),
    );
  }
  if (a.kind === 'public' && b.kind === 'public') return zipPublic([a, b], (x, y) => x * y, a.type);
  if (a.kind === 'public') return multiply(call, [b, a]);
  if (b.kind === 'public') {
    const { fractionBits } = call.graph.options;
    return secretTensor(a.type, numbersOf(call.graph, a).mulRaw(publicFactor(call, b)).rescaled(fractionBits));
  }
  return secretTensor(a.type, a.tensor.mul(b.tensor));
}

/** Public numbers to multiply by, with the fraction bits that the largest of them leaves room for. */
function publicFactor(call: OperatorCall, { values, shape }: PublicTensor): Tensor {
  const { fractionBits } = call.graph.options;
  if (values.every((value) => Number.isInteger(value))) return constant(call.graph, values, shape, 0);
  const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const small = largest === 0 ? 0 : Math.max(0, Math.ceil(-Math.log2(largest)));
  return constant(call.graph, values, shape, Math.min(fractionBits + small, 40));
}

/** What `divide` divides by: public numbers keep as many bits as a double has room for. */
function divisor(call: OperatorCall, b: TensorValue): Tensor {
  if (b.kind === 'secret') return b.tensor;
  const smallest = b.values.reduce((min, value) => Math.min(min, Math.abs(value)), Infinity);
  const more = smallest > 0 && smallest < 1 ? Math.ceil(-Math.log2(smallest)) : 0;
  return constant(call.graph, b.values, b.shape, call.graph.options.fractionBits + Math.min(more, 24));
}
