/** Graphs of operators as a layer: the same numbers and gradients as our own layers, out and in again, and what is no layer. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import { asLayers } from '../../../engine/models/onnx/operator-layer.ts';
import { ModelProtoSchema } from '../../../engine/models/onnx/generated/onnx_pb.ts';
import { readOnnxModel } from '../../../engine/models/onnx/read.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { forward } from '../../../engine/nn/forward.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { constant, privateInput } from '../../../engine/tensor/tensor.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import { modelDescriptionSchema } from '../../../shared/model.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { floatGraph } from '../../helpers/float-graph.ts';
import { floats, sampleNode as node, sampleOnnx, wholes } from '../../helpers/onnx-models.ts';
import type { SampleModel } from '../../helpers/onnx-models.ts';

const kernel = [0.5, -1, 0.25, 2, 1, -0.5, 0.125, 1, -2];
const bias = [0.5, -0.25, 1];
/** y = softmax(relu(x W + b) + x), written as x - -relu(x W + b), which no layer is. */
const residual: SampleModel = {
  nodes: [
    node('MatMul', ['x', 'w'], ['product']),
    node('Add', ['product', 'b'], ['sum']),
    node('Relu', ['sum'], ['positive']),
    node('Neg', ['positive'], ['negative']),
    node('Sub', ['x', 'negative'], ['scores']),
    node('Softmax', ['scores'], ['y'], { axis: -1 }),
  ],
  inputs: { x: { shape: ['batch', 3] } },
  outputs: { y: { shape: ['batch', 3] } },
  constants: { w: floats([3, 3], ...kernel), b: floats([3], ...bias) },
};

function read(model: SampleModel): TrainedModel {
  const found = readOnnxModel(sampleOnnx(model), 'model.onnx');
  if (found.kind !== 'operators') throw new Error('the model was read as layers');
  return asLayers(found.model, 'model.onnx');
}

const dense: TrainedModel = {
  description: {
    inputShape: [3],
    layers: [
      { kind: 'dense', name: 'dense', inputs: 3, outputs: 3, useBias: true },
      { kind: 'relu', name: 'relu' },
      { kind: 'add', name: 'add', from: ['relu', 'input'] },
    ],
  },
  weights: new Map([
    ['dense/kernel', { shape: [3, 3], data: Float64Array.from(kernel) }],
    ['dense/bias', { shape: [3], data: Float64Array.from(bias) }],
  ]),
};

/** Scores, and gradients of the sum of seed * score by each weight, in doubles. */
function evaluate(layers: readonly Layer[], weights: TrainedModel['weights']): readonly (readonly number[])[] {
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const x = privateInput(graph, 'x', 'a', [2, 3], 10);
  const tensors = new Map(
    [...weights].map(([key, { shape }]) => [key, privateInput(graph, key, 'b', shape, 10)] as const),
  );
  const scores = forward(layers, tensors, x);
  const seed = constant(graph, [1, -2, 0.5, 3, 1, -1], [2, 3]);
  const derivatives = gradients([[scores, seed]], [...tensors.values()]);
  const plain = floatGraph(graph, {
    values: new Map([
      ['x', [1, -2, 0.5, 3, 0.25, -1]],
      ...[...weights].map(([key, { data }]) => [key, [...data]] as const),
    ]),
  });
  return [scores, ...derivatives].map((tensor) => [...plain.value(tensor.node.id)]);
}

