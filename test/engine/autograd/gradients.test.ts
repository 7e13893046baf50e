/** Gradients of every operation and function against central differences, both evaluated in doubles on the traced graph. */
import { describe, expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import { expNonPositive, reciprocalFromOne, sigmoid, softplus } from '../../../engine/functions/elementary.ts';
import { intervalTable } from '../../../engine/functions/interval-table.ts';
import { softmax } from '../../../engine/functions/softmax.ts';
import { forward } from '../../../engine/nn/forward.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { concat, constant, linear, privateInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import { floatGraph, logistic, softplusOf } from '../../helpers/float-graph.ts';

type Function = (x: number) => number;

interface Trial {
  readonly shapes: readonly (readonly number[])[];
  readonly trace: (...inputs: Tensor[]) => Tensor;
  /** Behind the look-ups of forward and backward pass, in order. */
  readonly functions?: readonly Function[];
  /** Inputs lie in this range. */
  readonly range?: readonly [number, number];
}

const STEP = 1e-4;

/** Numbers in a range without structure, at least 0.01 away from 0. */
function numbers(count: number, seed: number, [low, high]: readonly [number, number]): number[] {
  return Array.from({ length: count }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43_758.5453;
    const value = low + (high - low) * (x - Math.floor(x));
    return Math.abs(value) < 0.01 ? value + 0.02 : value;
  });
}

function check({ shapes, trace, functions = [], range = [-1, 1] }: Trial): void {
  const build = (): { graph: Graph; loss: number; size: number; derivatives: number[] } => {
    const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
    const inputs = shapes.map((shape, i) => privateInput(graph, `x${i}`, 'a', shape, 4));
    const output = trace(...inputs);
    const seed = privateInput(graph, 'seed', 'b', output.shape, 4);
    const loss = output.mulRaw(seed).reshape([output.size]).sum(0);
    const derivatives = gradients([[output, seed]], inputs);
    derivatives.forEach((derivative, i) => expect(derivative.shape).toEqual(shapes[i]));
    return { graph, loss: loss.node.id, size: output.size, derivatives: derivatives.map((d) => d.node.id) };
  };
  const { graph, loss, size, derivatives } = build();
  const values = shapes.map((shape, i) =>
    numbers(
      shape.reduce((a, b) => a * b, 1),
      i,
      range,
    ),
  );
  const feeds = (changed: number, element: number, by: number): { values: Map<string, number[]> } => ({
    values: new Map([
      ['seed', numbers(size, 99, [-1, 1])],
      ...values.map(
        (list, i) => [`x${i}`, list.map((v, e) => (i === changed && e === element ? v + by : v))] as [string, number[]],
      ),
    ]),
  });
  const plain = floatGraph(graph, feeds(-1, 0, 0), functions);
  derivatives.forEach((derivative, i) => {
    const analytic = plain.value(derivative);
    analytic.forEach((value, element) => {
      const at = (by: number): number => floatGraph(graph, feeds(i, element, by), functions).value(loss)[0] ?? NaN;
      const numeric = (at(STEP) - at(-STEP)) / (2 * STEP);
      expect(Math.abs(value - numeric), `input ${i}, element ${element}: ${value} and ${numeric}`).toBeLessThan(2e-5);
    });
  });
}

const matrix = [3, 4];

describe('linear operations', () => {
  test.each<[string, Trial]>([
    ['sum of three, two of them the same', { shapes: [matrix, matrix], trace: (x, y) => x.add(y).add(x) }],
    ['difference and negation', { shapes: [matrix, matrix], trace: (x, y) => x.sub(y).neg() }],
    ['broadcast of a row', { shapes: [matrix, [4]], trace: (x, y) => x.add(y) }],
    ['broadcast of a column', { shapes: [matrix, [3, 1]], trace: (x, y) => y.sub(x) }],
    ['broadcast of both', { shapes: [[3, 1], [4]], trace: (x, y) => x.add(y) }],
    ['broadcast to more axes', { shapes: [[2, 1]], trace: (x) => x.broadcastTo([3, 2, 4]) }],
    ['public numbers', { shapes: [matrix], trace: (x) => x.addNumber(0.5).timesInteger(-3n).timesNumber(0.37) }],
    [
      'several scales',
      {
        shapes: [matrix, matrix],
        trace: (x, y) =>
          linear('mix', [
            [3n, x],
            [-2n, y.timesRaw(0.3, 7)],
          ]),
      },
    ],
    ['truncations', { shapes: [matrix], trace: (x) => x.timesRaw(1.7, 12).rescaled(20).rescaled(16) }],
    ['a smaller bound', { shapes: [matrix], trace: (x) => x.assumeBelow(1.5).timesNumber(2.5) }],
    [
      'reshape and transpose',
      { shapes: [[2, 3, 4]], trace: (x) => x.transpose([2, 0, 1]).reshape([4, 6]).transpose() },
    ],
    ['slice', { shapes: [[4, 5]], trace: (x) => x.slice([1, 2], [2, 3]) }],
    ['embed', { shapes: [[2, 3]], trace: (x) => x.embed([1, 2], [4, 6]) }],
    [
      'sums over every axis',
      { shapes: [[2, 3, 4]], trace: (x) => concat([x.sum(0).sum(0), x.sum(2).sum(1), x.sum(-2).sum(0)], 0) },
    ],
    [
      'concatenation',
      {
        shapes: [
          [2, 3],
          [2, 1],
          [2, 2],
        ],
        trace: (x, y, z) => concat([x, y, z, x], 1),
      },
    ],
  ])('%s', (_, trial) => check(trial));
});

