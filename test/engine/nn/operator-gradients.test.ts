/**
 * Gradients of the operators of ONNX against central differences, both in doubles on the traced graph, tables as the polynomials
 * that they are. Every operator is either here, has a gradient of zero, moves values of which others are made, or refuses.
 */
import { describe, expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import { interpret } from '../../../engine/nn/operators/interpret.ts';
import { operators } from '../../../engine/nn/operators/table.ts';
import { secretTensor } from '../../../engine/nn/operators/value.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { sizeOf } from '../../../engine/tensor/shape.ts';
import { privateInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import type { ElementName, OperatorAttribute, OperatorGraph } from '../../../shared/operator-graph.ts';
import { tableGraph } from '../../helpers/float-graph.ts';

/** A secret input of this shape with numbers of this range, or public numbers. */
type Input =
  | { readonly shape: readonly number[]; readonly range: readonly [number, number] }
  | { readonly type: ElementName; readonly shape: readonly number[]; readonly values: readonly number[] };

const x = (shape: readonly number[] = [2, 3], range: readonly [number, number] = [-1.5, 1.5]): Input => ({
  shape,
  range,
});
const positive = (shape: readonly number[] = [2, 3]): Input => x(shape, [0.6, 2.5]);
const whole = (shape: readonly number[], ...values: number[]): Input => ({ type: 'int64', shape, values });
const real = (shape: readonly number[], ...values: number[]): Input => ({ type: 'float32', shape, values });

type Attributes = Readonly<Record<string, number | string | readonly number[]>>;
interface Options {
  readonly attributes?: Attributes;
  readonly version?: number;
  /** Named outputs; all are summed. */
  readonly outputs?: number;
}
type Case = readonly [operator: string, inputs: readonly (Input | undefined)[], options?: Options | undefined];

const each = (names: string, ...inputs: Input[]): Case[] => names.split(' ').map((name): Case => [name, inputs]);
const reduced = (names: string, input: Input): Case[] =>
  names.split(' ').map((name): Case => [name, [input], { version: 11, attributes: { axes: [1], keepdims: 0 } }]);
const image = x([1, 2, 4, 4]);
const weights = (gates: number): Input[] => [
  x([3, 2, 2]),
  x([1, gates * 2, 2]),
  x([1, gates * 2, 2]),
  x([1, gates * 4]),
];

const cases: readonly Case[] = [
  ...each('Abs Neg Identity Relu LeakyRelu ThresholdedRelu Shrink Clip HardSigmoid HardSwish Flatten Transpose', x()),
  ...each('Sin Cos Sinh Cosh Asinh Atan Erf Exp Tanh Sigmoid Softplus Softsign Elu Celu Gelu Mish Selu', x()),
  ...each('Softmax LogSoftmax', x()),
  ...each('Tan Asin Acos Atanh', x([2, 3], [-0.8, 0.8])),
  ...each('Log Sqrt Reciprocal', positive()),
  ['Acosh', [x([2, 3], [1.5, 3])]],
  ...each('Add Sub Mul Max Min Sum Mean', x(), x([3])),
  ['Div', [x(), positive([3])]],
  ['PRelu', [x(), x([3])]],
  ['Pow', [positive(), real([], 3)]],
  ['Pow', [positive(), real([], 2.5)]],
  ['Where', [{ type: 'bool', shape: [3], values: [1, 0, 1] }, x(), x([3])]],
  ['MatMul', [x([2, 3]), x([3, 4])]],
  ['Gemm', [x([3, 2]), x([4, 3]), x([4])], { attributes: { transA: 1, transB: 1, beta: 2 } }],
  ['Det', [x([2, 3, 3])]],
  ['Einsum', [x([2, 3]), x([3, 4])], { attributes: { equation: 'ij,jk->ki' } }],
  ...reduced('ReduceSum ReduceMean ReduceL1 ReduceSumSquare ReduceMax ReduceMin ReduceProd ReduceLogSumExp', x()),
  ...reduced('ReduceL2 ReduceLogSum', positive()),
  ['CumSum', [x(), whole([], 1)]],
  ['TopK', [x(), whole([1], 2)]],
  ['Conv', [image, x([2, 2, 3, 3]), x([2])], { attributes: { pads: [1, 1, 1, 1], strides: [2, 2] } }],
  ['ConvTranspose', [x([1, 2, 2, 2]), x([2, 1, 3, 3]), x([1])], { attributes: { strides: [2, 2] } }],
  ['MaxPool', [image], { attributes: { kernel_shape: [2, 2], strides: [2, 2] } }],
  ['AveragePool', [image], { attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } }],
  ...each('GlobalAveragePool GlobalMaxPool', image),
  ['BatchNormalization', [image, x([2]), x([2]), x([2]), positive([2])]],
  ['InstanceNormalization', [image, x([2]), x([2])], { attributes: {} }],
  ['LayerNormalization', [x([2, 4]), x([4]), x([4])]],
  ['GroupNormalization', [image, x([2]), x([2])], { version: 21, attributes: { num_groups: 1 } }],
  ['MeanVarianceNormalization', [image]],
  ['LRN', [image], { attributes: { size: 3 } }],
  ['LpNormalization', [positive()], { attributes: { axis: 1, p: 2 } }],
  ['GridSample', [x([1, 1, 3, 3]), real([1, 1, 2, 2], 0.1, 0.2, -0.5, 0.7)]],
  ['RoiAlign', [x([2, 1, 4, 4]), real([1, 4], 0, 0, 3, 3), whole([1], 1)], { attributes: { output_width: 2 } }],
  [
    'MaxUnpool',
    [x([1, 1, 1, 2]), whole([1, 1, 1, 2], 1, 6)],
    { attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  ],
  ['Resize', [image, undefined, real([4], 1, 1, 2, 2)], { attributes: { mode: 'linear' } }],
  ['Upsample', [image, real([4], 1, 1, 2, 2)], { version: 9 }],
  ['DepthToSpace', [x([1, 4, 2, 2])], { attributes: { blocksize: 2 } }],
  ['SpaceToDepth', [image], { attributes: { blocksize: 2 } }],
  ['RNN', weights(1), { outputs: 2 }],
  ['LSTM', weights(4), { outputs: 3 }],
  ['GRU', weights(3), { outputs: 2 }],
  ['Concat', [x(), x()], { attributes: { axis: 1 } }],
  ['Expand', [x([2, 1]), whole([2], 2, 3)]],
  ['Pad', [x(), whole([4], 0, 1, 1, 0)]],
  ['Reshape', [x(), whole([2], 3, 2)]],
  ['ReverseSequence', [x([3, 2]), whole([2], 3, 2)]],
  ['Slice', [x(), whole([1], 1), whole([1], 3), whole([1], 1)]],
  ['Split', [x([2, 4])], { attributes: { axis: 1 }, outputs: 2 }],
  ['Squeeze', [x([2, 1]), whole([1], 1)]],
  ['Unsqueeze', [x(), whole([1], 0)]],
  ['Tile', [x(), whole([2], 2, 1)]],
  ['Trilu', [x([3, 3])]],
  ['Gather', [x(), whole([2], 1, 1)], { attributes: { axis: 1 } }],
  ['GatherElements', [x(), whole([2, 1], 2, 0)], { attributes: { axis: 1 } }],
  ['GatherND', [x(), whole([1, 2], 1, 2)]],
  ['Scatter', [x(), whole([2, 1], 2, 0), x([2, 1])], { version: 9, attributes: { axis: 1 } }],
  ['ScatterElements', [x(), whole([2, 1], 2, 0), x([2, 1])], { attributes: { axis: 1 } }],
  ['ScatterND', [x(), whole([1, 2], 1, 2), x([1])]],
  ['Compress', [x(), { type: 'bool', shape: [3], values: [1, 0, 1] }], { attributes: { axis: 1 } }],
  ['OneHot', [whole([2], 0, 2), whole([], 3), x([2])]],
  ['SoftmaxCrossEntropyLoss', [x(), whole([2], 1, 2)]],
  ['NegativeLogLikelihoodLoss', [x(), whole([2], 1, 2)]],
  ['DequantizeLinear', [whole([3], 1, 2, -3), x([3])], { attributes: { axis: 0 } }],
  ['DFT', [x([1, 4, 1])], { attributes: { axis: 1 } }],
  ['STFT', [x([1, 8, 1]), whole([], 4), real([4], 1, 0.5, 0.5, 1)]],
];

/** Steps have a slope of 0. */
const steps = ['Floor', 'Ceil', 'Round', 'Sign'];

const withoutGradients: Readonly<Record<string, string>> = {
  'give truth values, places or sizes':
    'And Or Xor Not Equal Greater GreaterOrEqual Less LessOrEqual IsInf IsNaN ArgMax ArgMin Hardmax NonZero Shape Size',
  'take whole numbers': 'BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor ConvInteger MatMulInteger Mod',
  'take public numbers only':
    'Constant ConstantOfShape EyeLike Range BlackmanWindow HammingWindow HannWindow MelWeightMatrix',
  'run others': 'If Loop Scan SequenceMap',
  'put tensors into lists or change their type':
    'CastLike ConcatFromSequence Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SplitToSequence Dropout',
  'refuse to be trained through': 'QuantizeLinear QLinearConv QLinearMatMul Cast',
  'refuse altogether':
    'Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike NonMaxSuppression Unique DynamicQuantizeLinear TfIdfVectorizer ai.onnx.preview.training.Adagrad ai.onnx.preview.training.Adam ai.onnx.preview.training.Gradient ai.onnx.preview.training.Momentum',
};

test('every operator stands in one of these lists', () => {
  const known = new Set([
    ...cases.map(([operator]) => operator),
    ...steps,
    ...Object.values(withoutGradients).flatMap((names) => names.split(' ')),
  ]);
  expect([...operators.keys()].filter((name) => !known.has(name))).toEqual([]);
  expect([...known].filter((name) => !operators.has(name))).toEqual([]);
});

/** Numbers without structure, away from 0, where many have a kink. */
function numbers(count: number, seed: number, [low, high]: readonly [number, number]): number[] {
  return Array.from({ length: count }, (_, i) => {
    const noise = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43_758.5453;
    const value = low + (high - low) * (noise - Math.floor(noise));
    return Math.abs(value) < 0.06 ? value + 0.12 : value;
  });
}

function attribute([name, value]: [string, Attributes[string]]): OperatorAttribute {
  if (typeof value === 'string') return { name, kind: 'string', value };
  if (typeof value !== 'number') return { name, kind: 'ints', value };
  return { name, kind: name === 'beta' ? 'float' : 'int', value };
}

/** The traced operator: its secret inputs, and what all its outputs come to with random factors. */
function traced([operator, inputs, { attributes = {}, version = 17, outputs = 1 } = {}]: Case) {
  const names = inputs.map((input, i) => (input === undefined ? '' : `x${i}`));
  const outputNames = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const description: OperatorGraph = {
    inputs: names.flatMap((name, i) => ('range' in (inputs[i] ?? {}) ? [{ name, type: 'float32', shape: null }] : [])),
    outputs: outputNames.map((name) => ({ name, type: null, shape: null })),
    nodes: [
      {
        name: 'node',
        operator,
        domain: '',
        version,
        inputs: names,
        outputs: outputNames,
        attributes: Object.entries(attributes).map(attribute),
      },
    ],
    constants: inputs.flatMap((input, i) =>
      input !== undefined && 'values' in input
        ? [{ name: `x${i}`, tensor: { type: input.type, shape: input.shape, values: [...input.values] } }]
        : [],
    ),
    weights: [],
  };
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const values = new Map<string, number[]>();
  const secret = inputs.flatMap((input, i): Tensor[] => {
    if (input === undefined || 'values' in input) return [];
    values.set(`x${i}`, numbers(sizeOf(input.shape), i, input.range));
    return [privateInput(graph, `x${i}`, 'a', input.shape, 4)];
  });
  const given = secret.map((tensor) => secretTensor('float32', tensor));
  const results = interpret(description, graph, given, new Map());
  const seeds: [Tensor, Tensor][] = results.flatMap((value, i) => {
    if (value.kind !== 'secret' || value.type !== 'float32') return [];
    const seed = privateInput(graph, `seed${i}`, 'b', value.tensor.shape, 4);
    values.set(`seed${i}`, numbers(seed.size, 90 + i, [-1, 1]));
    return [[value.tensor, seed]];
  });
  return { graph, values, secret, seeds, results };
}

describe('gradients of operators', () => {
  test.each(cases.map((each) => [each[0], each] as const))('%s', (_, each) => {
    const { graph, values, secret, seeds } = traced(each);
    const derivatives = gradients(seeds, secret);
    const hasTables = graph.nodes.some(({ operation }) => operation.op === 'lookUp');
    // Tables have errors of their own, which a short step would make large.
    const [step, tolerance] = hasTables ? [2 ** -5, 0.02] : [1e-4, 1e-5];
    const loss = (changed: ReadonlyMap<string, number[]>): number => {
      const plain = tableGraph(graph, { values: changed });
      return seeds.reduce((sum, [output, seed]) => {
        const factors = plain.value(seed.node.id);
        return sum + plain.value(output.node.id).reduce((part, y, i) => part + y * (factors[i] ?? 0), 0);
      }, 0);
    };
    const found = tableGraph(graph, { values });
    secret.forEach((tensor, input) => {
      const name = tensor.node.operation.op === 'input' ? tensor.node.operation.name : '';
      const own = values.get(name) ?? [];
      const derivative = found.value(derivatives[input]?.node.id ?? -1);
      own.forEach((value, i) => {
        const at = (by: number): number => loss(new Map(values).set(name, own.with(i, value + by)));
        const difference = (at(step) - at(-step)) / (2 * step);
        const error = Math.abs((derivative[i] ?? NaN) - difference);
        expect(error, `${name} ${i}: ${derivative[i]} and ${difference}`).toBeLessThan(
          tolerance * (1 + Math.abs(difference)),
        );
      });
    });
  });

  test.each(steps)('%s has a slope of 0', (operator) => {
    const { graph, values, secret, seeds } = traced([operator, [x()]]);
    const [derivative] = gradients(seeds, secret);
    expect([...tableGraph(graph, { values }).value(derivative?.node.id ?? -1)].every((slope) => slope === 0)).toBe(
      true,
    );
  });

  test.each<[string, Case]>([
    ['QuantizeLinear', ['QuantizeLinear', [x(), real([], 0.5)]]],
    ['Cast', ['Cast', [x()], { attributes: { to: 7 } }]],
  ])('%s refuses to be trained through, by name', (_, each) => {
    const { graph, secret, results } = traced(each);
    const [output] = results;
    if (output?.kind !== 'secret') throw new Error('the result is public');
    const seed = privateInput(graph, 'seed', 'b', output.tensor.shape, 4);
    expect(() => gradients([[output.tensor, seed]], secret)).toThrow(/node "node" \(.*\) rounds to whole numbers/u);
  });
});
