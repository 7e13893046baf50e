/**
 * Each kind of layer as TensorFlow.js has it: one Keras layer of the same name, sometimes with others before or after it that
 * move axes or pad. Images stay channels first. Knows nothing of shares.
 */
import { InputError } from '../../../shared/errors.ts';
import type { Shape } from '../../../shared/layers/kind.ts';
import { samePadding } from '../../../shared/layers/same-padding.ts';
import type { KindName, Layer, LayerOf } from '../../../shared/layers/table.ts';

export interface WrittenLayer {
  readonly class_name: string;
  readonly config: Record<string, unknown>;
}

type Write<K extends KindName> = (layer: LayerOf<K>, input: Shape) => WrittenLayer[];

/** @throws InputError `tfjs-unsupported` naming a layer that the format cannot express. */
export function writeLayer(layer: Layer, input: Shape): WrittenLayer[] {
  const write = writers[layer.kind] as Write<KindName> | undefined;
  if (write === undefined) throw unsupported(layer, 'it has no such layer');
  return write(layer, input);
}

function unsupported(layer: Layer, reason: string): InputError {
  return new InputError(
    'tfjs-unsupported',
    `The TF.js Layers format cannot express layer ${layer.name} (${layer.kind}): ${reason}.`,
    { hint: 'Write the model as ONNX instead.' },
  );
}

const keras = (name: string, className: string, config: Record<string, unknown> = {}): WrittenLayer => ({
  class_name: className,
  config: { name, trainable: true, dtype: 'float32', ...config },
});

/** A Keras layer without attributes beyond these. */
const plain =
  <K extends KindName>(className: string, config: (layer: LayerOf<K>) => Record<string, unknown> = () => ({})) =>
  (layer: LayerOf<K>): WrittenLayer[] => [keras(layer.name, className, config(layer))];

const activation = (name: string) => plain<KindName>('Activation', () => ({ activation: name }));

type ConvolutionLayer = LayerOf<'conv1d' | 'conv2d' | 'conv3d'>;
type PoolLayer = LayerOf<'maxPool2d' | 'averagePool2d' | 'maxPool3d' | 'averagePool3d'>;
type WindowLayer = ConvolutionLayer | PoolLayer;

function padded(
  layer: WindowLayer,
  input: Shape,
  written: (padding: 'valid' | 'same') => WrittenLayer,
): WrittenLayer[] {
  const axes = layer.kernel.length;
  if (layer.padding.every((cells) => cells === 0)) return [written('valid')];
  const dilation = 'dilation' in layer ? layer.dilation : [];
  const isSame = layer.kernel.every((kernel, axis) => {
    const total = samePadding(input[axis + 1] ?? 0, kernel, layer.stride[axis] ?? 1, dilation[axis] ?? 1);
    return layer.padding[axis] === Math.floor(total / 2) && layer.padding[axis + axes] === Math.ceil(total / 2);
  });
  const isConvolution = 'filters' in layer;
  const zerosCount = isConvolution || ('countPadding' in layer && layer.countPadding);
  if (isSame && (isConvolution || !zerosCount)) return [written('same')];
  if (!zerosCount) throw unsupported(layer, 'its padding is neither none nor "same"');
  if (axes !== 2) throw unsupported(layer, 'it pads other than "same" along other than two axes');
  return [zeroPadding(`${layer.name}_padding`, layer.padding.slice(0, 2), layer.padding.slice(2)), written('valid')];
}

function zeroPadding(name: string, before: Shape, after: Shape): WrittenLayer {
  const padding = before.map((cells, axis) => [cells, after[axis] ?? 0]);
  return keras(name, 'ZeroPadding2D', { padding, data_format: 'channels_first' });
}

/** A layer that TensorFlow.js computes rightly with channels last only, between two that move them. */
function withChannelsLast(layer: { readonly name: string }, axes: number, inner: WrittenLayer[]): WrittenLayer[] {
  const cells = Array.from({ length: axes }, (_, axis) => axis + 1);
  return [
    keras(`${layer.name}_last`, 'Permute', { dims: [...cells.map((axis) => axis + 1), 1] }),
    ...inner,
    keras(`${layer.name}_first`, 'Permute', { dims: [axes + 1, ...cells] }),
  ];
}

