/** Convolutions and their transposes as matrix products of windows, one of a batch of products for each group. */
import type { LayerOf } from '../../../shared/layers/table.ts';
import { sizeOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { batchOf } from './layer.ts';
import type { LayerContext, Table } from './layer.ts';
import { foldWindows, toImages, toRows, unfoldWindows, windowCells } from './windows.ts';
import type { WindowGeometry } from './windows.ts';

type Convolution = LayerOf<'conv1d' | 'conv2d' | 'conv3d'>;
type Transposed = LayerOf<'convTranspose1d' | 'convTranspose2d' | 'convTranspose3d'>;

/** What windows a convolution takes, and the groups of channels that it keeps apart. */
export interface ConvolutionForm extends WindowGeometry {
  readonly groups: number;
}

/**
 * Images [batch, channels, ...cells] by a kernel [filters, channels / groups, ...window], with a bias [filters]: [batch,
 * filters, ...window cells], before its truncation, as the scales add up.
 */
export function convolution(x: Tensor, kernel: Tensor, bias: Tensor | undefined, form: ConvolutionForm): Tensor {
  const { groups } = form;
  const [filters = 1] = kernel.shape;
  const rows = unfoldWindows(groupsFirst(x, groups), form);
  const [count = 0, cells = 0] = rows.shape;
  let product: Tensor;
  if (groups === 1) product = rows.matmulRaw(kernel.reshape([filters, cells]), { transposeB: true });
  else {
    const grouped = rows.reshape([groups, count / groups, cells]);
    const kernels = kernel.reshape([groups, filters / groups, cells]);
    const products = grouped.matmulRaw(kernels, { transposeB: true });
    product = products.transpose([1, 0, 2]).reshape([count / groups, filters]);
  }
  const withBias = bias === undefined ? product : product.add(bias);
  return toImages(withBias, batchOf(x), windowCells(form, x.shape.slice(2)), filters);
}

/** Images [batch, channels, ...cells] as those of one group of channels after the other: [groups * batch, channels / groups, ...]. */
function groupsFirst(images: Tensor, groups: number): Tensor {
  if (groups === 1) return images;
  const [batch = 1, channels = 1, ...cells] = images.shape;
  return images
    .reshape([batch, groups, channels / groups, sizeOf(cells)])
    .transpose([1, 0, 2, 3])
    .reshape([groups * batch, channels / groups, ...cells]);
}

/** The other way. */
function groupsLast(images: Tensor, groups: number): Tensor {
  if (groups === 1) return images;
  const [count = 1, perGroup = 1, ...cells] = images.shape;
  return images
    .reshape([groups, count / groups, perGroup, sizeOf(cells)])
    .transpose([1, 0, 2, 3])
    .reshape([count / groups, groups * perGroup, ...cells]);
}

function convolve(layer: Convolution, { x, weight }: LayerContext): Tensor {
  const images = convolution(x, weight('kernel'), layer.useBias ? weight('bias') : undefined, layer);
  return images.rescaled(x.graph.options.fractionBits);
}

export interface TransposedForm extends ConvolutionForm {
  /** Cells that are added at the end of each axis. */
  readonly outputPadding: Shape;
}

/**
 * The adjoint of a convolution: every cell of [batch, channels, ...cells] adds its multiple of the kernel [channels, filters /
 * groups, ...window] to the window of the output that it stands for. Before its truncation.
 */
export function transposedConvolution(
  x: Tensor,
  kernel: Tensor,
  bias: Tensor | undefined,
  form: TransposedForm,
): Tensor {
  const { groups } = form;
  const [channels = 1, perGroup = 1] = kernel.shape;
  const filters = perGroup * groups;
  const cells = sizeOf(form.kernel);
  const rows = toRows(groupsFirst(x, groups));
  const [count = 0] = rows.shape;
  let product: Tensor;
  if (groups === 1) product = rows.matmulRaw(kernel.reshape([channels, filters * cells]));
  else {
    const grouped = rows.reshape([groups, count / groups, channels / groups]);
    const kernels = kernel.reshape([groups, channels / groups, perGroup * cells]);
    product = grouped.matmulRaw(kernels).reshape([count, perGroup * cells]);
  }
  const out = x.shape.slice(2).map((n, axis) => transposedCells(form, n, axis));
  const images = groupsLast(foldWindows(product, form, [groups * batchOf(x), perGroup, ...out]), groups);
  return bias === undefined ? images : images.add(bias.reshape([filters, ...out.map(() => 1)]));
}

function convolveTransposed(layer: Transposed, { x, weight }: LayerContext): Tensor {
  const images = transposedConvolution(x, weight('kernel'), layer.useBias ? weight('bias') : undefined, layer);
  return images.rescaled(x.graph.options.fractionBits);
}

/** Cells of the output along an axis of n cells. */
function transposedCells(form: TransposedForm, n: number, axis: number): number {
  const { kernel, stride, dilation, padding, outputPadding } = form;
  const cut = (padding[axis] ?? 0) + (padding[axis + kernel.length] ?? 0);
  const covered = (dilation[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) + 1;
  return (n - 1) * (stride[axis] ?? 1) + covered + (outputPadding[axis] ?? 0) - cut;
}

export const convolutionLayers: Table<Convolution['kind'] | Transposed['kind']> = {
  conv1d: convolve,
  conv2d: convolve,
  conv3d: convolve,
  convTranspose1d: convolveTransposed,
  convTranspose2d: convolveTransposed,
  convTranspose3d: convolveTransposed,
};
