/** The long-lived key: what identifies it, that it survives being stored, and that it does not print. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { fingerprintWords, wordsOf } from '../../../shared/words.ts';
import { checkIdentity, createIdentity, fingerprintOf } from '../../../main/host/peers/identity.ts';

describe('identity', () => {
  test('is a P-256 key with a certificate that never expires', async () => {
    const identity = await createIdentity('Clinic A');
    const certificate = new X509Certificate(identity.certificatePem);
    expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    expect(certificate.checkPrivateKey(createPrivateKey(identity.privateKeyPem.expose()))).toBe(true);
    expect(certificate.validToDate.getUTCFullYear()).toBe(9999);
    expect(certificate.subject).not.toContain('Clinic');
    expect(identity.fingerprint).toBe(fingerprintOf(certificate));
    expect(identity.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(() => checkIdentity(identity)).not.toThrow();
  });

  test('two identities differ', async () => {
    const [one, other] = [await createIdentity('x'), await createIdentity('x')];
    expect(one.fingerprint).not.toBe(other.fingerprint);
  });

  test('a certificate that is not its own, or none at all, is refused', async () => {
    const [one, other] = [await createIdentity('x'), await createIdentity('y')];
    const damaged = expect.objectContaining({ code: 'identity-damaged' }) as Error;
    expect(() => checkIdentity({ ...one, certificatePem: other.certificatePem })).toThrow(damaged);
    expect(() => checkIdentity({ ...one, certificatePem: 'nothing' })).toThrow(damaged);
  });

  test('the private key does not print', async () => {
    const identity = await createIdentity('x');
    const secret = identity.privateKeyPem.expose().split('\n')[1]!;
    for (const text of [inspect(identity, { depth: 9 }), JSON.stringify(identity), `${identity.privateKeyPem}`]) {
      expect(text).not.toContain(secret);
    }
  });
});

describe('words', () => {
  test('256 words, told apart by their first four letters', () => {
    const words = wordsOf(Uint8Array.from({ length: 256 }, (_, index) => index));
    expect(new Set(words.map((word) => word.slice(0, 4))).size).toBe(256);
    for (const word of words) expect(word).toMatch(/^[a-z]{4,9}$/);
  });

  test('a fingerprint reads the same from its digits as from its bytes', () => {
    const fingerprint = '00ff10'.padEnd(64, 'a');
    expect(fingerprintWords(fingerprint)).toEqual(wordsOf(Buffer.from(fingerprint, 'hex')));
    expect(fingerprintWords(fingerprint, 3)).toHaveLength(3);
  });
});
