/**
 * Protects a private key at rest beyond its file's mode: sealed under a key that is not in the data folder (the desktop app
 * keeps that one in the system's keystore or under a passphrase). Knows nothing of where the guarding key comes from.
 */
import type { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { MachineError } from '../../../shared/errors.ts';

const PREFIX = 'sealed:1:';
const NONCE_BYTES = 12;

export const isSealed = (text: string): boolean => text.startsWith(PREFIX);

/** ChaCha20-Poly1305; `owner` (a fingerprint) is bound to it, so that it opens nowhere else. */
export function sealText(guard: SecretKey, text: string, owner: string): string {
  const nonce = nodeCrypto.randomBytes(NONCE_BYTES);
  const sealed = nodeCrypto.seal(atRest(guard), nonce, Buffer.from(owner), Buffer.from(text));
  return PREFIX + Buffer.concat([nonce, sealed]).toString('base64');
}

/** @throws MachineError `identity-protected` without the guarding key, or with another one. */
export function openText(guard: SecretKey | undefined, sealed: string, owner: string): string {
  const bytes = Buffer.from(sealed.slice(PREFIX.length), 'base64');
  if (guard === undefined) {
    throw new MachineError('identity-protected', 'The private key of this data folder is protected.', {
      hint: 'Open the folder with the desktop app of the machine and user that protected it.',
    });
  }
  try {
    const nonce = bytes.subarray(0, NONCE_BYTES);
    return Buffer.from(
      nodeCrypto.open(atRest(guard), nonce, Buffer.from(owner), bytes.subarray(NONCE_BYTES)),
    ).toString();
  } catch (cause) {
    throw new MachineError('identity-protected', 'The private key of this data folder is protected by another key.', {
      hint: 'The folder was moved from another machine or user: restore the identity from its export instead.',
      cause,
    });
  }
}

const atRest = (guard: SecretKey): SecretKey => nodeCrypto.deriveKey(guard, new Uint8Array(0), 'tacit/v1/key-guard');
