/** Private inference with graphs of operators: several owners, exact costs, refusals by node and operator. */
import { describe, expect, test } from 'vitest';
import { TensorProto_DataType } from '../../../engine/models/onnx/generated/onnx_pb.ts';
import type { NodeProto } from '../../../engine/models/onnx/generated/onnx_pb.ts';
import type { OperatorModel } from '../../../engine/models/onnx/operators.ts';
import { readOnnxModel } from '../../../engine/models/onnx/read.ts';
import type { PlainTensor } from '../../../engine/models/tensor.ts';
import { inferGraphPrivately } from '../../../main/host/inference/graph-inference.ts';
import type { GraphInferenceResult } from '../../../main/host/inference/graph-inference.ts';
import { floats, sampleNode as node, sampleOnnx, wholes } from '../../helpers/onnx-models.ts';

const { FLOAT, INT64 } = TensorProto_DataType;

function model(
  nodes: NodeProto[],
  inputs: Record<string, TensorProto_DataType>,
  outputs: string[],
  constants: Record<string, PlainTensor> = {},
): OperatorModel {
  const bytes = sampleOnnx({
    nodes,
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, type]) => [name, { type }])),
    outputs: Object.fromEntries(outputs.map((name) => [name, {}])),
    constants,
  });
  const read = readOnnxModel(bytes, 'model.onnx');
  if (read.kind !== 'operators') throw new Error('the model was read as layers');
  return read.model;
}

async function infer(given: OperatorModel, tensors: readonly PlainTensor[]): Promise<GraphInferenceResult> {
  const owners = ['a', 'c'];
  const result = await inferGraphPrivately({
    model: given,
    inputs: tensors.map((tensor, i) => ({ what: `input ${i}`, owner: owners[i % 2] ?? '', tensor })),
    parties: ['a', 'b', 'c'],
    modelOwner: 'b',
    receiver: 'a',
    transport: 'memory',
    signal: new AbortController().signal,
  });
  for (const party of result.traffic) {
    expect(party.bytesSent).toBe(party.predictedBytes);
    expect(party.rounds).toBe(party.predictedRounds);
  }
  return result;
}

test('inputs of two owners and a weight of a third; two outputs, one of whole numbers', async () => {
  const given = model(
    [
      node('MatMul', ['x', 'w'], ['product']),
      node('Add', ['product', 'z'], ['sum']),
      node('ArgMax', ['sum'], ['best'], { axis: 1, keepdims: 0 }),
    ],
    { x: FLOAT, z: FLOAT },
    ['sum', 'best'],
    { w: floats([2, 2], 1, -1, 0.5, 2) },
  );
  expect(given.graph.weights.map(({ key }) => key)).toEqual(['w']);
  expect(given.graph.constants).toEqual([]);
  const { outputs, publicInputs } = await infer(given, [floats([2, 2], 1, 2, -3, 0.25), floats([2], 0.5, 0)]);
  expect(publicInputs).toEqual([]);
  const [sum, best] = outputs.flat();
  [2.5, 3, -2.375, 3.5].forEach((value, i) => expect(Number(sum?.data[i])).toBeCloseTo(value, 3));
  expect(best).toEqual({ type: 'int64', shape: [2], data: BigInt64Array.of(1n, 1n) });
});

test('rows of a table by secret whole numbers, from the end too', async () => {
  const table = floats([3, 2], 1, 2, 3, 4, 5, 6);
  const given = model([node('Gather', ['table', 'i'], ['rows'])], { i: INT64 }, ['rows'], { table });
  const { outputs, publicInputs } = await infer(given, [wholes([3], 2, 0, -2)]);
  expect(publicInputs).toEqual([]);
  expect(outputs).toEqual([floats([3, 2], 5, 6, 1, 2, 3, 4)]);
});

test('quotients and remainders of secret whole numbers are exact, also of large ones', async () => {
  const given = model([node('Div', ['x', 'y'], ['q']), node('Mod', ['x', 'y'], ['r'])], { x: INT64, y: INT64 }, [
    'q',
    'r',
  ]);
  const x = [1_000_000_007, 2 ** 30, 123_456_789, -7, 7, -999_999, 0, 1_048_575];
  const y = [30_011, 4099, 1000, 2, -2, 10, 5, 1];
  const { outputs } = await infer(given, [wholes([8], ...x), wholes([8], ...y)]);
  const floorModulo = x.map((a, i) => a - (y[i] ?? 1) * Math.floor(a / (y[i] ?? 1)));
  expect(outputs).toEqual([wholes([8], ...x.map((a, i) => Math.trunc(a / (y[i] ?? 1)))), wholes([8], ...floorModulo)]);
});

