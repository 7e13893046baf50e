/** Operations against plain numbers, exactly where they are exact; cases of CrypTen's suite with tighter limits. */
import { describe, expect, test } from 'vitest';
import { dot, norm, outer, polynomial, power, powerOfPositive, trace } from '../../../engine/functions/algebra.ts';
import * as compare from '../../../engine/tensor/comparisons.ts';
import * as extremes from '../../../engine/tensor/extremes.ts';
import * as integers from '../../../engine/tensor/integers.ts';
import { cumulativeSum, mean, product, sum, variance } from '../../../engine/tensor/reductions.ts';
import { oneHot, takeSecretly } from '../../../engine/tensor/secret-index.ts';
import { sort, topK } from '../../../engine/tensor/sorting.ts';
import { constant, linear } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { UNIT, expectClose, gaps, noise, run } from './measure.ts';

const [a, b] = [noise(24, -6, 6, 1), noise(24, -6, 6, 2)];
const cube = [2, 3, 4];
const both = [
  { values: a, shape: cube },
  { values: b, shape: cube },
];

/** Several results of one trace, one after the other, as one tensor of numbers at scale 16. */
function together(parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  if (first === undefined) throw new RangeError('nothing');
  const size = parts.reduce((total, part) => total + part.size, 0);
  let from = 0;
  return linear(
    'together',
    parts.map((part) => {
      const placed = part.rescaled(16).reshape([part.size]).embed([from], [size]);
      from += part.size;
      return [1n, placed] as const;
    }),
  );
}

const number = (bit: Tensor): Tensor => bit.toNumber();

describe('comparisons', () => {
  test.each([
    { x: [2, 3, 1, 2, 2], y: [2, 2, 2, 3, 1] },
    { x: a, y: b },
    { x: [0, UNIT, -UNIT, 500, -500], y: [0, 0, 0, -500, 500] },
  ])('all six, sign, larger and smaller', async ({ x, y }) => {
    const result = await run([{ values: x }, { values: y }], (p, q) =>
      together([
        ...[
          compare.greater(p, q),
          compare.atLeast(p, q),
          compare.less(p, q),
          compare.atMost(p, q),
          compare.equal(p, q),
          compare.notEqual(p, q),
        ].map(number),
        compare.sign(p),
        compare.absolute(p),
        compare.maximumOfTwo(p, q),
        compare.minimumOfTwo(p, q),
        compare.where(compare.less(p, q), p, q.timesInteger(2n)),
      ]),
    );
    const each = (f: (u: number, v: number) => number | boolean): number[] => x.map((u, i) => Number(f(u, y[i] ?? 0)));
    expect(result.values).toEqual([
      ...each((u, v) => u > v),
      ...each((u, v) => u >= v),
      ...each((u, v) => u < v),
      ...each((u, v) => u <= v),
      ...each((u, v) => u === v),
      ...each((u, v) => u !== v),
      ...each((u) => Math.sign(u) + 0),
      ...each((u) => Math.abs(u)),
      ...each(Math.max),
      ...each(Math.min),
      ...each((u, v) => (u < v ? u : 2 * v)),
    ]);
  });

  test('with a public tensor and a broadcast condition', async () => {
    const result = await run([{ values: [1, 2, 3, 4], shape: [2, 2] }], (x) => {
      const row = constant(x.graph, [2, 2], [1, 2]);
      const first = compare.atLeast(x.slice([0, 0], [2, 1]), constant(x.graph, [2], [1, 1]));
      return together([number(compare.equal(x, row)), compare.where(first, x, x.neg())]);
    });
    expect(result.values).toEqual([0, 1, 0, 0, -1, -2, 3, 4]);
  });

  test('equality costs 4 rounds and less than two comparisons', async () => {
    const equal = await run(both, (p, q) => number(compare.equal(p, q)));
    const pair = await run(both, (p, q) => number(compare.atLeast(p, q).xor(compare.atMost(p, q))));
    expect(equal.rounds - 1).toBe(4);
    expect(equal.bytesOpened[0] ?? 0).toBeLessThan(0.7 * (pair.bytesOpened[0] ?? 0));
  });

  test('clamped at every pair of ends', async () => {
    const values = Array.from({ length: 20 }, (_, i) => i - 10);
    const ends = [-10, -7, -1, 0, 1, 4, 10];
    const pairs = ends.flatMap((low) => ends.filter((high) => high >= low).map((high) => [low, high] as const));
    const result = await run([{ values, magnitudeBits: 5 }], (x) =>
      together(pairs.map(([low, high]) => compare.clamp(x, low, high))),
    );
    expect(result.values).toEqual(
      pairs.flatMap(([low, high]) => values.map((v) => Math.min(Math.max(v, low), high) + 0)),
    );
  });
});

