/** Gadgets of several operands, in an 8-bit ring under chosen masks: products, selects, bits, differences, maxima. */
import { describe, expect, test } from 'vitest';
import { Graph } from '../../../engine/tensor/graph.ts';
import { privateInput, sharedInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { chosenMasks } from '../../helpers/chosen-masks.ts';
import { idealTruncation } from '../../helpers/gadgets.ts';
import { TestJob } from '../../helpers/run-job.ts';
import type { Execution } from '../../helpers/run-job.ts';

interface Argument {
  /** Nobody's if not given. */
  readonly owner?: string;
  readonly words: readonly bigint[];
  /** log2 of the largest magnitude, in ring units. */
  readonly bound: number;
  readonly shape?: readonly number[];
}

interface Trial {
  readonly parties?: number;
  readonly fractionBits: number;
  readonly arguments: readonly Argument[];
  readonly masks?: (opening: number, element: number) => bigint | undefined;
  readonly trace: (...inputs: Tensor[]) => Record<string, Tensor>;
}

/** Runs a trial and returns every result as signed numbers, with what was seen. */
async function run(trial: Trial): Promise<{ results: Record<string, bigint[]>; seen: Execution }> {
  const graph = new Graph({ name: 'test', fractionBits: trial.fractionBits, assumedBound: 6, wordBits: 8 });
  const inputs = trial.arguments.map(({ owner, words, bound, shape = [words.length] }, i) =>
    owner === undefined
      ? sharedInput(graph, `x${i}`, shape, bound - trial.fractionBits)
      : privateInput(graph, `x${i}`, owner, shape, bound - trial.fractionBits),
  );
  for (const [name, tensor] of Object.entries(trial.trace(...inputs))) tensor.reveal(name, ['a']);
  const job = await TestJob.start([graph], {
    ...(trial.parties === undefined ? {} : { parties: trial.parties }),
    crypto: (plan) => chosenMasks(plan, 'test', trial.masks ?? (() => undefined)),
  });
  const words = Object.fromEntries(
    trial.arguments.map((argument, i) => [`x${i}`, argument.words.map((w) => BigInt.asUintN(8, w))]),
  );
  const seen = await job.execute('test', { inputs: words });
  await job.close();
  const revealed = seen.revealed.get('a') ?? new Map<string, BigUint64Array>();
  return {
    results: Object.fromEntries(
      [...revealed].map(([name, values]) => [name, [...values].map((v) => BigInt.asIntN(64, v))]),
    ),
    seen,
  };
}

const from = (low: number, high: number): bigint[] => Array.from({ length: high - low + 1 }, (_, i) => BigInt(low + i));

/** All pairs of two lists, `times` times each. */
function pairs(xs: readonly bigint[], ys: readonly bigint[], times: number): [bigint[], bigint[]] {
  const all = xs.flatMap((x) => ys.flatMap((y) => Array.from({ length: times }, () => [x, y] as const)));
  return [all.map(([x]) => x), all.map(([, y]) => y)];
}

/** The opening of words of the given length that `node` picks, in order. */
function opened(seen: Execution, index: number): BigUint64Array {
  return seen.openings.filter((o) => o.words.length > 0)[index]?.words ?? new BigUint64Array(0);
}

describe('products', () => {
  test.each([
    [2, 256],
    [3, 16],
    [4, 16],
    [5, 16],
  ])('%i parties, %i masks: the missing term of a product is folded into the next mask', async (parties, masks) => {
    const [xs, ys] = pairs(from(-8, 7), from(-8, 7), masks);
    const { results, seen } = await run({
      parties,
      fractionBits: 2,
      arguments: [
        { owner: 'a', words: xs, bound: 3 },
        { owner: 'b', words: ys, bound: 3 },
      ],
      // The mask of the product's opening is r plus the product of the operands' masks, so r takes every value too.
      masks: (_, e) => BigInt(((e % masks) * 256) / masks),
      trace: (x, y) => ({ raw: x.mulRaw(y), product: x.mul(y) }),
    });
    const c = opened(seen, 2);
    expect(c.length).toBe(xs.length);
    expect(results['raw']).toEqual(xs.map((x, e) => x * (ys[e] ?? 0n)));
    expect(results['product']).toEqual(
      xs.map((x, e) => idealTruncation(x * (ys[e] ?? 0n), 2, BigInt.asUintN(2, c[e] ?? 0n))),
    );
  });

  test.each([2, 3, 4, 5])(
    'of values that no party knows, squares and sums of products, %i parties',
    async (parties) => {
      const [xs, ys] = pairs(from(-3, 3), from(-3, 3), 4);
      const zs = xs.map((_, e) => BigInt((e % 7) - 3));
      const { results } = await run({
        parties,
        fractionBits: 0,
        arguments: [xs, ys, zs].map((words, i) => ({ owner: 'abcde'[i % parties] ?? 'a', words, bound: 2 })),
        trace: (x, y, z) => {
          const sum = x.add(y);
          return {
            square: sum.mulRaw(sum),
            mixed: sum.mulRaw(z).add(x.mulRaw(y)).sub(z),
            matrix: rows(x)
              .matmulRaw(rows(z), { transposeB: true })
              .reshape([49 * 49])
              .slice([0], [49]),
          };
        },
      });
      expect(results['square']).toEqual(xs.map((x, e) => BigInt.asIntN(8, (x + (ys[e] ?? 0n)) ** 2n)));
      expect(results['mixed']).toEqual(
        xs.map((x, e) => (x + (ys[e] ?? 0n)) * (zs[e] ?? 0n) + x * (ys[e] ?? 0n) - (zs[e] ?? 0n)),
      );
      const row = (of: readonly bigint[], i: number): readonly bigint[] => of.slice(4 * i, 4 * i + 4);
      expect(results['matrix']).toEqual(
        Array.from({ length: 49 }, (_, j) => row(xs, 0).reduce((sum, x, k) => sum + x * (row(zs, j)[k] ?? 0n), 0n)),
      );
    },
  );
});

function rows(x: Tensor): Tensor {
  return x.reshape([x.size / 4, 4]);
}

describe('bits', () => {
  test.each([
    [2, 16],
    [3, 8],
    [5, 8],
  ])('select by the sign of another value, %i parties, %i masks', async (parties, masks) => {
    const [xs, ys] = pairs(from(-64, 63), [-64n, -1n, 0n, 63n], masks);
    const { results, seen } = await run({
      parties,
      fractionBits: 6,
      arguments: [
        { words: xs, bound: 6 },
        { words: ys, bound: 6 },
      ],
      masks: (opening, e) => BigInt((((e % masks) * 256) / masks) * (opening === 0 ? 1 : 77)) & 255n,
      trace: (x, y) => ({ selected: y.atLeast(0).select(x.rescaled(3)) }),
    });
    const words = seen.openings.filter((o) => o.words.length > 0);
    // The opening that select truncates is the one of x.
    const c = words.find((o) => o.node === 5)?.words ?? words[1]?.words ?? new BigUint64Array(0);
    expect(results['selected']).toEqual(
      xs.map((x, e) => ((ys[e] ?? 0n) >= 0n ? idealTruncation(x, 3, BigInt.asUintN(3, c[e] ?? 0n)) : 0n)),
    );
  });

  test.each([2, 3, 4, 5])('xor, not, and bits as numbers, %i parties', async (parties) => {
    const [xs, ys] = pairs(from(-16, 15), [-16n, -1n, 0n, 15n], 4);
    const { results } = await run({
      parties,
      fractionBits: 0,
      arguments: [
        { words: xs, bound: 4 },
        { words: ys, bound: 4 },
      ],
      trace: (x, y) => {
        const [a, b] = [x.atLeast(3), y.atLeast(0)];
        return {
          a: a.toNumber(),
          xor: a.xor(b).toNumber(),
          not: a.not().toNumber(),
          both: a.xor(b).not().toNumber().timesInteger(3n).add(b.select(x)),
        };
      },
    });
    const [a, b] = [xs.map((x) => x >= 3n), ys.map((y) => y >= 0n)];
    const bit = (value: boolean): bigint => (value ? 1n : 0n);
    expect(results['a']).toEqual(a.map(bit));
    expect(results['xor']).toEqual(a.map((v, e) => bit(v !== b[e])));
    expect(results['not']).toEqual(a.map((v) => bit(!v)));
    expect(results['both']).toEqual(a.map((v, e) => 3n * bit(v === b[e]) + (b[e] === true ? (xs[e] ?? 0n) : 0n)));
  });
});

describe('maximum', () => {
  test.each([
    [2, 3],
    [3, 1],
    [4, 1],
    [5, 1],
  ])('difference of every pair, %i parties, %i masks each', async (parties, masks) => {
    const [xs, ys] = pairs(from(-32, 31), from(-32, 31), masks);
    const { results } = await run({
      parties,
      fractionBits: 0,
      arguments: [{ words: [...xs, ...ys], bound: 5, shape: [2, xs.length] }],
      masks: (_, e) => BigInt((e * 37 + Math.floor(e / 256) * 101) & 255),
      trace: (x) => {
        const best = x.oneHotMaximum();
        return { first: best.toNumber().slice([0, 0], [1, xs.length]), maximum: best.select(x).sum(0) };
      },
    });
    expect(results['first']).toEqual(xs.map((x, e) => (x >= (ys[e] ?? 0n) ? 1n : 0n)));
    expect(results['maximum']).toEqual(xs.map((x, e) => (x >= (ys[e] ?? 0n) ? x : (ys[e] ?? 0n))));
  });

  test.each([
    [2, 2],
    [3, 3],
    [5, 2],
    [10, 3],
    [12, 2],
  ])('of %i candidates with ties, %i parties: the first largest one', async (candidates, parties) => {
    const columns = 200;
    const at = (i: number, e: number): bigint =>
      BigInt(((e * 31 + i * (e % 11) * 17) % 8) - 4) * (e % 2 === 0 ? 8n : 1n);
    const words = Array.from({ length: candidates * columns }, (_, j) => at(Math.floor(j / columns), j % columns));
    const { results } = await run({
      parties,
      fractionBits: 0,
      arguments: [{ words, bound: 5, shape: [candidates, columns] }],
      trace: (x) => ({ oneHot: x.oneHotMaximum().toNumber() }),
    });
    const expected = words.map((word, j) => {
      const column = Array.from({ length: candidates }, (_, i) => at(i, j % columns));
      const largest = column.reduce((a, b) => (b > a ? b : a));
      return word === largest && column.indexOf(largest) === Math.floor(j / columns) ? 1n : 0n;
    });
    expect(results['oneHot']).toEqual(expected);
  });
});

test('padding: what windows add around an image is zero in every gadget', async () => {
  const words = [7n, ...from(-7, 7)];
  const windows = {
    batch: 1,
    channels: 1,
    height: 4,
    width: 4,
    kernel: [3, 3],
    stride: [1, 1],
    dilation: [1, 1],
    padding: [1, 1, 1, 1],
  } as const;
  const { results } = await run({
    fractionBits: 3,
    arguments: [{ words, bound: 3, shape: [1, 1, 4, 4] }],
    trace: (x) => {
      const cells = x.unfold(windows);
      return {
        plain: cells,
        bit: cells.atLeast(0).toNumber(),
        positive: cells.relu(),
        truncated: cells.timesInteger(8n).rescaled(0),
      };
    },
  });
  const plain = results['plain'] ?? [];
  expect(plain.length).toBe(16 * 9);
  expect(plain.filter((v) => v !== 0n).length).toBeGreaterThan(80);
  expect(results['bit']).toEqual(plain.map((v) => (v >= 0n ? 1n : 0n)));
  expect(results['positive']).toEqual(plain.map((v) => (v >= 0n ? v : 0n)));
  expect(results['truncated']).toEqual(plain);
});
