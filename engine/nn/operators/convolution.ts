/** Convolutions and their transposes. */
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { convolution, transposedConvolution } from '../layers/convolution.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { secretTensor, shapeOf } from './value.ts';
import type { TensorValue } from './value.ts';
import { autoPadding, halved, perAxis, windowAttributes, windowsOf } from './windowing.ts';

/** Cells of the images and of the kernel, which the weights and the attribute both know. */
function extents(call: OperatorCall, weights = 1): { cells: Shape; kernel: Shape } {
  const cells = shapeOf(call.tensor(0)).slice(2);
  const kernel = shapeOf(call.tensor(weights)).slice(2);
  const stated = call.ints('kernel_shape') ?? kernel;
  if (kernel.length !== cells.length || stated.join() !== kernel.join())
    throw call.unsupported(`has a kernel of ${kernel.join('x')} for images of ${cells.join('x')}`, 'Repair the model.');
  return { cells, kernel };
}

function conv(call: OperatorCall): TensorValue {
  const { cells, kernel } = extents(call);
  const bias = call.isGiven(2) ? call.numbers(2) : undefined;
  const form = { ...windowsOf(call, cells, kernel), groups: call.int('group', 1) };
  const images = convolution(call.numbers(0), call.numbers(1), bias, form);
  return secretTensor(call.type(0), images.rescaled(call.graph.options.fractionBits));
}

function convTranspose(call: OperatorCall): TensorValue {
  const { cells, kernel } = extents(call);
  const axes = cells.length;
  const geometry = windowsOf(call, cells, kernel);
  const wanted = call.ints('output_shape')?.slice(-axes);
  const mode = autoPadding(call);
  let outputPadding = perAxis(call, 'output_padding', axes, 0);
  const isSame = mode === 'SAME_UPPER' || mode === 'SAME_LOWER';
  let { padding } = geometry;
  if (wanted !== undefined || isSame) {
    // What the windows cover beyond the wanted output is cut off, the odd cell where automatic padding says.
    const cut = cells.map((n, axis) => {
      const step = geometry.stride[axis] ?? 1;
      const covered = (geometry.dilation[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) + 1;
      const target = wanted?.[axis] ?? n * step;
      return step * (n - 1) + (outputPadding[axis] ?? 0) + covered - target;
    });
    // And what they do not reach is added.
    outputPadding = outputPadding.map((n, axis) => n + Math.max(0, -(cut[axis] ?? 0)));
    const whole = cut.map((n) => Math.max(0, n));
    padding = halved(whole, mode !== 'SAME_UPPER');
  }
  const form = { ...geometry, padding, outputPadding, groups: call.int('group', 1) };
  const bias = call.isGiven(2) ? call.numbers(2) : undefined;
  const images = transposedConvolution(call.numbers(0), call.numbers(1), bias, form);
  return secretTensor(call.type(0), images.rescaled(call.graph.options.fractionBits));
}

/** Positions of inputs beside the images. */
interface CentredInputs {
  readonly weights: number;
  readonly zero: number;
  readonly weightZero: number;
}

/** Of whole numbers, less their zero points: one for all cells, and one for all or each filter of the kernel. */
export function centredConvolution(
  call: OperatorCall,
  { weights, zero: zeroPosition, weightZero }: CentredInputs,
  bias?: Tensor,
): Tensor {
  const { cells, kernel } = extents(call, weights);
  const centred = (position: number, point: number): Tensor => {
    const x = call.numbers(position);
    if (!call.isGiven(point)) return x;
    const zero = call.numbers(point);
    return x.sub(zero.size === 1 ? zero.reshape([1]) : zero.reshape([zero.size, ...x.shape.slice(1).map(() => 1)]));
  };
  const form = { ...windowsOf(call, cells, kernel), groups: call.int('group', 1) };
  return convolution(centred(0, zeroPosition), centred(weights, weightZero), bias, form);
}

export const convolutions: OperatorFamily = {
  Conv: { attributes: [...windowAttributes, 'group'], run: conv },
  ConvTranspose: { attributes: [...windowAttributes, 'group', 'output_padding', 'output_shape'], run: convTranspose },
  ConvInteger: {
    attributes: [...windowAttributes, 'group'],
    run: (call) => secretTensor('int32', centredConvolution(call, { weights: 1, zero: 2, weightZero: 3 })),
  },
};
