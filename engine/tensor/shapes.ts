/** Shape operations that move no element: axes added, removed, moved, joined. Local. Knows nothing of shares. */
import { concat } from './tensor.ts';
import type { Tensor } from './tensor.ts';
import { ShapeError, normaliseAxis } from './shape.ts';

/** A new axis of size 1 at a position of the result; negative positions count from its end. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const normal = normaliseAxis('unsqueeze', axis, [...x.shape, 1]);
  return x.reshape([...x.shape.slice(0, normal), 1, ...x.shape.slice(normal)]);
}

/** Without the given axes of size 1, or without all of them. */
export function squeeze(x: Tensor, axes?: readonly number[]): Tensor {
  const chosen = axes?.map((axis) => normaliseAxis('squeeze', axis, x.shape));
  if (chosen?.some((axis) => x.shape[axis] !== 1) === true)
    throw new ShapeError('squeeze', [x.shape], 'only axes of size 1 can go');
  return x.reshape(x.shape.filter((size, axis) => (chosen === undefined ? size !== 1 : !chosen.includes(axis))));
}

/** Joins tensors of one shape along a new axis. */
export function stack(tensors: readonly Tensor[], axis: number): Tensor {
  return concat(
    tensors.map((t) => unsqueeze(t, axis)),
    axis < 0 ? axis + (tensors[0]?.shape.length ?? 0) + 1 : axis,
  );
}

/** Parts of the given sizes along an axis. */
export function split(x: Tensor, sizes: readonly number[], axis: number): Tensor[] {
  const normal = normaliseAxis('split', axis, x.shape);
  if (sizes.reduce((sum, size) => sum + size, 0) !== x.shape[normal])
    throw new ShapeError('split', [x.shape, sizes], `the parts do not add up to axis ${normal}`);
  let from = 0;
  return sizes.map((size) => {
    const begin = x.shape.map((_, a) => (a === normal ? from : 0));
    from += size;
    return x.slice(
      begin,
      x.shape.map((n, a) => (a === normal ? size : n)),
    );
  });
}

/** The tensor with one axis moved to another place. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  const source = normaliseAxis('move axis', from, x.shape);
  const order = x.shape.map((_, axis) => axis).filter((axis) => axis !== source);
  order.splice(normaliseAxis('move axis', to, x.shape), 0, source);
  return order.every((axis, i) => axis === i) ? x : x.transpose(order);
}