describe('products', () => {
  test.each<[string, Trial]>([
    ['elementwise', { shapes: [matrix, matrix], trace: (x, y) => x.mul(y) }],
    ['square and cube', { shapes: [matrix], trace: (x) => x.mul(x).add(x.mul(x).mul(x)) }],
    ['with broadcasting', { shapes: [matrix, [3, 1], [4]], trace: (x, y, z) => x.mul(y).mul(z) }],
    ['before truncation', { shapes: [matrix, matrix], trace: (x, y) => x.mulRaw(y).add(x.mulRaw(x)) }],
    [
      'matrices',
      {
        shapes: [
          [2, 3],
          [3, 4],
        ],
        trace: (x, y) => x.matmul(y),
      },
    ],
    [
      'first transposed',
      {
        shapes: [
          [3, 2],
          [3, 4],
        ],
        trace: (x, y) => x.matmul(y, { transposeA: true }),
      },
    ],
    [
      'second transposed',
      {
        shapes: [
          [2, 3],
          [4, 3],
        ],
        trace: (x, y) => x.matmul(y, { transposeB: true }),
      },
    ],
    [
      'both transposed',
      {
        shapes: [
          [3, 2],
          [4, 3],
        ],
        trace: (x, y) => x.matmul(y, { transposeA: true, transposeB: true }),
      },
    ],
    [
      'a batch',
      {
        shapes: [
          [2, 2, 3],
          [2, 3, 2],
        ],
        trace: (x, y) => x.matmul(y),
      },
    ],
    [
      'a batch and one',
      {
        shapes: [
          [2, 2, 3],
          [3, 2],
        ],
        trace: (x, y) => x.matmul(y),
      },
    ],
    [
      'one and a batch',
      {
        shapes: [
          [3, 2],
          [2, 3, 2],
        ],
        trace: (x, y) => x.matmul(y, { transposeA: true }),
      },
    ],
    ['a matrix and itself', { shapes: [[3, 3]], trace: (x) => x.matmul(x, { transposeB: true }) }],
  ])('%s', (_, trial) => check(trial));
});

const windows = {
  batch: 2,
  channels: 2,
  height: 4,
  width: 5,
  kernel: [2, 3],
  stride: [1, 2],
  dilation: [1, 1],
  padding: [1, 0, 0, 2],
} as const;

