/** Gradients of functions and operations on shares against the derivatives in doubles. */
import { expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import * as activations from '../../../engine/functions/activations.ts';
import { norm, polynomial, power, powerOfPositive } from '../../../engine/functions/algebra.ts';
import { cosineSimilarity } from '../../../engine/functions/cosine-similarity.ts';
import { divide, inverseSquareRootOf, logarithm, reciprocal, squareRoot } from '../../../engine/functions/powers.ts';
import { alongAxis, logSoftmax, logSumExp, softmax } from '../../../engine/functions/softmax.ts';
import { cosine, sine } from '../../../engine/functions/trigonometry.ts';
import * as compare from '../../../engine/tensor/comparisons.ts';
import { maximum, minimum } from '../../../engine/tensor/extremes.ts';
import * as moves from '../../../engine/tensor/rearrange.ts';
import { cumulativeSum, mean, product, variance } from '../../../engine/tensor/reductions.ts';
import { stack, unsqueeze } from '../../../engine/tensor/shapes.ts';
import { sort } from '../../../engine/tensor/sorting.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { expectClose, grid, noise, run } from './measure.ts';

interface Case {
  readonly name: string;
  readonly trace: (x: Tensor) => Tensor;
  readonly values: readonly number[];
  readonly shape?: readonly number[];
  /** The function in doubles: all elements to all results. */
  readonly exact: (x: readonly number[]) => number[];
}

const elementwise = (
  name: string,
  trace: (x: Tensor) => Tensor,
  f: (x: number) => number,
  values: readonly number[] = grid(-2.9, 3.1, 14),
): Case => ({ name, trace, values, exact: (x) => x.map(f) });

const erf = activations.erf;
const normal = (x: number): number => 0.5 * (1 + erf(x / Math.SQRT2));
const positive = grid(0.3, 6, 12);
const mixed = noise(12, -2, 2, 21);
const matrix = [3, 4];
const rowsOf = (x: readonly number[]): number[][] => [0, 1, 2].map((r) => x.slice(4 * r, 4 * r + 4));
const logSum = (row: readonly number[]): number => Math.log(row.reduce((s, v) => s + Math.exp(v), 0));
const total = (x: readonly number[]): number => x.reduce((s, v) => s + v, 0);

const cases: Case[] = [
  elementwise(
    'reciprocal',
    (x) => reciprocal(x),
    (v) => 1 / v,
  ),
  elementwise(
    'quotient',
    (x) => divide(x.addNumber(1), x.mul(x).addNumber(2)),
    (v) => (v + 1) / (v * v + 2),
  ),
  elementwise('square root', (x) => squareRoot(x), Math.sqrt, positive),
  elementwise(
    'inverse square root',
    (x) => inverseSquareRootOf(x),
    (v) => 1 / Math.sqrt(v),
    positive,
  ),
  elementwise('log', (x) => logarithm(x), Math.log, positive),
  elementwise('exp', activations.exponential, Math.exp),
  elementwise('tanh', activations.tanh, Math.tanh),
  elementwise('erf', activations.errorFunction, erf),
  elementwise('GELU', activations.gelu, (v) => v * normal(v)),
  elementwise('SiLU', activations.silu, (v) => v / (1 + Math.exp(-v))),
  elementwise(
    'ELU',
    (x) => activations.elu(x, 0.5),
    (v) => (v > 0 ? v : 0.5 * Math.expm1(v)),
  ),
  elementwise(
    'leaky ReLU',
    (x) => activations.leakyRelu(x, 0.1),
    (v) => (v > 0 ? v : v / 10),
  ),
  elementwise('hard swish', activations.hardSwish, (v) => v * Math.min(Math.max(v / 6 + 0.5, 0), 1)),
  elementwise('softsign', activations.softSign, (v) => v / (1 + Math.abs(v))),
  elementwise('sin', sine, Math.sin),
  elementwise('cos', cosine, Math.cos),
  elementwise(
    'x^5',
    (x) => power(x, 5),
    (v) => v ** 5,
  ),
  elementwise(
    'x^6',
    (x) => power(x, 6),
    (v) => v ** 6,
    mixed,
  ),
  elementwise(
    'x^-2',
    (x) => power(x, -2),
    (v) => v ** -2,
    positive,
  ),
  elementwise(
    'x^1.5',
    (x) => powerOfPositive(x, 1.5),
    (v) => v ** 1.5,
    [1, 4, 2.5],
  ),
  elementwise(
    'polynomial',
    (x) => polynomial(x, [1, -2, 0.5, 0.25]),
    (v) => 1 - 2 * v + 0.5 * v * v + 0.25 * v ** 3,
  ),
  elementwise('magnitude', compare.absolute, Math.abs),
  elementwise(
    'clamp',
    (x) => compare.clamp(x, -1, 2),
    (v) => Math.min(Math.max(v, -1), 2),
  ),
  {
    name: 'softmax',
    trace: (x) => softmax(x),
    values: mixed,
    shape: matrix,
    exact: (x) => rowsOf(x).flatMap((row) => row.map((v) => Math.exp(v - logSum(row)))),
  },
  {
    name: 'log-softmax along the first axis',
    trace: (x) => alongAxis(x.transpose(), 0, (rows) => logSoftmax(rows)).transpose(),
    values: mixed,
    shape: matrix,
    exact: (x) => rowsOf(x).flatMap((row) => row.map((v) => v - logSum(row))),
  },
  {
    name: 'logsumexp',
    trace: (x) => logSumExp(x),
    values: mixed,
    shape: matrix,
    exact: (x) => rowsOf(x).map(logSum),
  },
  {
    name: 'mean and variance',
    trace: (x) => mean(x, { axes: [1] }).add(variance(x, { axes: [1] })),
    values: mixed,
    shape: matrix,
    exact: (x) =>
      rowsOf(x).map((row) => {
        const centre = total(row) / 4;
        return centre + row.reduce((s, v) => s + (v - centre) ** 2, 0) / 3;
      }),
  },
  {
    name: 'product of five',
    trace: (x) => product(x, 0),
    values: [1.5, -0.5, 2, 0.75, -1.25],
    exact: (x) => [x.reduce((p, v) => p * v, 1)],
  },
  {
    name: 'largest and smallest',
    trace: (x) => maximum(x, { axis: 1 }).add(minimum(x, { axis: 1 }).timesInteger(2n)),
    values: mixed,
    shape: matrix,
    exact: (x) => rowsOf(x).map((row) => Math.max(...row) + 2 * Math.min(...row)),
  },
  {
    name: 'largest of twenty',
    trace: (x) => maximum(x),
    values: noise(20, -4, 4, 5),
    exact: (x) => [Math.max(...x)],
  },
  {
    name: 'length of a vector',
    trace: (x) => norm(x, 2, { axes: [1] }),
    values: mixed,
    shape: matrix,
    exact: (x) => rowsOf(x).map((row) => Math.hypot(...row)),
  },
  {
    name: 'cosine similarity',
    trace: (x) => cosineSimilarity(x.slice([0, 0], [2, 4]), x.slice([1, 0], [2, 4])),
    values: mixed,
    shape: matrix,
    exact: (x) => {
      const rows = rowsOf(x);
      return [0, 1].map((r) => {
        const [u, v] = [rows[r] ?? [], rows[r + 1] ?? []];
        return total(u.map((w, i) => w * (v[i] ?? 0))) / (Math.hypot(...u) * Math.hypot(...v));
      });
    },
  },
  {
    name: 'sorted',
    trace: (x) => sort(x, 1).values,
    values: mixed,
    shape: matrix,
    exact: (x) => rowsOf(x).flatMap((row) => [...row].sort((u, v) => u - v)),
  },
  {
    name: 'running sum',
    trace: (x) => cumulativeSum(x, 0),
    values: mixed,
    exact: (x) => x.map((_, i) => total(x.slice(0, i + 1))),
  },
  {
    name: 'repeated, mirrored and scattered elements',
    trace: (x) =>
      moves.scatterElements(moves.pad(x, [2], [3], 'reflect'), [0, 5, 5, 1], moves.take(x, [1, 1, -1, 0], 0), 0, 'add'),
    values: mixed.slice(0, 6),
    exact: (x) => {
      const padded = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => x[i < 0 ? -i : i > 5 ? 10 - i : i] ?? 0);
      [1, 1, 5, 0].forEach((from, i) => {
        const to = [0, 5, 5, 1][i] ?? 0;
        padded[to] = (padded[to] ?? 0) + (x[from] ?? 0);
      });
      return padded;
    },
  },
  {
    name: 'matrix product with broadcast batch axes',
    trace: (x) =>
      x
        .slice([0], [8])
        .reshape([2, 1, 2, 2])
        .matmul(x.reshape([3, 2, 2])),
    values: mixed,
    exact: (x) =>
      [0, 1].flatMap((p) =>
        [0, 1, 2].flatMap((q) =>
          [0, 1].flatMap((row) =>
            [0, 1].map((column) =>
              total([0, 1].map((k) => (x[4 * p + 2 * row + k] ?? 0) * (x[4 * q + 2 * k + column] ?? 0))),
            ),
          ),
        ),
      ),
  },
  {
    name: 'stacked and chosen',
    trace: (x) => stack([x, compare.where(x.atLeast(0), x.timesInteger(3n), unsqueeze(x, 0).reshape([12]).neg())], 0),
    values: mixed,
    exact: (x) => [...x, ...x.map((v) => (v >= 0 ? 3 * v : -v))],
  },
];

