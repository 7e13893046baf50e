/** Arithmetic with broadcasting over CrypTen's pairs of shapes, on secret and public operands, with 2 to 5 parties. */
import { describe, expect, test } from 'vitest';
import { divide } from '../../../engine/functions/powers.ts';
import { constant, linear } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { expectClose, noise, run } from './measure.ts';

type Shape = readonly number[];

const pairs: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[], [5]],
  [[5], [1]],
  [[1], [1, 5]],
  [
    [1, 1],
    [5, 1],
  ],
  [
    [1, 5],
    [5, 1],
  ],
  [[5, 5], [5]],
  [
    [5, 5],
    [1, 5, 5],
  ],
  [
    [5, 1, 5],
    [5, 5, 1],
  ],
  [
    [5, 5, 5],
    [1, 1],
  ],
  [
    [1, 3, 8, 8],
    [3, 1, 1],
  ],
  [
    [2, 3, 8, 8],
    [1, 3, 1, 8],
  ],
];

const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);

/** f over broadcast operands, row-major. */
function broadcast(
  x: readonly number[],
  a: Shape,
  y: readonly number[],
  b: Shape,
  f: (u: number, v: number) => number,
): number[] {
  const rank = Math.max(a.length, b.length);
  const size = (shape: Shape, axis: number): number => shape[axis - rank + shape.length] ?? 1;
  const shape = Array.from({ length: rank }, (_, axis) => Math.max(size(a, axis), size(b, axis)));
  return Array.from({ length: sizeOf(shape) }, (_, flat) => {
    let rest = flat;
    const index = [...shape].reverse().map((n) => {
      const i = rest % n;
      rest = Math.floor(rest / n);
      return i;
    });
    index.reverse();
    const place = (own: Shape): number =>
      index.reduce((at, i, axis) => at * size(own, axis) + (size(own, axis) === 1 ? 0 : i), 0);
    return f(x[place(a)] ?? NaN, y[place(b)] ?? NaN);
  });
}

const flat = (t: Tensor): Tensor => t.reshape([t.size]);

/** Sum, difference, product and, if asked for, quotient side by side. */
function arithmetic(x: Tensor, y: Tensor, withQuotient = true): Tensor {
  const results = [x.add(y), x.sub(y), x.mul(y), ...(withQuotient ? [divide(x, y)] : [])].map(flat);
  const size = results[0]?.size ?? 0;
  return linear(
    'arithmetic',
    results.map((part, i) => [1n, part.embed([i * size], [results.length * size])] as const),
  );
}

describe.each(pairs)('%j and %j', (a, b) => {
  // Secret divisors take time to plan: where the shapes differ in rank.
  const withQuotient = a.length !== b.length && a.length > 0;
  const x = noise(sizeOf(a), -60, 60, 1);
  const y = noise(sizeOf(b), 1, 60, 2).map((v, i) => (i % 2 === 0 ? v : -v));
  const expected = [
    (u: number, v: number): number => u + v,
    (u: number, v: number): number => u - v,
    (u: number, v: number): number => u * v,
    (u: number, v: number): number => u / v,
  ].flatMap((f) => broadcast(x, a, y, b, f));
  test('both secret', async () => {
    const sums = expected.slice(0, withQuotient ? expected.length : (3 * expected.length) / 4);
    const result = await run(
      [
        { values: x, shape: a, magnitudeBits: 6 },
        { values: y, shape: b, magnitudeBits: 6 },
      ],
      (...[p, q]) => arithmetic(p as Tensor, q as Tensor, withQuotient),
    );
    expectClose(result.values, sums);
  });
  test('the second public', async () => {
    const result = await run([{ values: x, shape: a, magnitudeBits: 6 }], (...[p]) => {
      const secret = p as Tensor;
      return arithmetic(secret, constant(secret.graph, y, b));
    });
    expectClose(result.values, expected);
  });
});

test.each([2, 3, 4, 5])('%i parties', async (parties) => {
  const [x, y] = [noise(30, -60, 60, 3), noise(30, 2, 60, 4)];
  const result = await run(
    [x, y].map((values) => ({ values, magnitudeBits: 6 })),
    (...[p, q]) => arithmetic(p as Tensor, q as Tensor),
    parties,
  );
  expectClose(result.values, [
    ...x.map((v, i) => v + (y[i] ?? 0)),
    ...x.map((v, i) => v - (y[i] ?? 0)),
    ...x.map((v, i) => v * (y[i] ?? 0)),
    ...x.map((v, i) => v / (y[i] ?? 0)),
  ]);
});

test('a public divisor costs one truncation', async () => {
  const x = noise(50, -60, 60, 5);
  for (const divisor of [2, 3, 569, 60_000, 0.001]) {
    const result = await run([{ values: x, magnitudeBits: 6 }], (...[p]) => {
      const secret = p as Tensor;
      return divide(secret, constant(secret.graph, [divisor], []));
    });
    expectClose(
      result.values,
      x.map((v) => v / divisor),
    );
    expect(result.rounds - 1).toBe(1);
  }
});
