/**
 * Each kind of layer in operators of ONNX set 17 (https://onnx.ai/onnx/operators). The main node of a layer has the layer's
 * name, what it needs besides has a name under it; weights keep their names. Knows nothing of shares.
 */
import type { Shape } from '../../../shared/layers/kind.ts';
import type { KindName, LayerOf } from '../../../shared/layers/table.ts';
import type { WeightTensor } from '../../../shared/model.ts';
import type { NodeList } from './nodes.ts';
import { recurrentToOnnx } from './recurrent-weights.ts';
import { writeOperators } from './write-operators.ts';

/** What a layer is written from. */
export interface Written {
  readonly list: NodeList;
  /** Names of its inputs, and their shapes without batch. */
  readonly inputs: readonly string[];
  readonly shapes: readonly Shape[];
  readonly output: Shape;
  weight(part: string): WeightTensor;
}

type Write<K extends KindName> = (layer: LayerOf<K>, written: Written) => string;

/** The weights as constants under their own names. */
function stored(name: string, parts: readonly string[], { list, weight }: Written): string[] {
  return parts.map((part) => list.floats(`${name}/${part}`, weight(part)));
}

const kernelAndBias = (useBias: boolean): string[] => (useBias ? ['kernel', 'bias'] : ['kernel']);

/** One operator without anything else. */
function plain<K extends KindName>(
  operator: string,
  attributes: (layer: LayerOf<K>) => Parameters<NodeList['add']>[3] = () => ({}),
): Write<K> {
  return (layer, { list, inputs }) => list.add(layer.name, operator, inputs, attributes(layer));
}

function dense(layer: LayerOf<'dense'>, written: Written): string {
  const { list, inputs, shapes } = written;
  const parts = stored(layer.name, kernelAndBias(layer.useBias), written);
  if (shapes[0]?.length === 1) return list.add(layer.name, 'Gemm', [...inputs, ...parts]);
  const [kernel = '', bias] = parts;
  const [x = ''] = inputs;
  if (bias === undefined) return list.add(layer.name, 'MatMul', [x, kernel]);
  return list.add(layer.name, 'Add', [list.add(`${layer.name}/product`, 'MatMul', [x, kernel]), bias]);
}

type Convolution = LayerOf<'conv1d' | 'conv2d' | 'conv3d'>;
type Transposed = LayerOf<'convTranspose1d' | 'convTranspose2d' | 'convTranspose3d'>;

const windowOf = ({ kernel, stride, padding }: Pick<Convolution, 'kernel' | 'stride' | 'padding'>) => ({
  kernel_shape: kernel,
  strides: stride,
  pads: padding,
});

function convolution(layer: Convolution | Transposed, written: Written): string {
  const parts = stored(layer.name, kernelAndBias(layer.useBias), written);
  const attributes = { ...windowOf(layer), dilations: layer.dilation, group: layer.groups };
  const [operator, more] =
    'outputPadding' in layer ? ['ConvTranspose', { output_padding: layer.outputPadding }] : ['Conv', {}];
  return written.list.add(layer.name, operator, [...written.inputs, ...parts], { ...attributes, ...more });
}

const maxPool = plain<'maxPool1d' | 'maxPool2d' | 'maxPool3d'>('MaxPool', (layer) => ({
  ...windowOf(layer),
  dilations: layer.dilation,
}));
const averagePool = plain<'averagePool1d' | 'averagePool2d' | 'averagePool3d'>('AveragePool', (layer) => ({
  ...windowOf(layer),
  count_include_pad: layer.countPadding ? 1 : 0,
}));

/** Axis by axis: each part cut out and reduced, and all joined again. */
function adaptivePool(layer: LayerOf<'adaptiveMaxPool' | 'adaptiveAveragePool'>, written: Written): string {
  const { list, inputs, shapes } = written;
  const operator = layer.kind === 'adaptiveMaxPool' ? 'ReduceMax' : 'ReduceMean';
  return layer.output.reduce((value, parts, i) => {
    const axis = i + 2;
    const cells = shapes[0]?.[i + 1] ?? 1;
    const at = (what: string): string => `${layer.name}/${what}${axis}`;
    const axes = list.integers(at('axis'), [axis]);
    const reduced = Array.from({ length: parts }, (_, part) => {
      const from = list.integers(`${at('from')}.${part}`, [Math.floor((part * cells) / parts)]);
      const to = list.integers(`${at('to')}.${part}`, [Math.ceil(((part + 1) * cells) / parts)]);
      const cut = list.add(`${at('part')}.${part}`, 'Slice', [value, from, to, axes]);
      return list.add(`${at('reduced')}.${part}`, operator, [cut], { axes: [axis], keepdims: 1 });
    });
    const name = i === layer.output.length - 1 ? layer.name : at('joined');
    return list.add(name, 'Concat', reduced, { axis });
  }, inputs[0] ?? '');
}

