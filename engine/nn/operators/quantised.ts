/**
 * Whole numbers that stand for real ones by a scale and a zero point. What is divided by must be public: a rounding is exact only
 * where the quotient is.
 */
import type { ElementName } from '../../../shared/operator-graph.ts';
import { roundUnits } from '../../functions/rounding.ts';
import { withoutGradient } from './constants.ts';
import { clamp } from '../../tensor/comparisons.ts';
import type { Shape } from '../../tensor/shape.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { centredConvolution } from './convolution.ts';
import { matmulRaw } from './linear.ts';
import { integerFormat, secretTensor } from './value.ts';
import type { TensorValue } from './value.ts';
import { windowAttributes } from './windowing.ts';

/** Factors of products of whole numbers: an error of 2^-9 for products below 2^16. */
const FACTOR_BITS = 24;

/** What is divided by. Data is not made public for it, so a scale that is computed from data is refused. */
function publicScale(call: OperatorCall, position: number): readonly number[] {
  const value = call.tensor(position);
  const { op } = value.kind === 'secret' ? value.tensor.node.operation : { op: 'input' };
  if (op !== 'input' && op !== 'state') throw call.unsupported('divides by a scale that comes from secret values');
  return call.publicNumbers(position, 'its scale');
}

/** One for all, or one for each entry of an axis. */
function alongAxis(x: Tensor, axis: number, rank: number): Tensor {
  return x.size === 1 ? x.reshape([1]) : x.reshape([x.size, ...new Array<number>(rank - axis - 1).fill(1)]);
}

/** Rounded, moved by the zero point, and cut to the range of its type. */
function quantised(call: OperatorCall, real: Tensor, zeroPosition: number, axis: number): TensorValue {
  const type: ElementName = call.isGiven(zeroPosition) ? call.type(zeroPosition) : 'uint8';
  const format = integerFormat(type);
  if (format === undefined || format.bits > 16) throw call.unsupported(`makes numbers of type ${type}`);
  const { bits, isSigned } = format;
  const [low, high] = isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  const whole = roundUnits(real);
  const zero = call.isGiven(zeroPosition)
    ? alongAxis(call.numbers(zeroPosition), axis, real.shape.length)
    : constant(real.graph, [0], [1], 0);
  const result = clamp(whole.add(zero), low, high);
  return secretTensor(type, withoutGradient(call, result));
}

function quantizeLinear(call: OperatorCall): TensorValue {
  const x = call.numbers(0);
  const scales = publicScale(call, 1);
  if (scales.some((scale) => scale <= 0))
    throw call.unsupported('has a scale that is not positive', 'Repair the model.');
  const axis = scales.length > 1 ? call.axis(call.int('axis', 1)) : 0;
  const largest = Math.max(...scales);
  // Far outside the range of all types of 16 bits, where rounding has no room.
  const end = 2 ** 17 * largest;
  const near = 2 ** (x.node.bound - x.scale) > end ? clamp(x, -end, end) : x;
  const inverse = scales.map((scale) => 1 / scale);
  const bits = inverse.every((factor) => Number.isInteger(Math.log2(factor)))
    ? Math.max(0, Math.ceil(Math.log2(largest)))
    : x.scale + Math.max(0, Math.ceil(Math.log2(largest)));
  const factors = alongAxis(constant(x.graph, inverse, [scales.length], bits), axis, x.shape.length);
  return quantised(call, near.mulRaw(factors), 2, axis);
}

function dequantizeLinear(call: OperatorCall): TensorValue {
  const x = call.numbers(0);
  const rank = x.shape.length;
  const axis = call.numbers(1).size > 1 ? call.axis(call.int('axis', 1)) : 0;
  const centred = call.isGiven(2) ? x.sub(alongAxis(call.numbers(2), axis, rank)) : x;
  return secretTensor(call.type(1), centred.mulRaw(alongAxis(call.numbers(1), axis, rank)));
}

/** Products of whole numbers times what the three scales come to, one for each entry of an axis. */
function rescaledProducts(call: OperatorCall, products: Tensor, perEntry: Shape, at: readonly number[]): Tensor {
  const [left, right, result] = at.map((position) => publicScale(call, position)) as [
    readonly number[],
    readonly number[],
    readonly number[],
  ];
  if (left.length > 1 || result.length > 1) throw call.unsupported('has several scales for one of its tensors');
  const factors = right.map((scale) => (scale * (left[0] ?? 1)) / (result[0] ?? 1));
  const shaped = factors.length === 1 ? [1] : perEntry;
  return products.mulRaw(constant(products.graph, factors, shaped, FACTOR_BITS));
}

function qLinearMatMul(call: OperatorCall): TensorValue {
  const centred = (position: number): Tensor => call.numbers(position).sub(call.numbers(position + 2).reshape([1]));
  const products = matmulRaw(centred(0), centred(3));
  return quantised(call, rescaledProducts(call, products, products.shape.slice(-1), [1, 4, 6]), 7, 0);
}

function qLinearConv(call: OperatorCall): TensorValue {
  const bias = call.isGiven(8) ? call.numbers(8) : undefined;
  const products = centredConvolution(call, { weights: 3, zero: 2, weightZero: 5 }, bias);
  const [, filters = 1, ...cells] = products.shape;
  const shape = [filters, ...cells.map(() => 1)];
  return quantised(call, rescaledProducts(call, products, shape, [1, 4, 6]), 7, 0);
}

export const quantisation: OperatorFamily = {
  QuantizeLinear: { attributes: ['axis', 'saturate'], run: quantizeLinear },
  DequantizeLinear: { attributes: ['axis'], run: dequantizeLinear },
  QLinearMatMul: { run: qLinearMatMul },
  QLinearConv: { attributes: [...windowAttributes, 'group'], run: qLinearConv },
};
