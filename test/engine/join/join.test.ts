/** Joins of all kinds against a plaintext join, over memory transports. */
import { createRequire } from 'node:module';
import type { PSILibrary } from '@openmined/psi.js/implementation/psi.d.ts';
import { fc } from '../../helpers/properties.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Curve } from '../../../engine/join/curve.ts';
import { simulateJoin } from '../../../engine/join/simulation.ts';
import type { SimulatedJoin } from '../../../engine/join/simulation.ts';
import type { JoinForm, JoinTerms } from '../../../engine/join/terms.ts';
import { checkTerms, predictJoinBytes } from '../../../engine/join/terms.ts';
import { wasmCurve } from '../../../engine/join/wasm/pool.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { NAMES, listsByParty, plainIntersection, termsOf } from './joins.ts';

let curve: Curve;
beforeAll(async () => {
  curve = await wasmCurve({ threads: 2 });
});
afterAll(() => curve.dispose());

type Lists = readonly (readonly string[])[];

async function run(lists: Lists, changes: Partial<JoinTerms> = {}): Promise<SimulatedJoin & { terms: JoinTerms }> {
  const terms = termsOf(lists, changes);
  const joined = await simulateJoin({ terms, identifiers: listsByParty(lists), curve, crypto: nodeCrypto });
  const matches = plainIntersection(lists).length;
  expect(joined.bytesSent).toEqual(predictJoinBytes(terms, matches));
  return { ...joined, terms };
}

/** Checks that all parties have the plaintext intersection in one common order, and returns that order. */
function checkIds(lists: Lists, { results }: SimulatedJoin): string[] {
  const orders = lists.map((list, who) => {
    const result = results.get(NAMES[who]!);
    if (result?.purpose !== 'ids') throw new Error('no ids');
    return [...result.rows].map((row) => list[row]!);
  });
  for (const order of orders) expect(order).toEqual(orders[0]);
  expect([...orders[0]!].sort()).toEqual(plainIntersection(lists));
  return orders[0]!;
}

/** Checks that slots are equal exactly for equal identifiers. */
function checkSlots(lists: Lists, { results }: SimulatedJoin): void {
  const slotOf = new Map<string, number>();
  const holderOf = new Map<number, string>();
  lists.forEach((list, who) => {
    const result = results.get(NAMES[who]!);
    if (result?.purpose !== 'hidden') throw new Error('no slots');
    expect(result.slots.length).toBe(list.length);
    list.forEach((text, row) => {
      const slot = result.slots[row]!;
      expect(slot).toBeLessThan(result.slotCount);
      expect(slotOf.get(text) ?? slot).toBe(slot);
      expect(holderOf.get(slot) ?? text).toBe(text);
      slotOf.set(text, slot);
      holderOf.set(slot, text);
    });
  });
}

const range = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `id-${from + i}`);

/** Every arrangement that a join by ids can have. */
const arrangements: readonly (readonly [name: string, parties: number, changes: Partial<JoinTerms>])[] = [
  ['two parties by themselves', 2, {}],
  ['two parties and a matcher', 2, { matcher: 'dealer' }],
  ['two parties, hashed', 2, { matcher: 'dealer', form: 'keyedHash' }],
  ['three parties and a matcher', 3, {}],
  ['three parties, one of them the matcher', 3, { matcher: 'bela' }],
  ['three parties, hashed', 3, { form: 'keyedHash' }],
  ['five parties and a matcher', 5, {}],
  ['five parties, hashed', 5, { form: 'keyedHash' }],
];