function globalPool(layer: LayerOf<'globalMaxPool' | 'globalAveragePool'>, { list, inputs }: Written): string {
  const operator = layer.kind === 'globalMaxPool' ? 'GlobalMaxPool' : 'GlobalAveragePool';
  return list.add(layer.name, 'Flatten', [list.add(`${layer.name}/pool`, operator, inputs)]);
}

/** x times a function of itself, or another product. */
function product(layer: { readonly name: string }, list: NodeList, a: string, b: string): string {
  return list.add(layer.name, 'Mul', [a, b]);
}

/** The exact one by Erf, the other by Tanh: GELU has an operator of its own only later. */
function gelu(layer: LayerOf<'gelu'>, { list, inputs }: Written): string {
  const { name, approximate } = layer;
  const [x = ''] = inputs;
  const at = (part: string): string => `${name}/${part}`;
  const number = (part: string, value: number): string => list.float(at(part), value);
  let curve: string;
  if (approximate) {
    const square = list.add(at('square'), 'Mul', [x, x]);
    const scaled = list.add(at('cubic'), 'Mul', [square, number('c3', 0.044715)]);
    const factor = list.add(at('factor'), 'Add', [scaled, number('one', 1)]);
    const inner = list.add(at('inner'), 'Mul', [
      list.add(at('bent'), 'Mul', [x, factor]),
      number('root', Math.sqrt(2 / Math.PI)),
    ]);
    curve = list.add(at('tanh'), 'Tanh', [inner]);
  } else {
    const divided = list.add(at('scaled'), 'Mul', [x, number('root', Math.SQRT1_2)]);
    curve = list.add(at('erf'), 'Erf', [divided]);
  }
  const raised = list.add(at('raised'), 'Add', [curve, number('lift', 1)]);
  return product(layer, list, x, list.add(at('half'), 'Mul', [raised, number('two', 0.5)]));
}

const clip =
  <K extends 'relu6' | 'hardTanh'>(ends: (layer: LayerOf<K>) => readonly [number, number]): Write<K> =>
  (layer, { list, inputs }) => {
    const [low, high] = ends(layer);
    const [from, to] = [list.float(`${layer.name}/low`, low), list.float(`${layer.name}/high`, high)];
    return list.add(layer.name, 'Clip', [...inputs, from, to]);
  };

/** scale and bias of channels, as constants that broadcast over images. */
function affine(layer: { readonly name: string }, value: string, written: Written): string {
  const { list, weight, output } = written;
  const wide = (part: string): string => {
    const tensor = weight(part);
    const axes = list.integers(
      `${layer.name}/${part}Axes`,
      output.slice(1).map((_, axis) => axis + 1),
    );
    const constant = list.floats(`${layer.name}/${part}`, tensor);
    return output.length === 1 ? constant : list.add(`${layer.name}/${part}Wide`, 'Unsqueeze', [constant, axes]);
  };
  const scaled = list.add(`${layer.name}/scaled`, 'Mul', [value, wide('scale')]);
  return list.add(layer.name, 'Add', [scaled, wide('bias')]);
}

/** Groups as channels of an InstanceNormalization without scale, then the trained scale. */
function groupNorm(layer: LayerOf<'groupNorm'>, written: Written): string {
  const { list, inputs, output } = written;
  const { name, groups, epsilon } = layer;
  const ones = (part: string, value: number): string =>
    list.floats(`${name}/${part}`, { shape: [groups], data: new Float64Array(groups).fill(value) });
  const grouped = list.add(`${name}/grouped`, 'Reshape', [...inputs, list.integers(`${name}/groups`, [0, groups, -1])]);
  const even = list.add(`${name}/even`, 'InstanceNormalization', [grouped, ones('ones', 1), ones('zeros', 0)], {
    epsilon: { float: epsilon },
  });
  const back = list.add(`${name}/back`, 'Reshape', [even, list.integers(`${name}/shape`, [0, ...output])]);
  return affine(layer, back, written);
}

function rmsNorm(layer: LayerOf<'rmsNorm'>, written: Written): string {
  const { list, inputs } = written;
  const { name, epsilon } = layer;
  const [x = ''] = inputs;
  const at = (part: string): string => `${name}/${part}`;
  const mean = list.add(at('mean'), 'ReduceMean', [list.add(at('square'), 'Mul', [x, x])], { axes: [-1], keepdims: 1 });
  const root = list.add(at('root'), 'Sqrt', [list.add(at('safe'), 'Add', [mean, list.float(at('epsilon'), epsilon)])]);
  return list.add(name, 'Mul', [list.add(at('even'), 'Div', [x, root]), ...stored(name, ['scale'], written)]);
}

