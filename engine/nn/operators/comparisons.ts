/** Comparisons, logic, selection and bit shifts. Bools are secret bits. */
import { bitwiseAnd, bitwiseNot, bitwiseOr, bitwiseXor, shiftRight } from '../../tensor/integers.ts';
import { atLeast, atMost, clamp, equal, greater, less, where } from '../../tensor/comparisons.ts';
import { broadcastShapes } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { OLD_BROADCAST, inType, mapPublic, operandPair, zipPublic } from './elementwise.ts';
import { bitsOf, integerFormat, magnitudeBits, numbersOf, publicTensor, secretTensor, shapeOf } from './value.ts';
import type { PublicTensor, TensorValue } from './value.ts';

function compare(
  call: OperatorCall,
  clear: (a: number, b: number) => boolean,
  secret: (a: Tensor, b: Tensor) => Tensor,
): TensorValue {
  const [a, b] = operandPair(call);
  if (a.kind === 'public' && b.kind === 'public') return zipPublic([a, b], (x, y) => Number(clear(x, y)), 'bool');
  return secretTensor('bool', secret(numbersOf(call.graph, a), numbersOf(call.graph, b)));
}

/** Broadcast of a bool; bits keep their shape, so as numbers where it changes. */
function broadcastBits(value: TensorValue & { kind: 'secret' }, shape: Shape): Tensor {
  if (value.tensor.shape.join() === shape.join()) return bitsOf(value);
  return numbersOf(value.tensor.graph, value).broadcastTo(shape).atLeast(1);
}

type Gate = 'and' | 'or' | 'xor';
const gates: Readonly<Record<Gate, (a: number, b: number) => number>> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
};

function logic(call: OperatorCall, gate: Gate): TensorValue {
  const [a, b] = operandPair(call);
  if (a.kind === 'public' && b.kind === 'public') return zipPublic([a, b], gates[gate], 'bool');
  const shape = broadcastShapes(gate, shapeOf(a), shapeOf(b));
  if (a.kind === 'secret' && b.kind === 'secret') {
    const [x, y] = [broadcastBits(a, shape), broadcastBits(b, shape)];
    return secretTensor('bool', gate === 'and' ? x.and(y) : gate === 'or' ? x.or(y) : x.xor(y));
  }
  // One is public: x AND c = c x, x OR c = c + (1 - c) x, x XOR c = c + (1 - 2 c) x.
  const [secret, known] = a.kind === 'secret' ? [a, b] : [b, a];
  const [x, c] = [numbersOf(call.graph, secret), numbersOf(call.graph, known)];
  const product = x.mulRaw(c);
  const sum = x.add(c);
  const result = gate === 'and' ? product : gate === 'or' ? sum.sub(product) : sum.sub(product.timesInteger(2n));
  return secretTensor('bool', result.provedBelow(0.01).broadcastTo(shape));
}

type Bitwise = (a: Tensor, b: Tensor, bits: number) => Tensor;

/** Of whole numbers, bit by bit. An unsigned number is a signed one with one more bit. */
function bitwise(call: OperatorCall, clear: (a: bigint, b: bigint) => bigint, secret: Bitwise): TensorValue {
  const [a, b] = [call.tensor(0), call.tensor(1)];
  const format = integerFormat(a.type);
  if (format === undefined) throw call.unsupported(`takes whole numbers, not ${a.type}`);
  if (a.kind === 'public' && b.kind === 'public')
    return zipPublic([a, b], (x, y) => Number(clear(BigInt(x), BigInt(y))), a.type);
  const shape = broadcastShapes('bitwise', shapeOf(a), shapeOf(b));
  const bits = Math.min(format.bits, MOST_BITS) + (format.isSigned ? 0 : 1);
  const numbers = (value: TensorValue): Tensor => {
    const x = numbersOf(call.graph, value).broadcastTo(shape);
    if (value.kind === 'public')
      throw call.unsupported('combines secret bits with public ones, which is not supported');
    return x;
  };
  return secretTensor(a.type, secret(numbers(a), numbers(b), bits).provedBelow(magnitudeBits(a.type)));
}

/** Bits of the widest whole numbers that are taken apart. */
const MOST_BITS = 40;

function bitShift(call: OperatorCall): TensorValue {
  const value = call.tensor(0);
  const format = integerFormat(value.type);
  if (format === undefined) throw call.unsupported(`takes whole numbers, not ${value.type}`);
  const isLeft = call.choice('direction', ['LEFT', 'RIGHT']) === 'LEFT';
  const by = call.publicTensor(1, 'the number of bits to shift by');
  const shift = (x: number, n: number): number => (isLeft ? x * 2 ** n : Math.floor(x / 2 ** n));
  if (value.kind === 'public') return zipPublic([value, by], shift, value.type);
  const x = value.tensor;
  const bits = Math.min(format.bits, MOST_BITS);
  const once = (n: number): Tensor =>
    isLeft ? inType(value.type, x.timesInteger(1n << BigInt(n))) : shiftRight(x, n, bits + 1);
  return secretTensor(value.type, byDistinct(by, x.shape, once).provedBelow(magnitudeBits(value.type)));
}

/** For public parameters of different values: computed for each, and picked by public masks. */
function byDistinct(parameter: PublicTensor, shape: Shape, compute: (value: number) => Tensor): Tensor {
  const distinct = [...new Set(parameter.values)];
  const [only] = distinct;
  if (distinct.length === 1 && only !== undefined) return compute(only);
  const parts = distinct.map((value) => {
    const part = compute(value);
    const mask = publicTensor(
      'int8',
      parameter.shape,
      parameter.values.map((other) => Number(other === value)),
    );
    return part.mulRaw(numbersOf(part.graph, mask));
  });
  return parts.reduce((a, b) => a.add(b)).broadcastTo(shape);
}

