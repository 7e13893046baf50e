/**
 * One test for each fault of CrypTen (as of its last commit, 775868a) that concerns arithmetic: the case that goes wrong
 * there, with the answer that is right. Its faults of import have their cases in the conformance suite, those of softmax and
 * dropout more of them beside this file.
 */
import { describe, expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import { erf, errorFunction, exponential, tanh } from '../../../engine/functions/activations.ts';
import { polynomial, power, powerOfPositive } from '../../../engine/functions/algebra.ts';
import { sigmoid } from '../../../engine/functions/elementary.ts';
import { inverseSquareRootOf, logarithm, reciprocal } from '../../../engine/functions/powers.ts';
import { softmax } from '../../../engine/functions/softmax.ts';
import { cosineSimilarity } from '../../../engine/functions/cosine-similarity.ts';
import { cosine } from '../../../engine/functions/trigonometry.ts';
import type { Windows } from '../../../engine/kernels/kernels.ts';
import { forward } from '../../../engine/nn/forward.ts';
import { decodeFixed, encodeFixed } from '../../../engine/runtime/words.ts';
import { equal, notEqual } from '../../../engine/tensor/comparisons.ts';
import { variance } from '../../../engine/tensor/reductions.ts';
import { concat, constant } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { describeLayers } from '../../../shared/job-model.ts';
import { modelLayerSchema } from '../../../shared/job.ts';
import { checkLayer } from '../layers/check.ts';
import { expectClose, gaps, grid, noise, run } from './measure.ts';

test('truncation never fails, at magnitudes where theirs fails twice in 100,000', async () => {
  const count = 100_000;
  const values = noise(count, 80_000, 90_000, 3);
  const { values: halves } = await run([{ values, magnitudeBits: 17 }], (x) => x.timesNumber(0.5));
  const expected = values.map((v) => v / 2);
  expect(gaps(halves, expected).absolute).toBeLessThanOrEqual(2 ** -16);
});

describe('powers', () => {
  const values = grid(-1.6, 1.6, 17);
  test.each([3, 5, 6, 7, 9, 11, 12])('x^%i', async (exponent) => {
    const { values: powers } = await run([{ values, magnitudeBits: 2 }], (x) => power(x, exponent));
    const expected = values.map((v) => v ** exponent);
    expectClose(powers, expected);
  });
  test.each([5, 6, 7])('gradient of x^%i', async (exponent) => {
    const { values: slopes } = await run([{ values, magnitudeBits: 2 }], (x) => slope(x, (t) => power(t, exponent)));
    const expected = values.map((v) => exponent * v ** (exponent - 1));
    expectClose(slopes, expected);
  });
  test('gradient of a fractional power: 3 at 4^1.5, theirs 2.81', async () => {
    const positive = [1, 2, 4, 9];
    const { values: slopes } = await run([{ values: positive }], (x) => slope(x, (t) => powerOfPositive(t, 1.5)));
    const expected = positive.map((v) => 1.5 * Math.sqrt(v));
    expectClose(slopes, expected);
  });
});

test('error function far from zero, theirs is -277,843 at -3', async () => {
  const values = grid(-8, 8, 65);
  const { values: results } = await run([{ values }], (x) => errorFunction(x));
  expect(gaps(results, values.map(erf)).absolute).toBeLessThan(2e-4);
});

describe('outside the narrow domains of their approximations', () => {
  const cases: [name: string, f: (x: Tensor) => Tensor, exact: (x: number) => number, values: number[]][] = [
    ['sigmoid beyond 512', (x) => sigmoid(x), (v) => 1 / (1 + Math.exp(-v)), [-4000, -600, -513, 513, 600, 4000]],
    ['tanh beyond 256', (x) => tanh(x), Math.tanh, [-4000, -300, -257, 257, 300, 4000]],
    ['cosine at 40 and more', (x) => cosine(x), Math.cos, [-1000, -40, 20, 40, 41.5, 1000]],
    ['reciprocal above 253', (x) => reciprocal(x), (v) => 1 / v, [-3000, -254, 254, 300, 3000]],
    ['logarithm above 253', (x) => logarithm(x), Math.log, [0.001, 254, 300, 4000]],
    ['inverse root of 1e-4 and of 193', (x) => inverseSquareRootOf(x), (v) => 1 / Math.sqrt(v), [2 ** -13, 193, 4000]],
    ['exp of what underflows', (x) => exponential(x), Math.exp, [-4000, -600, -20, 0, 3]],
  ];
  test.each(cases)('%s', async (_name, f, exact, values) => {
    const { values: results } = await run([{ values, magnitudeBits: 12 }], f);
    expectClose(results, values.map(exact));
  });
  test('softmax over 254 equal scores and over a gap of 600', async () => {
    const uniform = new Array<number>(254).fill(1);
    const gap = Array.from({ length: 254 }, (_, i) => (i === 3 ? 300 : -300));
    const { values } = await run([{ values: [...uniform, ...gap], shape: [2, 254] }], (x) => softmax(x));
    const expected = [...uniform.map(() => 1 / 254), ...gap.map((v) => (v > 0 ? 1 : 0))];
    expect(gaps(values, expected).absolute).toBeLessThan(5e-4);
  });
});

test('variance: unbiased divides by one less than the count, biased by the count', async () => {
  const values = [1, 2, 4, 9];
  for (const [unbiased, divisor] of [
    [true, 3],
    [false, 4],
  ] as const) {
    const { values: results } = await run([{ values }], (x) => variance(x, { unbiased }));
    expectClose(results, [38 / divisor]);
  }
});

test('the gradient of a polynomial leaves the caller’s coefficients as they were', async () => {
  const coefficients = [1, -2, 0.5, 3];
  const values = grid(-2, 2, 9);
  const { values: slopes } = await run([{ values, magnitudeBits: 2 }], (x) =>
    slope(x, (t) => polynomial(t, coefficients)),
  );
  expect(coefficients).toEqual([1, -2, 0.5, 3]);
  const expected = values.map((v) => -2 + v + 9 * v ** 2);
  expectClose(slopes, expected);
});

test('public operands stand on either side', async () => {
  const values = [-3, 0.5, 2];
  const { values: results } = await run([{ values }], (x) => constant(x.graph, [10, 20, 30], [3]).sub(x).mul(x));
  expectClose(
    results,
    values.map((v, i) => (10 * (i + 1) - v) * v),
  );
});

describe('convolution', () => {
  test('3 x 3 over 256 channels: more cells a window than theirs can sum on a card', async () => {
    const [channels, side] = [256, 4];
    const windows = window(channels, side, side, { padding: [0, 0, 0, 0] });
    const image = noise(channels * side * side, -1, 1, 5);
    const kernel = noise(channels * 9, -1, 1, 6);
    const { values } = await run(
      [
        { values: image, shape: [1, channels, side, side], magnitudeBits: 0.01 },
        { values: kernel, shape: [channels * 9, 1], magnitudeBits: 0.01 },
      ],
      (x, k) => x.unfold(windows).matmul(k),
    );
    const expected = convolution(image, kernel, windows);
    expect(gaps(values, expected).absolute).toBeLessThan(5e-3);
  });
  test('padding of one row and no column is not taken for something else', async () => {
    const windows = window(2, 5, 6, { padding: [1, 0, 1, 0] });
    const image = noise(2 * 5 * 6, -2, 2, 7);
    const kernel = noise(2 * 9, -2, 2, 8);
    const { values } = await run(
      [
        { values: image, shape: [1, 2, 5, 6] },
        { values: kernel, shape: [18, 1] },
      ],
      (x, k) => x.unfold(windows).matmul(k),
    );
    const expected = convolution(image, kernel, windows);
    expect(values.length).toBe(5 * 4);
    expectClose(values, expected);
  });
});

/** The derivative of an elementwise function at each element. */
function slope(x: Tensor, f: (x: Tensor) => Tensor): Tensor {
  const seed = constant(x.graph, new Array<number>(x.size).fill(1), x.shape);
  const [gradient] = gradients([[f(x), seed]], [x]);
  if (gradient === undefined) throw new RangeError('no gradient');
  return gradient;
}

function window(channels: number, height: number, width: number, { padding }: Pick<Windows, 'padding'>): Windows {
  return { batch: 1, channels, height, width, kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding };
}

/** One filter over one image, by its definition. */
function convolution(image: readonly number[], kernel: readonly number[], windows: Windows): number[] {
  const { channels, height, width, padding } = windows;
  const [tall, wide] = [height + padding[0] + padding[2] - 2, width + padding[1] + padding[3] - 2];
  return Array.from({ length: tall * wide }, (_, place) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) {
      for (let cell = 0; cell < 9; cell++) {
        const row = Math.floor(place / wide) + Math.floor(cell / 3) - padding[0];
        const column = (place % wide) + (cell % 3) - padding[1];
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        sum += (image[(c * height + row) * width + column] ?? NaN) * (kernel[c * 9 + cell] ?? NaN);
      }
    }
    return sum;
  });
}

