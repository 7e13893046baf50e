/** Shape operations and rearrangements by public indices: exact. */
import { describe, expect, test } from 'vitest';
import * as moves from '../../../engine/tensor/rearrange.ts';
import { moveAxis, split, squeeze, stack, unsqueeze } from '../../../engine/tensor/shapes.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { noise, run } from './measure.ts';

const shape = [2, 3, 4];
const values = noise(24, -100, 100);
const at = (i: number, j: number, k: number): number => values[12 * i + 4 * j + k] ?? NaN;

interface Case {
  readonly name: string;
  readonly trace: (x: Tensor) => Tensor;
  readonly shape: readonly number[];
  readonly expected: (...index: number[]) => number;
}

const mirrored = (i: number, size: number): number => (i < 0 ? -i : i >= size ? 2 * size - 2 - i : i);

const cases: Case[] = [
  {
    name: 'take with repeats, from the end',
    trace: (x) => moves.take(x, [2, 0, -1, 1], 1),
    shape: [2, 4, 4],
    expected: (i, j = 0, k = 0) => at(i ?? 0, [2, 0, 2, 1][j] ?? 0, k),
  },
  {
    name: 'flip of two axes',
    trace: (x) => moves.flip(x, [0, -1]),
    shape,
    expected: (i = 0, j = 0, k = 0) => at(1 - i, j, 3 - k),
  },
  {
    name: 'roll backwards and forwards',
    trace: (x) => moves.roll(moves.roll(x, 3, 2), -1, 1),
    shape,
    expected: (i = 0, j = 0, k = 0) => at(i, (j + 1) % 3, (k + 1) % 4),
  },
  {
    name: 'slice in steps',
    trace: (x) => moves.sliceSteps(x, 2, 1, 100, 2),
    shape: [2, 3, 2],
    expected: (i = 0, j = 0, k = 0) => at(i, j, 1 + 2 * k),
  },
  {
    name: 'slice backwards',
    trace: (x) => moves.sliceSteps(x, 2, -1, -100, -3),
    shape: [2, 3, 2],
    expected: (i = 0, j = 0, k = 0) => at(i, j, 3 - 3 * k),
  },
  {
    name: 'pad with a constant',
    trace: (x) => moves.pad(x, [0, 1, 2], [1, 0, 1], 'constant', 7.5),
    shape: [3, 4, 7],
    expected: (i = 0, j = 0, k = 0) => (i < 2 && j >= 1 && k >= 2 && k < 6 ? at(i, j - 1, k - 2) : 7.5),
  },
  {
    name: 'pad that cuts and adds',
    trace: (x) => moves.pad(x, [0, -1, 0], [0, 2, -1]),
    shape: [2, 4, 3],
    expected: (i = 0, j = 0, k = 0) => (j < 2 ? at(i, j + 1, k) : 0),
  },
  {
    name: 'pad with the mirror image',
    trace: (x) => moves.pad(x, [1, 2, 3], [1, 2, 3], 'reflect'),
    shape: [4, 7, 10],
    expected: (i = 0, j = 0, k = 0) => at(mirrored(i - 1, 2), mirrored(j - 2, 3), mirrored(k - 3, 4)),
  },
  {
    name: 'pad with the border',
    trace: (x) => moves.pad(x, [0, 1, 0], [0, 0, 2], 'edge'),
    shape: [2, 4, 6],
    expected: (i = 0, j = 0, k = 0) => at(i, Math.max(j - 1, 0), Math.min(k, 3)),
  },
  {
    name: 'pad with the other end',
    trace: (x) => moves.pad(x, [0, 0, 2], [0, 1, 0], 'wrap'),
    shape: [2, 4, 6],
    expected: (i = 0, j = 0, k = 0) => at(i, j % 3, (k + 2) % 4),
  },
  {
    name: 'tile into a new axis',
    trace: (x) => moves.tile(x, [2, 1, 2, 1]),
    shape: [2, 2, 6, 4],
    expected: (_, i = 0, j = 0, k = 0) => at(i, j % 3, k),
  },
  {
    name: 'repeat each',
    trace: (x) => moves.repeatEach(x, 3, 1),
    shape: [2, 9, 4],
    expected: (i = 0, j = 0, k = 0) => at(i, Math.floor(j / 3), k),
  },
  {
    name: 'elements by indices',
    trace: (x) => moves.gatherElements(x, [0, 3, -1, 2, 1, 0], [2, 3, 1], 2),
    shape: [2, 3, 1],
    expected: (i = 0, j = 0) => at(i, j, [0, 3, 3, 2, 1, 0][3 * i + j] ?? 0),
  },
  {
    name: 'diagonal above the main one',
    trace: (x) => moves.diagonal(x, 1),
    shape: [2, 3],
    expected: (i = 0, j = 0) => at(i, j, j + 1),
  },
  {
    name: 'diagonal below the main one',
    trace: (x) => moves.diagonal(x, -1),
    shape: [2, 2],
    expected: (i = 0, j = 0) => at(i, j + 1, j),
  },
  {
    name: 'lower triangle',
    trace: (x) => moves.maskMatrix(x, (row, column) => column <= row),
    shape,
    expected: (i = 0, j = 0, k = 0) => (k <= j ? at(i, j, k) : 0),
  },
  {
    name: 'overlapping windows',
    trace: (x) => moves.unfoldAxis(x, 2, 2, 1),
    shape: [2, 3, 3, 2],
    expected: (i = 0, j = 0, w = 0, k = 0) => at(i, j, w + k),
  },
  {
    name: 'stack, squeeze and unsqueeze',
    trace: (x) => squeeze(unsqueeze(stack([x, x.neg()], -1), 1), [1]),
    shape: [2, 3, 4, 2],
    expected: (i = 0, j = 0, k = 0, sign = 0) => (sign === 0 ? 1 : -1) * at(i, j, k),
  },
  {
    name: 'split and moved axes',
    trace: (x) => moveAxis(split(x, [1, 3], 2)[1] ?? x, 2, 0),
    shape: [3, 2, 3],
    expected: (k = 0, i = 0, j = 0) => at(i, j, k + 1),
  },
];

