/** What an onlooker sees of a join depends on public sizes and the number of matches, and on no identifier and no input order. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Curve } from '../../../engine/join/curve.ts';
import { simulateJoin } from '../../../engine/join/simulation.ts';
import type { JoinTerms } from '../../../engine/join/terms.ts';
import { Phase } from '../../../engine/join/terms.ts';
import { secretPermutation } from '../../../engine/join/permutation.ts';
import { wasmCurve } from '../../../engine/join/wasm/pool.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { fixedCrypto } from '../../helpers/fixed-crypto.ts';
import { NAMES, listsByParty, termsOf } from './joins.ts';
import type { Sent } from './watched-transport.ts';
import { watched } from './watched-transport.ts';

let curve: Curve;
beforeAll(async () => {
  curve = await wasmCurve({ threads: 2 });
});
afterAll(() => curve.dispose());

type Lists = readonly (readonly string[])[];

async function transcript(lists: Lists, changes: Partial<JoinTerms>, crypto = nodeCrypto): Promise<Sent[]> {
  const log: Sent[] = [];
  await simulateJoin({
    terms: termsOf(lists, changes),
    identifiers: listsByParty(lists),
    curve,
    crypto,
    wrap: (transport) => watched(transport, log),
  });
  return log;
}

/** The messages of each direction in their order, without their bytes. */
function shape(log: readonly Sent[]): Record<string, string[]> {
  const directions: Record<string, string[]> = {};
  for (const { from, to, phase, chunk, payload } of log) {
    (directions[`${from} to ${to}`] ??= []).push(`${phase}/${chunk}: ${payload.length}`);
  }
  return directions;
}

const range = (from: number, to: number, prefix = ''): string[] =>
  Array.from({ length: to - from }, (_, i) => `${prefix}${from + i}`);

const arrangements: readonly (readonly [string, number, Partial<JoinTerms>])[] = [
  ['two parties by themselves', 2, {}],
  ['three parties and a matcher', 3, {}],
  ['three parties, hashed', 3, { form: 'keyedHash' }],
  ['three parties, hidden', 3, { purpose: 'hidden' }],
];

test.each(arrangements)('the same sizes give the same messages: %s', async (_, parties, changes) => {
  const sizes = { anna: 2100, bela: 90, cleo: 70 };
  const one = [range(0, 2100), range(2020, 2100), range(2050, 2110)].slice(0, parties);
  // as many matches, of long identifiers in another order, with fewer rows before padding
  const matches = one[0]!.filter((text) => one.every((list) => list.includes(text))).length;
  const shared = range(0, matches, 'somebody with a long name ').reverse();
  const two = [
    [...shared, 'p'],
    ['q', ...shared],
    [...shared, 'r', 's'],
  ].slice(0, parties);
  expect(shape(await transcript(two, { ...changes, sizes }))).toEqual(
    shape(await transcript(one, { ...changes, sizes })),
  );
});

test('a hidden join has the same messages whatever matches', async () => {
  const changes: Partial<JoinTerms> = { purpose: 'hidden', matcher: 'dealer' };
  const disjoint = await transcript([range(0, 40), range(40, 90)], changes);
  const equal = await transcript([range(0, 40), range(0, 50)], changes);
  expect(shape(disjoint)).toEqual(shape(equal));
});

test('no two joins of the same lists have a point, tag or nonce in common', async () => {
  const lists = [range(0, 40), range(0, 40)];
  const seen = new Set<string>();
  let pieces = 0;
  for (let i = 0; i < 2; i++) {
    for (const { phase, payload } of await transcript(lists, {})) {
      const width = phase === Phase.points ? 32 : phase === Phase.tags ? 12 : undefined;
      if (width === undefined) continue;
      for (let at = 0; at < payload.length; at += width) {
        seen.add(Buffer.from(payload.subarray(at, at + width)).toString('hex'));
        pieces++;
      }
    }
  }
  expect(pieces).toBe(2 * 2 * (40 + 40));
  // within a join equal identifiers have equal tags; nothing else is ever equal
  expect(seen.size).toBe(2 * (40 + 40 + 40));
});

/**
 * Chi-square of counts of equally likely outcomes. What is counted comes of fixed randomness, so a test that passes goes on
 * passing; a limit is what chance exceeds once in a million changes of the code, with five counts a cell or more.
 */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}
const LIMIT_63 = 132;

describe('no input order survives', () => {
  test('where a row stands in the common order is independent of where it stood in the input', async () => {
    const rows = 64;
    const lists = [range(0, rows), range(0, rows)];
    const crypto = fixedCrypto();
    for (const changes of [{}, { matcher: 'dealer' }, { matcher: 'dealer', form: 'keyedHash' as const }]) {
      // 8 x 8 table of eighths of the input against eighths of the order
      const counts = Array.from({ length: 64 }, () => 0);
      for (let run = 0; run < 20; run++) {
        const { results } = await simulateJoin({
          terms: termsOf(lists, changes),
          identifiers: listsByParty(lists),
          curve,
          crypto,
        });
        const result = results.get(NAMES[0]!);
        if (result?.purpose !== 'ids') throw new Error('no ids');
        result.rows.forEach((row, place) => counts[Math.floor(row / 8) * 8 + Math.floor(place / 8)]!++);
      }
      expect(chiSquare(counts)).toBeLessThan(LIMIT_63);
    }
  });

  test('positions that the other party names are spread over the whole list', async () => {
    // one match, always the first row of both: the position sent for it must be anywhere
    const counts = Array.from({ length: 64 }, () => 0);
    const lists = [['0', ...range(100, 163)], ['0']];
    const crypto = fixedCrypto();
    for (let run = 0; run < 320; run++) {
      const sent = (await transcript(lists, {}, crypto)).find(
        ({ from, phase }) => from === 'bela' && phase === Phase.positions,
      );
      counts[sent!.payload[0]!]!++;
    }
    expect(chiSquare(counts)).toBeLessThan(LIMIT_63);
  });

  test('slots are spread over the whole table', async () => {
    const counts = Array.from({ length: 64 }, () => 0);
    const lists = [range(0, 32), range(0, 32)];
    const crypto = fixedCrypto();
    for (let run = 0; run < 40; run++) {
      const { results } = await simulateJoin({
        terms: termsOf(lists, { purpose: 'hidden', matcher: 'dealer', form: 'keyedHash' }),
        identifiers: listsByParty(lists),
        curve,
        crypto,
      });
      const result = results.get(NAMES[0]!);
      if (result?.purpose !== 'hidden') throw new Error('no slots');
      // of the first eight rows only
      result.slots.slice(0, 8).forEach((slot) => counts[slot]!++);
    }
    expect(chiSquare(counts)).toBeLessThan(LIMIT_63);
  });

  test('a secret permutation is uniform: all orders of four, and every place of 64', () => {
    const crypto = fixedCrypto();
    const orders = new Map<string, number>();
    for (let i = 0; i < 2400; i++) {
      const order = secretPermutation(4, crypto).join();
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    // 23 degrees of freedom
    expect(chiSquare([...orders.values()])).toBeLessThan(75);
    const places = Array.from({ length: 64 }, () => 0);
    for (let i = 0; i < 2000; i++) places[secretPermutation(64, crypto).indexOf(0)]!++;
    expect(chiSquare(places)).toBeLessThan(LIMIT_63);
  });
});