describe('largest and smallest', () => {
  const rows: number[][] = [
    [1, 1, 2, 1, 4, 1, 3, 4],
    [3, 3, 3, 3, 3, 3, 3, 3],
    [-1, -2, -8, -1, -5, -5, -8, -3],
  ];
  test('values, indices and one-hots; ties go to the smallest index', async () => {
    const result = await run([{ values: rows.flat(), shape: [3, 8] }], (x) =>
      together([
        extremes.maximum(x, { axis: 1 }),
        extremes.minimum(x, { axis: 1 }),
        extremes.argumentOfMaximum(x, { axis: 1 }),
        extremes.argumentOfMinimum(x, { axis: 1 }),
        extremes.oneHotOfMaximum(x, { axis: 1 }),
        extremes.maximum(x, { axis: 0 }),
        extremes.argumentOfMaximum(x),
      ]),
    );
    expect(result.values).toEqual([
      ...rows.map((row) => Math.max(...row)),
      ...rows.map((row) => Math.min(...row)),
      ...rows.map((row) => row.indexOf(Math.max(...row))),
      ...rows.map((row) => row.indexOf(Math.min(...row))),
      ...rows.flatMap((row) => row.map((_, i) => Number(i === row.indexOf(Math.max(...row))))),
      ...Array.from({ length: 8 }, (_, i) => Math.max(...rows.map((row) => row[i] ?? 0))),
      4,
    ]);
  });

  test.each([1, 2, 5, 12, 13, 25, 145, 200])('over %i candidates', async (count) => {
    const columns = [noise(count, -50, 50, count), Array.from({ length: count }, (_, i) => (i * 7) % 5)];
    const result = await run([{ values: columns.flat(), shape: [2, count] }], (x) =>
      together([
        extremes.maximum(x, { axis: -1, keepAxis: true }),
        extremes.argumentOfMaximum(x, { axis: -1 }),
        extremes.oneHotOfMinimum(x, { axis: -1 }),
      ]),
    );
    expect(result.values).toEqual([
      ...columns.map((column) => Math.max(...column)),
      ...columns.map((column) => column.indexOf(Math.max(...column))),
      ...columns.flatMap((column) => column.map((_, i) => Number(i === column.indexOf(Math.min(...column))))),
    ]);
  });

  test('rounds: 5 a level', async () => {
    const roundsOf = async (count: number): Promise<number> =>
      (await run([{ values: noise(count, -5, 5), shape: [count] }], (x) => extremes.maximum(x))).rounds - 1;
    expect([await roundsOf(12), await roundsOf(144), await roundsOf(145)]).toEqual([5, 10, 15]);
  });
});

describe('sorting', () => {
  const rows = [noise(9, -5, 5, 9), [2, 1, 2, 1, 2, 1, 0, 0, 3], [0, 0, 0, 0, 0, 0, 0, 0, 0]];
  test.each([false, true])('values and indices, equal ones in their order (descending: %s)', async (descending) => {
    const result = await run([{ values: rows.flat(), shape: [3, 9] }], (x) => {
      const sorted = sort(x, 1, { descending });
      return together([sorted.values, sorted.indices]);
    });
    const order = rows.map((row) =>
      row.map((_, i) => i).sort((i, j) => ((row[i] ?? 0) - (row[j] ?? 0)) * (descending ? -1 : 1) || i - j),
    );
    expect(result.values).toEqual([...order.flatMap((o, r) => o.map((i) => rows[r]?.[i] ?? 0)), ...order.flat()]);
  });
  test('the largest three along the first axis', async () => {
    const values = [3, 1, 4, 1, 5, 9, 2, 6];
    const result = await run([{ values, shape: [4, 2] }], (x) => {
      const { values: top, indices } = topK(x, 2, 0);
      return together([top, indices]);
    });
    expect(result.values).toEqual([5, 9, 4, 6, 2, 2, 1, 3]);
  });
});