/** Its kernel for other than the axis of channels goes wrong on the CPU. */
function batchNorm({ name, epsilon, momentum }: LayerOf<'batchNorm'>, input: Shape): WrittenLayer[] {
  const written = [keras(name, 'BatchNormalization', { axis: -1, epsilon, momentum })];
  return input.length === 1 ? written : withChannelsLast({ name }, input.length - 1, written);
}

function convolution(layer: ConvolutionLayer, input: Shape): WrittenLayer[] {
  if (layer.groups > 1) throw unsupported(layer, 'it has groups');
  if (layer.dilation.some((step) => step > 1) && layer.stride.some((step) => step > 1))
    throw unsupported(layer, 'it has both a stride and a dilation');
  const axes = layer.kernel.length;
  // It passes over the layout that a one-dimensional convolution says.
  const isMoved = axes === 1;
  const written = padded(layer, input, (padding) =>
    keras(layer.name, `Conv${axes}D`, {
      filters: layer.filters,
      kernel_size: layer.kernel,
      strides: layer.stride,
      data_format: isMoved ? 'channels_last' : 'channels_first',
      padding,
      dilation_rate: layer.dilation,
      activation: 'linear',
      use_bias: layer.useBias,
    }),
  );
  return isMoved ? withChannelsLast(layer, 1, written) : written;
}

/** `valid` gives what the windows cover, `same` cells times stride. */
function transposed(layer: LayerOf<'convTranspose2d' | 'convTranspose3d'>): WrittenLayer[] {
  const { kernel, stride, dilation, padding, outputPadding, groups } = layer;
  const axes = kernel.length;
  if (groups > 1) throw unsupported(layer, 'it has groups');
  if (dilation.some((step) => step > 1)) throw unsupported(layer, 'it is dilated');
  const surplus = kernel.map((n, axis) => n - (stride[axis] ?? 1));
  const fills = surplus.every((n, axis) => outputPadding[axis] === Math.max(0, -n));
  const cut = (round: (x: number) => number): number[] => surplus.map((n) => Math.max(0, round(n / 2)));
  const isValid = padding.every((cells) => cells === 0);
  const isSame = padding.join() === [...cut(Math.floor), ...cut(Math.ceil)].join();
  if (!fills || !(isValid || isSame)) throw unsupported(layer, 'its padding is neither none nor "same"');
  return [
    keras(layer.name, `Conv${axes}DTranspose`, {
      filters: layer.filters,
      kernel_size: kernel,
      strides: stride,
      data_format: 'channels_first',
      padding: isValid ? 'valid' : 'same',
      activation: 'linear',
      use_bias: layer.useBias,
    }),
  ];
}

function pool(layer: PoolLayer, input: Shape): WrittenLayer[] {
  if ('dilation' in layer && layer.dilation.some((step) => step > 1)) throw unsupported(layer, 'its window is dilated');
  const axes = layer.kernel.length;
  const className = `${'countPadding' in layer ? 'Average' : 'Max'}Pooling${axes}D`;
  return padded(layer, input, (padding) =>
    keras(layer.name, className, {
      strides: layer.stride,
      data_format: 'channels_first',
      pool_size: layer.kernel,
      padding,
    }),
  );
}

function globalPool(layer: LayerOf<'globalMaxPool' | 'globalAveragePool'>, input: Shape): WrittenLayer[] {
  const what = layer.kind === 'globalMaxPool' ? 'Max' : 'Average';
  if (input.length === 3) return [keras(layer.name, `Global${what}Pooling2D`, { data_format: 'channels_first' })];
  if (input.length !== 2) throw unsupported(layer, 'it has one for one or two axes of cells only');
  // There, the first axis is the one that goes.
  return [keras(`${layer.name}_moved`, 'Permute', { dims: [2, 1] }), keras(layer.name, `Global${what}Pooling1D`)];
}

const recurrentClasses = { rnn: 'SimpleRNN', lstm: 'LSTM', gru: 'GRU' } as const;

