import { fc } from '../helpers/properties.ts';
import { describe, expect, test } from 'vitest';
import { initialWeights } from '../../shared/initialise.ts';
import { expandTemplate } from '../../shared/templates.ts';
import { batchSizes, epochBatches, rowLayout, splitRows } from '../../shared/schedule.ts';
import { nextXoshiro128, PublicRandom, shuffledIndexes } from '../../shared/shuffle.ts';

const everyRow = (rows: number) => Array.from({ length: rows }, (_, row) => row);
const sorted = (parts: Iterable<Uint32Array>) => [...parts].flatMap((part) => [...part]).sort((a, b) => a - b);

describe('public randomness', () => {
  test('never changes: golden values', () => {
    const random = new PublicRandom(7, 'split');
    expect([random.nextWord(), random.nextWord(), random.nextWord()]).toMatchInlineSnapshot(`
      [
        58767486,
        2318712921,
        3672023932,
      ]
    `);
    expect([...shuffledIndexes(8, new PublicRandom(7, 'epoch', 3))]).toMatchInlineSnapshot(`
      [
        7,
        6,
        0,
        5,
        2,
        4,
        1,
        3,
      ]
    `);
  });

  test('follows the published generator: its reference output for the state 1, 2, 3, 4', () => {
    const state = Int32Array.of(1, 2, 3, 4);
    const outputs = Array.from({ length: 10 }, () => nextXoshiro128(state));
    expect(outputs).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  test('has unrelated streams for other seeds, purposes and indexes', () => {
    const firsts = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      for (const purpose of ['split', 'epoch', 'weights'] as const) {
        for (let index = 0; index < 10; index++) firsts.add(new PublicRandom(seed, purpose, index).nextWord());
      }
    }
    firsts.add(new PublicRandom(2 ** 40, 'split').nextWord());
    expect(firsts.size).toBe(1501);
  });

  test('is uniform enough: every position meets every value', () => {
    const counts = Array.from({ length: 5 }, () => [0, 0, 0, 0, 0]);
    const random = new PublicRandom(3, 'split');
    for (let i = 0; i < 20_000; i++) shuffledIndexes(5, random).forEach((value, place) => counts[place]![value]!++);
    for (const count of counts.flat()) expect(Math.abs(count - 4000)).toBeLessThan(300);
    let sum = 0;
    for (let i = 0; i < 10_000; i++) sum += random.nextFraction();
    expect(sum / 10_000).toBeCloseTo(0.5, 1);
  });
});

describe('splits and batches', () => {
  test('every row is in exactly one part, and the test part has its size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        fc.nat(),
        (rows, fraction, seed) => {
          fc.pre(Math.round(fraction * rows) < rows);
          const split = splitRows(rows, fraction, seed);
          expect(split.test.length).toBe(Math.round(fraction * rows));
          expect(sorted([split.train, split.test])).toEqual(everyRow(rows));
          expect(splitRows(rows, fraction, seed)).toEqual(split);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('a split that leaves nothing to train on is refused', () => {
    expect(() => splitRows(1, 0.9, 0)).toThrow(/none to train on/);
    expect(() => splitRows(0, 0, 0)).toThrow(/none to train on/);
  });

  test('an epoch visits every training row once; the last batch may be smaller', () => {
    const { train } = splitRows(569, 0.2, 7);
    expect(train.length).toBe(455);
    const batches = epochBatches(train, 128, 7, 0);
    expect(batches.map((rows) => rows.length)).toEqual(batchSizes(455, 128));
    expect(batchSizes(455, 128)).toEqual([128, 128, 128, 71]);
    expect(sorted(batches)).toEqual([...train]);
    expect(epochBatches(train, 128, 7, 1)).not.toEqual(batches);
    expect(epochBatches(train, 'all', 7, 5)).toEqual([train]);
    expect(batchSizes(100, 100)).toEqual([100]);
    expect(batchSizes(200, 100)).toEqual([100, 100]);
  });
});

describe('row layout', () => {
  const parties = [
    { name: 'a', data: 10, test: 0 },
    { name: 'b', data: 20, test: 0 },
  ];

  test('stacked rows follow each other', () => {
    const layout = rowLayout(parties, true, 0.2, 1);
    expect(layout.rows).toBe(30);
    expect(layout.parties['b']?.data).toEqual({ start: 10, rows: 20 });
    expect(sorted([layout.train, layout.test])).toEqual(everyRow(30));
    expect(layout.test.length).toBe(6);
  });

  test('aligned rows have one number for all', () => {
    expect(() => rowLayout(parties, false, 0.2, 1)).toThrow(/a has 10 data rows and b has 20/);
    const layout = rowLayout([parties[0]!, { name: 'b', data: 10, test: 0 }], false, 0.2, 1);
    expect(layout.rows).toBe(10);
    expect(layout.parties['b']?.data.start).toBe(0);
  });

  test('rows of test files come last and are the test', () => {
    const layout = rowLayout(
      [
        { name: 'a', data: 3, test: 2 },
        { name: 'b', data: 4, test: 0 },
        { name: 'c', data: 1, test: 1 },
      ],
      true,
      0,
      1,
    );
    expect([...layout.train]).toEqual(everyRow(8));
    expect([...layout.test]).toEqual([8, 9, 10]);
    expect(layout.parties['c']?.test).toEqual({ start: 10, rows: 1 });
  });
});

describe('first weights', () => {
  test('are 0 where the loss is convex', () => {
    const weights = initialWeights(expandTemplate({ template: 'logistic' }, [30], 1, 'classification'), 7);
    expect([...weights.keys()]).toEqual(['dense1/kernel', 'dense1/bias']);
    for (const { data } of weights.values()) expect(data.every((value) => value === 0)).toBe(true);
  });

  test('fill the He or Glorot range of their layer, biases 0', () => {
    const mlp = expandTemplate({ template: 'mlp', hidden: [128, 128], activation: 'relu' }, [64], 10, 'classification');
    const weights = initialWeights(mlp, 7);
    const largest = (key: string) => weights.get(key)!.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const he = Math.sqrt(6 / 64);
    expect(largest('dense1/kernel')).toBeLessThanOrEqual(he);
    expect(largest('dense1/kernel')).toBeGreaterThan(0.99 * he);
    const glorot = Math.sqrt(6 / 138);
    expect(largest('dense3/kernel')).toBeLessThanOrEqual(glorot);
    expect(largest('dense3/kernel')).toBeGreaterThan(0.98 * glorot);
    expect(largest('dense2/bias')).toBe(0);
    const mean = weights.get('dense2/kernel')!.data.reduce((sum, value) => sum + value, 0) / 128 ** 2;
    expect(Math.abs(mean)).toBeLessThan(0.01);
    expect(initialWeights(mlp, 7)).toEqual(weights);
    expect(initialWeights(mlp, 8)).not.toEqual(weights);
  });

  test('exist for images', () => {
    const lenet = expandTemplate({ template: 'lenet' }, [1, 28, 28], 10, 'classification');
    const kernel = initialWeights(lenet, 1).get('conv1/kernel')!;
    expect(kernel.shape).toEqual([6, 1, 5, 5]);
    expect(Math.max(...kernel.data)).toBeLessThanOrEqual(Math.sqrt(6 / 25));
  });
});
