/** Sliding windows along one to three axes: what convolutions and pools have in common. */
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { cellNames, count, mismatch, size } from './kind.ts';
import type { AnyLayer, Shape } from './kind.ts';
import { samePadding } from './same-padding.ts';

export interface WindowAttributes {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  /** All before, then all after. */
  readonly padding: readonly number[];
}

/** One size for all axes, or one an axis. */
export const perAxis = (axes: number) =>
  z.union([size, z.array(size).length(axes)], { error: `must be a size, or a list of ${axes}` });

/** In a job file: `valid`, `same`, cells on every side, cells an axis, or cells before and after (all before, then all after). */
export const paddingSpec = (axes: number) =>
  z.union([z.enum(['valid', 'same']), count, z.array(count).length(axes), z.array(count).length(2 * axes)], {
    error: `must be valid, same, a number of cells, or a list of ${axes} or ${2 * axes} numbers`,
  });
export type PaddingSpec = z.output<ReturnType<typeof paddingSpec>>;

export function spread(value: number | readonly number[], axes: number): readonly number[] {
  return typeof value === 'number' ? new Array<number>(axes).fill(value) : value;
}

/** Cells before and after each axis. */
export function completePadding(
  spec: PaddingSpec,
  cells: Shape,
  window: Omit<WindowAttributes, 'padding'>,
): readonly number[] {
  const axes = cells.length;
  if (spec === 'valid') return new Array<number>(2 * axes).fill(0);
  if (spec === 'same') {
    const totals = cells.map((n, axis) =>
      samePadding(n, window.kernel[axis] ?? 1, window.stride[axis] ?? 1, window.dilation[axis] ?? 1),
    );
    return [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))];
  }
  if (typeof spec === 'number') return new Array<number>(2 * axes).fill(spec);
  return spec.length === axes ? [...spec, ...spec] : spec;
}

/** Cells that windows yield along each axis. @throws InputError `model-window-too-large`. */
export function windowCells(layer: AnyLayer, window: WindowAttributes, cells: Shape): readonly number[] {
  const axes = cells.length;
  const out = cells.map((n, axis) => {
    const covered = (window.dilation[axis] ?? 1) * ((window.kernel[axis] ?? 1) - 1) + 1;
    const extent = n + (window.padding[axis] ?? 0) + (window.padding[axis + axes] ?? 0);
    return Math.floor((extent - covered) / (window.stride[axis] ?? 1)) + 1;
  });
  if (out.some((n) => n < 1)) {
    throw new InputError(
      'model-window-too-large',
      `Layer ${layer.name} (${layer.kind}): its ${window.kernel.join('x')} window does not fit an image of ${cells.join('x')}.`,
      { hint: 'Use a smaller window, padding, or larger images.' },
    );
  }
  return out;
}

/** Channels and cells of an image with as many axes. @throws InputError `model-shape-mismatch`. */
export function imageOf(layer: AnyLayer, input: Shape, axes: number, channels?: number): [number, Shape] {
  if (input.length !== axes + 1 || (channels !== undefined && input[0] !== channels))
    throw mismatch(layer, `[${channels ?? 'channels'}, ${cellNames(axes)}]`, input);
  return [input[0] ?? 1, input.slice(1)];
}
