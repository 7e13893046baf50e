/**
 * Faster convolutions of images for TensorFlow.js' CPU backend, forward and both gradients, as products of matrices: an image at
 * a time is unrolled into one row for each position of the filter. Two to five times as fast as the backend's own loops,
 * a hundred times for the gradient of the filter. Only channels last, as TF.js Layers asks for. Knows nothing of models.
 */
import { backend_util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { multiplyAdd, repeated, transposed } from './matrix-product.ts';
import { floats, replaceKernel } from './replace-kernel.ts';
import type { FasterKernel } from './replace-kernel.ts';

type Four = [number, number, number, number];

interface ConvolutionAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  readonly dataFormat: 'NHWC' | 'NCHW';
  /** Gradients have none. */
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  /** Only of the fused kernel. */
  readonly activation?: string;
}

/** Puts the convolutions in the place of the backend's own. Call once, after loading the backend. */
export function useFastConvolutions(): void {
  for (const kernelName of ['Conv2D', 'FusedConv2D']) replaceKernel(kernelName, forward);
  replaceKernel('Conv2DBackpropFilter', filterGradient);
  replaceKernel('Conv2DBackpropInput', inputGradient);
}

/** Sizes of a convolution, or undefined where it has another layout. */
function sizesOf(attributes: unknown, image: readonly number[], filter: readonly number[]): Sizes | undefined {
  const { strides, pad, dataFormat, dilations = 1, dimRoundingMode } = attributes as ConvolutionAttributes;
  if (dataFormat !== 'NHWC') return undefined;
  const info = backend_util.computeConv2DInfo(
    [...image] as Four,
    [...filter] as Four,
    strides,
    dilations,
    pad,
    dimRoundingMode,
  );
  return {
    info,
    positions: info.outHeight * info.outWidth,
    cells: info.filterHeight * info.filterWidth * info.inChannels,
  };
}

interface Sizes {
  readonly info: backend_util.Conv2DInfo;
  /** Of the filter on an image. */
  readonly positions: number;
  /** Under the filter. */
  readonly cells: number;
}

function areFloats(first: TensorInfo, second: TensorInfo): boolean {
  return first.dtype === 'float32' && second.dtype === 'float32';
}

const forward: FasterKernel = ({ backend, inputs, attributes }) => {
  const { x, filter, bias, preluActivationWeights } = inputs;
  if (x === undefined || filter === undefined || !areFloats(x, filter)) return undefined;
  if (
    preluActivationWeights !== undefined ||
    ((attributes as ConvolutionAttributes).activation ?? 'linear') !== 'linear'
  )
    return undefined;
  if (bias !== undefined && bias.shape.length !== 1) return undefined;
  const sizes = sizesOf(attributes, x.shape, filter.shape);
  if (sizes === undefined) return undefined;
  const { info, positions, cells } = sizes;
  const { batchSize, outChannels } = info;
  const rows = batchSize * positions;
  const result = bias === undefined ? new Float32Array(rows * outChannels) : repeated(floats(backend, bias), rows);
  const [images, right] = [floats(backend, x), floats(backend, filter)];
  const unrolled = new Float32Array(positions * cells);
  for (let image = 0; image < batchSize; image++) {
    unroll(images, image, sizes, unrolled);
    multiplyAdd(
      { values: unrolled, from: 0, rowStep: cells, innerStep: 1 },
      { values: right, from: 0 },
      { values: result, from: image * positions * outChannels },
      [positions, cells, outChannels],
    );
  }
  return backend.makeTensorInfo(info.outShape, 'float32', result);
};

const filterGradient: FasterKernel = ({ backend, inputs, attributes }) => {
  const { x, dy } = inputs;
  const { filterShape } = attributes as { readonly filterShape: readonly number[] };
  if (x === undefined || dy === undefined || !areFloats(x, dy)) return undefined;
  const sizes = sizesOf(attributes, x.shape, filterShape);
  if (sizes === undefined) return undefined;
  const { info, positions, cells } = sizes;
  const { batchSize, outChannels } = info;
  const [images, gradients] = [floats(backend, x), floats(backend, dy)];
  const unrolled = new Float32Array(positions * cells);
  const result = new Float32Array(cells * outChannels);
  for (let image = 0; image < batchSize; image++) {
    unroll(images, image, sizes, unrolled);
    multiplyAdd(
      { values: unrolled, from: 0, rowStep: 1, innerStep: cells },
      { values: gradients, from: image * positions * outChannels },
      { values: result, from: 0 },
      [cells, positions, outChannels],
    );
  }
  return backend.makeTensorInfo(info.filterShape, 'float32', result);
};

const inputGradient: FasterKernel = ({ backend, inputs, attributes }) => {
  const { dy, filter } = inputs;
  const { inputShape } = attributes as { readonly inputShape: readonly number[] };
  if (dy === undefined || filter === undefined || !areFloats(dy, filter)) return undefined;
  const sizes = sizesOf(attributes, inputShape, filter.shape);
  if (sizes === undefined) return undefined;
  const { info, positions, cells } = sizes;
  const { batchSize, outChannels } = info;
  const gradients = floats(backend, dy);
  const right = transposed(floats(backend, filter), cells, outChannels);
  const unrolled = new Float32Array(positions * cells);
  const result = new Float32Array(batchSize * info.inHeight * info.inWidth * info.inChannels);
  for (let image = 0; image < batchSize; image++) {
    unrolled.fill(0);
    multiplyAdd(
      { values: gradients, from: image * positions * outChannels, rowStep: outChannels, innerStep: 1 },
      { values: right, from: 0 },
      { values: unrolled, from: 0 },
      [positions, outChannels, cells],
    );
    rollUp(unrolled, image, sizes, result);
  }
  return backend.makeTensorInfo(info.inShape, 'float32', result);
};

/** The cells under the filter at every position of one image, a row each; zeros beyond the image. */
function unroll(images: Float32Array, image: number, sizes: Sizes, unrolled: Float32Array): void {
  const { inChannels } = sizes.info;
  eachCell(image, sizes, (cell, at) => {
    for (let channel = 0; channel < inChannels; channel++)
      unrolled[at + channel] = cell < 0 ? 0 : images[cell + channel]!;
  });
}

/** Adds what `unroll` has spread back to the cells that it came from. */
function rollUp(unrolled: Float32Array, image: number, sizes: Sizes, images: Float32Array): void {
  const { inChannels } = sizes.info;
  eachCell(image, sizes, (cell, at) => {
    if (cell < 0) return;
    for (let channel = 0; channel < inChannels; channel++)
      images[cell + channel] = images[cell + channel]! + unrolled[at + channel]!;
  });
}

/** Visits where a cell's channels are in the images, or -1 beyond them, and in the unrolled image. */
function eachCell(image: number, { info }: Sizes, visit: (cell: number, at: number) => void): void {
  const { inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  let at = 0;
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      for (let row = 0; row < filterHeight; row++) {
        const cellY = y * info.strideHeight + row * info.dilationHeight - info.padInfo.top;
        for (let column = 0; column < filterWidth; column++) {
          const cellX = x * info.strideWidth + column * info.dilationWidth - info.padInfo.left;
          const isInside = cellY >= 0 && cellY < inHeight && cellX >= 0 && cellX < inWidth;
          visit(isInside ? ((image * inHeight + cellY) * inWidth + cellX) * inChannels : -1, at);
          at += inChannels;
        }
      }
    }
  }
}
