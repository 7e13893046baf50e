/** Models of others' exporters as layers: branches, shape arithmetic and recurrent layers as PyTorch and Keras write them. */
import { describe, expect, test } from 'vitest';
import { readOnnx, readOnnxModel } from '../../../engine/models/onnx/read.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { floats, sampleNode as node, sampleOnnx, wholes, withoutMetadata } from '../../helpers/onnx-models.ts';
import type { SampleModel } from '../../helpers/onnx-models.ts';
import { cases, inputsOf, modelOf } from './layer-cases.ts';
import { plainForward } from './plain-forward.ts';

const kindsOf = ({ description }: TrainedModel): string[] => description.layers.map(({ kind }) => kind);
const numbers = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.round(8 * Math.sin(seed + i * 2.1)) / 8);

/** Kinds that ONNX writes in several operators which no pattern here knows; they stay graphs of operators. */
const graphs = [
  ...['positionEmbedding', 'sinusoidalPositions', 'adaptiveMaxPool', 'adaptiveAveragePool', 'rmsNorm', 'groupNorm'],
  ...['multiHeadAttention', 'transformerEncoder', 'gelu'],
];

test('our own files without their description: all but these kinds come back as layers that answer alike', () => {
  const left = Object.entries(cases).flatMap(([name, each]) => {
    const model = modelOf(each);
    const read = readOnnxModel(withoutMetadata(writeOnnx(model)), 'model.onnx');
    if (read.kind === 'operators') return [name];
    const inputs = inputsOf(each, 2);
    const expected = plainForward(model, inputs);
    plainForward(read.model, inputs).forEach((value, i) => expect(value, `${name} ${i}`).toBeCloseTo(expected[i]!, 5));
    return [];
  });
  expect(left).toEqual(graphs);
});

/** Flattened by the sizes that Shape tells, as PyTorch writes view(x.size(0), -1). */
const flattened: SampleModel = {
  nodes: [
    node('GlobalAveragePool', ['x'], ['pooled']),
    node('Shape', ['pooled'], ['sizes']),
    node('Gather', ['sizes', 'first'], ['batch'], { axis: 0 }),
    node('Unsqueeze', ['batch', 'axis'], ['batches']),
    node('Concat', ['batches', 'rest'], ['target'], { axis: 0 }),
    node('Reshape', ['pooled', 'target'], ['flat']),
    node('Gemm', ['flat', 'w', 'b'], ['y'], { transB: 1 }),
  ],
  inputs: { x: { shape: ['batch', 2, 3, 3] } },
  outputs: { y: { shape: ['batch', 3] } },
  constants: {
    first: wholes([], 0),
    axis: wholes([1], 0),
    rest: wholes([1], -1),
    w: floats([3, 2], ...numbers(6, 1)),
    b: floats([3], 1, 2, 3),
  },
};

const units = 2;
const lstmWeights = {
  w: floats([1, 4 * units, 3], ...numbers(24 * 1, 2)),
  r: floats([1, 4 * units, units], ...numbers(16, 3)),
  b: floats([1, 8 * units], ...numbers(16, 4)),
};

/** An LSTM, batch first, from states of zeros that are as many as the batch, and its last place: PyTorch's out[:, -1]. */
function lstm(last: readonly ReturnType<typeof node>[]): SampleModel {
  return {
    nodes: [
      node('Transpose', ['x'], ['places']),
      node('Shape', ['x'], ['sizes']),
      node('Gather', ['sizes', 'zero'], ['batch'], { axis: 0 }),
      node('Unsqueeze', ['batch', 'axis'], ['batches']),
      node('Concat', ['one', 'batches', 'width'], ['state'], { axis: 0 }),
      node('ConstantOfShape', ['state'], ['start']),
      node('LSTM', ['places', 'w', 'r', 'b', '', 'start', 'start'], ['all', 'end'], { hidden_size: units }),
      ...last,
    ].map((each) => {
      if (each.opType === 'Transpose') each.attribute = turned().attribute;
      return each;
    }),
    inputs: { x: { shape: ['batch', 4, 3] } },
    outputs: { y: { shape: ['batch', units] } },
    constants: {
      zero: wholes([], 0),
      axis: wholes([1], 0),
      one: wholes([1], 1),
      width: wholes([1], units),
      dimension: wholes([1], 1),
      last: wholes([], -1),
      ...lstmWeights,
    },
  };
}

/** Of the attributes of a Transpose between batch and places. */
function turned(): ReturnType<typeof node> {
  const made = node('Transpose', [], [], { perm: 0 });
  const [perm] = made.attribute;
  if (perm !== undefined) Object.assign(perm, { type: 7, ints: [1n, 0n, 2n] });
  return made;
}

const lastOfAll = [
  node('Squeeze', ['all', 'dimension'], ['one-way']),
  node('Transpose', ['one-way'], ['rows']),
  node('Gather', ['rows', 'last'], ['y'], { axis: 1 }),
];

