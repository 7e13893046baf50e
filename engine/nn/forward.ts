/**
 * Runs a model description on symbolic tensors, layer by layer. Weights may be secret, private or public tensors; lowering
 * picks the protocol. Knows nothing of training or files.
 */
import { InputError } from '../../shared/errors.ts';
import type { Layer, ModelDescription } from '../../shared/model.ts';
import { windowsOut } from '../kernels/kernels.ts';
import type { Windows } from '../kernels/kernels.ts';
import { sigmoid } from '../functions/elementary.ts';
import { softmax } from '../functions/softmax.ts';
import { MAXIMUM_CANDIDATES } from '../protocol/maximum.ts';
import { concat, constant } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Weights by `${layer}/kernel` and `${layer}/bias`. */
export type WeightTensors = ReadonlyMap<string, Tensor>;

/** The layers before a last sigmoid or softmax: what a loss takes. */
export function scoreLayers(description: ModelDescription): readonly Layer[] {
  const last = description.layers[description.layers.length - 1];
  return last?.kind === 'sigmoid' || last?.kind === 'softmax' ? description.layers.slice(0, -1) : description.layers;
}

/** Output of the layers for a batch x [rows, ...input shape]. */
export function forward(layers: readonly Layer[], weights: WeightTensors, x: Tensor): Tensor {
  return layers.reduce(
    (value, layer) => x.graph.scope(layer.name, 'forward', () => applyLayer(layer, weights, value)),
    x,
  );
}

function applyLayer(layer: Layer, weights: WeightTensors, x: Tensor): Tensor {
  switch (layer.kind) {
    case 'dense': {
      const product = x.matmulRaw(weight(weights, layer, 'kernel'));
      return (layer.useBias ? product.add(weight(weights, layer, 'bias')) : product).rescaled(
        x.graph.options.fractionBits,
      );
    }
    case 'relu':
      return x.relu();
    case 'sigmoid':
      return sigmoid(x);
    case 'softmax':
      return softmax(x);
    case 'flatten':
      return x.reshape([x.shape[0] ?? 0, x.size / Math.max(1, x.shape[0] ?? 0)]);
    case 'conv2d':
      return convolve(layer, weights, x);
    case 'tanh':
      // tanh x = 2 sigmoid(2x) - 1; twice the sigmoid's error.
      return sigmoid(x.timesInteger(2n)).timesInteger(2n).addNumber(-1);
    case 'averagePool2d':
      return averagePool(layer, x);
    case 'maxPool2d':
      return maximumPool(layer, x);
  }
}

type WindowLayer = Extract<Layer, { kind: 'conv2d' | 'maxPool2d' | 'averagePool2d' }>;

/** The layer's windows over a batch of images [batch, channels, height, width]. */
function windowsOf(layer: WindowLayer, x: Tensor): Windows {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const dilation = layer.kind === 'averagePool2d' ? ([1, 1] as const) : layer.dilation;
  const { kernel, stride, padding } = layer;
  return { batch, channels, height, width, kernel, stride, dilation, padding };
}

/** Rows of windows with a value a channel, [batch * height * width, channels], as images. */
function toImages(rows: Tensor, windows: Windows, channels: number): Tensor {
  return rows.reshape([windows.batch, ...windowsOut(windows), channels]).transpose([0, 3, 1, 2]);
}

/** Convolution as a matrix product of windows, one of a batch of products for each group. */
function convolve(layer: Extract<Layer, { kind: 'conv2d' }>, weights: WeightTensors, x: Tensor): Tensor {
  const { groups, filters } = layer;
  const windows = windowsOf(layer, x);
  const rows = x.unfold(windows);
  const [count = 0, cells = 0] = rows.shape;
  const kernel = weight(weights, layer, 'kernel');
  let product: Tensor;
  if (groups === 1) product = rows.matmulRaw(kernel.reshape([filters, cells]), { transposeB: true });
  else {
    const grouped = rows.reshape([count, groups, cells / groups]).transpose([1, 0, 2]);
    const kernels = kernel.reshape([groups, filters / groups, cells / groups]);
    product = grouped.matmulRaw(kernels, { transposeB: true }).transpose([1, 0, 2]).reshape([count, filters]);
  }
  const withBias = layer.useBias ? product.add(weight(weights, layer, 'bias')) : product;
  return toImages(withBias, windows, filters).rescaled(x.graph.options.fractionBits);
}