test('an input that decides a shape becomes public, and no other', async () => {
  const given = model(
    [node('Relu', ['x'], ['y']), node('Reshape', ['y', 'shape'], ['z'])],
    { x: FLOAT, shape: INT64 },
    ['z'],
  );
  const { outputs, publicInputs } = await infer(given, [floats([4], 1, -1, 2, -2), wholes([2], 2, -1)]);
  expect(publicInputs).toEqual(['shape']);
  expect(outputs).toEqual([floats([2, 2], 1, 0, 2, 0)]);
});

describe('refusals name the node, the operator and what is wrong', () => {
  test.each<[string, NodeProto[], RegExp]>([
    ['an unknown operator', [node('Frobnicate', ['x'], ['y'])], /node "Frobnicate-y" \(Frobnicate\) is an operator/],
    [
      'an unknown attribute',
      [node('Relu', ['x'], ['y'], { slope: 1 })],
      /node "Relu-y" \(Relu\) has the attribute "slope"/,
    ],
    [
      'a size that depends on secrets',
      [node('NonZero', ['x'], ['y'])],
      /node "NonZero-y" \(NonZero\) gives an output whose size/,
    ],
    [
      'shapes that do not fit',
      [node('Shape', ['x'], ['n']), node('Concat', ['x', 'x', 'n'], ['y'], { axis: 1 })],
      /node "Concat-y" \(Concat\)/,
    ],
  ])('%s', async (_, nodes, message) => {
    const given = model(nodes, { x: FLOAT }, ['y']);
    await expect(infer(given, [floats([2, 2], 1, 2, 3, 4)])).rejects.toThrow(message);
  });

  test('values beyond what fixed point holds, naming input and position', async () => {
    const given = model([node('Add', ['x', 'x'], ['y'])], { x: FLOAT }, ['y']);
    await expect(infer(given, [floats([2], 1, 1e9)])).rejects.toThrow(/input "x", position 1.*4194304/u);
    await expect(infer(given, [floats([2], NaN, 1)])).rejects.toThrow(/input "x", position 0.*finite/u);
  });

  test('a weight that is too large, by node, position and bound, with what would fit', async () => {
    const given = model([node('MatMul', ['x', 'w'], ['y'])], { x: FLOAT }, ['y'], {
      w: floats([2, 2], 1, 2, -(2 ** 23), 4),
    });
    await expect(infer(given, [floats([1, 2], 1, 1)])).rejects.toMatchObject({
      code: 'value-out-of-range',
      message:
        'The weight w of node "MatMul-y" (MatMul), position 2, is too large: magnitudes must stay below 4194304 at 16 fraction bits.',
      hint: 'Divided by 4 all of it fits, exact to 14 fraction bits of what it is now. Or leave the value out.',
    });
  });

  test.each([NaN, Infinity])('%d among the weights, by node and position', async (bad) => {
    const given = model([node('MatMul', ['x', 'w'], ['y'])], { x: FLOAT }, ['y'], {
      w: floats([2, 2], 1, 2, bad, 4),
    });
    await expect(infer(given, [floats([1, 2], 1, 1)])).rejects.toMatchObject({
      code: 'constant-not-finite',
      message: expect.stringMatching(
        /^node "MatMul-y" \(MatMul\): .*the constant \[2, 2\] holds .* at position 2/u,
      ) as string,
    });
  });

  test('too few inputs, and inputs of another type', async () => {
    const given = model([node('Add', ['x', 'z'], ['y'])], { x: FLOAT, z: FLOAT }, ['y']);
    await expect(infer(given, [floats([1], 1)])).rejects.toThrow(/takes 2 inputs \(x, z\), and 1 are given/);
    await expect(infer(given, [floats([1], 1), wholes([1], 1)])).rejects.toThrow(/input "z" takes float32/);
  });
});
