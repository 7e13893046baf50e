/** A participant that does not keep to the protocol is refused by name, and the others say nothing more. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BATCH_POINTS } from '../../../engine/join/curve.ts';
import type { Curve } from '../../../engine/join/curve.ts';
import { joinParty } from '../../../engine/join/join.ts';
import { simulateJoin } from '../../../engine/join/simulation.ts';
import type { JoinTerms } from '../../../engine/join/terms.ts';
import { Phase } from '../../../engine/join/terms.ts';
import { wasmCurve } from '../../../engine/join/wasm/pool.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { memoryNetwork } from '../../../engine/runtime/memory-transport.ts';
import type { Transport } from '../../../engine/runtime/transport.ts';
import { listsByParty, pack, termsOf } from './joins.ts';
import type { Sent } from './watched-transport.ts';
import { watched } from './watched-transport.ts';

let curve: Curve;
beforeAll(async () => {
  curve = await wasmCurve({ threads: 2 });
});
afterAll(() => curve.dispose());

const LISTS = [
  ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'],
  ['h', 'g', 'f', 'e', 'd', 'x', 'y', 'z'],
  ['e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'],
];

/** Runs a join in which `rogue` changes the payloads of a phase, and returns what was sent and how it ended. */
async function withRogue(
  rogue: string,
  phase: number,
  change: (payload: Uint8Array) => Uint8Array,
  parties: number,
  changes: Partial<JoinTerms> = {},
): Promise<{ error: unknown; log: Sent[] }> {
  const lists = LISTS.slice(0, parties);
  const log: Sent[] = [];
  const error: unknown = await simulateJoin({
    terms: termsOf(lists, changes),
    identifiers: listsByParty(lists),
    curve,
    crypto: nodeCrypto,
    wrap: (transport) =>
      watched(transport, log, (sent) =>
        sent.from === rogue && sent.phase === phase ? change(sent.payload.slice()) : sent.payload,
      ),
  }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, log };
}

/** Puts the item of `width` bytes at `from` over the one at `to`. */
const repeat =
  (width: number, from = 0, to = 1) =>
  (payload: Uint8Array): Uint8Array =>
    payload.copyWithin(to * width, from * width, (from + 1) * width);
const put =
  (bytes: readonly number[], at: number) =>
  (payload: Uint8Array): Uint8Array => {
    payload.set(bytes, at);
    return payload;
  };
