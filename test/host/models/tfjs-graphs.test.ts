/**
 * Graph models of TF.js, written by hand as the converter writes them: asked on shares, they answer as the operators of
 * TensorFlow.js do.
 */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, test } from 'vitest';
import { asLayers } from '../../../engine/models/onnx/operator-layer.ts';
import { readTfjs } from '../../../engine/models/tfjs.ts';
import { inferPrivately } from '../../../main/host/inference/private-inference.ts';
import { InputError } from '../../../shared/errors.ts';
import {
  graphModel,
  graphNode as node,
  intList as list,
  stringAttribute as s,
  stringList as fused,
  drawnConstant as weights,
  wholeConstant as whole,
  wholesConstant as wholes,
} from '../../helpers/tfjs-graphs.ts';
import type { GraphConstant, GraphFile, GraphJson, GraphNode } from '../../helpers/tfjs-graphs.ts';
import { drawn } from '../../helpers/tfjs-models.ts';

interface Graph extends GraphFile {
  readonly expected: (x: tf.Tensor) => tf.Tensor;
}
const of = ({ shape, values, type = 'float32' }: GraphConstant): tf.Tensor => tf.tensor([...values], [...shape], type);

const nhwc = { data_format: s('NHWC') };
const ones = list(1, 1, 1, 1);

const dense: Graph = {
  input: [4],
  constants: { w: weights(1, 4, 3), b: weights(2, 3), v: weights(3, 2, 3), c: weights(4, 2) },
  nodes: [
    node('hidden', '_FusedMatMul', ['x', 'w', 'b'], { fused_ops: fused('BiasAdd', 'Relu'), num_args: { i: '1' } }),
    node('product', 'MatMul', ['hidden', 'v'], { transpose_a: { b: false }, transpose_b: { b: true } }),
    node('scores', 'BiasAdd', ['product', 'c'], nhwc),
    node('y', 'Softmax', ['scores']),
  ],
  expected: (x) => {
    const { w, b, v, c } = dense.constants;
    const hidden = tf.relu(tf.add(tf.matMul(x, of(w!)), of(b!)));
    return tf.softmax(tf.add(tf.matMul(hidden, of(v!), false, true), of(c!)));
  },
};

