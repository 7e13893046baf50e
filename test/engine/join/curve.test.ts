/** The curve module against the vectors of RFC 9380 and RFC 7748 and against OpenSSL's X25519. */
import { createHmac, createPrivateKey, createPublicKey, diffieHellman, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Curve, PackedMessages } from '../../../engine/join/curve.ts';
import { wasmCurve } from '../../../engine/join/wasm/pool.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';

const POINT_BYTES = 32;
let curve: Curve;
beforeAll(async () => {
  curve = await wasmCurve({ threads: 2 });
});
afterAll(() => curve.dispose());

function pack(messages: readonly Uint8Array[]): PackedMessages {
  const offsets = new Uint32Array(messages.length + 1);
  messages.forEach((message, index) => (offsets[index + 1] = offsets[index]! + message.length));
  return { bytes: new Uint8Array(Buffer.concat(messages)), offsets };
}

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const key = (hex: string): SecretKey => new SecretKey(fromHex(hex));
/** RFC 9380 writes coordinates big end first. */
const coordinates = (points: Uint8Array): string[] =>
  Array.from({ length: points.length / POINT_BYTES }, (_, i) =>
    Buffer.from(points.slice(i * POINT_BYTES, (i + 1) * POINT_BYTES))
      .reverse()
      .toString('hex'),
  );

/** A curve point in little-endian bytes, in the DER wrapping that node:crypto takes. */
function openssl(scalar: Uint8Array, point: Uint8Array): Buffer {
  const privateKey = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), scalar]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), point]),
    format: 'der',
    type: 'spki',
  });
  return diffieHellman({ privateKey, publicKey });
}

/** RFC 9380 appendix J.4.1. */
const vectors: readonly (readonly [message: string, u: string])[] = [
  ['', '2de3780abb67e861289f5749d16d3e217ffa722192d16bbd9d1bfb9d112b98c0'],
  ['abc', '2b4419f1f2d48f5872de692b0aca72cc7b0a60915dd70bde432e826b6abc526d'],
  ['abcdef0123456789', '68ca1ea5a6acf4e9956daa101709b1eee6c1bb0df1de3b90d4602382a104c036'],
  [`q128_${'q'.repeat(128)}`, '096e9c8bae6c06b554c1ee69383bb0e82267e064236b3a30608d4ed20b73ac5a'],
  [`a512_${'a'.repeat(512)}`, '1bc61845a138e912f047b5e70ba9606ba2a447a4dade024c8ef3dd42b7bbc5fe'],
];
const vectorDomain = new TextEncoder().encode('QUUX-V01-CS02-with-curve25519_XMD:SHA-512_ELL2_RO_');

describe('hash_to_curve', () => {
  test('gives the points of RFC 9380, in a batch and one by one', async () => {
    const messages = vectors.map(([message]) => new TextEncoder().encode(message));
    expect(coordinates(await curve.hash(pack(messages), vectorDomain))).toEqual(vectors.map(([, u]) => u));
    for (const [index, message] of messages.entries()) {
      expect(coordinates(await curve.hash(pack([message]), vectorDomain))).toEqual([vectors[index]![1]]);
    }
  });

  test('points are on the curve, not on its twist', async () => {
    const p = (1n << 255n) - 19n;
    const messages = Array.from({ length: 40 }, () => new Uint8Array(randomBytes(10)));
    for (const hex of coordinates(await curve.hash(pack(messages), vectorDomain))) {
      const u = BigInt(`0x${hex}`);
      let base = (u ** 3n + 486662n * u ** 2n + u) % p;
      let power = 1n;
      for (let exponent = (p - 1n) / 2n; exponent > 0n; exponent >>= 1n) {
        if (exponent & 1n) power = (power * base) % p;
        base = (base * base) % p;
      }
      expect(power).toBe(1n);
    }
  });

  test('the domain separates, and long messages are hashed whole', async () => {
    const long = new Uint8Array(10_000).fill(7);
    const other = long.slice();
    other[9_999] = 8;
    const [a, b] = coordinates(await curve.hash(pack([long, other]), vectorDomain));
    const [c] = coordinates(await curve.hash(pack([long]), Uint8Array.of(1)));
    expect(new Set([a, b, c]).size).toBe(3);
  });
});