describe.each(arrangements)('ids, %s', (_, parties, changes) => {
  const upTo = (lists: Lists): Lists => lists.slice(0, parties);

  test('random lists', { timeout: 120_000 }, async () => {
    const list = fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(list, { minLength: parties, maxLength: parties }), async (lists) => {
        if (plainIntersection(lists).length > 0) checkIds(lists, await run(lists, changes));
        else await expect(run(lists, changes)).rejects.toMatchObject({ code: 'join-below-floor' });
      }),
      { numRuns: 8 },
    );
  });

  test('equal lists in other orders', async () => {
    const lists = upTo([range(0, 60), range(0, 60).reverse(), range(0, 60), range(0, 60).reverse(), range(0, 60)]);
    checkIds(lists, await run(lists, changes));
  });

  test('one row in common, of lists of very different sizes', async () => {
    const lists = upTo([range(0, 2500), range(2499, 2502), range(2490, 2500), ['id-2499'], range(2000, 2501)]);
    expect(checkIds(lists, await run(lists, changes))).toEqual(['id-2499']);
  });

  test('no row in common, and empty lists', async () => {
    const disjoint = [0, 1, 2, 3, 4].map((who) => range(who * 10, who * 10 + 5));
    for (const lists of [upTo(disjoint), upTo([[], ...disjoint]), upTo([[], [], [], [], []])]) {
      await expect(run(lists, changes)).rejects.toMatchObject({ code: 'join-below-floor' });
    }
  });

  test('unicode, one character, ten kilobytes', async () => {
    const texts = ['x', 'é', 'e\u0301', '😀', '中'.repeat(3400), 'y'.repeat(10_000), ''];
    const lists = upTo([texts, [...texts].reverse(), texts, [...texts, 'more'], ['less', ...texts]]);
    checkIds(lists, await run(lists, changes));
  });

  test('padded lists', async () => {
    const lists = upTo([range(0, 30), range(10, 40), range(20, 50), range(5, 45), range(25, 31)]);
    const sizes = Object.fromEntries(lists.map((list, who) => [NAMES[who]!, list.length + 7 * who + 1]));
    checkIds(lists, await run(lists, { ...changes, sizes }));
  });

  test('below the floor nobody learns a row; at it all do', async () => {
    const lists = upTo([range(0, 30), range(10, 40), range(0, 30), range(0, 30), range(0, 30)]);
    await expect(simulateJoin({ ...common(lists, { ...changes, floor: 21 }) })).rejects.toMatchObject({
      code: 'join-below-floor',
      kind: 'input',
    });
    checkIds(lists, await run(lists, { ...changes, floor: 20 }));
  });
});

function common(lists: Lists, changes: Partial<JoinTerms>) {
  return { terms: termsOf(lists, changes), identifiers: listsByParty(lists), curve, crypto: nodeCrypto };
}

describe.each<[number, JoinForm]>([
  [2, 'curve'],
  [2, 'keyedHash'],
  [3, 'curve'],
  [5, 'curve'],
  [5, 'keyedHash'],
])('hidden, %i parties, %s', (parties, form) => {
  const base: Partial<JoinTerms> = { purpose: 'hidden', form, matcher: 'dealer' };

  test('slots are equal exactly on matches', async () => {
    const lists = [range(0, 30), range(10, 50), range(20, 25), [], range(0, 60)].slice(0, parties);
    const sizes = Object.fromEntries(lists.map((list, who) => [NAMES[who]!, list.length + 3]));
    const joined = await run(lists, { ...base, sizes });
    checkSlots(lists, joined);
    for (const result of joined.results.values()) expect(result).not.toHaveProperty('matches');
  });

  test('the size of the intersection is told only if agreed and not below the floor', async () => {
    const lists = [range(0, 30), range(10, 50), range(10, 25), range(5, 60), range(0, 60)].slice(0, parties);
    const matches = plainIntersection(lists).length;
    for (const [floor, told] of [
      [matches, { matches }],
      [matches + 1, {}],
    ] as const) {
      const joined = await run(lists, { ...base, revealsSize: true, floor });
      checkSlots(lists, joined);
      for (const result of joined.results.values())
        expect('matches' in result ? { matches: result.matches } : {}).toEqual(told);
    }
  });
});

test.each<[number, JoinForm, string | undefined]>([
  [2, 'curve', undefined],
  [3, 'curve', 'dealer'],
  [3, 'keyedHash', 'dealer'],
])('repeats, %i parties, %s: a count and nothing else', async (parties, form, matcher) => {
  const lists = [range(0, 10), range(8, 20), range(9, 30)].slice(0, parties);
  const { results } = await run(lists, { purpose: 'repeats', form, ...(matcher === undefined ? {} : { matcher }) });
  for (const result of results.values()) expect(result).toEqual({ purpose: 'repeats', count: parties === 2 ? 2 : 12 });
});