function clip(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const end = (position: number, name: string): TensorValue | undefined => {
    if (call.version >= 11) return call.optionalTensor(position);
    const value = call.attribute(name, 'float');
    return value === undefined ? undefined : publicTensor(x.type, [], [value]);
  };
  const [low, high] = [end(1, 'min'), end(2, 'max')];
  if (x.kind === 'public' && low?.kind !== 'secret' && high?.kind !== 'secret') {
    const [from, to] = [low?.values[0] ?? -Infinity, high?.values[0] ?? Infinity];
    return mapPublic(x, (value) => Math.min(Math.max(value, from), to));
  }
  const t = numbersOf(call.graph, x);
  if (low?.kind === 'secret' || high?.kind === 'secret') {
    // The ends are secret: the larger of x and the lower end, the smaller of that and the upper end.
    let y = t;
    if (low !== undefined) y = numbersOf(call.graph, low).add(y.sub(numbersOf(call.graph, low)).relu());
    if (high !== undefined) y = y.sub(y.sub(numbersOf(call.graph, high)).relu());
    return secretTensor(x.type, y);
  }
  // Ends beyond what a number can be are no ends.
  const reach = 2 ** (call.graph.workingBound(t.node) - t.scale);
  const inReach = (value: number | undefined): number | undefined =>
    value === undefined || Math.abs(value) >= reach ? undefined : value;
  return secretTensor(x.type, clamp(t, inReach(low?.values[0]), inReach(high?.values[0])));
}

function whereOperator(call: OperatorCall): TensorValue {
  const [condition, a, b] = [call.tensor(0), call.tensor(1), call.tensor(2)];
  if (condition.kind === 'public' && a.kind === 'public' && b.kind === 'public')
    return zipPublic([condition, a, b], (c, x, y) => (c === 0 ? y : x), a.type);
  if (condition.kind === 'public') {
    // A public mask: c a + (1 - c) b, with what it leaves out set to zero, so that infinities may stand there.
    const shape = [shapeOf(a), shapeOf(b)].reduce((s, other) => broadcastShapes('where', s, other), condition.shape);
    const mask = (keep: number): Tensor =>
      numbersOf(call.graph, { ...condition, type: 'int8', values: condition.values.map((c) => Number(c === keep)) });
    const part = (value: TensorValue, keep: number): Tensor =>
      value.kind === 'public'
        ? numbersOf(
            call.graph,
            zipPublic([condition, value], (c, x) => (c === keep ? x : 0), value.type),
          )
        : numbersOf(call.graph, value).mulRaw(mask(keep));
    return secretTensor(a.type, part(a, 1).add(part(b, 0)).broadcastTo(shape));
  }
  return secretTensor(a.type, where(bitsOf(condition), numbersOf(call.graph, a), numbersOf(call.graph, b)));
}

const never = (call: OperatorCall, clear: (x: number) => boolean): TensorValue => {
  const x = call.tensor(0);
  if (x.kind === 'public') return mapPublic(x, (value) => Number(clear(value)), 'bool');
  // Fixed-point numbers are finite: inputs that are not are refused.
  return publicTensor('bool', x.tensor.shape, new Array<number>(x.tensor.size).fill(0));
};

export const comparisons: OperatorFamily = {
  Equal: { attributes: OLD_BROADCAST, run: (call) => compare(call, (a, b) => a === b, equal) },
  Greater: { attributes: OLD_BROADCAST, run: (call) => compare(call, (a, b) => a > b, greater) },
  GreaterOrEqual: { run: (call) => compare(call, (a, b) => a >= b, atLeast) },
  Less: { attributes: OLD_BROADCAST, run: (call) => compare(call, (a, b) => a < b, less) },
  LessOrEqual: { run: (call) => compare(call, (a, b) => a <= b, atMost) },
  And: { attributes: OLD_BROADCAST, run: (call) => logic(call, 'and') },
  Or: { attributes: OLD_BROADCAST, run: (call) => logic(call, 'or') },
  Xor: { attributes: OLD_BROADCAST, run: (call) => logic(call, 'xor') },
  Not: {
    run: (call) => {
      const x = call.tensor(0);
      if (x.kind === 'public') return mapPublic(x, (value) => 1 - value);
      return secretTensor(
        'bool',
        x.tensor.node.type === 'bit' ? x.tensor.not() : x.tensor.neg().addNumber(1).provedBelow(0.01),
      );
    },
  },
  BitwiseAnd: { run: (call) => bitwise(call, (a, b) => a & b, bitwiseAnd) },
  BitwiseOr: { run: (call) => bitwise(call, (a, b) => a | b, bitwiseOr) },
  BitwiseXor: { run: (call) => bitwise(call, (a, b) => a ^ b, bitwiseXor) },
  BitwiseNot: {
    run: (call) => {
      const x = call.tensor(0);
      if (x.kind === 'public') return mapPublic(x, (value) => -value - 1);
      return secretTensor(x.type, inType(x.type, bitwiseNot(x.tensor)));
    },
  },
  BitShift: { attributes: ['direction'], run: bitShift },
  Clip: { attributes: ['min', 'max', 'consumed_inputs'], run: clip },
  Where: { run: whereOperator },
  IsNaN: { run: (call) => never(call, Number.isNaN) },
  IsInf: {
    attributes: ['detect_negative', 'detect_positive'],
    run: (call) => {
      const [negative, positive] = [call.int('detect_negative', 1) !== 0, call.int('detect_positive', 1) !== 0];
      return never(call, (x) => (x === Infinity && positive) || (x === -Infinity && negative));
    },
  },
};