function attention(layer: LayerOf<'multiHeadAttention'>, written: Written): string {
  const { list, inputs } = written;
  const { name, size, heads, causal, useBias } = layer;
  const [x = '', memory = x] = inputs;
  const at = (part: string): string => `${name}/${part}`;
  const mapped = (source: string, part: string, target: string): string => {
    const [kernel = ''] = stored(name, [part], written);
    if (!useBias) return list.add(target, 'MatMul', [source, kernel]);
    const raw = list.add(at(`${part}Product`), 'MatMul', [source, kernel]);
    return list.add(target, 'Add', [raw, ...stored(name, [`${part}Bias`], written)]);
  };
  const split = list.integers(at('heads'), [0, -1, heads, size / heads]);
  /** [batch, heads, length, width] in the order given. */
  const head = (source: string, part: string, perm: readonly number[]): string => {
    const rows = list.add(at(`${part}Heads`), 'Reshape', [mapped(source, part, at(`${part}Map`)), split]);
    return list.add(at(`${part}Moved`), 'Transpose', [rows], { perm });
  };
  const [query, key] = [head(x, 'query', [0, 2, 1, 3]), head(memory, 'key', [0, 2, 3, 1])];
  const value = head(memory, 'value', [0, 2, 1, 3]);
  const products = list.add(at('products'), 'MatMul', [query, key]);
  let scores = list.add(at('scores'), 'Mul', [products, list.float(at('width'), 1 / Math.sqrt(size / heads))]);
  if (causal) {
    const length = written.shapes[0]?.[0] ?? 1;
    const data = Float64Array.from({ length: length ** 2 }, (_, i) => (i % length > Math.floor(i / length) ? -1e9 : 0));
    scores = list.add(at('masked'), 'Add', [scores, list.floats(at('mask'), { shape: [length, length], data })]);
  }
  const mixed = list.add(at('mixed'), 'MatMul', [list.add(at('shares'), 'Softmax', [scores], { axis: -1 }), value]);
  const moved = list.add(at('together'), 'Transpose', [mixed], { perm: [0, 2, 1, 3] });
  const joined = list.add(at('joined'), 'Reshape', [moved, list.integers(at('size'), [0, -1, size])]);
  return mapped(joined, 'result', name);
}

const recurrentOperators = { rnn: 'RNN', lstm: 'LSTM', gru: 'GRU' } as const;

function recurrent(layer: LayerOf<'rnn' | 'lstm' | 'gru'>, { list, inputs, weight }: Written): string {
  const { name, units, sequences, backwards, kind } = layer;
  const x = list.add(`${name}/places`, 'Transpose', inputs, { perm: [1, 0, 2] });
  const constants = recurrentToOnnx(kind, units, weight).map(([part, tensor]) =>
    list.floats(`${name}/${part}`, tensor),
  );
  const outputs = sequences ? [`${name}/all`] : ['', `${name}/last`];
  const attributes = { hidden_size: units, direction: backwards ? 'reverse' : 'forward' };
  const states = list.add(`${name}/cells`, recurrentOperators[kind], [x, ...constants], attributes, outputs);
  const squeezed = list.add(sequences ? `${name}/one` : name, 'Squeeze', [
    states,
    list.integers(`${name}/direction`, [sequences ? 1 : 0]),
  ]);
  return sequences ? list.add(name, 'Transpose', [squeezed], { perm: [1, 0, 2] }) : squeezed;
}