describe('powers and sums', () => {
  test('whole powers from -4 to 12', async () => {
    const values = [-2, -1.5, -1, -0.75, 0.75, 1, 1.25, 1.5, 2];
    const exponents = Array.from({ length: 17 }, (_, i) => i - 4);
    const result = await run([{ values, magnitudeBits: 1.1 }], (x) => together(exponents.map((p) => power(x, p))));
    expectClose(
      result.values,
      exponents.flatMap((p) => values.map((v) => v ** p)),
    );
  });
  test('other powers of positive numbers', async () => {
    const values = [0.1, 0.5, 1, 2, 4, 9];
    const result = await run([{ values }], (x) => together([1.5, -0.5, 2.5].map((p) => powerOfPositive(x, p))));
    expectClose(
      result.values,
      [1.5, -0.5, 2.5].flatMap((p) => values.map((v) => v ** p)),
    );
  });
  test('polynomials up to degree 8', async () => {
    const values = noise(40, -2, 2);
    const coefficients = [0.5, -1, 0.25, 2, -0.125, 0.5, 0, 0.25, -0.0625];
    for (const degree of [0, 1, 2, 4, 8]) {
      const used = coefficients.slice(0, degree + 1);
      const result = await run([{ values, magnitudeBits: 1 }], (x) => polynomial(x, used));
      expectClose(
        result.values,
        values.map((v) => used.reduceRight((total, c) => total * v + c, 0)),
      );
    }
  });

  const axisValues = (axis: number, f: (line: number[]) => number): number[] => {
    const strides = [12, 4, 1];
    const stride = strides[axis] ?? 1;
    const size = cube[axis] ?? 1;
    return a.flatMap((_, i) =>
      Math.floor(i / stride) % size === 0 ? [f(Array.from({ length: size }, (__, k) => a[i + k * stride] ?? 0))] : [],
    );
  };
  const total = (line: readonly number[]): number => line.reduce((s, v) => s + v, 0);
  const spread = (line: readonly number[], correction: number): number => {
    const centre = total(line) / line.length;
    return line.reduce((s, v) => s + (v - centre) ** 2, 0) / (line.length - correction);
  };
  test.each([0, 1, 2])('along axis %i', async (axis) => {
    const result = await run([{ values: a, shape: cube, magnitudeBits: 3 }], (x) =>
      together([
        sum(x, { axes: [axis] }),
        mean(x, { axes: [axis] }),
        variance(x, { axes: [axis] }),
        variance(x, { axes: [axis], unbiased: false }),
        product(x, axis),
        norm(x, 1, { axes: [axis] }),
        norm(x, 2, { axes: [axis] }),
        norm(x, 'infinity', { axes: [axis] }),
      ]),
    );
    expectClose(
      result.values,
      [
        total,
        (l: number[]) => total(l) / l.length,
        (l: number[]) => spread(l, 1),
        (l: number[]) => spread(l, 0),
        (l: number[]) => l.reduce((p, v) => p * v, 1),
        (l: number[]) => total(l.map(Math.abs)),
        (l: number[]) => Math.hypot(...l),
        (l: number[]) => Math.max(...l.map(Math.abs)),
      ].flatMap((f) => axisValues(axis, f)),
    );
  });
  test('norms of other orders', async () => {
    const values = noise(12, -1.2, 1.2);
    const result = await run([{ values, magnitudeBits: 1 }], (x) => together([1.5, 3].map((p) => norm(x, p))));
    expectClose(
      result.values,
      [1.5, 3].map((p) => total(values.map((v) => Math.abs(v) ** p)) ** (1 / p)),
    );
  });
  test('running sums, also without the element itself', async () => {
    const values = noise(11, -3, 3);
    const result = await run([{ values }], (x) =>
      together([cumulativeSum(x, 0), cumulativeSum(x, 0, { exclusive: true })]),
    );
    const running = values.map((_, i) => total(values.slice(0, i + 1)));
    expect(result.values).toEqual([...running, ...values.map((_, i) => total(values.slice(0, i)))]);
  });
  test('products of vectors and the trace', async () => {
    const result = await run(
      [a, b].map((values) => ({ values: values.slice(0, 9), magnitudeBits: 3 })),
      (x, y) => together([dot(x, y), outer(x, y), trace(x.reshape([3, 3]))]),
    );
    const [x, y] = [a.slice(0, 9), b.slice(0, 9)];
    expectClose(result.values, [
      total(x.map((v, i) => v * (y[i] ?? 0))),
      ...x.flatMap((v) => y.map((w) => v * w)),
      (x[0] ?? 0) + (x[4] ?? 0) + (x[8] ?? 0),
    ]);
  });
  test.each([
    [[], [5]],
    [[1], [5]],
    [[5], [1, 1]],
    [[2, 1], [3]],
    [
      [1, 5],
      [5, 5],
    ],
  ])('matrix products with batch axes %j and %j', async (left, right) => {
    const sizeOf = (shape: readonly number[]): number => shape.reduce((p, n) => p * n, 1);
    const x = noise(sizeOf(left) * 6, -2, 2, 11);
    const y = noise(sizeOf(right) * 12, -2, 2, 12);
    const rank = Math.max(left.length, right.length);
    const at = (shape: readonly number[], axis: number): number => shape[axis - rank + shape.length] ?? 1;
    const batch = Array.from({ length: rank }, (_, axis) => Math.max(at(left, axis), at(right, axis)));
    const place = (shape: readonly number[], index: number[]): number =>
      index.reduce((flat, i, axis) => flat * at(shape, axis) + (at(shape, axis) === 1 ? 0 : i), 0);
    const expected = Array.from({ length: sizeOf(batch) }, (_, flat) => {
      let rest = flat;
      const index = [...batch].reverse().map((n) => {
        const i = rest % n;
        rest = Math.floor(rest / n);
        return i;
      });
      index.reverse();
      const [p, q] = [place(left, index) * 6, place(right, index) * 12];
      return Array.from({ length: 8 }, (__, cell) => {
        const [row, column] = [Math.floor(cell / 4), cell % 4];
        return [0, 1, 2].reduce((s, k) => s + (x[p + row * 3 + k] ?? 0) * (y[q + k * 4 + column] ?? 0), 0);
      });
    }).flat();
    const result = await run(
      [
        { values: x, shape: [...left, 2, 3], magnitudeBits: 2 },
        { values: y, shape: [...right, 3, 4], magnitudeBits: 2 },
      ],
      (p, q) => p.matmul(q),
    );
    expect(gaps(result.values, expected).absolute).toBeLessThan(1e-4);
  });
});

