/**
 * Moving elements about, of public and secret tensors alike: reshaping, transposing, slicing, picking, joining, widening. Local.
 * A result without elements is public: there is nothing to hide. Knows no particular operator.
 */
import type { ElementName } from '../../../shared/operator-graph.ts';
import type { Graph } from '../../tensor/graph.ts';
import { range, rearrange, take } from '../../tensor/rearrange.ts';
import { ShapeError, broadcastShapes, normaliseAxis, sizeOf, stridesOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import { concat } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { numbersOf, publicSize, publicTensor, secretTensor, shapeOf } from './value.ts';
import type { PublicTensor, SecretTensor, TensorValue } from './value.ts';

/** A secret result, or a public one where it has no elements. */
export function moved(type: ElementName, tensor: Tensor): TensorValue {
  return tensor.size === 0 ? publicTensor(type, tensor.shape, []) : secretTensor(type, tensor);
}

function numbers(value: SecretTensor): Tensor {
  return numbersOf(value.tensor.graph, value);
}

/** Element i of the result is the element of x at `source(index)`, row-major, or `otherwise` where that is undefined. */
export function rearrangePublic(
  x: PublicTensor,
  shape: Shape,
  source: (index: readonly number[]) => number | undefined,
  otherwise = 0,
): PublicTensor {
  const strides = stridesOf(shape);
  return publicTensor(
    x.type,
    shape,
    range(publicSize(shape)).map((flat) => {
      const from = source(strides.map((stride, axis) => Math.floor(flat / stride) % (shape[axis] ?? 1)));
      return from === undefined ? otherwise : (x.values[from] ?? otherwise);
    }),
  );
}

/** Any rearrangement by public positions; zero where `source` is undefined. */
export function rearrangeValue(
  value: TensorValue,
  shape: Shape,
  source: (index: readonly number[]) => number | undefined,
): TensorValue {
  if (value.kind === 'public') return rearrangePublic(value, shape, source);
  if (sizeOf(shape) === 0) return publicTensor(value.type, shape, []);
  return secretTensor(value.type, rearrange(numbers(value), shape, source));
}

export function reshapeValue(value: TensorValue, shape: Shape): TensorValue {
  if (value.kind === 'secret') return secretTensor(value.type, value.tensor.reshape(shape));
  if (sizeOf(shape) !== value.values.length)
    throw new ShapeError('reshape', [value.shape, shape], 'element counts differ');
  return publicTensor(value.type, shape, value.values);
}

export function transposeValue(value: TensorValue, permutation: readonly number[]): TensorValue {
  const shape = shapeOf(value);
  if ([...permutation].sort((a, b) => a - b).join() !== range(shape.length).join())
    throw new ShapeError('transpose', [shape], `[${permutation.join(', ')}] is no permutation of the axes`);
  if (value.kind === 'secret') return secretTensor(value.type, numbers(value).transpose(permutation));
  const strides = stridesOf(shape);
  return rearrangePublic(
    value,
    permutation.map((axis) => shape[axis] ?? 0),
    (index) => index.reduce((sum, i, at) => sum + i * (strides[permutation[at] ?? 0] ?? 1), 0),
  );
}

export function sliceValue(value: TensorValue, begin: readonly number[], size: Shape): TensorValue {
  if (value.kind === 'secret') return moved(value.type, numbers(value).slice(begin, size));
  const strides = stridesOf(value.shape);
  return rearrangePublic(value, size, (index) =>
    index.reduce((sum, i, axis) => sum + (i + (begin[axis] ?? 0)) * (strides[axis] ?? 1), 0),
  );
}

/** Entries of an axis by public positions, negative ones from the end. */
export function takeValue(value: TensorValue, positions: readonly number[], axis: number): TensorValue {
  const from = shapeOf(value);
  const size = from[axis] ?? 0;
  const wrapped = positions.map((at) => (at < 0 ? at + size : at));
  if (wrapped.some((at) => !Number.isInteger(at) || at < 0 || at >= size))
    throw new ShapeError('take', [from], `an index is outside axis ${axis}`);
  const shape = from.map((n, a) => (a === axis ? positions.length : n));
  const first = wrapped[0] ?? 0;
  const isRun = wrapped.every((at, i) => at === first + i);
  if (isRun)
    return sliceValue(
      value,
      from.map((_, a) => (a === axis ? first : 0)),
      shape,
    );
  if (value.kind === 'secret') return moved(value.type, take(numbers(value), wrapped, axis));
  const strides = stridesOf(from);
  return rearrangePublic(value, shape, (index) =>
    index.reduce((sum, i, a) => sum + (a === axis ? (wrapped[i] ?? 0) : i) * (strides[a] ?? 1), 0),
  );
}

export function broadcastValue(value: TensorValue, shape: Shape): TensorValue {
  const from = shapeOf(value);
  if (broadcastShapes('broadcast', from, shape).join() !== shape.join())
    throw new ShapeError('broadcast', [from, shape], 'the second is not a widening of the first');
  if (value.kind === 'secret') return moved(value.type, numbers(value).broadcastTo(shape));
  const extra = shape.length - from.length;
  const strides = stridesOf(from);
  return rearrangePublic(value, shape, (index) =>
    from.reduce((sum, size, axis) => sum + (size === 1 ? 0 : (index[axis + extra] ?? 0) * (strides[axis] ?? 1)), 0),
  );
}

/** Joins tensors along an axis; public if all are. */
export function concatValues(graph: Graph, values: readonly TensorValue[], axis: number): TensorValue {
  const [first] = values;
  if (first === undefined) throw new ShapeError('concat', [], 'nothing to join');
  const normal = normaliseAxis('concat', axis, shapeOf(first));
  for (const other of values) {
    const shape = shapeOf(other);
    if (shape.length !== shapeOf(first).length || shape.some((n, a) => a !== normal && n !== shapeOf(first)[a]))
      throw new ShapeError('concat', [shapeOf(first), shape], `sizes differ beside axis ${normal}`);
  }
  const present = values.filter((value) => sizeOf(shapeOf(value)) > 0);
  const [only] = present;
  if (present.length === 1 && only !== undefined) return only;
  if (present.some(({ kind }) => kind === 'secret')) {
    return secretTensor(
      first.type,
      concat(
        present.map((value) => numbersOf(graph, value)),
        normal,
      ),
    );
  }
  const shape = shapeOf(first).map((n, a) =>
    a === normal ? values.reduce((sum, value) => sum + (shapeOf(value)[normal] ?? 0), 0) : n,
  );
  const outer = sizeOf(shape.slice(0, normal));
  const parts = values.flatMap((value) => (value.kind === 'public' ? [value] : []));
  const joined = range(outer).flatMap((o) =>
    parts.flatMap((part) => {
      const width = part.values.length / Math.max(1, outer);
      return part.values.slice(o * width, (o + 1) * width);
    }),
  );
  return publicTensor(first.type, shape, joined);
}

/** The axis moved to another place. */
export function moveAxisOf(value: TensorValue, from: number, to: number): TensorValue {
  const order = range(shapeOf(value).length).filter((axis) => axis !== from);
  order.splice(to, 0, from);
  return order.every((axis, i) => axis === i) ? value : transposeValue(value, order);
}