describe('multiples', () => {
  test('are those of RFC 7748 section 5.2', async () => {
    const scalar = key('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4');
    const point = fromHex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c');
    expect(Buffer.from((await curve.multiply(point, scalar)) as Uint8Array).toString('hex')).toBe(
      'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
    );
  });

  test('the iterated vector of RFC 7748 after 1,000 rounds', async () => {
    let scalar = fromHex(`09${'00'.repeat(31)}`);
    let point = scalar;
    for (let round = 0; round < 1000; round++) {
      const next = (await curve.multiply(point, new SecretKey(scalar.slice()))) as Uint8Array;
      point = scalar;
      scalar = next;
      // the highest bit is ignored by RFC 7748 and refused here; none of these has it
    }
    expect(Buffer.from(scalar).toString('hex')).toBe(
      '684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51',
    );
  });

  test('agree with OpenSSL, on curve and twist alike', async () => {
    const scalar = new Uint8Array(randomBytes(32));
    const points = new Uint8Array(randomBytes(67 * POINT_BYTES));
    for (let i = 0; i < 67; i++) points[i * POINT_BYTES + 31]! &= 127;
    // p - 2, the largest coordinate that is not of low order
    points.set(fromHex(`eb${'ff'.repeat(30)}7f`), 0);
    const multiples = (await curve.multiply(points, new SecretKey(scalar))) as Uint8Array;
    for (let i = 0; i < 67; i++) {
      const at = i * POINT_BYTES;
      expect(Buffer.from(multiples.slice(at, at + POINT_BYTES))).toEqual(
        openssl(scalar, points.slice(at, at + POINT_BYTES)),
      );
    }
  });

  test('commute, from the hash on', async () => {
    const messages = pack([new TextEncoder().encode('one'), new TextEncoder().encode('two')]);
    const [a, b] = [new SecretKey(new Uint8Array(randomBytes(32))), new SecretKey(new Uint8Array(randomBytes(32)))];
    const ab = await curve.multiply(await curve.hashAndMultiply(messages, vectorDomain, a), b);
    const ba = await curve.multiply(await curve.hashAndMultiply(messages, vectorDomain, b), a);
    expect(ab).toEqual(ba);
  });

  test('points of low order and coordinates of p or more are refused', async () => {
    const scalar = new SecretKey(new Uint8Array(randomBytes(32)));
    const good = fromHex(`09${'00'.repeat(31)}`);
    const lowOrder = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      `ec${'ff'.repeat(30)}7f`,
    ];
    for (const hex of lowOrder) {
      const points = new Uint8Array(Buffer.concat([good, good, good, good, fromHex(hex), good]));
      expect(await curve.multiply(points, scalar)).toEqual({ index: 4, reason: 'lowOrder' });
    }
    for (const hex of [`ed${'ff'.repeat(30)}7f`, `ff${'ff'.repeat(30)}7f`, `09${'00'.repeat(30)}80`]) {
      const points = new Uint8Array(Buffer.concat([good, fromHex(hex)]));
      expect(await curve.multiply(points, scalar)).toEqual({ index: 1, reason: 'notCanonical' });
    }
  });

  test('an empty batch is an empty batch', async () => {
    const scalar = new SecretKey(new Uint8Array(randomBytes(32)));
    expect(await curve.multiply(new Uint8Array(0), scalar)).toEqual(new Uint8Array(0));
    expect(await curve.hash(pack([]), vectorDomain)).toEqual(new Uint8Array(0));
  });
});

test('keyed hashes are HMAC-SHA256, at all lengths around a block', async () => {
  const messages = Array.from({ length: 200 }, (_, length) => new Uint8Array(randomBytes(length)));
  messages.push(new Uint8Array(randomBytes(10_000)));
  const key = new Uint8Array(randomBytes(32));
  const hashes = await curve.keyedHash(pack(messages), new SecretKey(key.slice()));
  messages.forEach((message, i) => {
    const expected = createHmac('sha256', key).update(message).digest();
    expect(Buffer.from(hashes.slice(32 * i, 32 * (i + 1)))).toEqual(expected);
  });
});

test('a wait for a batch ends with its signal, and batches end with the pool', async () => {
  const own = await wasmCurve({ threads: 1 });
  const points = new Uint8Array(2048 * POINT_BYTES).fill(3);
  const scalar = new SecretKey(new Uint8Array(randomBytes(32)));
  const control = new AbortController();
  const first = own.multiply(points, scalar, control.signal);
  control.abort(new Error('enough'));
  await expect(first).rejects.toThrow('enough');
  const second = expect(own.multiply(points, scalar)).rejects.toThrow(
    expect.objectContaining({ code: 'curve-threads' }),
  );
  await own.dispose();
  await second;
  await expect(wasmCurve({ threads: 0 })).rejects.toThrow(expect.objectContaining({ kind: 'input' }));
});
