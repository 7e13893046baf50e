/** Private inference against the plain evaluator: answers, exact costs, refusals. */
import { describe, expect, test } from 'vitest';
import type { PlainTensor } from '../../../engine/models/tensor.ts';
import { inferPrivately } from '../../../main/host/inference/private-inference.ts';
import type { InferenceOptions, InferenceResult } from '../../../main/host/inference/private-inference.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import type { ModelDescription, TrainedModel } from '../../../shared/model.ts';
import { plainForward } from '../../engine/models/plain-forward.ts';
import { convolutional, mlp, standardisedLogistic, withSampleWeights } from '../../engine/models/sample-models.ts';

/** Numbers between -spread and spread, the same every time. */
function sample(shape: readonly number[], spread = 2): PlainTensor {
  let state = 7;
  const data = Float64Array.from({ length: elementCount(shape) }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return ((state / 2 ** 31) * 2 - 1) * spread;
  });
  return { type: 'float64', shape, data };
}

async function infer(
  model: TrainedModel,
  tensor: PlainTensor,
  options: Partial<InferenceOptions> = {},
): Promise<InferenceResult> {
  return await inferPrivately({
    model,
    inputs: [{ what: 'x.npy', owner: 'a', tensor }],
    parties: ['a', 'b'],
    modelOwner: 'b',
    transport: 'memory',
    signal: new AbortController().signal,
    ...options,
  });
}

/** Compares with the plain evaluator, and what was counted with the plan. */
function check(model: TrainedModel, tensor: PlainTensor, result: InferenceResult, tolerance = 2e-3): void {
  const wanted = plainForward(model, tensor.data as Float64Array);
  const [output] = result.outputs;
  expect(output?.data.length).toBe(wanted.length);
  const largest = wanted.reduce((max, value) => Math.max(max, Math.abs(value)), 1);
  wanted.forEach((value, i) => expect(Math.abs(value - Number(output?.data[i]))).toBeLessThan(tolerance * largest));
  for (const party of result.traffic) {
    expect(party.bytesSent).toBe(party.predictedBytes);
    expect(party.rounds).toBe(party.predictedRounds);
  }
}

const image = (layers: ModelDescription['layers'], inputShape = [2, 5, 6]): TrainedModel =>
  withSampleWeights({ inputShape, layers });
const pool = { name: 'pool', kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0] } as const;
type Padding = [number, number, number, number];

describe('answers equal the plain evaluator', () => {
  test.each<[string, TrainedModel, number[]]>([
    ['a small MLP', mlp, [5, 3]],
    ['a LeNet-like net with every layer', convolutional, [2, 2, 9, 7]],
    [
      'maximum of windows',
      image([{ kind: 'maxPool2d', ...pool, kernel: [2, 2], stride: [2, 2], dilation: [1, 1], padding: [0, 0, 0, 0] }]),
      [2, 2, 5, 6],
    ],
    [
      'maximum with padding, overlap and negative cells',
      image([
        {
          kind: 'maxPool2d',
          name: 'pool',
          kernel: [3, 3],
          stride: [1, 2],
          dilation: [1, 1],
          padding: [1, 1, 1, 1] as Padding,
        },
      ]),
      [2, 2, 5, 6],
    ],
    [
      'maximum of 20 cells, dilated',
      image([
        {
          kind: 'maxPool2d',
          name: 'pool',
          kernel: [4, 5],
          stride: [1, 1],
          dilation: [1, 1],
          padding: [0, 0, 0, 0] as Padding,
        },
      ]),
      [1, 2, 5, 6],
    ],
    [
      'rectified maximum',
      image([
        { kind: 'relu', name: 'relu' },
        {
          kind: 'maxPool2d',
          name: 'pool',
          kernel: [2, 3],
          stride: [2, 3],
          dilation: [2, 1],
          padding: [0, 0, 1, 0] as Padding,
        },
      ]),
      [2, 2, 5, 6],
    ],
    [
      'mean of windows, padding left out',
      image([
        {
          kind: 'averagePool2d',
          name: 'pool',
          kernel: [3, 2],
          stride: [1, 2],
          padding: [1, 1, 2, 0] as Padding,
          countPadding: false,
        },
      ]),
      [2, 2, 5, 6],
    ],
    [
      'grouped convolution',
      image(
        [
          {
            kind: 'conv2d',
            name: 'conv',
            channels: 4,
            filters: 6,
            kernel: [2, 3],
            stride: [1, 1],
            dilation: [1, 1],
            padding: [0, 1, 1, 0] as Padding,
            groups: 2,
            useBias: true,
          },
        ],
        [4, 5, 6],
      ),
      [3, 4, 5, 6],
    ],
    [
      'tanh',
      { description: { inputShape: [9], layers: [{ kind: 'tanh', name: 'tanh' }] }, weights: new Map() },
      [4, 9],
    ],
  ])('%s', async (_, model, shape) => {
    const tensor = sample(shape);
    check(model, tensor, await infer(model, tensor));
  });

  test('inputs are standardised on shares, far from zero too', async () => {
    const tensor = sample([6, 3], 100);
    check(standardisedLogistic, tensor, await infer(standardisedLogistic, tensor));
  });

  test('LeNet of 28 x 28 digits', async () => {
    const model = withSampleWeights(expandTemplate({ template: 'lenet' }, [1, 28, 28], 10, 'classification'));
    const small: TrainedModel = {
      ...model,
      weights: new Map([...model.weights].map(([key, w]) => [key, { shape: w.shape, data: w.data.map((v) => v / 8) }])),
    };
    const tensor = sample([3, 1, 28, 28], 1);
    check(small, tensor, await infer(small, tensor));
  });
});