const graphs: Record<string, Graph> = {
  'dense layers, fused and not': dense,
  'a mobile network: pads, depthwise filters, normalisation, mean': {
    input: [5, 6, 2],
    constants: {
      pads: { shape: [4, 2], values: [0, 0, 0, 1, 1, 0, 0, 0], type: 'int32' },
      k: weights(1, 3, 3, 2, 3),
      b: weights(2, 3),
      d: weights(3, 2, 2, 3, 2),
      db: weights(4, 6),
      scale: weights(5, 6),
      offset: weights(6, 6),
      mean: weights(7, 6),
      variance: { shape: [6], values: [0.5, 1, 1.5, 2, 0.75, 1.25] },
      axes: wholes(1, 2),
    },
    nodes: [
      node('padded', 'Pad', ['x', 'pads']),
      node('conv', '_FusedConv2D', ['padded', 'k', 'b'], {
        ...nhwc,
        strides: list(1, 2, 2, 1),
        dilations: ones,
        padding: s('VALID'),
        fused_ops: fused('BiasAdd', 'Relu6'),
        num_args: { i: '1' },
      }),
      node('deep', 'FusedDepthwiseConv2dNative', ['conv', 'd', 'db'], {
        ...nhwc,
        strides: ones,
        dilations: ones,
        padding: s('SAME'),
        fused_ops: fused('BiasAdd'),
        num_args: { i: '1' },
      }),
      node('norm', 'FusedBatchNormV3', ['deep', 'scale', 'offset', 'mean', 'variance'], {
        ...nhwc,
        epsilon: { f: 0.001 },
        is_training: { b: false },
      }),
      node('relu', 'Relu', ['norm']),
      node('pool', 'MaxPool', ['relu'], { ...nhwc, ksize: list(1, 2, 2, 1), strides: ones, padding: s('SAME') }),
      node('y', 'Mean', ['pool', 'axes'], { keep_dims: { b: false } }),
    ],
    expected: (x) => {
      const { k, b, d, db, scale, offset, mean, variance } =
        graphs['a mobile network: pads, depthwise filters, normalisation, mean']!.constants;
      const padded = tf.pad(x, [[0, 0], [0, 1], [1, 0], [0, 0]]) as tf.Tensor4D; // prettier-ignore
      const conv = tf.relu6(tf.add(tf.conv2d(padded, of(k!) as tf.Tensor4D, 2, 'valid'), of(b!)));
      const deep = tf.add(tf.depthwiseConv2d(conv as tf.Tensor4D, of(d!) as tf.Tensor4D, 1, 'same'), of(db!));
      const norm = tf.batchNorm(deep, of(mean!), of(variance!), of(offset!), of(scale!), 0.001);
      return tf.mean(tf.maxPool(tf.relu(norm) as tf.Tensor4D, 2, 1, 'same'), [1, 2]);
    },
  },
  'shapes that are computed': {
    input: [4, 4, 2],
    constants: {
      k: weights(1, 2, 2, 2, 3),
      b: weights(2, 3),
      zero: wholes(0),
      one: wholes(1),
      cells: whole(12),
    },
    nodes: [
      node('conv', 'Conv2D', ['x', 'k'], { ...nhwc, strides: ones, dilations: ones, padding: s('SAME') }),
      node('biased', 'BiasAdd', ['conv', 'b'], nhwc),
      node('leaky', 'LeakyRelu', ['biased'], { alpha: { f: 0.1 } }),
      node('pool', 'AvgPool', ['leaky'], {
        ...nhwc,
        ksize: list(1, 3, 3, 1),
        strides: list(1, 2, 2, 1),
        padding: s('SAME'),
      }),
      node('shape', 'Shape', ['pool']),
      node('rows', 'StridedSlice', ['shape', 'zero', 'one', 'one'], { shrink_axis_mask: { i: '1' } }),
      node('target', 'Pack', ['rows', 'cells'], { axis: { i: '0' } }),
      node('y', 'Reshape', ['pool', 'target']),
    ],
    expected: (x) => {
      const { k, b } = graphs['shapes that are computed']!.constants;
      const conv = tf.leakyRelu(tf.add(tf.conv2d(x as tf.Tensor4D, of(k!) as tf.Tensor4D, 1, 'same'), of(b!)), 0.1);
      return tf.reshape(tf.avgPool(conv as tf.Tensor4D, 3, 2, 'same'), [2, 12]);
    },
  },
  'arithmetic, slices and joins': {
    input: [3, 4],
    constants: {
      w: weights(1, 3, 4),
      axis: whole(-1),
      two: whole(2),
      order: wholes(0, 2, 1),
      from: wholes(0, 1, 0),
      to: wholes(0, 0, 0),
      step: wholes(1, 1, 2),
      start: wholes(0, 0, 1),
      size: wholes(-1, -1, 1),
      low: { shape: [], values: [-0.5] },
      high: { shape: [], values: [0.75] },
      reduced: wholes(1),
      repeats: wholes(1, 1, 2),
    },
    nodes: [
      node('copy', 'Identity', ['x', '^w']),
      node('sum', 'AddV2', ['copy', 'w']),
      node('gate', 'Sigmoid', ['sum']),
      node('gated', 'Mul', ['gate', 'x']),
      node('curve', 'Tanh', ['gated']),
      node('less', 'Sub', ['curve', 'w']),
      node('cut', 'ClipByValue', ['less', 'low', 'high']),
      node('parts', 'Split', ['two', 'cut'], { num_split: { i: '2' } }),
      node('joined', 'ConcatV2', ['parts:1', 'parts', 'axis']),
      node('turned', 'Transpose', ['joined', 'order']),
      node('squares', 'SquaredDifference', ['turned', 'high']),
      node('some', 'StridedSlice', ['squares', 'from', 'to', 'step'], { begin_mask: { i: 5 }, end_mask: { i: 7 } }),
      node('column', 'Slice', ['some', 'start', 'size']),
      node('flat', 'Squeeze', ['column'], { squeeze_dims: list(2) }),
      node('most', 'Maximum', ['flat', 'low']),
      node('wide', 'ExpandDims', ['most', 'axis']),
      node('twice', 'Tile', ['wide', 'repeats']),
      node('total', 'Sum', ['twice', 'reduced'], { keep_dims: { b: true } }),
      node('y', 'Rsqrt', ['total']),
    ],
    expected: (x) => {
      const w = of(graphs['arithmetic, slices and joins']!.constants['w']!);
      const curve = tf.tanh(tf.mul(tf.sigmoid(tf.add(x, w)), x));
      const [a, b] = tf.split<tf.Tensor>(tf.clipByValue(tf.sub(curve, w), -0.5, 0.75), 2, 2);
      const squares = tf.squaredDifference(tf.transpose(tf.concat([b!, a!], -1), [0, 2, 1]), tf.scalar(0.75));
      const some = tf.stridedSlice(squares, [0, 1, 0], [2, 4, 3], [1, 1, 2]);
      const most = tf.maximum(tf.squeeze(tf.slice(some, [0, 0, 1], [-1, -1, 1]), [2]), tf.scalar(-0.5));
      return tf.rsqrt(tf.sum(tf.tile(tf.expandDims(most, -1), [1, 1, 2]), 1, true));
    },
  },
  'transposed convolutions': {
    input: [3, 2, 2],
    constants: {
      k: weights(1, 3, 3, 4, 2),
      sizes: wholes(2, 6, 4, 4),
      bias: weights(2, 4),
      v: weights(3, 2, 2, 1, 4),
      larger: wholes(2, 18, 12, 1),
    },
    nodes: [
      node('large', 'Conv2DBackpropInput', ['sizes', 'k', 'x'], {
        ...nhwc,
        strides: list(1, 2, 2, 1),
        dilations: ones,
        padding: s('SAME'),
      }),
      node('biased', 'BiasAdd', ['large', 'bias'], nhwc),
      node('last', 'Identity', ['biased']),
      node('y', 'Conv2DBackpropInput', ['larger', 'v', 'last'], {
        ...nhwc,
        strides: list(1, 3, 3, 1),
        dilations: ones,
        padding: s('VALID'),
      }),
    ],
    expected: (x) => {
      const { k, bias, v } = graphs['transposed convolutions']!.constants;
      const large = tf.conv2dTranspose(x as tf.Tensor4D, of(k!) as tf.Tensor4D, [2, 6, 4, 4], 2, 'same');
      return tf.conv2dTranspose(
        tf.add<tf.Tensor4D>(large, of(bias!)),
        of(v!) as tf.Tensor4D,
        [2, 18, 12, 1],
        3,
        'valid',
      );
    },
  },
  'attention: products of matrices in batches': {
    input: [3, 4],
    constants: {
      q: weights(1, 4, 4),
      v: weights(2, 4, 4),
      order: wholes(0, 2, 1),
      scale: { shape: [], values: [0.5] },
    },
    nodes: [
      node('queries', 'BatchMatMulV2', ['x', 'q']),
      node('products', 'BatchMatMulV2', ['queries', 'x'], { adj_x: { b: false }, adj_y: { b: true } }),
      node('scaled', 'Mul', ['products', 'scale']),
      node('shares', 'Softmax', ['scaled']),
      node('values', 'Einsum', ['x', 'v'], { equation: s('abc,cd->abd') }),
      node('y', 'BatchMatMulV2', ['shares', 'values']),
    ],
    expected: (x) => {
      const { q, v } = graphs['attention: products of matrices in batches']!.constants;
      const by = (m: GraphConstant) => tf.reshape(tf.matMul(tf.reshape(x, [6, 4]), of(m)), [2, 3, 4]);
      return tf.matMul(tf.softmax(tf.mul(tf.matMul(by(q!), x, false, true), 0.5)), by(v!));
    },
  },
};