test('inequality costs what equality costs; theirs by the operator two comparisons', async () => {
  const [left, right] = [
    [2, 3, 1, 2, 2],
    [2, 2, 2, 3, 1],
  ];
  const different = await run([{ values: left }, { values: right }], (a, b) => notEqual(a, b).toNumber());
  const same = await run([{ values: left }, { values: right }], (a, b) => equal(a, b).toNumber());
  expect(different.values).toEqual([0, 1, 1, 1, 1]);
  expect([different.rounds, different.bytesOpened]).toEqual([same.rounds, same.bytesOpened]);
});

test('numbers are rounded to the nearest unit whatever array holds them; theirs lose their fraction or half their digits', () => {
  for (const values of [
    [1.5, 2.7, -0.25, 70_000.1234],
    Float32Array.of(1.5, -2.75),
    Float64Array.of(70_000.1234, -70_000.1234),
  ]) {
    const back = decodeFixed(encodeFixed(values, 16, 18, String), 16);
    back.forEach((value, i) => expect(Math.abs(value - (values[i] ?? NaN))).toBeLessThanOrEqual(2 ** -17));
  }
});

test('the padding of a largest value is never chosen; theirs is, below -256 times the parties', async () => {
  const values = noise(16, -2000, -1000, 9);
  const pool = modelLayerSchema.parse({ kind: 'maxPool2d', kernel: 3, stride: 3, padding: 'same' });
  const { values: largest } = await run([{ values, shape: [1, 1, 4, 4], magnitudeBits: 11 }], (x) =>
    forward(describeLayers([pool], [1, 4, 4]).layers, new Map(), x),
  );
  expect(largest.length).toBe(4);
  // Windows at rows and columns -1 to 1 and 2 to 4 of four.
  const halves = [
    [0, 1],
    [2, 3],
  ];
  const most = halves.flatMap((rows) =>
    halves.map((columns) => Math.max(...rows.flatMap((row) => columns.map((c) => values[row * 4 + c] ?? NaN)))),
  );
  expect(largest).toEqual(most);
});

test('the cosine of a vector of zeros is 0: theirs ignores its epsilon', async () => {
  const { values } = await run(
    [
      { values: [0, 0, 3, 4], shape: [2, 2] },
      { values: [1, 2, 4, 3], shape: [2, 2] },
    ],
    (x, y) => cosineSimilarity(x, y),
  );
  expectClose(values, [0, 24 / 25]);
});

test('arrays that everybody knows are joined along the axis that is named', async () => {
  const { values } = await run([{ values: [1, 2], shape: [1, 2] }], (x) => {
    const known = constant(x.graph, [5, 6], [1, 2]);
    return concat([concat([known, known], 1), concat([x, known], 1)], 0);
  });
  expect(values).toEqual([5, 6, 5, 6, 1, 2, 5, 6]);
});

test('the gradient of a grouped convolution with several channels a group, which theirs lacks', () =>
  checkLayer({
    layers: [{ kind: 'conv2d', filters: 4, kernel: 2, groups: 2, padding: [1, 0, 1, 0] }],
    input: [6, 3, 4],
  }));