test('three parties, two inputs: each owner receives its own answers', async () => {
  const [first, second] = [sample([4, 3]), sample([2, 3], 1)];
  const result = await infer(mlp, first, {
    parties: ['a', 'b', 'c'],
    inputs: [
      { what: 'first', owner: 'a', tensor: first },
      { what: 'second', owner: 'c', tensor: second },
    ],
  });
  check(mlp, first, result);
  check(mlp, second, { ...result, outputs: result.outputs.slice(1) });
  // Weights once by their owner; then rows by theirs, the layers' openings by all, answers by all but the receiver.
  expect(result.cost.programs.map(({ program, executions }) => [program, executions])).toEqual([
    ['weights', 1],
    ['infer-a-4', 1],
    ['infer-c-2', 1],
  ]);
});

test('batches are made smaller until they fit into memory, and none is left out', async () => {
  const tensor = sample([7, 3]);
  const whole = await infer(mlp, tensor);
  const needed = Math.max(...[...whole.plan.programs.values()].map(({ dealer }) => dealer.memoryBytes));
  const split = await infer(mlp, tensor, { memoryBytes: needed - 1 });
  check(mlp, tensor, split);
  expect(split.cost.programs.reduce((sum, { executions }) => sum + executions, 0)).toBeGreaterThan(2);
  await expect(infer(mlp, tensor, { memoryBytes: 100 })).rejects.toMatchObject({ code: 'inference-memory' });
});

test('what cannot be shared is refused with the tensor and the bound', async () => {
  const good = sample([2, 3]);
  const withCell = (value: number): PlainTensor => ({
    type: 'float64',
    shape: good.shape,
    data: Float64Array.from(good.data as Float64Array, (v, at) => (at === 4 ? value : v)),
  });
  await expect(infer(mlp, withCell(NaN))).rejects.toMatchObject({
    code: 'not-finite',
    message: 'x.npy holds NaN at position 4.',
  });
  await expect(infer(mlp, withCell(-5e6))).rejects.toMatchObject({
    code: 'input-out-of-range',
    message: 'x.npy holds -5000000 at position 4: magnitudes must stay below 4194304 at 16 fraction bits.',
    hint: 'Divided by 2 all of it fits, exact to 15 fraction bits of what it is now.',
  });
  await expect(infer(mlp, sample([2, 4]))).rejects.toMatchObject({
    code: 'input-shape',
    message: expect.stringContaining('[2, 4]') as string,
  });
  const withWeight = (value: number): TrainedModel => {
    const kernel = mlp.weights.get('dense1/kernel')!;
    return {
      ...mlp,
      weights: new Map([...mlp.weights, ['dense1/kernel', { ...kernel, data: kernel.data.with(1, value) }]]),
    };
  };
  await expect(infer(withWeight(Infinity), good)).rejects.toMatchObject({ code: 'not-finite' });
  await expect(infer(withWeight(2 ** 25), good)).rejects.toMatchObject({
    code: 'weight-out-of-range',
    message:
      'The weight dense1/kernel holds 33554432 at position 1: magnitudes must stay below 4194304 at 16 fraction bits.',
    hint: 'Divided by 16 all of it fits, exact to 12 fraction bits of what it is now.',
  });
});