describe('bits, windows and layers', () => {
  const image = [2, 4, 4];
  const apply = (layers: readonly Layer[], x: Tensor, weights: Record<string, Tensor> = {}): Tensor =>
    forward(layers, new Map(Object.entries(weights)), x);
  const pool: Pick<Extract<Layer, { kind: 'averagePool2d' }>, 'name' | 'kernel' | 'stride' | 'padding'> = {
    name: 'pool',
    kernel: [2, 3],
    stride: [2, 1],
    padding: [0, 1, 0, 1],
  };

  test.each<[string, Trial]>([
    ['ReLU', { shapes: [matrix], trace: (x) => x.relu() }],
    ['ReLU of a product', { shapes: [matrix, matrix], trace: (x, y) => x.mul(y).relu() }],
    ['select by the sign of another', { shapes: [matrix, matrix], trace: (x, y) => y.atLeast(0).select(x).add(y) }],
    [
      'xor, not and bits as numbers carry none',
      { shapes: [matrix], trace: (x) => x.atLeast(0).xor(x.atLeast(0.5)).not().toNumber().add(x) },
    ],
    ['maximum', { shapes: [[5, 3]], trace: (x) => x.oneHotMaximum().select(x).sum(0) }],
    ['windows', { shapes: [[2, 2, 4, 5]], trace: (x) => x.unfold(windows) }],
    ['sums of windows', { shapes: [[2, 2, 4, 5]], trace: (x) => x.unfold(windows).fold(windows) }],
    [
      'convolution',
      {
        shapes: [[2, ...image], [3, 2, 3, 2], [3]],
        trace: (x, kernel, bias) =>
          apply(
            [
              {
                kind: 'conv2d',
                name: 'c',
                channels: 2,
                filters: 3,
                kernel: [3, 2],
                stride: [1, 2],
                dilation: [1, 1],
                padding: [1, 0, 1, 0],
                groups: 1,
                useBias: true,
              },
            ],
            x,
            { 'c/kernel': kernel, 'c/bias': bias },
          ),
      },
    ],
    [
      'grouped convolution',
      {
        shapes: [
          [1, ...image],
          [4, 1, 2, 2],
        ],
        trace: (x, kernel) =>
          apply(
            [
              {
                kind: 'conv2d',
                name: 'c',
                channels: 2,
                filters: 4,
                kernel: [2, 2],
                stride: [1, 1],
                dilation: [2, 2],
                padding: [0, 0, 0, 0],
                groups: 2,
                useBias: false,
              },
            ],
            x,
            { 'c/kernel': kernel },
          ),
      },
    ],
    [
      'average pooling',
      { shapes: [[2, ...image]], trace: (x) => apply([{ kind: 'averagePool2d', ...pool, countPadding: false }], x) },
    ],
    [
      'average pooling that counts padding',
      { shapes: [[1, ...image]], trace: (x) => apply([{ kind: 'averagePool2d', ...pool, countPadding: true }], x) },
    ],
    [
      'maximum pooling',
      { shapes: [[1, ...image]], trace: (x) => apply([{ kind: 'maxPool2d', ...pool, dilation: [1, 1] }], x) },
    ],
    [
      'dense layers',
      {
        shapes: [[2, 3], [3, 4], [4], [4, 2]],
        trace: (x, k1, b1, k2) =>
          apply(
            [
              { kind: 'dense', name: 'one', inputs: 3, outputs: 4, useBias: true },
              { kind: 'relu', name: 'r' },
              { kind: 'dense', name: 'two', inputs: 4, outputs: 2, useBias: false },
            ],
            x,
            { 'one/kernel': k1, 'one/bias': b1, 'two/kernel': k2 },
          ),
      },
    ],
  ])('%s', (_, trial) => check(trial));
});

describe('functions', () => {
  const inverse = (x: number): number => 1 / x;
  test.each<[string, Trial]>([
    ['sigmoid', { shapes: [[12]], trace: (x) => sigmoid(x), functions: [logistic], range: [-6, 6] }],
    ['sigmoid beyond its domain', { shapes: [[2]], trace: (x) => sigmoid(x), functions: [logistic], range: [12, 15] }],
    ['softplus', { shapes: [[12]], trace: (x) => softplus(x), functions: [softplusOf, logistic], range: [-6, 6] }],
    ['exp', { shapes: [[12]], trace: (x) => expNonPositive(x), functions: [Math.exp], range: [-6, 0] }],
    ['reciprocal', { shapes: [[12]], trace: (x) => reciprocalFromOne(x, 8), functions: [inverse], range: [1.1, 7] }],
    ['softmax', { shapes: [[4, 5]], trace: (x) => softmax(x), functions: [Math.exp, inverse], range: [-3, 3] }],
    [
      'softmax of a product',
      {
        shapes: [
          [3, 2],
          [2, 4],
        ],
        trace: (x, y) => softmax(x.matmul(y)),
        functions: [Math.exp, inverse],
      },
    ],
    [
      'cross-entropy by its shortcut',
      {
        shapes: [
          [3, 2],
          [2, 1],
        ],
        trace: (x, y) =>
          sigmoid(x.matmul(y)).mul(
            sigmoid(y.reshape([1, 2]).broadcastTo([3, 2]))
              .sum(1)
              .reshape([3, 1]),
          ),
        functions: [logistic, logistic],
      },
    ],
  ])('%s', (_, trial) => check(trial));
});

describe('errors', () => {
  test('a variable on which nothing depends is named as a defect', () => {
    const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
    const [x, y] = [privateInput(graph, 'x', 'a', [2], 4), privateInput(graph, 'y', 'a', [2], 4)];
    expect(() => gradients([[x.neg(), constant(graph, [1, 1], [2])]], [y])).toThrow(
      expect.objectContaining({ code: 'no-gradient' }),
    );
  });

  test('an operation without a rule is named', () => {
    const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
    const x = privateInput(graph, 'x', 'a', [2], 4);
    // A table by itself, without the derivative that the functions give theirs.
    const spec = {
      low: -4,
      widthBits: -1,
      intervals: 16,
      degree: 2,
      argumentScale: 16,
      offsetShift: 0,
      resultScale: 44,
    } as const;
    const table = intervalTable(Math.tanh, spec);
    expect(() => gradients([[x.lookUp(table, 44, 44.1), constant(graph, [1, 1], [2])]], [x])).toThrow(
      expect.objectContaining({ code: 'no-gradient-rule' }),
    );
  });
});
