/** Our own ChaCha20 and Poly1305 against the RFC and, on drawn inputs, against OpenSSL. */
import { fc } from '../../helpers/properties.ts';
import { createCipheriv } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { chacha20Keystream, openChaCha, poly1305, sealChaCha } from '../../../engine/random/chacha20.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto, plainCrypto } from '../../../engine/random/node-crypto.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

test('RFC 8439, 2.3.2: block 1', () => {
  const block = new Uint8Array(64);
  chacha20Keystream(
    Uint8Array.from({ length: 32 }, (_, i) => i),
    hex('000000090000004a00000000'),
    1,
    block,
  );
  expect(toHex(block)).toBe(
    '10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e' +
      'd2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e',
  );
});

describe('Poly1305 at the ends of its arithmetic', () => {
  // RFC 8439, A.3, cases 7, 8 and 11, of which all blocks are whole: sums that pass 2^130 - 5 and 2^128
  test.each([
    ['01', 'ff'.repeat(16) + 'f0' + 'ff'.repeat(15) + '11' + '00'.repeat(15), '05'],
    ['01', 'ff'.repeat(16) + 'fb' + 'fe'.repeat(15) + '01'.repeat(16), '00'],
    ['02', 'fd' + 'ff'.repeat(15), 'fa' + 'ff'.repeat(15)],
  ])('r %s', (r, text, tag) => {
    const key = hex(r.padEnd(64, '0'));
    expect(toHex(poly1305(key, hex(text)))).toBe(tag.padEnd(32, '0'));
  });
});

test('agrees with OpenSSL: keystream at any block and length, sealed records of any length', () => {
  fc.assert(
    fc.property(bytes(32), bytes(12), fc.nat(2 ** 31), fc.nat(300), (key, nonce, block, length) => {
      const secret = new SecretKey(key);
      const expected = nodeCrypto.chacha20(secret, nonce, block, length);
      expect(toHex(plainCrypto.chacha20(secret, nonce, block, length))).toBe(toHex(expected));
    }),
    { numRuns: 60 },
  );
  fc.assert(
    fc.property(
      bytes(32),
      bytes(12),
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 400, size: 'max' }),
      (key, nonce, associated, plaintext) => {
        const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
        cipher.setAAD(associated, { plaintextLength: plaintext.length });
        const expected = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
        const sealed = sealChaCha(key, nonce, associated, plaintext);
        expect(toHex(sealed)).toBe(expected.toString('hex'));
        expect(openChaCha(key, nonce, associated, sealed)).toEqual(plaintext);
      },
    ),
    { numRuns: 200 },
  );
});

test('every single changed byte of a record, its context or its nonce is found', () => {
  const [key, nonce, associated] = [new Uint8Array(32).fill(1), new Uint8Array(12), new Uint8Array(5)];
  const sealed = sealChaCha(key, nonce, associated, new Uint8Array(33));
  for (const part of [key, nonce, associated, sealed]) {
    for (let byte = 0; byte < part.length; byte++) {
      part[byte]! ^= 1 << (byte % 8);
      expect(openChaCha(key, nonce, associated, sealed)).toBeUndefined();
      part[byte]! ^= 1 << (byte % 8);
    }
  }
  expect(openChaCha(key, nonce, associated, sealed)).toEqual(new Uint8Array(33));
});