describe('a graph of operators as a layer', () => {
  const model = read(residual);
  const [operators] = model.description.layers;

  test('a softmax at its end stands apart, and private weights have their values', () => {
    expect(model.description.layers.map(({ kind }) => kind)).toEqual(['operators', 'softmax']);
    expect(model.description.inputShape).toEqual([3]);
    expect([...model.weights.keys()]).toEqual(['operators/w', 'operators/b']);
    expect(operators).toMatchObject({ inputShapes: [[3]], outputShape: [3] });
  });

  test('scores and gradients are those of our own layers', () => {
    if (operators === undefined) throw new Error('no layer');
    expect(evaluate([operators], model.weights)).toEqual(evaluate(dense.description.layers, dense.weights));
  });

  test('the description survives JSON and its schema', () => {
    expect(modelDescriptionSchema.parse(JSON.parse(JSON.stringify(model.description)))).toEqual(model.description);
  });

  test('written and read again it computes the same, with new weights', () => {
    const weights = new Map(
      [...model.weights].map(([key, { shape, data }]) => [key, { shape, data: data.map((v) => v + 1) }]),
    );
    const again = readOnnxModel(writeOnnx({ ...model, weights }), 'model.onnx');
    if (again.kind !== 'layers') throw new Error('our own file was not read as layers');
    expect(again.model).toEqual({ ...model, weights });
  });

  test('written by us and changed by others it is a graph again, and computes the same', () => {
    const changed = fromBinary(ModelProtoSchema, writeOnnx(model));
    changed.metadataProps = [];
    const again = readOnnxModel(toBinary(ModelProtoSchema, changed), 'model.onnx');
    if (again.kind !== 'operators') throw new Error('the model was read as layers');
    const reread = asLayers(again.model, 'model.onnx');
    expect(reread.description.layers.map(({ kind }) => kind)).toEqual(['operators', 'softmax']);
    const [first] = reread.description.layers;
    if (first === undefined || operators === undefined) throw new Error('no layer');
    expect(evaluate([first], reread.weights)).toEqual(evaluate([operators], model.weights));
  });
});

test('scales and masks are part of the form and public, biases of zeros are weights', () => {
  const { description, weights } = read({
    nodes: [
      node('Resize', ['x', '', 'scales'], ['large']),
      node('Add', ['large', 'mask'], ['masked']),
      node('Add', ['masked', 'bias'], ['y']),
    ],
    inputs: { x: { shape: ['n', 1, 2] } },
    outputs: { y: { shape: ['n', 1, 4] } },
    constants: {
      scales: floats([3], 1, 1, 2),
      mask: floats([4], 0, 0, -1e9, -Infinity),
      bias: floats([4], 0, 0, 0, 0),
    },
  });
  expect([...weights.keys()]).toEqual(['operators/bias']);
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const x = privateInput(graph, 'x', 'a', [1, 1, 2], 10);
  const bias = privateInput(graph, 'bias', 'b', [4], 10);
  const y = forward(description.layers, new Map([['operators/bias', bias]]), x);
  const values = new Map([
    ['x', [1, 2]],
    ['bias', [0, 0, 0, 0]],
  ]);
  const answers = floatGraph(graph, { values }).value(y.node.id);
  expect([...answers]).toEqual([1, 1, 2 - 2 ** 20, 2 - 2 ** 20]);
});

test.each<[string, SampleModel, RegExp]>([
  [
    'two inputs',
    {
      ...residual,
      nodes: [node('Add', ['x', 'z'], ['y'])],
      inputs: { x: { shape: ['n', 3] }, z: { shape: ['n', 3] } },
    },
    /2 inputs and 1 outputs/,
  ],
  [
    'an output that is not one row for each',
    { ...residual, nodes: [node('Reshape', ['x', 'flat'], ['y'])], constants: { flat: wholes([1], -1) } },
    /no row for each/,
  ],
  ['an open size', { ...residual, inputs: { x: { shape: ['batch', 'wide'] } } }, /leaves a size open/],
  [
    'a constant that no memory holds',
    {
      ...residual,
      nodes: [node('ConstantOfShape', ['size'], ['large']), node('Add', ['x', 'large'], ['y'])],
      constants: { size: wholes([2], 1e6, 1e6) },
    },
    /node "ConstantOfShape-large" \(ConstantOfShape\): .* up to 16777216 elements/,
  ],
  [
    'places that no memory holds',
    { ...residual, nodes: [node('Tile', ['x', 'times'], ['y'])], constants: { times: wholes([2], 1, 1e12) } },
    /node "Tile-y" \(Tile\): .* places can be listed/,
  ],
  [
    'rows of nothing',
    { ...residual, nodes: [node('MatMul', ['x', 'none'], ['y'])], constants: { none: floats([3, 0]) } },
    /which is nothing/,
  ],
  [
    'an operator that cannot be computed',
    { ...residual, nodes: [node('Frobnicate', ['x'], ['y'])] },
    /node "Frobnicate-y" \(Frobnicate\) is an operator that is not supported/,
  ],
])('%s is refused', (_, model, message) => {
  expect(() => read(model)).toThrow(message);
});
