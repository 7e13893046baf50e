/** Joins of large lists: exact bytes, growth, and sides of very different sizes. Times are printed by the bench, not asserted. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { benchJoin, measureJoinRates, numberedIdentifiers } from '../../engine/join/bench.ts';
import type { Curve } from '../../engine/join/curve.ts';
import type { JoinForm } from '../../engine/join/terms.ts';
import { simulateJoin } from '../../engine/join/simulation.ts';
import { wasmCurve } from '../../engine/join/wasm/pool.ts';
import { hiddenJoin } from '../../main/bench/hidden-join.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';

let curve: Curve;
beforeAll(async () => {
  curve = await wasmCurve({ threads: 2 });
});
afterAll(() => curve.dispose());

test.each<[number, JoinForm, string | undefined]>([
  [100_000, 'curve', undefined],
  [1_000_000, 'keyedHash', 'dealer'],
])('%i identifiers against 10, %s', async (size, form, matcher) => {
  const few = numberedIdentifiers(size - 3, 10);
  const { results } = await simulateJoin({
    terms: {
      session: 'large',
      attempt: 0,
      execution: 0,
      purpose: 'ids',
      form,
      parties: ['many', 'few'],
      ...(matcher === undefined ? {} : { matcher }),
      sizes: { many: size, few: 10 },
      floor: 3,
    },
    identifiers: new Map([
      ['many', numberedIdentifiers(0, size)],
      ['few', few],
    ]),
    curve,
    crypto: nodeCrypto,
  });
  const [many, of] = ['many', 'few'].map((party) => {
    const result = results.get(party);
    if (result?.purpose !== 'ids') throw new Error('no ids');
    return [...result.rows];
  });
  expect(many).toEqual(of!.map((row) => size - 3 + row));
  expect([...of!].sort()).toEqual([0, 1, 2]);
});

test('bytes are predicted exactly and grow in proportion', async () => {
  const rates = await measureJoinRates(curve, nodeCrypto);
  const rows = [];
  for (const size of [1000, 10_000]) {
    rows.push(await benchJoin({ size, parties: 2, form: 'curve', curve, crypto: nodeCrypto, threads: 2, rates }));
    rows.push(await benchJoin({ size, parties: 3, form: 'keyedHash', curve, crypto: nodeCrypto, threads: 2, rates }));
  }
  for (const { bytes, predictedBytes, bytesPerIdentifier, predictedSeconds } of rows) {
    expect(bytes).toBe(predictedBytes);
    expect(bytesPerIdentifier).toBeLessThan(52);
    expect(predictedSeconds).toBeGreaterThan(0);
  }
  const [small, , large] = rows;
  // seven more bits of a tag at most, and the hellos
  expect(large!.bytesPerIdentifier - small!.bytesPerIdentifier).toBeLessThan(1.1);
});

test('training behind a hidden join, processes and all: as in the clear, at the predicted cost', async () => {
  const figures = await hiddenJoin(3000).run({ signal: new AbortController().signal, report: () => {} });
  const value = (name: string): number => figures.find((figure) => figure.name === name)?.value ?? NaN;
  expect(figures.filter((figure) => !Number.isFinite(figure.value))).toEqual([]);
  expect(value('sent by a party / predicted')).toBe(1);
  // Batches divide by the rows they have on average, in the clear by those they have; 300 rows are tested.
  expect(Math.abs(value('accuracy on shares - in the clear'))).toBeLessThan(0.03);
  expect(Math.abs(value('loss on shares / in the clear') - 1)).toBeLessThan(0.1);
});
