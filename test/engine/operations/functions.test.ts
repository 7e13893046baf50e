/** Largest errors and rounds of the functions over their whole domains, through the integer protocol; saturation outside. */
import { describe, expect, test } from 'vitest';
import {
  elu,
  erf,
  errorFunction,
  exponential,
  gelu,
  geluTanh,
  hardShrink,
  hardSigmoid,
  hardSwish,
  hardTanh,
  leakyRelu,
  celu,
  mish,
  selu,
  relu6,
  silu,
  softShrink,
  softSign,
  tanh,
  thresholdedRelu,
} from '../../../engine/functions/activations.ts';
import { divide, inverseSquareRootOf, logarithm, logarithmOfOnePlus } from '../../../engine/functions/powers.ts';
import { reciprocal, squareRoot } from '../../../engine/functions/powers.ts';
import {
  hyperbolicCosine,
  hyperbolicSine,
  inverseHyperbolicCosine,
  inverseHyperbolicSine,
  inverseHyperbolicTangent,
} from '../../../engine/functions/hyperbolic.ts';
import { ceiling, floor, remainder, round } from '../../../engine/functions/rounding.ts';
import {
  cosine,
  inverseCosine,
  inverseSine,
  inverseTangent,
  sine,
  tangent,
} from '../../../engine/functions/trigonometry.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { UNIT, expectClose, gaps, geometric, grid, measure, run } from './measure.ts';

interface Case {
  readonly name: string;
  readonly trace: (x: Tensor) => Tensor;
  readonly exact: (x: number) => number;
  readonly values: readonly number[];
  readonly rounds: number;
  readonly absolute?: number;
  readonly relative?: number;
  readonly magnitudeBits?: number;
}

const positive = geometric(UNIT, 2 ** 14, 2000);
const signed = [...positive, ...positive.map((x) => -x)];
const near = grid(-9, 9, 4000);
const far = [...near, ...grid(-4000, 4000, 500)];
const sizes = { magnitudeBits: 14.01 };
const normal = (x: number): number => 0.5 * (1 + erf(x / Math.SQRT2));
const bounded = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

