/**
 * Largest errors of the functions, on dense grids through the whole protocol: fixed point, tables, truncation. The limits are
 * those that the doc comments state.
 */
import { describe, expect, test } from 'vitest';
import {
  expNonPositive,
  logFromOne,
  reciprocalFromOne,
  sigmoid,
  softplus,
} from '../../../engine/functions/elementary.ts';
import { inverseSquareRoot } from '../../../engine/functions/inverse-square-root.ts';
import { softmax, softmaxParts, logNormaliser } from '../../../engine/functions/softmax.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { evaluateSecretly } from '../../helpers/simulate.ts';
import type { Evaluation } from '../../helpers/simulate.ts';

const kernels = () => wasmKernels({ threads: 1 });

/** Grid of `count` multiples of 2^-fractionBits from low to high. */
function grid(low: number, high: number, count: number, fractionBits = 16): number[] {
  const unit = 2 ** -fractionBits;
  return Array.from({ length: count }, (_, i) => Math.round((low + ((high - low) * i) / (count - 1)) / unit) * unit);
}

interface Measured {
  readonly error: number;
  /** After the opening of the argument, without the reveal. */
  readonly rounds: number;
}

async function measure(
  trace: (x: Tensor) => Tensor,
  f: (x: number) => number,
  values: readonly number[],
  fractionBits = 16,
): Promise<Measured> {
  const result = await evaluateSecretly([{ values, magnitudeBits: 12 }], trace, { kernels, graph: { fractionBits } });
  return { error: largestGap(result.values, values.map(f)), rounds: result.rounds - 2 };
}

function largestGap(values: readonly number[], expected: readonly number[]): number {
  return values.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (expected[i] ?? NaN))), 0);
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const rectifier = (x: number): number => (x > 30 ? x : Math.log1p(Math.exp(x)));
const count = 10_000;

describe('sigmoid', () => {
  test('inside its domain', async () => {
    const { error, rounds } = await measure(sigmoid, logistic, grid(-7.8, 7.8, count));
    expect(error).toBeLessThan(1e-4);
    expect(rounds).toBe(3);
  });
  test('at the ends of its domain and far beyond', async () => {
    const values = [...grid(-8.5, -7.3, count / 2), ...grid(7.3, 8.5, count / 2), ...grid(-4000, 4000, count / 2)];
    expect((await measure(sigmoid, logistic, values)).error).toBeLessThan(4e-4);
  });
  test.each([10, 12, 20, 24])('with %i fraction bits', async (bits) => {
    const { error } = await measure(sigmoid, logistic, grid(-9, 9, count / 4, bits), bits);
    expect(error).toBeLessThan(4e-4 + 2 * 2 ** -bits);
  });
});

describe('softplus', () => {
  test('near and beyond the ends of its domain', async () => {
    const values = [...grid(-9, 9, count), ...grid(-4000, 4000, count / 2)];
    const { error, rounds } = await measure(softplus, rectifier, values);
    expect(error).toBeLessThan(4e-4);
    expect(rounds).toBe(3);
  });
});

describe('exp of numbers that are not positive', () => {
  test('from its smallest result to 1, and far below', async () => {
    const values = [...grid(-16, 0, count * 2), ...grid(-4000, -16, count / 2)];
    const { error, rounds } = await measure(expNonPositive, Math.exp, values);
    expect(error).toBeLessThan(5e-4);
    expect(rounds).toBe(3);
  });
  test('slightly above zero', async () => {
    const { error } = await measure(expNonPositive, Math.exp, grid(0, 0.01, 1000));
    expect(error).toBeLessThan(5e-4);
  });
  test.each([12, 20, 24])('with %i fraction bits', async (bits) => {
    const { error } = await measure(expNonPositive, Math.exp, grid(-16, 0, count / 4, bits), bits);
    expect(error).toBeLessThan(5e-4 + 2 * 2 ** -bits);
  });
});

