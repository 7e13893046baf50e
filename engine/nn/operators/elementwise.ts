/**
 * What elementwise operators share: broadcasting (today's and that of operator sets before 7), computing in the clear where
 * everything is public, integer types. Knows no particular operator.
 */
import type { ElementName } from '../../../shared/operator-graph.ts';
import { floorUnits } from '../../functions/rounding.ts';
import { broadcastShapes, stridesOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import { linear } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall } from './call.ts';
import { reshapeValue } from './moves.ts';
import { integerFormat, isFloat, numbersOf, publicSize, publicTensor, secretTensor, shapeOf } from './value.ts';
import type { PublicTensor, TensorValue, Value } from './value.ts';

/** The nearest value that a type has: integers are cut off and wrap around, bools are 0 and 1. */
function asType(type: ElementName, value: number): number {
  const format = integerFormat(type);
  if (type === 'bool') return value === 0 ? 0 : 1;
  if (format === undefined) return value;
  const whole = Math.trunc(value);
  if (format.bits > 32 || !Number.isFinite(whole)) return whole;
  const modulus = 2 ** format.bits;
  const wrapped = ((whole % modulus) + modulus) % modulus;
  return format.isSigned && wrapped >= modulus / 2 ? wrapped - modulus : wrapped;
}

/** f of each public element, in the result's type. */
export function mapPublic(x: PublicTensor, f: (value: number) => number, type = x.type): PublicTensor {
  return publicTensor(
    type,
    x.shape,
    x.values.map((value) => asType(type, f(value))),
  );
}

/** f of the elements of public tensors side by side, with broadcasting. */
export function zipPublic(
  operands: readonly PublicTensor[],
  f: (...values: number[]) => number,
  type: ElementName,
): PublicTensor {
  const shape = operands.reduce<Shape>((s, x) => broadcastShapes('broadcast', s, x.shape), []);
  const strides = operands.map((x) => broadcastStrides(x.shape, shape));
  const own = stridesOf(shape);
  const values = Array.from({ length: publicSize(shape) }, (_, flat) => {
    const index = own.map((stride, axis) => Math.floor(flat / stride) % (shape[axis] ?? 1));
    const picked = operands.map(
      (x, o) => x.values[index.reduce((sum, i, axis) => sum + i * (strides[o]?.[axis] ?? 0), 0)] ?? 0,
    );
    return asType(type, f(...picked));
  });
  return publicTensor(type, shape, values);
}

function broadcastStrides(from: Shape, to: Shape): number[] {
  const extra = to.length - from.length;
  const strides = stridesOf(from);
  return to.map((_, axis) => (axis < extra || from[axis - extra] === 1 ? 0 : (strides[axis - extra] ?? 0)));
}

/** A function of one tensor: in the clear where it is public, by `secret` where not. The type stays. */
export function unary(
  call: OperatorCall,
  clear: (value: number) => number,
  secret: (x: Tensor) => Tensor,
): TensorValue {
  const x = call.tensor(0);
  return x.kind === 'public' ? mapPublic(x, clear) : secretTensor(x.type, secret(numbersOf(call.graph, x)));
}

/** As `unary`, and refuses integers: for functions of real numbers. */
export function unaryOfReals(
  call: OperatorCall,
  clear: (value: number) => number,
  secret: (x: Tensor) => Tensor,
): TensorValue {
  if (!isFloat(call.type(0))) throw call.unsupported(`is a function of floating-point numbers, not of ${call.type(0)}`);
  return unary(call, clear, secret);
}

/** Both operands; the second one's axes are aligned as its attributes `broadcast` and `axis` said before version 7. */
export function operandPair(call: OperatorCall): readonly [TensorValue, TensorValue] {
  const [a, b] = [call.tensor(0), call.tensor(1)];
  if (call.version >= 7 || call.int('broadcast', 0) === 0) return [a, b];
  const axis = call.attribute('axis', 'int');
  if (axis === undefined) return [a, b];
  const rank = shapeOf(a).length;
  const trailing = rank - call.axis(axis, rank) - shapeOf(b).length;
  return [a, reshapeValue(b, [...shapeOf(b), ...new Array<number>(Math.max(0, trailing)).fill(1)])];
}

/** Attributes of elementwise operators of old versions. */
export const OLD_BROADCAST = ['broadcast', 'axis', 'consumed_inputs'] as const;

/** A function of two tensors of one type with broadcasting. */
export function binary(
  call: OperatorCall,
  [a, b]: readonly [TensorValue, TensorValue],
  clear: (a: number, b: number) => number,
  secret: (a: Tensor, b: Tensor) => Tensor,
): TensorValue {
  if (a.kind === 'public' && b.kind === 'public') return zipPublic([a, b], clear, a.type);
  return secretTensor(a.type, inType(a.type, secret(numbersOf(call.graph, a), numbersOf(call.graph, b))));
}

/**
 * A result of whole-number arithmetic as a value of its type: narrow types wrap around, exactly; types of 32 bits and more are
 * assumed not to.
 */
export function inType(type: ElementName, x: Tensor): Tensor {
  const format = integerFormat(type);
  if (format === undefined) return x;
  const limit = format.isSigned ? format.bits - 1 : format.bits;
  if (x.node.bound <= limit + 0.01) return x;
  if (format.bits > 16) return x.assumeBelow(Math.min(limit, WIDEST_INTEGER_BITS));
  const offset = format.isSigned ? 1n << BigInt(format.bits - 1) : 0n;
  const shifted = linear('wrap', [[1n, x]], offset);
  const wraps = floorUnits(shifted.timesPowerOfTwo(-format.bits));
  return x.sub(wraps.timesInteger(1n << BigInt(format.bits))).provedBelow(limit + 0.01);
}

/** Secret whole numbers have magnitudes below 2^WIDEST_INTEGER_BITS, whatever their type. */
export const WIDEST_INTEGER_BITS = 40;

/** f over any number of tensors, two at a time. */
export function variadic(
  call: OperatorCall,
  clear: (a: number, b: number) => number,
  secret: (a: Tensor, b: Tensor) => Tensor,
): Value {
  const [first, ...rest] = call.tensors();
  if (first === undefined) throw call.unsupported('has no inputs', 'Repair the model.');
  // Public ones together, so that they cost nothing.
  const isPublic = (x: TensorValue): boolean => x.kind === 'public';
  const ordered = [...[first, ...rest].filter(isPublic), ...[first, ...rest].filter((x) => !isPublic(x))];
  return ordered.reduce((a, b) => binary(call, [a, b], clear, secret));
}
