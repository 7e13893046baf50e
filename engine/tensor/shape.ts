/** Shapes of row-major tensors: counting, strides, broadcasting. Knows nothing of what a tensor holds. */
import { InputError } from '../../shared/errors.ts';

export type Shape = readonly number[];

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Shapes do not fit: names the operation and all shapes. */
export class ShapeError extends InputError {
  constructor(operation: string, shapes: readonly Shape[], reason: string) {
    super('shape-mismatch', `${operation}: ${reason}, with shapes ${shapes.map(formatShape).join(' and ')}.`);
  }
}

/** Common shape of two operands under the usual broadcasting rule (sizes equal, or one of them 1). */
export function broadcastShapes(operation: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const sizeA = a[axis - rank + a.length] ?? 1;
    const sizeB = b[axis - rank + b.length] ?? 1;
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1)
      throw new ShapeError(operation, [a, b], 'sizes differ and none is 1');
    return sizeA === 1 ? sizeB : sizeA;
  });
}

/** A non-negative axis from one that may count from the end. */
export function normaliseAxis(operation: string, axis: number, shape: Shape): number {
  const normal = axis < 0 ? axis + shape.length : axis;
  if (!Number.isInteger(normal) || normal < 0 || normal >= shape.length) {
    throw new ShapeError(operation, [shape], `there is no axis ${axis}`);
  }
  return normal;
}
