import { describe, expect, test } from 'vitest';
import { createHmac } from 'node:crypto';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);

describe('ChaCha20', () => {
  const key = new SecretKey(counting(32));
  const nonce = hex('000000090000004a00000000');

  test('RFC 8439, 2.3.2: block 1', () => {
    expect(toHex(nodeCrypto.chacha20(key, nonce, 1, 64))).toBe(
      '10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e' +
        'd2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e',
    );
  });

  test('a stream is the same from any block and in any slice', () => {
    const whole = nodeCrypto.chacha20(key, nonce, 0, 200_003);
    for (const [block, length] of [
      [0, 0],
      [0, 1],
      [1, 63],
      [511, 65],
      [512, 32_768],
      [700, 100_000],
      [3125, 3],
    ] as const) {
      const part = nodeCrypto.chacha20(key, nonce, block, length);
      expect(part.length).toBe(length);
      expect(Buffer.compare(part, whole.subarray(block * 64, block * 64 + length))).toBe(0);
    }
  });

  test('reading on, reading again and other nonces do not disturb each other', () => {
    const other = hex('000000090000004a00000001');
    const [whole, otherWhole] = [nonce, other].map((n) => nodeCrypto.chacha20(new SecretKey(counting(32)), n, 0, 4096));
    const reads: [Uint8Array, Uint8Array, number, number][] = [
      [nonce, whole!, 0, 100],
      [nonce, whole!, 2, 64],
      [nonce, whole!, 3, 1],
      [other, otherWhole!, 4, 10],
      [nonce, whole!, 4, 10],
      [nonce, whole!, 5, 0],
      [nonce, whole!, 5, 640],
      [nonce, whole!, 5, 640],
      [nonce, whole!, 15, 700],
    ];
    const reused = nonce.slice();
    for (const [from, expected, block, length] of reads) {
      // Callers may reuse the array of the nonce.
      reused.set(from);
      const part = nodeCrypto.chacha20(key, reused, block, length);
      expect(toHex(part)).toBe(toHex(expected.subarray(block * 64, block * 64 + length)));
    }
  });

  test('the last block is served, what follows it is refused', () => {
    expect(nodeCrypto.chacha20(key, nonce, 2 ** 32 - 1, 64).length).toBe(64);
    expect(() => nodeCrypto.chacha20(key, nonce, 2 ** 32 - 1, 65)).toThrow(/pass the end/);
    expect(() => nodeCrypto.chacha20(key, nonce.subarray(1), 0, 1)).toThrow(/nonce has 12 bytes/);
  });
});

test('HKDF-SHA256 agrees with RFC 5869 written out, and info separates keys', () => {
  const secret = new SecretKey(counting(32));
  const salt = counting(13);
  const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array => createHmac('sha256', key).update(data).digest();
  const expand = (info: string): string =>
    toHex(hmac(hmac(salt, secret.expose()), new Uint8Array([...Buffer.from(info), 1])));
  expect(toHex(nodeCrypto.deriveKey(secret, salt, 'mask').expose())).toBe(expand('mask'));
  expect(toHex(nodeCrypto.deriveKey(secret, salt, 'bit').expose())).toBe(expand('bit'));
});

test('SHA-256 and HMAC-SHA256 of known inputs', () => {
  expect(toHex(nodeCrypto.sha256(Buffer.from('abc')))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
  const key = counting(32);
  expect(toHex(nodeCrypto.hmacSha256(new SecretKey(key), Buffer.from('abc')))).toBe(
    createHmac('sha256', key).update('abc').digest('hex'),
  );
});

describe('sealed records', () => {
  const key = new SecretKey(hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'));
  const nonce = hex('070000004041424344454647');
  const associated = hex('50515253c0c1c2c3c4c5c6c7');
  const plaintext = Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );

  test('RFC 8439, 2.8.2: tag', () => {
    const sealed = nodeCrypto.seal(key, nonce, associated, plaintext);
    expect(toHex(sealed.subarray(plaintext.length))).toBe('1ae10b594f09e26a7e902ecbd0600691');
    expect(Buffer.compare(nodeCrypto.open(key, nonce, associated, sealed), plaintext)).toBe(0);
  });

  test('an empty record', () => {
    const sealed = nodeCrypto.seal(key, nonce, associated, new Uint8Array(0));
    expect(sealed.length).toBe(16);
    expect(nodeCrypto.open(key, nonce, associated, sealed).length).toBe(0);
  });

  test('any change is refused by code', () => {
    const sealed = nodeCrypto.seal(key, nonce, associated, plaintext);
    const refused = expect.objectContaining({ code: 'record-tampered', kind: 'machine' });
    for (const at of [0, 50, sealed.length - 1]) {
      const changed = sealed.slice();
      changed[at]! ^= 1;
      expect(() => nodeCrypto.open(key, nonce, associated, changed)).toThrow(refused);
    }
    expect(() => nodeCrypto.open(key, nonce, associated.subarray(1), sealed)).toThrow(refused);
    expect(() => nodeCrypto.open(key, hex('070000004041424344454648'), associated, sealed)).toThrow(refused);
    expect(() => nodeCrypto.open(key, nonce, associated, sealed.subarray(0, 15))).toThrow(refused);
  });
});

test('random bytes come in the length asked, and differ', () => {
  const [a, b] = [nodeCrypto.randomBytes(32), nodeCrypto.randomBytes(32)];
  expect(a.length).toBe(32);
  expect(toHex(a)).not.toBe(toHex(b));
  expect(nodeCrypto.randomBytes(0).length).toBe(0);
});

test('a key neither prints nor serialises', () => {
  const key = new SecretKey(counting(32));
  expect(`${key}`).toBe('[secret key]');
  expect(JSON.stringify({ key })).toBe('{"key":"[secret key]"}');
});