function recurrent(layer: LayerOf<'rnn' | 'lstm' | 'gru'>): WrittenLayer[] {
  const { kind, name, units, sequences, backwards } = layer;
  if (sequences && backwards) throw unsupported(layer, 'backwards, it gives sequences in the order in which it reads');
  return [
    keras(name, recurrentClasses[kind], {
      units,
      activation: 'tanh',
      ...(kind === 'rnn' ? {} : { recurrent_activation: 'sigmoid' }),
      ...(kind === 'gru' ? { reset_after: false } : {}),
      use_bias: true,
      return_sequences: sequences,
      go_backwards: backwards,
    }),
  ];
}

function pad(layer: LayerOf<'pad'>, input: Shape): WrittenLayer[] {
  const { before, after, mode, value } = layer;
  const isPlane = input.length === 3 && before[0] === 0 && after[0] === 0;
  if (mode !== 'constant' || value !== 0 || !isPlane) throw unsupported(layer, 'it pads images with zeros only');
  return [zeroPadding(layer.name, before.slice(1), after.slice(1))];
}

function upsample(layer: LayerOf<'upsample'>): WrittenLayer[] {
  const { factors, mode, name } = layer;
  if (factors.length !== 2 || mode !== 'nearest')
    throw unsupported(layer, 'it repeats cells of two axes, or mixes them by other distances');
  return [keras(name, 'UpSampling2D', { size: factors, data_format: 'channels_first', interpolation: 'nearest' })];
}

const writers: { readonly [K in KindName]?: Write<K> } = {
  dense: plain('Dense', ({ outputs, useBias }) => ({ units: outputs, activation: 'linear', use_bias: useBias })),
  embedding: plain('Embedding', (layer) => ({ input_dim: layer.tokens, output_dim: layer.size })),
  conv1d: convolution,
  conv2d: convolution,
  conv3d: convolution,
  convTranspose2d: transposed,
  convTranspose3d: transposed,
  maxPool2d: pool,
  maxPool3d: pool,
  averagePool2d: pool,
  averagePool3d: pool,
  globalMaxPool: globalPool,
  globalAveragePool: globalPool,
  relu: activation('relu'),
  relu6: activation('relu6'),
  leakyRelu: plain('LeakyReLU', ({ slope }) => ({ alpha: slope })),
  elu: plain('ELU', ({ alpha }) => ({ alpha })),
  selu: activation('selu'),
  gelu: (layer) => {
    if (layer.approximate) throw unsupported(layer, 'its approximate GELU cannot be loaded from a file');
    return activation('gelu')(layer);
  },
  silu: activation('swish'),
  mish: activation('mish'),
  softplus: activation('softplus'),
  softsign: activation('softsign'),
  sigmoid: activation('sigmoid'),
  hardSigmoid: (layer) => {
    if (layer.alpha !== 0.2 || layer.beta !== 0.5) throw unsupported(layer, 'its slope and offset are fixed');
    return activation('hard_sigmoid')(layer);
  },
  tanh: activation('tanh'),
  softmax: activation('softmax'),
  logSoftmax: activation('log_softmax'),
  batchNorm,
  layerNorm: plain('LayerNormalization', ({ shape, epsilon }) => ({
    axis: shape.map((_, axis) => axis - shape.length),
    epsilon,
  })),
  dropout: (layer) => {
    if (layer.wholeChannels) throw unsupported(layer, 'it drops single cells');
    return [keras(layer.name, 'Dropout', { rate: layer.rate })];
  },
  // Without data_format: with channels_first, TF.js would reorder to channels last.
  flatten: plain('Flatten'),
  reshape: plain('Reshape', ({ shape }) => ({ target_shape: shape })),
  permute: plain('Permute', ({ order }) => ({ dims: order.map((axis) => axis + 1) })),
  pad,
  upsample,
  add: plain('Add'),
  multiply: plain('Multiply'),
  average: plain('Average'),
  concat: plain('Concatenate', ({ axis }) => ({ axis: axis + 1 })),
  rnn: recurrent,
  lstm: recurrent,
  gru: recurrent,
};