test.each(cases)('$name', async ({ trace, shape: expectedShape, expected }) => {
  let traced: readonly number[] = [];
  const result = await run([{ values, shape }], (...[x]) => {
    if (x === undefined) throw new RangeError('one argument');
    const y = trace(x);
    traced = y.shape;
    return y;
  });
  expect(traced).toEqual(expectedShape);
  const strides = expectedShape.map((_, axis) => expectedShape.slice(axis + 1).reduce((p, n) => p * n, 1));
  expect(result.values).toEqual(
    result.values.map((_, flat) =>
      expected(...strides.map((stride, axis) => Math.floor(flat / stride) % (expectedShape[axis] ?? 1))),
    ),
  );
  // Nothing is opened: only the reveal takes a round.
  expect(result.rounds).toBe(1);
});

describe('scatter', () => {
  test.each(['put', 'add'] as const)('%s, the last one stays', async (mode) => {
    const updates = noise(8, -9, 9, 3);
    const indices = [2, 0, 2, 1, 0, -1, 0, 0];
    const result = await run(
      [
        { values: values.slice(0, 12), shape: [3, 4] },
        { values: updates, shape: [2, 4] },
      ],
      (...[x, u]) => {
        if (x === undefined || u === undefined) throw new RangeError('two arguments');
        return moves.scatterElements(x, indices, u, 0, mode);
      },
    );
    const expected = values.slice(0, 12);
    indices.forEach((row, i) => {
      const target = ((row + 3) % 3) * 4 + (i % 4);
      expected[target] = (mode === 'add' ? (expected[target] ?? 0) : 0) + (updates[i] ?? 0);
    });
    expect(result.values).toEqual(expected);
  });
});

test('what does not fit is refused by name', async () => {
  const refused = (trace: (x: Tensor) => Tensor): Promise<unknown> =>
    run([{ values, shape }], (...[x]) => trace(x as Tensor));
  await expect(refused((x) => moves.take(x, [3], 1))).rejects.toThrow(/take.*outside axis 1/);
  await expect(refused((x) => moves.sliceSteps(x, 0, 0, 2, 0))).rejects.toThrow(/step of 0/);
  await expect(refused((x) => squeeze(x, [0]))).rejects.toThrow(/squeeze/);
  await expect(refused((x) => split(x, [1, 1], 2)[0] ?? x)).rejects.toThrow(/add up/);
});
