/** Softmax and its logarithm for any number of classes and any gap: CrypTen's fail from 254 classes and gaps of 510. */
import { describe, expect, test } from 'vitest';
import { cosineSimilarity } from '../../../engine/functions/cosine-similarity.ts';
import { alongAxis, logSoftmax, logSumExp, softmax, softmaxParts } from '../../../engine/functions/softmax.ts';
import { concat } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { expectClose, gaps, noise, run } from './measure.ts';

function exact(row: readonly number[]): { probabilities: number[]; logarithms: number[]; logSum: number } {
  const largest = Math.max(...row);
  const logSum = largest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0));
  const logarithms = row.map((x) => x - logSum);
  return { probabilities: logarithms.map(Math.exp), logarithms, logSum };
}

/** Rows of several kinds over the same number of classes. */
function rowsOf(classes: number): number[][] {
  return [
    new Array<number>(classes).fill(0.25),
    noise(classes, -3, 3),
    Array.from({ length: classes }, (_, i) => (i === classes - 1 ? 10 : 0)),
    ...[511, 600, 1000].map((gap) => Array.from({ length: classes }, (_, i) => (i === 1 ? gap / 2 : -gap / 2))),
    Array.from({ length: classes }, (_, i) => (i % 2 === 0 ? 3 : -100)),
  ];
}

describe.each([2, 10, 12, 13, 64, 254, 1000])('%i classes', (classes) => {
  const rows = rowsOf(classes);
  const argument = { values: rows.flat(), shape: [rows.length, classes], magnitudeBits: 11 };
  test('softmax', async () => {
    const result = await run([argument], (x) => softmax(x));
    const expected = rows.flatMap((row) => exact(row).probabilities);
    expect(gaps(result.values, expected).absolute).toBeLessThan(5e-4);
    if (classes === 10) expect(result.rounds - 1).toBe(14);
  });
  test('log-softmax', async () => {
    const result = await run([argument], (x) => logSoftmax(x));
    const expected = rows.flatMap((row) => exact(row).logarithms);
    expect(gaps(result.values, expected).absolute).toBeLessThan(1e-3);
  });
});

test('4,096 classes', async () => {
  const rows = rowsOf(4096);
  const argument = { values: rows.flat(), shape: [rows.length, 4096], magnitudeBits: 11 };
  // Both from the same parts, as a loss and its gradient take them.
  const result = await run([argument], (x) => {
    const parts = softmaxParts(x);
    return concat([softmax(x, parts), logSoftmax(x, parts)], 0);
  });
  const expected = rows.map(exact);
  const half = result.values.length / 2;
  const probabilities = expected.flatMap((row) => row.probabilities);
  const logarithms = expected.flatMap((row) => row.logarithms);
  expect(gaps(result.values.slice(0, half), probabilities).absolute).toBeLessThan(5e-4);
  expect(gaps(result.values.slice(half), logarithms).absolute).toBeLessThan(1e-3);
});

test('log of sums of exponentials', async () => {
  const rows = rowsOf(30);
  const result = await run([{ values: rows.flat(), shape: [rows.length, 30], magnitudeBits: 11 }], (x) => logSumExp(x));
  const expected = rows.map((row) => exact(row).logSum);
  expect(gaps(result.values, expected).absolute).toBeLessThan(1e-3);
});

test.each([0, 1, 2, -1])('softmax along axis %i of three', async (axis) => {
  const shape = [3, 4, 5];
  const values = noise(60, -1.2, 1.2, 7);
  const strides = [20, 5, 1];
  const normal = axis < 0 ? axis + 3 : axis;
  const stride = strides[normal] ?? 1;
  const expected = values.map((x, i) => {
    const first = i - (Math.floor(i / stride) % (shape[normal] ?? 1)) * stride;
    const row = Array.from({ length: shape[normal] ?? 1 }, (_, k) => values[first + k * stride] ?? 0);
    return Math.exp(x - exact(row).logSum);
  });
  const result = await run([{ values, shape }], (x) => alongAxis(x, axis, (rows) => softmax(rows)));
  expectClose(result.values, expected);
});

test('one class', async () => {
  const result = await run([{ values: [5, -2], shape: [2, 1] }], (x) => softmax(x));
  expectClose(result.values, [1, 1]);
});

test('cosine similarity', async () => {
  const [a, b] = [noise(200, -6, 6, 3), noise(200, -6, 6, 4)];
  a.splice(0, 8, ...noise(8, -0.1, 0.1, 5));
  const rows = (values: readonly number[]): number[][] =>
    Array.from({ length: 25 }, (_, i) => values.slice(8 * i, 8 * i + 8));
  const inner = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, v, i) => sum + v * (y[i] ?? 0), 0);
  const expected = rows(a).map((x, i) => {
    const y = rows(b)[i] ?? [];
    return inner(x, y) / Math.sqrt(inner(x, x) * inner(y, y));
  });
  const result = await run(
    [a, b].map((values) => ({ values, shape: [25, 8], magnitudeBits: 3 })),
    (...[x, y]: Tensor[]) => cosineSimilarity(x as Tensor, y as Tensor),
  );
  expect(gaps(result.values, expected).absolute).toBeLessThan(2e-3);
});
