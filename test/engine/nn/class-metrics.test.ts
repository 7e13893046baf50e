/** Counts of rows by class and score: exact matrices, and areas under the curve against those of the ranks. */
import { describe, expect, test } from 'vitest';
import { areaUnderCurve, confusion, rowsAbove } from '../../../engine/nn/training/class-metrics.ts';
import { constant } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { lossAndMetrics } from '../../../main/host/baseline/metrics.ts';
import { ratesOf } from '../../../shared/metrics.ts';
import { noise, run } from '../operations/measure.ts';

const exact = (scores: readonly number[], second: readonly number[]): number => {
  const rows = scores.map((_, row) => row);
  const options = { metrics: ['auc'] } as const;
  const found = lossAndMetrics(
    'classification',
    Float64Array.from(scores),
    Float64Array.from(second),
    rows,
    1,
    options,
  );
  return 'auc' in found ? found.auc! : NaN;
};

/** On shares: scores, labels and, where given, weights of the rows. */
async function area(scores: readonly number[], second: readonly number[], weights?: readonly number[]) {
  const shape = [scores.length, 1];
  const whole = (x: Tensor): Tensor => x.rescaled(0).provedBelow(0.01);
  const { values } = await run(
    [
      { values: scores, shape, magnitudeBits: 8 },
      { values: second, shape, magnitudeBits: 0.01 },
      { values: weights ?? scores.map(() => 1), shape, magnitudeBits: 0.01 },
    ],
    (z, y, w) => {
      const counted =
        weights === undefined
          ? constant(
              z.graph,
              scores.map(() => 1),
              shape,
              0,
            )
          : whole(w);
      return areaUnderCurve(rowsAbove(z, whole(y), counted), scores.length);
    },
  );
  return values[0]!;
}

/** Scores in disorder, of which about every third is of the second class, which has higher ones by `gap`. */
function sample(rows: number, spread: number, gap: number, seed: number) {
  const second = noise(rows, 0, 3, seed).map((value) => Number(value < 1));
  const scores = noise(rows, -spread, spread, seed + 1).map((value, row) => value + gap * second[row]!);
  return { scores, second };
}

describe('area under the ROC curve', () => {
  test.each([
    ['weak', 1, 0.2],
    ['good', 2, 2],
    ['wide', 25, 10],
  ])('of %s scores is that of the ranks to 0.003', async (_, spread, gap) => {
    const { scores, second } = sample(150, spread, gap, 5);
    expect(Math.abs((await area(scores, second)) - exact(scores, second))).toBeLessThan(3e-3);
  });

  test('is exact where no bin holds both classes, and of ties a half', async () => {
    expect(await area([-1, 2, 0.5, -0.25], [0, 1, 1, 0])).toBe(1);
    expect(await area([-1, 2, 0.5, -0.25], [1, 0, 0, 1])).toBe(0);
    expect(await area([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 1])).toBe(0.5);
    expect(await area([0, 1, 1, 2], [0, 0, 1, 1])).toBe(0.875);
  });

  test('is 0 where a class has no row', async () => {
    expect(await area([1, 2, 3], [1, 1, 1])).toBe(0);
    expect(await area([1, 2, 3], [0, 0, 0])).toBe(0);
  });

  test('is of the rows that count', async () => {
    const { scores, second } = sample(60, 2, 1, 9);
    const weights = noise(60, 0, 2, 7).map((value) => Number(value < 1));
    const kept = (values: readonly number[]): number[] => values.filter((_, row) => weights[row] === 1);
    const expected = exact(kept(scores), kept(second));
    expect(Math.abs((await area(scores, second, weights)) - expected)).toBeLessThan(5e-3);
  });
});

test('a confusion matrix of three classes counts every row that has a weight', async () => {
  const [truth, answers, weights] = [
    [0, 1, 2, 2, 1, 0, 2],
    [0, 2, 2, 1, 1, 0, 2],
    [1, 1, 1, 1, 1, 0, 1],
  ];
  const oneHot = (classes: readonly number[]): number[] =>
    classes.flatMap((one) => [0, 1, 2].map((i) => Number(i === one)));
  const { values } = await run(
    [
      { values: oneHot(answers), shape: [7, 3], magnitudeBits: 0.01 },
      { values: oneHot(truth), shape: [7, 3], magnitudeBits: 0.01 },
      { values: weights, shape: [7, 1], magnitudeBits: 0.01 },
    ],
    (a, y, w) => confusion(a.rescaled(0), y.rescaled(0), w.rescaled(0)),
  );
  // By true class, then by answer.
  expect(values).toEqual([1, 0, 0, 0, 1, 1, 0, 1, 2]);
});

test('rates: of the second of two classes, means over more, 0 of nothing', () => {
  expect(ratesOf([50, 10, 5, 35])).toEqual({ precision: 35 / 45, recall: 35 / 40, f1: 70 / 85 });
  expect(ratesOf([3, 0, 2, 0])).toEqual({ precision: 0, recall: 0, f1: 0 });
  const three = ratesOf([1, 0, 0, 0, 1, 1, 0, 1, 2]);
  expect(three.precision).toBeCloseTo((1 + 1 / 2 + 2 / 3) / 3, 12);
  expect(three.recall).toBeCloseTo((1 + 1 / 2 + 2 / 3) / 3, 12);
});
