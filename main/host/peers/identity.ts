/**
 * This organisation's long-lived key and certificate, and what identifies a key. Knows nothing of where they are kept.
 * The certificate only carries the key through TLS: peers pin the key, so names, dates and signatures in it mean nothing.
 */
import 'reflect-metadata';
import { X509Certificate, createHash, randomBytes, webcrypto } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';
import { InputError } from '../../../shared/errors.ts';
import { SecretText } from '../store/secret-text.ts';

export interface Identity {
  /** What the organisation calls itself. */
  readonly name: string;
  /** SHA-256 of the public key's SubjectPublicKeyInfo, lower-case hex. */
  readonly fingerprint: string;
  readonly certificatePem: string;
  readonly privateKeyPem: SecretText;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** RFC 5280, 4.1.2.5: the value for "no well-defined expiration date". */
const NEVER = new Date('9999-12-31T23:59:59Z');

/** Makes a P-256 key and a self-signed certificate for it. */
export async function createIdentity(name: string): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: `00${randomBytes(15).toString('hex')}`,
    // No organisation name: whoever opens a connection sees the certificate.
    name: 'CN=tacit',
    notBefore: new Date(Date.UTC(2020, 0, 1)),
    notAfter: NEVER,
    keys,
    signingAlgorithm: ALGORITHM,
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const lines = pkcs8.match(/.{1,64}/g)!.join('\n');
  const certificatePem = `${certificate.toString('pem')}\n`;
  return {
    name,
    fingerprint: fingerprintOf(new X509Certificate(certificatePem)),
    certificatePem,
    privateKeyPem: new SecretText(`-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`),
  };
}

/** Fingerprint of a certificate's key. */
export function fingerprintOf(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex');
}

/** Refuses an identity whose certificate holds another key than its fingerprint says (`identity-damaged`). */
export function checkIdentity(identity: Identity): void {
  let fingerprint: string | undefined;
  try {
    fingerprint = fingerprintOf(new X509Certificate(identity.certificatePem));
  } catch {
    fingerprint = undefined;
  }
  if (fingerprint !== identity.fingerprint) {
    throw new InputError('identity-damaged', 'The stored identity does not belong to its certificate.', {
      hint: 'Restore the data folder from a backup; peers know this organisation by that key.',
    });
  }
}