describe.each([2, 3, 10, 12])('from nearly one to %i', (high) => {
  const values = grid(63 / 64 + 2 ** -12, high + 0.12, count / 2);
  test('reciprocal', async () => {
    const { error, rounds } = await measure(
      (x) => reciprocalFromOne(x, high + 0.125),
      (x) => 1 / x,
      values,
    );
    expect(error).toBeLessThan(5e-4);
    expect(rounds).toBe(2);
  });
  test('logarithm', async () => {
    const { error, rounds } = await measure((x) => logFromOne(x, high + 0.125), Math.log, values);
    expect(error).toBeLessThan(3e-4);
    expect(rounds).toBe(2);
  });
});

test('inverse square root down to 4^-10: relative error, and 0 for what is too small', async () => {
  // A raw product of two numbers has 32 fraction bits.
  const xs = Array.from({ length: count / 5 }, (_, i) => Math.ceil(2 ** (16 - (10 * i) / (count / 5))) / 2 ** 16);
  const ys = xs.map((x, i) => (i % 3 === 0 ? x : Math.ceil(x * 50_000) / 2 ** 16));
  const trace = (x: Tensor, y: Tensor): Tensor => inverseSquareRoot(x.mulRaw(y));
  const result = await evaluateSecretly(
    [xs, ys].map((values) => ({ values, magnitudeBits: 0.01 })),
    trace,
    { kernels },
  );
  const ratios = result.values.map((value, i) => value * Math.sqrt((xs[i] ?? 0) * (ys[i] ?? 0)));
  expect(
    largestGap(
      ratios,
      ratios.map(() => 1),
    ),
  ).toBeLessThan(1e-3);
  expect(result.rounds - 3).toBe(7);
  const tiny = await evaluateSecretly([{ values: [2 ** -15, 0] }, { values: [2 ** -14, 1] }], trace, { kernels });
  expect(tiny.values).toEqual([0, 0]);
});

describe('softmax', () => {
  const rows = 400;

  /** Logits of several kinds: ordinary, tied, far apart (1,000 and more), all equal. */
  function logits(classes: number): number[] {
    return Array.from({ length: rows * classes }, (_, j) => {
      const [row, k] = [Math.floor(j / classes), j % classes];
      const noise = ((row * 7919 + k * 104_729) % 2003) / 2003 - 0.5;
      switch (row % 5) {
        case 0:
          return noise * 8;
        case 1:
          return k % 2 === 0 ? 3 : noise;
        case 2:
          return k === row % classes ? 1000 : -noise * 1000;
        case 3:
          return 0.25;
        default:
          return noise * 40;
      }
    }).map((value) => Math.round(value * 65_536) / 65_536);
  }

  function exact(values: readonly number[], classes: number): { probabilities: number[]; normalisers: number[] } {
    const probabilities: number[] = [];
    const normalisers: number[] = [];
    for (let row = 0; row < values.length / classes; row++) {
      const z = values.slice(row * classes, (row + 1) * classes);
      const largest = Math.max(...z);
      const sum = z.reduce((total, v) => total + Math.exp(v - largest), 0);
      normalisers.push(Math.log(sum));
      probabilities.push(...z.map((v) => Math.exp(v - largest) / sum));
    }
    return { probabilities, normalisers };
  }

  const run = (classes: number, trace: (x: Tensor) => Tensor): Promise<Evaluation> =>
    evaluateSecretly([{ values: logits(classes), shape: [rows, classes], magnitudeBits: 12 }], trace, { kernels });

  test.each([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])('over %i classes', async (classes) => {
    const result = await run(classes, (x) => softmax(x));
    const { probabilities } = exact(logits(classes), classes);
    expect(largestGap(result.values, probabilities)).toBeLessThan(5e-4);
  });

  test('over 10 classes: 13 rounds after the opening of the logits', async () => {
    expect((await run(10, (x) => softmax(x))).rounds - 2).toBe(13);
  });

  test.each([2, 10, 12])('log of the normaliser over %i classes', async (classes) => {
    const result = await run(classes, (x) => logNormaliser(softmaxParts(x)));
    const { normalisers } = exact(logits(classes), classes);
    expect(largestGap(result.values, normalisers)).toBeLessThan(5e-4);
  });
});