/** Mean of each window, by a public factor. 1 round. */
function averagePool(layer: Extract<Layer, { kind: 'averagePool2d' }>, x: Tensor): Tensor {
  const windows = windowsOf(layer, x);
  const { channels, height, width, kernel, stride, padding } = windows;
  const size = kernel[0] * kernel[1];
  const sums = x
    .unfold(windows)
    .reshape([rowCount(windows), channels, size])
    .sum(2);
  const images = toImages(sums, windows, channels);
  const bits = x.graph.options.fractionBits;
  if (layer.countPadding || padding.every((cells) => cells === 0))
    return images.timesRaw(1 / size, bits).rescaled(bits);
  /** Cells of a window that are not padding, along one axis. */
  const inside = (position: number, axis: 0 | 1): number => {
    const first = position * stride[axis] - padding[axis];
    const length = axis === 0 ? height : width;
    return Math.min(first + kernel[axis], length) - Math.max(first, 0);
  };
  const [outHeight, outWidth] = windowsOut(windows);
  const factors = Array.from(
    { length: outHeight * outWidth },
    (_, i) => 1 / (inside(Math.floor(i / outWidth), 0) * inside(i % outWidth, 1)),
  );
  return images.mulRaw(constant(x.graph, factors, [1, 1, outHeight, outWidth])).rescaled(bits);
}

/** Largest cell of each window and channel. 5 rounds for windows of 2 to 12 cells, from the layer before. */
function maximumPool(layer: Extract<Layer, { kind: 'maxPool2d' }>, x: Tensor): Tensor {
  // Before its truncation, so that comparisons and truncation read one opening.
  const images = padBelow(x.raw, layer.padding);
  const windows = windowsOf({ ...layer, padding: [0, 0, 0, 0] }, images);
  const size = layer.kernel[0] * layer.kernel[1];
  const cells = images
    .unfold(windows)
    .reshape([rowCount(windows) * windows.channels, size])
    .transpose()
    .rescaled(x.scale);
  return toImages(maximumOf(cells), windows, windows.channels);
}

/** Zeros around images [batch, channels, height, width] replaced by what no cell is below. */
function padBelow(x: Tensor, padding: Windows['padding']): Tensor {
  const [top, left, bottom, right] = padding;
  if (padding.every((cells) => cells === 0)) return x;
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [tall, wide] = [top + height + bottom, left + width + right];
  const lowest = -(2 ** (x.graph.workingBound(x.node) - x.scale));
  const frame = Array.from({ length: tall * wide }, (_, i) => {
    const [row, column] = [Math.floor(i / wide) - top, (i % wide) - left];
    return row >= 0 && row < height && column >= 0 && column < width ? 0 : lowest;
  });
  return x
    .embed([0, 0, top, left], [batch, channels, tall, wide])
    .add(constant(x.graph, frame, [1, 1, tall, wide], x.scale));
}

/** Maximum over the first axis of [candidates, rows], which disappears; in groups where one look-up cannot hold them all. */
function maximumOf(cells: Tensor): Tensor {
  const [candidates = 0, rows = 0] = cells.shape;
  if (candidates === 1) return cells.reshape([rows]);
  if (candidates <= MAXIMUM_CANDIDATES) return cells.oneHotMaximum().select(cells).sum(0);
  const groups = Math.ceil(candidates / MAXIMUM_CANDIDATES);
  const sizes = Array.from({ length: groups }, (_, g) => Math.floor((candidates + g) / groups));
  let from = 0;
  const winners = sizes.map((size) => {
    const part = cells.slice([from, 0], [size, rows]);
    from += size;
    return maximumOf(part).reshape([1, rows]);
  });
  return maximumOf(concat(winners, 0));
}

function rowCount(windows: Windows): number {
  const [height, width] = windowsOut(windows);
  return windows.batch * height * width;
}

function weight(weights: WeightTensors, layer: Layer, part: 'kernel' | 'bias'): Tensor {
  const tensor = weights.get(`${layer.name}/${part}`);
  if (tensor === undefined)
    throw new InputError('model-weight-missing', `The model lacks the weight ${layer.name}/${part}.`);
  return tensor;
}