describe('secret indices and bits', () => {
  test('one-hot of an index, and rows taken by it', async () => {
    const table = noise(12, -100, 100);
    const result = await run(
      [
        { values: [2, 0, 3, 1, 7, -1], shape: [2, 3], magnitudeBits: 4 },
        { values: table, shape: [4, 3] },
      ],
      (index, rows) => together([oneHot(index, 4), takeSecretly(rows, index)]),
    );
    const indices = [2, 0, 3, 1, 7, -1];
    expect(result.values).toEqual([
      ...indices.flatMap((i) => [0, 1, 2, 3].map((k) => Number(k === i))),
      ...indices.flatMap((i) => [0, 1, 2].map((k) => table[i * 3 + k] ?? 0)),
    ]);
  });

  test('XOR, AND, OR, NOT and shifts of whole numbers', async () => {
    const x = [0, 1, -1, 5, -77, 100, -128, 127, 64];
    const y = [0, -1, 3, 12, 45, -100, 127, -128, 1];
    // Whole numbers at scale 0: a graph without fraction bits.
    const { evaluateSecretly } = await import('../../helpers/simulate.ts');
    const result = await evaluateSecretly(
      [x, y].map((values) => ({ values, magnitudeBits: 7.01 })),
      (p, q) =>
        [
          integers.bitwiseXor(p, q, 12),
          integers.bitwiseAnd(p, q, 8),
          integers.bitwiseOr(p, q, 8),
          integers.bitwiseNot(p),
          integers.shiftRight(p, 2, 8),
          integers.shiftLeft(p, 3, 8),
        ]
          .map((part, i) => part.embed([i * 9], [54]))
          .reduce((s, part) => s.add(part)),
      { graph: { fractionBits: 0 }, parties: 3 },
    );
    const each = (f: (u: number, v: number) => number): number[] => x.map((u, i) => f(u, y[i] ?? 0));
    expect(result.values).toEqual([
      ...each((u, v) => u ^ v),
      ...each((u, v) => u & v),
      ...each((u, v) => u | v),
      ...each((u) => ~u),
      ...each((u) => u >> 2),
      ...each((u) => (u << 27) >> 24),
    ]);
  });
});