/** sin and cos by place, as in engine/nn/layers/dense.ts. */
function sinusoids([length = 1, size = 1]: Shape): WeightTensor {
  const data = Float64Array.from({ length: length * size }, (_, at) => {
    const [place, i] = [Math.floor(at / size), at % size];
    const angle = place / 10_000 ** ((i - (i % 2)) / size);
    return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
  return { shape: [length, size], data };
}

export const layerWriters: { readonly [K in KindName]: Write<K> } = {
  operators: writeOperators,
  dense,
  embedding: (layer, written) => {
    const { list, inputs } = written;
    const index = list.add(`${layer.name}/index`, 'Cast', inputs, { to: INT64 });
    return list.add(layer.name, 'Gather', [...stored(layer.name, ['kernel'], written), index]);
  },
  positionEmbedding: (layer, written) =>
    written.list.add(layer.name, 'Add', [...written.inputs, ...stored(layer.name, ['positions'], written)]),
  sinusoidalPositions: ({ name }, { list, inputs, output }) =>
    list.add(name, 'Add', [...inputs, list.floats(`${name}/sinusoids`, sinusoids(output))]),
  conv1d: convolution,
  conv2d: convolution,
  conv3d: convolution,
  convTranspose1d: convolution,
  convTranspose2d: convolution,
  convTranspose3d: convolution,
  maxPool1d: maxPool,
  maxPool2d: maxPool,
  maxPool3d: maxPool,
  averagePool1d: averagePool,
  averagePool2d: averagePool,
  averagePool3d: averagePool,
  adaptiveMaxPool: adaptivePool,
  adaptiveAveragePool: adaptivePool,
  globalMaxPool: globalPool,
  globalAveragePool: globalPool,
  relu: plain('Relu'),
  relu6: clip(() => [0, 6]),
  leakyRelu: plain('LeakyRelu', ({ slope }) => ({ alpha: { float: slope } })),
  elu: plain('Elu', ({ alpha }) => ({ alpha: { float: alpha } })),
  selu: plain('Selu'),
  gelu,
  silu: (layer, { list, inputs: [x = ''] }) =>
    product(layer, list, x, list.add(`${layer.name}/sigmoid`, 'Sigmoid', [x])),
  mish: (layer, { list, inputs: [x = ''] }) => {
    const soft = list.add(`${layer.name}/softplus`, 'Softplus', [x]);
    return product(layer, list, x, list.add(`${layer.name}/tanh`, 'Tanh', [soft]));
  },
  softplus: plain('Softplus'),
  softsign: plain('Softsign'),
  sigmoid: plain('Sigmoid'),
  hardSigmoid: plain('HardSigmoid', ({ alpha, beta }) => ({ alpha: { float: alpha }, beta: { float: beta } })),
  hardSwish: plain('HardSwish'),
  tanh: plain('Tanh'),
  hardTanh: clip(({ low, high }) => [low, high]),
  softmax: plain('Softmax'),
  logSoftmax: plain('LogSoftmax'),
  batchNorm: (layer, written) => {
    const parts = stored(layer.name, ['scale', 'bias', 'mean', 'variance'], written);
    const { epsilon, momentum } = layer;
    return written.list.add(layer.name, 'BatchNormalization', [...written.inputs, ...parts], {
      epsilon: { float: epsilon },
      momentum: { float: momentum },
    });
  },
  layerNorm: (layer, written) => {
    const parts = stored(layer.name, ['scale', 'bias'], written);
    return written.list.add(layer.name, 'LayerNormalization', [...written.inputs, ...parts], {
      axis: -layer.shape.length,
      epsilon: { float: layer.epsilon },
    });
  },
  rmsNorm,
  groupNorm,
  instanceNorm: (layer, written) => {
    const parts = stored(layer.name, ['scale', 'bias'], written);
    return written.list.add(layer.name, 'InstanceNormalization', [...written.inputs, ...parts], {
      epsilon: { float: layer.epsilon },
    });
  },
  dropout: ({ name, rate }, { list, inputs }) =>
    list.add(name, 'Dropout', [...inputs, list.float(`${name}/rate`, rate)]),
  flatten: plain('Flatten'),
  reshape: ({ name, shape }, { list, inputs }) =>
    list.add(name, 'Reshape', [...inputs, list.integers(`${name}/shape`, [0, ...shape])]),
  permute: plain('Transpose', ({ order }) => ({ perm: [0, ...order.map((axis) => axis + 1)] })),
  pad: ({ name, before, after, mode, value }, { list, inputs }) => {
    const pads = list.integers(`${name}/pads`, [0, ...before, 0, ...after]);
    const modes = { constant: 'constant', reflect: 'reflect', replicate: 'edge' } as const;
    return list.add(name, 'Pad', [...inputs, pads, list.float(`${name}/value`, value)], { mode: modes[mode] });
  },
  upsample: ({ name, factors, mode }, { list, inputs }) => {
    const scales = { shape: [factors.length + 2], data: Float64Array.from([1, 1, ...factors]) };
    const attributes =
      mode === 'nearest'
        ? { mode, coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
        : { mode: 'linear', coordinate_transformation_mode: 'half_pixel' };
    return list.add(name, 'Resize', [...inputs, '', list.floats(`${name}/scales`, scales)], attributes);
  },
  add: plain('Sum'),
  average: plain('Mean'),
  multiply: ({ name }, { list, inputs }) =>
    inputs.reduce((value, other, i) =>
      list.add(i === inputs.length - 1 ? name : `${name}/${i}`, 'Mul', [value, other]),
    ),
  concat: plain('Concat', ({ axis }) => ({ axis: axis + 1 })),
  multiHeadAttention: attention,
  rnn: recurrent,
  lstm: recurrent,
  gru: recurrent,
};

/** TensorProto.DataType.INT64. */
const INT64 = 7;
