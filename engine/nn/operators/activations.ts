/** Activations of neural networks, softmax and its relatives. */
import {
  celu,
  elu,
  gelu,
  geluTanh,
  hardShrink,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  mish,
  softSign,
  tanh,
  thresholdedRelu,
} from '../../functions/activations.ts';
import { sigmoid, softplus } from '../../functions/elementary.ts';
import { alongAxis, logSoftmax, softmax } from '../../functions/softmax.ts';
import { where } from '../../tensor/comparisons.ts';
import { oneHotOfMaximum } from '../../tensor/extremes.ts';
import { sizeOf } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorDefinition, OperatorFamily } from './call.ts';
import { unary, unaryOfReals } from './elementwise.ts';
import { numbersOf, secretTensor, shapeOf } from './value.ts';
import type { TensorValue } from './value.ts';

const simple = (clear: (x: number) => number, secret: (x: Tensor) => Tensor): OperatorDefinition => ({
  attributes: ['consumed_inputs'],
  run: (call) => unaryOfReals(call, clear, secret),
});

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const eluOf = (x: number, alpha: number): number => (x < 0 ? alpha * Math.expm1(x) : x);

/** Rows over one axis, or over all from one on where versions before 13 flatten first. */
function alongClasses(call: OperatorCall, f: (rows: Tensor) => Tensor): TensorValue {
  const value = call.tensor(0);
  const x = numbersOf(call.graph, value);
  if (call.version >= 13) return secretTensor(value.type, alongAxis(x, call.int('axis', -1), f));
  const axis = call.axis(call.int('axis', 1));
  const rows = sizeOf(shapeOf(value).slice(0, axis));
  const flat = x.raw.reshape([rows, x.size / Math.max(1, rows)]).rescaled(x.scale);
  return secretTensor(value.type, f(flat).reshape(x.shape));
}

function shrink(call: OperatorCall): TensorValue {
  const [limit, bias] = [call.float('lambd', 0.5), call.float('bias', 0)];
  const clear = (x: number): number => (x < -limit ? x + bias : x > limit ? x - bias : 0);
  return unary(call, clear, (x) => {
    const kept = hardShrink(x, limit);
    if (bias === 0) return kept;
    const unit = 2 ** -x.scale;
    const above = x.atLeast(limit + unit).toNumber();
    const below = x.atLeast(-limit).not().toNumber();
    return kept.add(below.sub(above).timesRaw(bias, x.scale));
  });
}

export const activations: OperatorFamily = {
  Relu: {
    attributes: ['consumed_inputs'],
    run: (call) =>
      unary(
        call,
        (x) => Math.max(0, x),
        (x) => x.relu(),
      ),
  },
  Sigmoid: simple(logistic, sigmoid),
  Tanh: simple(Math.tanh, tanh),
  Softplus: simple((x) => Math.log1p(Math.exp(x)), softplus),
  Softsign: simple((x) => x / (1 + Math.abs(x)), softSign),
  HardSwish: simple((x) => x * Math.min(1, Math.max(0, x / 6 + 0.5)), hardSwish),
  Mish: simple((x) => x * Math.tanh(Math.log1p(Math.exp(x))), mish),
  Elu: {
    attributes: ['alpha', 'consumed_inputs'],
    run: (call) => {
      const alpha = call.float('alpha', 1);
      return unaryOfReals(
        call,
        (x) => eluOf(x, alpha),
        (x) => elu(x, alpha),
      );
    },
  },
  Celu: {
    attributes: ['alpha'],
    run: (call) => {
      const alpha = call.float('alpha', 1);
      return unaryOfReals(
        call,
        (x) => eluOf(x / alpha, 1) * alpha,
        (x) => celu(x, alpha),
      );
    },
  },
  Selu: {
    attributes: ['alpha', 'gamma', 'consumed_inputs'],
    run: (call) => {
      // Until version 6 the presets were rounded to half precision.
      const alpha = call.float('alpha', call.version < 6 ? 1.6732 : 1.6732632423543772);
      const gamma = call.float('gamma', call.version < 6 ? 1.0507 : 1.0507009873554805);
      return unaryOfReals(
        call,
        (x) => gamma * eluOf(x, alpha),
        (x) => elu(x, alpha).timesNumber(gamma),
      );
    },
  },
  LeakyRelu: {
    attributes: ['alpha', 'consumed_inputs'],
    run: (call) => {
      const alpha = call.float('alpha', 0.01);
      return unary(
        call,
        (x) => (x < 0 ? alpha * x : x),
        (x) => leakyRelu(x, alpha),
      );
    },
  },
  ThresholdedRelu: {
    attributes: ['alpha'],
    run: (call) => {
      const alpha = call.float('alpha', 1);
      return unary(
        call,
        (x) => (x > alpha ? x : 0),
        (x) => thresholdedRelu(x, alpha),
      );
    },
  },
  HardSigmoid: {
    attributes: ['alpha', 'beta', 'consumed_inputs'],
    run: (call) => {
      const [alpha, beta] = [call.float('alpha', 0.2), call.float('beta', 0.5)];
      const clear = (x: number): number => Math.min(1, Math.max(0, alpha * x + beta));
      return unaryOfReals(call, clear, (x) => hardSigmoid(x, alpha, beta));
    },
  },
  Gelu: {
    attributes: ['approximate'],
    run: (call) =>
      secretTensor(
        call.type(0),
        (call.choice('approximate', ['none', 'tanh']) === 'none' ? gelu : geluTanh)(call.numbers(0)),
      ),
  },
  Shrink: { attributes: ['lambd', 'bias'], run: shrink },
  PRelu: {
    attributes: ['consumed_inputs'],
    run: (call) => {
      const x = call.numbers(0);
      let slope = call.numbers(1);
      // One slope for each channel, where broadcasting would take it for one of the last axis.
      if (slope.shape.length === 1 && x.shape.length > 1 && slope.size === x.shape[1] && call.version < 9)
        slope = slope.reshape([slope.size, ...new Array<number>(x.shape.length - 2).fill(1)]);
      return secretTensor(call.type(0), where(x.atLeast(0), x, x.mul(slope)));
    },
  },
  Softmax: { attributes: ['axis'], run: (call) => alongClasses(call, (rows) => softmax(rows)) },
  LogSoftmax: { attributes: ['axis'], run: (call) => alongClasses(call, (rows) => logSoftmax(rows)) },
  Hardmax: {
    attributes: ['axis'],
    run: (call) => alongClasses(call, (rows) => oneHotOfMaximum(rows, { axis: 1 }).rescaled(rows.scale)),
  },
};