test('an identifier costs at most 110 bytes on the wire in the curve form, for two parties', async () => {
  const lists = [range(0, 500), range(0, 500)];
  const { bytesSent } = await run(lists);
  const perIdentifier = [...bytesSent.values()].reduce((sum, bytes) => sum + bytes, 0) / 1000;
  // 32 bytes of a point, 13 of a tag (80 + 2 log2 1000 bits), 4 of a position; and 72 of hello and header for each party
  expect(perIdentifier).toBe(32 + 13 + 4 + (2 * 72) / 1000);
  const million = termsOf([[], []], { sizes: { anna: 1_000_000, bela: 1_000_000 } });
  const bytes = [...predictJoinBytes(million, 1_000_000).values()].reduce((sum, each) => sum + each, 0);
  expect(bytes / 2_000_000).toBeLessThan(53);
});

test('the common order is a fresh random one', async () => {
  const lists = [range(0, 40), range(0, 40)];
  const orders = new Set<string>();
  for (let i = 0; i < 3; i++) orders.add(checkIds(lists, await run(lists)).join());
  orders.add(range(0, 40).join());
  expect(orders.size).toBe(4);
});

describe('terms that give away more than they say are refused', () => {
  const lists = [range(0, 3), range(0, 3), range(0, 3)];
  test.each<[string, Partial<JoinTerms>]>([
    ['join-matcher-has-rows', { purpose: 'hidden', matcher: 'anna' }],
    ['join-hash-needs-matcher', { form: 'keyedHash', matcher: 'anna' }],
    ['join-parties', { parties: ['anna', 'anna'] }],
    ['join-parties', { parties: ['anna'] }],
    ['join-size', { sizes: { anna: 3, bela: 3 } }],
    ['join-size', { sizes: { anna: 3, bela: 3, cleo: -1 } }],
    ['join-floor', { floor: 0 }],
  ])('%s', (code, changes) => {
    expect(() => checkTerms(termsOf(lists, changes))).toThrow(expect.objectContaining({ code, kind: 'input' }));
  });

  test('three parties without a matcher', () => {
    const { matcher: _, ...terms } = termsOf(lists);
    expect(() => checkTerms(terms)).toThrow(expect.objectContaining({ code: 'join-needs-matcher' }));
  });

  test('more identifiers than declared, and an identifier twice', async () => {
    const pair = [range(0, 5), range(0, 5)];
    await expect(run(pair, { sizes: { anna: 4, bela: 5 } })).rejects.toMatchObject({ code: 'join-more-rows' });
    const twice = [[...range(0, 5), 'id-0'], range(0, 5)];
    for (const changes of [{}, { matcher: 'dealer', form: 'keyedHash' as const }]) {
      await expect(run(twice, changes)).rejects.toMatchObject({ code: 'join-identifier-repeated', kind: 'input' });
    }
  });
});

/** What the client of OpenMined's library finds it has in common with the server: another implementation, another curve. */
async function theirIntersection(client: readonly string[], server: readonly string[]): Promise<string[]> {
  // It has no declaration of its entry.
  const open = createRequire(import.meta.url)('@openmined/psi.js') as () => Promise<PSILibrary>;
  const psi = await open();
  const owner = psi.server?.createWithNewKey(true);
  const asker = psi.client?.createWithNewKey(true);
  if (owner === undefined || asker === undefined) throw new Error('no PSI');
  const raw = psi.dataStructure.Raw;
  const setup = owner.createSetupMessage(0, client.length, server, raw);
  const response = owner.processRequest(asker.createRequest(client));
  const places = asker.getIntersection(setup, response);
  owner.delete();
  asker.delete();
  return places.map((place) => client[place] ?? '').sort();
}

test('an independent implementation finds the same', async () => {
  for (const [a, b] of [
    [range(0, 40), range(25, 70)],
    [
      ['ä', '猫', 'x'.repeat(10_000), ' '],
      ['猫', 'a', ' ', 'x'.repeat(10_000)],
    ],
  ] as const) {
    const ours = checkIds([a, b], await run([a, b]));
    expect([...ours].sort()).toEqual(await theirIntersection(a, b));
  }
});