test.each(cases)('$name', async ({ trace, values, shape, exact }) => {
  const count = exact(values).length;
  const seed = noise(count, -1, 1, 99);
  const result = await run(
    [
      { values, shape: shape ?? [values.length], magnitudeBits: 3 },
      { values: seed, magnitudeBits: 0 },
    ],
    (x, weights) => {
      if (x === undefined || weights === undefined) throw new RangeError('two arguments');
      const y = trace(x);
      const [gradient] = gradients([[y, weights.reshape(y.shape)]], [x]);
      if (gradient === undefined) throw new RangeError('one gradient');
      return gradient;
    },
  );
  const step = 1e-5;
  const loss = (x: readonly number[]): number => total(exact(x).map((y, i) => y * (seed[i] ?? 0)));
  const expected = values.map((_, i) => {
    const moved = (by: number): number => loss(values.map((v, k) => (k === i ? v + by : v)));
    return (moved(step) - moved(-step)) / (2 * step);
  });
  expectClose(result.values, expected);
});

test.each([
  ['of a value', (x: Tensor) => x.relu()],
  ['of a product', (x: Tensor) => x.mul(x.timesInteger(0n).addNumber(1)).relu()],
])('the rectifier %s has no derivative at zero', async (_, trace) => {
  const unit = 2 ** -16;
  const result = await run([{ values: [-1, -unit, 0, unit, 1], magnitudeBits: 3 }], (x) => {
    if (x === undefined) throw new RangeError('one argument');
    const y = trace(x);
    const [gradient] = gradients([[y, x.timesInteger(0n).addNumber(1)]], [x]);
    if (gradient === undefined) throw new RangeError('one gradient');
    return gradient;
  });
  expect(result.values).toEqual([0, 0, 0, 1, 1]);
});