const cases: Case[] = [
  {
    name: '1/x',
    trace: (x) => reciprocal(x),
    exact: (x) => 1 / x,
    values: signed,
    rounds: 7,
    relative: 4e-4,
    ...sizes,
  },
  {
    name: '1/x of positive numbers',
    trace: (x) => reciprocal(x, { isPositive: true }),
    exact: (x) => 1 / x,
    values: positive,
    rounds: 7,
    relative: 4e-4,
    ...sizes,
  },
  {
    name: '3x/x',
    trace: (x) => divide(x.timesInteger(3n), x),
    exact: () => 3,
    values: signed,
    rounds: 9,
    relative: 5e-4,
    ...sizes,
  },
  { name: 'square root', trace: squareRoot, exact: Math.sqrt, values: positive, rounds: 7, relative: 2e-4, ...sizes },
  {
    name: 'inverse square root',
    trace: inverseSquareRootOf,
    exact: (x) => 1 / Math.sqrt(x),
    values: positive,
    rounds: 7,
    relative: 3e-4,
    ...sizes,
  },
  { name: 'log', trace: logarithm, exact: Math.log, values: positive, rounds: 7, absolute: 4e-4, ...sizes },
  {
    name: 'log(1+x)',
    trace: logarithmOfOnePlus,
    exact: Math.log1p,
    values: positive,
    rounds: 7,
    absolute: 4e-4,
    ...sizes,
  },
  {
    name: 'exp below 1',
    trace: exponential,
    exact: Math.exp,
    values: [...grid(-20, 0, 3000), ...grid(-4000, -10, 300)],
    rounds: 4,
    absolute: 1e-3,
  },
  {
    name: 'exp above 1',
    trace: exponential,
    exact: (x) => Math.exp(Math.min(x, 15)),
    values: [...grid(0, 16, 3000), ...grid(16, 4000, 300)],
    rounds: 4,
    relative: 1e-3,
  },
  { name: 'tanh', trace: tanh, exact: Math.tanh, values: far, rounds: 4, absolute: 4e-4 },
  { name: 'erf', trace: errorFunction, exact: erf, values: far, rounds: 4, absolute: 2e-4 },
  { name: 'GELU', trace: gelu, exact: (x) => x * normal(x), values: far, rounds: 4, absolute: 2e-4 },
  {
    name: 'GELU by tanh',
    trace: geluTanh,
    exact: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    values: far,
    rounds: 4,
    absolute: 2e-4,
  },
  {
    name: 'SiLU',
    trace: silu,
    exact: (x) => x / (1 + Math.exp(-x)),
    values: [...far, ...grid(-12, 12, 2000)],
    rounds: 4,
    absolute: 5e-4,
  },
  { name: 'ELU', trace: elu, exact: (x) => (x > 0 ? x : Math.expm1(x)), values: far, rounds: 4, absolute: 4e-4 },
  { name: 'sin', trace: sine, exact: Math.sin, values: far, rounds: 3, absolute: 2e-4 },
  {
    name: 'cos',
    trace: cosine,
    exact: Math.cos,
    values: [...near, ...grid(-16_000, 16_000, 500)],
    rounds: 3,
    absolute: 2e-4,
    magnitudeBits: 14,
  },
  { name: 'softsign', trace: softSign, exact: (x) => x / (1 + Math.abs(x)), values: near, rounds: 13, absolute: 4e-4 },
  { name: 'hard tanh', trace: hardTanh, exact: (x) => bounded(x, -1, 1), values: far, rounds: 4, absolute: 0 },
  { name: 'ReLU6', trace: relu6, exact: (x) => bounded(x, 0, 6), values: far, rounds: 4, absolute: 0 },
  {
    name: 'hard sigmoid',
    trace: hardSigmoid,
    exact: (x) => bounded(x / 6 + 0.5, 0, 1),
    values: far,
    rounds: 4,
    absolute: 1e-4,
  },
  {
    name: 'hard swish',
    trace: hardSwish,
    exact: (x) => x * bounded(x / 6 + 0.5, 0, 1),
    values: near,
    rounds: 6,
    absolute: 3e-4,
  },
  {
    name: 'leaky ReLU',
    trace: leakyRelu,
    exact: (x) => (x > 0 ? x : x / 100),
    values: near,
    rounds: 5,
    absolute: 1e-4,
  },
  {
    name: 'hard shrink',
    trace: hardShrink,
    exact: (x) => (Math.abs(x) > 0.5 ? x : 0),
    values: near,
    rounds: 4,
    absolute: 0,
  },
  {
    name: 'soft shrink',
    trace: softShrink,
    exact: (x) => x - bounded(x, -0.5, 0.5),
    values: near,
    rounds: 4,
    absolute: 0,
  },
  {
    name: 'thresholded ReLU',
    trace: thresholdedRelu,
    exact: (x) => (x > 1 ? x : 0),
    values: near,
    rounds: 4,
    absolute: 0,
  },
];

