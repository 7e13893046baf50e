/** How ONNX writes windows: kernel, strides, dilations, pads, automatic padding, rounding up. Knows no operator. */
import { samePadding } from '../../../shared/layers/same-padding.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { WindowGeometry } from '../layers/windows.ts';
import type { OperatorCall } from './call.ts';

/** The attributes that every operator with windows has. */
export const windowAttributes = ['auto_pad', 'dilations', 'kernel_shape', 'pads', 'strides'] as const;

const autoPads = ['NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'] as const;

export function autoPadding(call: OperatorCall): (typeof autoPads)[number] {
  return call.choice('auto_pad', autoPads);
}

/** A list of whole numbers, one an axis. */
export function perAxis(call: OperatorCall, name: string, axes: number, preset: number): Shape {
  const given = call.ints(name);
  if (given === undefined) return new Array<number>(axes).fill(preset);
  if (given.length !== axes)
    throw call.unsupported(`has ${given.length} ${name} for ${axes} axes of its images`, 'Repair the model.');
  return given;
}

/** Cells cut off or added along each axis as padding before and after; the odd cell is put before or after. */
export function halved(whole: Shape, oddBefore: boolean): Shape {
  const before = whole.map((n) => (oddBefore ? Math.ceil(n / 2) : Math.floor(n / 2)));
  return [...before, ...whole.map((n, axis) => n - (before[axis] ?? 0))];
}

/** The windows of an operator over images with these cells; `kernel` as the attribute or the weights say. */
export function windowsOf(call: OperatorCall, cells: Shape, kernel: Shape): WindowGeometry {
  const axes = cells.length;
  if (axes < 1 || axes > 3) throw call.unsupported(`has images with ${axes} axes; 1 to 3 are supported`);
  const stride = perAxis(call, 'strides', axes, 1);
  const dilation = perAxis(call, 'dilations', axes, 1);
  const mode = autoPadding(call);
  const same = (): Shape =>
    cells.map((n, axis) => samePadding(n, kernel[axis] ?? 1, stride[axis] ?? 1, dilation[axis] ?? 1));
  const padding =
    mode === 'NOTSET'
      ? perAxis(call, 'pads', 2 * axes, 0)
      : mode === 'VALID'
        ? new Array<number>(2 * axes).fill(0)
        : halved(same(), mode === 'SAME_LOWER');
  if (padding.some((n) => n < 0)) throw call.unsupported('has negative pads', 'Cut the images with Slice instead.');
  return { kernel, stride, dilation, padding };
}

/** With as much more padding at the ends that a last window, begun inside, is whole (ceil_mode). */
export function roundedUp(geometry: WindowGeometry, cells: Shape): WindowGeometry {
  const { kernel, stride, dilation, padding } = geometry;
  const axes = cells.length;
  const extra = cells.map((n, axis) => {
    const [before, after, step] = [padding[axis] ?? 0, padding[axis + axes] ?? 0, stride[axis] ?? 1];
    const covered = (dilation[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) + 1;
    const windows = Math.ceil((before + n + after - covered) / step) + 1;
    // A window that would begin in the padding behind the image is left out.
    const kept = (windows - 1) * step >= n + before ? windows - 1 : windows;
    return Math.max(0, (kept - 1) * step + covered - (before + n + after));
  });
  return { ...geometry, padding: padding.map((n, i) => n + (i < axes ? 0 : (extra[i - axes] ?? 0))) };
}