beforeAll(async () => {
  tf.enableProdMode();
  await tf.setBackend('cpu');
});

test.each(Object.entries(graphs))('%s', async (_, graph) => {
  const { json, data } = graphModel(graph);
  const read = readTfjs(json, () => data, 'model.json');
  const rows = drawn(2 * graph.input.reduce((product, n) => product * n, 1), 77);
  const wanted = graph.expected(tf.tensor(rows, [2, ...graph.input]));
  const { outputs } = await inferPrivately({
    model: read.kind === 'layers' ? read.model : asLayers(read.model, 'model.json'),
    inputs: [{ what: 'x', owner: 'a', tensor: { type: 'float32', shape: [2, ...graph.input], data: rows } }],
    parties: ['a', 'b'],
    modelOwner: 'b',
    transport: 'memory',
    signal: new AbortController().signal,
  });
  expect(outputs[0]!.shape).toEqual(wanted.shape);
  wanted.dataSync().forEach((value, i) => {
    const given = Number(outputs[0]!.data[i]);
    expect(Math.abs(given - value), `position ${i}: ${given} for ${value}`).toBeLessThan(2e-3 + 0.01 * Math.abs(value));
  });
});

describe('refusals', () => {
  const nodeOf = (json: GraphJson, name: string): GraphNode =>
    json.modelTopology.node.find((one) => one.name === name)!;
  const codeOf = (code: string) => expect.objectContaining({ code, kind: 'input' });

  test.each<[string, string, string, (json: GraphJson) => void]>([
    ['an operator', 'tfjs-unsupported', 'node "scores" (Unicorn)', (json) => (nodeOf(json, 'scores').op = 'Unicorn')],
    ['control flow', 'tfjs-unsupported', 'node "y" (While)', (json) => (nodeOf(json, 'y').op = 'While')],
    [
      'a fused function',
      'tfjs-unsupported',
      'node "hidden" (_FusedMatMul) is fused with Sin',
      (json) => (nodeOf(json, 'hidden').attr!['fused_ops'] = fused('Sin')),
    ],
    ['a cycle', 'tfjs-format', 'takes its own output', (json) => (nodeOf(json, 'hidden').input![0] = 'y')],
    ['an input from nowhere', 'tfjs-format', '"nobody"', (json) => (nodeOf(json, 'y').input![0] = 'nobody')],
    [
      'an output that a node has not',
      'tfjs-unsupported',
      'output 3',
      (json) => (nodeOf(json, 'y').input![0] = 'scores:3'),
    ],
    [
      'a constant without a value',
      'tfjs-format',
      '"gone" (Const)',
      (json) => {
        nodeOf(json, 'w').name = 'gone';
        nodeOf(json, 'hidden').input![1] = 'gone';
      },
    ],
    [
      'a type',
      'tfjs-unsupported',
      'node "x" (Placeholder)',
      (json) => (nodeOf(json, 'x').attr!['dtype'] = { type: 'DT_STRING' }),
    ],
    ['no nodes', 'tfjs-format', 'modelTopology.node', (json) => (json.modelTopology.node = [])],
  ])('%s', (_, code, text, change) => {
    const { json, data } = graphModel(dense, change);
    const read = () => readTfjs(json, () => data, 'm');
    expect(read).toThrow(codeOf(code));
    expect(read).toThrow(text);
  });

  test('weights that are cut short or no numbers, by name', () => {
    const { json, data } = graphModel(dense);
    expect(() => readTfjs(json, () => data.subarray(0, 20), 'm')).toThrow('weight "w"');
    const bad = data.slice();
    new Float32Array(bad.buffer)[13] = Infinity;
    expect(() => readTfjs(json, () => bad, 'm')).toThrow('weight "b" holds Infinity at position 1');
  });

  test('a normalisation that is still trained, and a kernel that is no constant', () => {
    const mobile = graphs['a mobile network: pads, depthwise filters, normalisation, mean']!;
    const read = (change: (json: GraphJson) => void) => {
      const { json, data } = graphModel(mobile, change);
      return () => readTfjs(json, () => data, 'm');
    };
    expect(read((json) => delete nodeOf(json, 'norm').attr!['is_training'])).toThrow(
      'node "norm" (FusedBatchNormV3) trains',
    );
    expect(read((json) => (nodeOf(json, 'conv').input![1] = 'x'))).toThrow('node "conv" (_FusedConv2D) has a kernel');
  });

  test('a file with any character changed is read or refused, and nothing else', () => {
    const { json, data } = graphModel(dense);
    for (let at = 0; at < json.length; at += 3) {
      const other = json[at] === '9' ? '0' : '9';
      try {
        readTfjs(json.slice(0, at) + other + json.slice(at + 1), () => data, 'm');
      } catch (error) {
        expect(error, json.slice(Math.max(0, at - 20), at + 20)).toBeInstanceOf(InputError);
      }
    }
  });
});