cases.push(
  { name: 'floor', trace: floor, exact: Math.floor, values: [...near, -3, 0, 5], rounds: 5, absolute: 0 },
  { name: 'ceiling', trace: ceiling, exact: Math.ceil, values: [...near, -3, 0, 5], rounds: 5, absolute: 0 },
  {
    name: 'nearest whole number',
    trace: round,
    exact: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
    values: [...near, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5],
    rounds: 10,
    absolute: 0,
  },
  {
    name: 'remainder by 4',
    trace: (x) => remainder(x, 4),
    exact: (x) => x - 4 * Math.floor(x / 4),
    values: near,
    rounds: 5,
    absolute: 0,
  },
  {
    name: 'Mish',
    trace: mish,
    exact: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
    values: near,
    rounds: 4,
    absolute: 5e-4,
  },
  {
    name: 'SELU',
    trace: selu,
    exact: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
    values: near,
    rounds: 5,
    absolute: 1e-3,
  },
  {
    name: 'CELU',
    trace: (x) => celu(x, 2),
    exact: (x) => (x > 0 ? x : 2 * Math.expm1(x / 2)),
    values: near,
    rounds: 5,
    absolute: 1e-3,
  },
  { name: 'tan', trace: tangent, exact: Math.tan, values: grid(-1.2, 1.2, 800), rounds: 11, absolute: 2e-3 },
  { name: 'inverse tangent', trace: inverseTangent, exact: Math.atan, values: far, rounds: 13, absolute: 5e-4 },
  {
    name: 'inverse cosine',
    trace: inverseCosine,
    exact: Math.acos,
    values: grid(-1, 1, 1500),
    rounds: 18,
    absolute: 1e-3,
  },
  { name: 'inverse sine', trace: inverseSine, exact: Math.asin, values: grid(-1, 1, 1500), rounds: 18, absolute: 1e-3 },
  {
    name: 'sinh',
    trace: hyperbolicSine,
    exact: Math.sinh,
    values: [...grid(-8, -1, 700), ...grid(1, 8, 700)],
    rounds: 5,
    relative: 1.5e-3,
  },
  { name: 'cosh', trace: hyperbolicCosine, exact: Math.cosh, values: grid(-8, 8, 1500), rounds: 5, relative: 1e-3 },
  {
    name: 'inverse sinh',
    trace: inverseHyperbolicSine,
    exact: Math.asinh,
    values: grid(-50, 50, 1500),
    rounds: 16,
    absolute: 1e-3,
    magnitudeBits: 6,
  },
  {
    name: 'inverse cosh',
    trace: inverseHyperbolicCosine,
    exact: Math.acosh,
    values: grid(1.01, 50, 1500),
    rounds: 19,
    absolute: 1e-3,
    magnitudeBits: 6,
  },
  {
    name: 'inverse tanh',
    trace: inverseHyperbolicTangent,
    exact: Math.atanh,
    values: grid(-0.99, 0.99, 1500),
    rounds: 8,
    absolute: 1e-3,
    magnitudeBits: 0,
  },
);

describe('largest error and rounds', () => {
  test.each(cases)('$name', async ({ trace, exact, values, rounds, absolute, relative, magnitudeBits }) => {
    const measured = await measure((x) => trace(x), exact, values, magnitudeBits ?? 12);
    if (absolute !== undefined) expect(measured.absolute).toBeLessThanOrEqual(absolute);
    if (relative !== undefined) expect(measured.relative).toBeLessThanOrEqual(relative);
    expect(measured.rounds).toBe(rounds);
  });
});

test('limits at and beyond zero', async () => {
  const at = async (trace: (x: Tensor) => Tensor, values: number[]): Promise<number[]> =>
    (await run([{ values, magnitudeBits: 4 }], trace)).values;
  expect(await at((x) => reciprocal(x), [0])).toEqual([65_536]);
  expect(await at((x) => reciprocal(x, { isPositive: true }), [0, -3])).toEqual([0, 0]);
  expect(await at((x) => squareRoot(x), [0, -3])).toEqual([0, 0]);
  expect(await at((x) => inverseSquareRootOf(x), [0, -3])).toEqual([256, 256]);
  expectClose(await at(logarithm, [0, -3]), [Math.log(UNIT), Math.log(UNIT)]);
  const quotient = await run([{ values: [2, -3, 0] }, { values: [0, 0, 0] }], (a, b) => divide(a, b));
  expectClose(quotient.values, [131_072, -196_608, 0]);
});

test('a quotient whose operands are broadcast', async () => {
  const result = await run(
    [
      { values: [1, 2, 3, 4, 5, 6], shape: [2, 3] },
      { values: [3, -7], shape: [2, 1] },
    ],
    (a, b) => divide(a, b),
  );
  expect(gaps(result.values, [1 / 3, 2 / 3, 1, -4 / 7, -5 / 7, -6 / 7]).absolute).toBeLessThan(4e-4);
});
