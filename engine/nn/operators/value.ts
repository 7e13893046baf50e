/**
 * What flows along the edges of an operator graph while it is traced: tensors in the clear (shape arithmetic, constants),
 * which are computed at once, and tensors that nobody may see, which are symbolic. Knows no operator.
 *
 * Secret floating-point numbers have the traced graph's scale; whole numbers and bools have scale 0 and are exact. A secret
 * bool is a bit, or the number 0 or 1 once it has been moved about.
 */
import type { ElementName } from '../../../shared/operator-graph.ts';
import type { Graph } from '../../tensor/graph.ts';
import { ShapeError, sizeOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Everybody knows it: it may decide shapes and what is computed. Bools are 0 and 1. */
export interface PublicTensor {
  readonly kind: 'public';
  readonly type: ElementName;
  readonly shape: Shape;
  readonly values: readonly number[];
}

/** Secret, or private to one party. */
export interface SecretTensor {
  readonly kind: 'secret';
  readonly type: ElementName;
  readonly tensor: Tensor;
}

export type TensorValue = PublicTensor | SecretTensor;

/** A list of tensors, of a length that everybody knows. */
export interface SequenceValue {
  readonly kind: 'sequence';
  readonly items: readonly TensorValue[];
}

export type Value = TensorValue | SequenceValue;

export function publicTensor(type: ElementName, shape: Shape, values: readonly number[]): PublicTensor {
  return { kind: 'public', type, shape, values };
}

/** Elements of a public tensor of this shape. @throws ShapeError for sizes that no tensor in memory has. */
export function publicSize(shape: Shape): number {
  const size = sizeOf(shape);
  if (shape.some((n) => !Number.isInteger(n) || n < 0) || size > MOST_PUBLIC_ELEMENTS)
    throw new ShapeError(
      'constant',
      [shape],
      `public tensors have whole sizes and up to ${MOST_PUBLIC_ELEMENTS} elements`,
    );
  return size;
}

const MOST_PUBLIC_ELEMENTS = 2 ** 24;

export function secretTensor(type: ElementName, tensor: Tensor): SecretTensor {
  return { kind: 'secret', type, tensor };
}

export function shapeOf(value: TensorValue): Shape {
  return value.kind === 'public' ? value.shape : value.tensor.shape;
}

export function isFloat(type: ElementName): boolean {
  return type.includes('float');
}

/** Bits and sign of an integer type; undefined for others. */
export function integerFormat(type: ElementName): { readonly bits: number; readonly isSigned: boolean } | undefined {
  const match = /^(u?)int(\d+)$/.exec(type);
  return match === null ? undefined : { bits: Number(match[2]), isSigned: match[1] === '' };
}

/** log2 above the largest magnitude of an integer type's values. */
export function magnitudeBits(type: ElementName): number {
  const format = integerFormat(type);
  if (format === undefined) return type === 'bool' ? 0.01 : Infinity;
  return format.isSigned ? format.bits - 1 + 0.01 : format.bits;
}

/** A tensor of symbolic numbers: bits as the numbers 0 and 1, public values as constants. */
export function numbersOf(graph: Graph, value: TensorValue): Tensor {
  if (value.kind === 'public') {
    return constant(graph, value.values, value.shape, isFloat(value.type) ? graph.options.fractionBits : 0);
  }
  return value.tensor.node.type === 'bit' ? value.tensor.toNumber() : value.tensor;
}

/** Secret bits of a secret bool. 4 rounds where it was moved about as numbers. */
export function bitsOf(value: SecretTensor): Tensor {
  return value.tensor.node.type === 'bit' ? value.tensor : value.tensor.atLeast(1);
}
