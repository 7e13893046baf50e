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
    case 'maxPool2d':
    case 'averagePool2d':
      throw new InputError(
        'layer-not-supported',
        `Layer ${layer.name}: ${layer.kind} cannot be computed on shares yet.`,
        {
          hint: 'Use dense, conv2d, relu, sigmoid, softmax and flatten layers.',
        },
      );
  }
}

/** Convolution as a matrix product of windows; one product a group. */
function convolve(layer: Extract<Layer, { kind: 'conv2d' }>, weights: WeightTensors, x: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const kernel = weight(weights, layer, 'kernel');
  const perGroup = channels / layer.groups;
  const filters = layer.filters / layer.groups;
  const windows: Windows = {
    batch,
    channels: perGroup,
    height,
    width,
    kernel: layer.kernel,
    stride: layer.stride,
    dilation: layer.dilation,
    padding: layer.padding,
  };
  const [outHeight, outWidth] = windowsOut(windows);
  const groups = Array.from({ length: layer.groups }, (_, g) => {
    const input = x.slice([0, g * perGroup, 0, 0], [batch, perGroup, height, width]);
    const rows = input.unfold(windows);
    const matrix = kernel
      .slice([g * filters, 0, 0, 0], [filters, perGroup, ...layer.kernel])
      .reshape([filters, perGroup * layer.kernel[0] * layer.kernel[1]]);
    return rows.matmulRaw(matrix, { transposeB: true });
  });
  const product = groups.length === 1 ? groups[0] : undefined;
  if (product === undefined) {
    throw new InputError(
      'layer-not-supported',
      `Layer ${layer.name}: grouped convolution cannot be computed on shares yet.`,
    );
  }
  const withBias = layer.useBias ? product.add(weight(weights, layer, 'bias')) : product;
  return withBias
    .reshape([batch, outHeight, outWidth, filters])
    .transpose([0, 3, 1, 2])
    .rescaled(x.graph.options.fractionBits);
}

function weight(weights: WeightTensors, layer: Layer, part: 'kernel' | 'bias'): Tensor {
  const tensor = weights.get(`${layer.name}/${part}`);
  if (tensor === undefined)
    throw new InputError('model-weight-missing', `The model lacks the weight ${layer.name}/${part}.`);
  return tensor;
}