const ZERO_POINT = Array.from({ length: 32 }, () => 0);
/** A point of order 8 on the curve (RFC 7748 security considerations; the list of Bernstein's "Curve25519" page). */
const ORDER_EIGHT = [...Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex')];
const P = [0xed, ...Array.from({ length: 30 }, () => 0xff), 0x7f];
const highestBit = (payload: Uint8Array): Uint8Array => {
  payload[63]! |= 0x80;
  return payload;
};
const shorter = (payload: Uint8Array): Uint8Array => payload.slice(0, -32);
const longer = (payload: Uint8Array): Uint8Array => new Uint8Array([...payload, ...payload.slice(0, 32)]);

const badPoints: readonly (readonly [string, string, (payload: Uint8Array) => Uint8Array])[] = [
  ['a zero point', 'join-point-low-order', put(ZERO_POINT, 64)],
  ['a point of order eight', 'join-point-low-order', put(ORDER_EIGHT, 32)],
  ['p', 'join-point-malformed', put(P, 0)],
  ['the highest bit set', 'join-point-malformed', highestBit],
  ['a repeated point', 'join-point-repeated', repeat(32)],
  ['too few points', 'message-length', shorter],
  ['too many points', 'message-length', longer],
];

describe.each(badPoints)('%s', (_, code, change) => {
  test('from one of two parties', async () => {
    const { error, log } = await withRogue('bela', Phase.points, change, 2);
    expect(error).toMatchObject({ kind: 'peer', code, party: 'bela' });
    expect(log.filter(({ from, phase }) => from === 'anna' && phase > Phase.points)).toEqual([]);
  });

  test('from the second on a ring of three', async () => {
    const { error, log } = await withRogue('bela', Phase.points + 1, change, 3);
    expect(error).toMatchObject({ kind: 'peer', code, party: 'bela' });
    expect(log.filter(({ from, phase }) => from === 'cleo' && phase > Phase.points + 1)).toEqual([]);
    expect(log.filter(({ from, phase }) => from === 'dealer' && phase > Phase.hello)).toEqual([]);
  });
});

test('two points that differ by the point of order two count as one', async () => {
  // (u, v) + (0, 0) has the coordinate 1 / u; clamped scalars take both to the same multiple
  const invert = (bytes: Uint8Array): Uint8Array => {
    const p = (1n << 255n) - 19n;
    let base = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
    let power = 1n;
    for (let exponent = p - 2n; exponent > 0n; exponent >>= 1n) {
      if (exponent & 1n) power = (power * base) % p;
      base = (base * base) % p;
    }
    return new Uint8Array(Buffer.from(power.toString(16).padStart(64, '0'), 'hex').reverse());
  };
  const change = (payload: Uint8Array): Uint8Array => {
    payload.set(invert(payload.slice(96, 128)), 160);
    return payload;
  };
  const { error } = await withRogue('bela', Phase.points, change, 2);
  expect(error).toMatchObject({ code: 'join-point-repeated', party: 'bela' });
});

describe('tags', () => {
  test.each<[string, Partial<JoinTerms>, number]>([
    ['two parties', {}, 2],
    ['a matcher', { matcher: 'dealer' }, 2],
    ['a matcher, hashed', { matcher: 'dealer', form: 'keyedHash' }, 2],
    ['three parties, hidden', { purpose: 'hidden' }, 3],
  ])('a tag that comes twice: %s', async (_, changes, parties) => {
    const { error, log } = await withRogue('anna', Phase.tags, repeat(parties === 2 ? 11 : 12), parties, changes);
    expect(error).toMatchObject({ kind: 'peer', code: 'join-tag-repeated', party: 'anna' });
    expect(log.filter(({ phase, from }) => phase >= Phase.positions && from !== 'anna')).toEqual([]);
  });

  test('too few', async () => {
    const { error } = await withRogue('anna', Phase.tags, (payload) => payload.slice(11), 3);
    expect(error).toMatchObject({ kind: 'peer', code: 'message-length', party: 'anna' });
  });

  test('invented ones change the count, which is noticed before anybody tells a row', async () => {
    const invent = (payload: Uint8Array): Uint8Array => nodeCrypto.randomBytes(payload.length);
    const { error, log } = await withRogue('bela', Phase.tags, invent, 2);
    expect(error).toMatchObject({ kind: 'peer', code: 'join-count-differs' });
    expect(log.filter(({ phase }) => phase === Phase.positions)).toEqual([]);
  });
});

describe('outcomes', () => {
  const word = (value: number, at: number) =>
    put([value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24], at);
  const matcher = { matcher: 'dealer' };

  test.each<[string, string, number, (payload: Uint8Array) => Uint8Array, Partial<JoinTerms>, string]>([
    ['another count', 'join-count-differs', Phase.header, word(4, 4), {}, 'bela'],
    ['a count above the sizes', 'join-header-invalid', Phase.header, word(9, 4), {}, 'bela'],
    ['a count above the size, by the matcher', 'join-header-invalid', Phase.header, word(9, 4), matcher, 'dealer'],
    ['an unknown state', 'join-header-invalid', Phase.header, word(2, 0), matcher, 'dealer'],
    ['a position out of range', 'join-position-invalid', Phase.positions, word(8, 0), {}, 'bela'],
    ['a position twice', 'join-position-invalid', Phase.positions, repeat(4), {}, 'bela'],
    ['a position twice, by the matcher', 'join-position-invalid', Phase.positions, repeat(4), matcher, 'dealer'],
    ['too few positions', 'message-length', Phase.positions, (p) => p.slice(4), matcher, 'dealer'],
    ['a slot twice', 'join-slot-invalid', Phase.positions, repeat(4), { ...matcher, purpose: 'hidden' }, 'dealer'],
    ['a slot too high', 'join-slot-invalid', Phase.positions, word(16, 0), { ...matcher, purpose: 'hidden' }, 'dealer'],
  ])('%s', async (_, code, phase, change, changes, rogue) => {
    const { error } = await withRogue(rogue, phase, change, 2, changes);
    expect(error).toMatchObject({ kind: 'peer', code });
    // the honest party names the rogue; where both sides see the difference, whoever is first speaks
    if (code !== 'join-count-differs') expect(error).toMatchObject({ party: rogue });
  });

  test('positions that are padding', async () => {
    // 8 of 5,000 positions are rows: that the first five all are has a probability of 10^-14
    const sizes = { anna: 5000, bela: 8 };
    const first = (payload: Uint8Array): Uint8Array => payload.map((_, at) => (at % 4 === 0 ? at / 4 : 0));
    const { error } = await withRogue('bela', Phase.positions, first, 2, { sizes });
    expect(error).toMatchObject({ kind: 'peer', code: 'join-position-invalid', party: 'bela' });
  });
});

test('nothing leaves after a refusal, least of all under a scalar that was erased', async () => {
  const list = Array.from({ length: 8 * BATCH_POINTS }, (_, i) => `${i}`);
  const terms = termsOf([list, list]);
  const network = memoryNetwork(terms.parties);
  const log: Sent[] = [];
  const control = new AbortController();
  const takePart = (transport: Transport, signal?: AbortSignal): Promise<unknown> =>
    joinParty(terms, pack(list), { transport, crypto: nodeCrypto, curve, ...(signal === undefined ? {} : { signal }) });
  const rogue = watched(network.get('bela')!, [], ({ phase, payload }) =>
    phase === Phase.points ? put(ZERO_POINT, 0)(payload.slice()) : payload,
  );
  const bela = takePart(rogue, control.signal);
  const anna = takePart(watched(network.get('anna')!, log));
  await expect(anna).rejects.toMatchObject({ code: 'join-point-low-order', party: 'bela' });
  const sent = log.length;
  expect(log.filter(({ phase }) => phase === Phase.points).length).toBeLessThan(8);
  // What the curve had begun with before is done when these are.
  const one = new Uint8Array(32);
  one[0] = 9;
  for (let i = 0; i < 8; i++) await curve.multiply(one, new SecretKey(nodeCrypto.randomBytes(32)));
  expect(log.length).toBe(sent);
  control.abort(new Error('enough'));
  await expect(bela).rejects.toThrow('enough');
});

test('other terms are noticed before anything else moves', async () => {
  for (const rogue of ['anna', 'dealer']) {
    const { error, log } = await withRogue(rogue, Phase.hello, put([1, 2, 3], 0), 3);
    expect(error).toMatchObject({ kind: 'peer', code: 'join-terms-differ', party: rogue });
    expect(log.filter(({ phase, from }) => phase > Phase.tags && from !== rogue)).toEqual([]);
  }
});

test('a join ends with its signal', async () => {
  const control = new AbortController();
  const running = simulateJoin({
    terms: termsOf(LISTS.slice(0, 2)),
    identifiers: listsByParty(LISTS.slice(0, 2)),
    curve,
    crypto: nodeCrypto,
    signal: control.signal,
    progress: () => control.abort(new Error('the user has seen enough')),
  });
  await expect(running).rejects.toThrow('the user has seen enough');
});