describe('as PyTorch writes them', () => {
  test('a flatten by shape arithmetic behind a global pool is the pool and a dense layer', () => {
    const model = readOnnx(sampleOnnx(flattened), 'm');
    expect(kindsOf(model)).toEqual(['globalAveragePool', 'dense']);
    const [x, y] = [1, 10];
    const image = Float64Array.from({ length: 18 }, (_, i) => (i < 9 ? x : y));
    const [w, b] = [numbers(6, 1), [1, 2, 3]];
    const expected = b.map((bias, i) => bias + x * (w[2 * i] ?? 0) + y * (w[2 * i + 1] ?? 0));
    plainForward(model, image).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6));
  });

  test('an LSTM gives its last place, by its sequence or by its last state', () => {
    const bySequence = readOnnx(sampleOnnx(lstm(lastOfAll)), 'm');
    const byState = readOnnx(sampleOnnx(lstm([node('Gather', ['end', 'last'], ['y'], { axis: 0 })])), 'm');
    expect(kindsOf(bySequence)).toEqual(['lstm']);
    expect(bySequence.description.layers[0]).toMatchObject({ units, inputs: 3, sequences: false, backwards: false });
    expect(byState).toEqual(bySequence);
    // In a layout of its own: read back from what we write.
    const again = readOnnx(withoutMetadata(writeOnnx(bySequence)), 'm');
    const inputs = Float64Array.from(numbers(12, 5));
    expect([...plainForward(again, inputs)]).toEqual([...plainForward(bySequence, inputs)]);
  });

  test('a sequence that is taken elsewhere too is not cut to its last place', () => {
    const both = [...lastOfAll.slice(0, 2), node('Gather', ['rows', 'last'], ['end-of-all'], { axis: 1 })];
    const reduced = node('ReduceMean', ['rows'], ['mean'], { keepdims: 0 });
    const model = lstm([...both, reduced, node('Add', ['end-of-all', 'mean'], ['y'])]);
    expect(() => readOnnx(sampleOnnx(model), 'm')).toThrow(/Gather.*not its only result/u);
    expect(readOnnxModel(sampleOnnx(model), 'm').kind).toBe('operators');
  });
});

describe('sums and products', () => {
  const matrix = { w: floats([3, 3], ...numbers(9, 6)), b: floats([3], 1, 2, 3) };
  const read = (nodes: SampleModel['nodes']): TrainedModel =>
    readOnnx(
      sampleOnnx({ nodes, inputs: { x: { shape: ['n', 3] } }, outputs: { y: { shape: ['n', 3] } }, constants: matrix }),
      'm',
    );
  const x = Float64Array.of(1, -2, 0.5);
  const product = [0, 1, 2].map((j) => x.reduce((sum, cell, i) => sum + cell * (numbers(9, 6)[3 * i + j] ?? 0), 0));

  test('a shortcut is an add of two layers', () => {
    const model = read([node('MatMul', ['x', 'w'], ['p']), node('Relu', ['p'], ['r']), node('Add', ['r', 'x'], ['y'])]);
    expect(kindsOf(model)).toEqual(['dense', 'relu', 'add']);
    const expected = product.map((value, j) => Math.max(0, value) + x[j]!);
    plainForward(model, x).forEach((value, j) => expect(value).toBeCloseTo(expected[j]!, 6));
    expect(() => writeTfjsLayers(model)).not.toThrow();
  });

  test('x sigmoid(x) is SiLU, but not where the sigmoid is taken elsewhere too', () => {
    const gate = [node('MatMul', ['x', 'w'], ['p']), node('Sigmoid', ['p'], ['s']), node('Mul', ['p', 's'], ['m'])];
    expect(kindsOf(read([...gate, node('Identity', ['m'], ['y'])]))).toEqual(['dense', 'silu']);
    const both = read([...gate, node('Add', ['m', 's'], ['y'])]);
    expect(kindsOf(both)).toEqual(['dense', 'sigmoid', 'multiply', 'add']);
    const expected = product.map((value) => (value + 1) / (1 + Math.exp(-value)));
    plainForward(both, x).forEach((value, j) => expect(value).toBeCloseTo(expected[j]!, 6));
  });

  test('a bias goes into the product before it only where nothing else takes that product', () => {
    const alone = read([node('MatMul', ['x', 'w'], ['p']), node('Add', ['b', 'p'], ['y'])]);
    expect(alone.description.layers).toMatchObject([{ kind: 'dense', useBias: true }]);
    const shared = [node('MatMul', ['x', 'w'], ['p']), node('Add', ['p', 'b'], ['q']), node('Add', ['p', 'q'], ['y'])];
    expect(() => read(shared)).toThrow(/node "Add-q" \(Add\) is neither/u);
  });

  test('what no output depends on is left out', () => {
    const model = read([node('MatMul', ['x', 'w'], ['y']), node('Frobnicate', ['x'], ['aside'])]);
    expect(kindsOf(model)).toEqual(['dense']);
  });
});
