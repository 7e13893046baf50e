/**
 * This party's long-lived identity: one certificate and its private key, written once. Knows nothing of how they are made
 * or used. The key is protected by the file's mode, and where there is a guarding key (key-guard.ts) sealed under that; it
 * leaves only as a secret that does not print.
 */
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { InputError, InternalError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';
import { isSealed, openText, sealText } from './key-guard.ts';
import { SecretText } from './secret-text.ts';

export interface StoredIdentity {
  readonly name: string;
  /** Fingerprint of the certificate's public key, as the peers pin it. */
  readonly fingerprint: string;
  readonly certificatePem: string;
  readonly privateKeyPem: SecretText;
  readonly createdAtMs: number;
}

interface Row extends Omit<StoredIdentity, 'privateKeyPem'> {
  privateKeyPem: string;
}

export class IdentityStore {
  readonly #database: StoreDatabase;
  readonly #guard: SecretKey | undefined;
  constructor(database: StoreDatabase, guard: SecretKey | undefined) {
    this.#database = database;
    this.#guard = guard;
  }

  /** @throws MachineError `identity-protected`: its key was sealed under a guarding key that is not here. */
  get(): StoredIdentity | undefined {
    const row = this.#row();
    if (row === undefined) return undefined;
    const { privateKeyPem: kept, fingerprint } = row;
    return {
      ...row,
      privateKeyPem: new SecretText(isSealed(kept) ? openText(this.#guard, kept, fingerprint) : kept),
    };
  }

  /** Seals a key that was kept before there was a guarding key. */
  protect(): void {
    const row = this.#row();
    if (row === undefined || this.#guard === undefined || isSealed(row.privateKeyPem)) return;
    const sealed = sealText(this.#guard, row.privateKeyPem, row.fingerprint);
    this.#database.durable(() =>
      this.#database.prepare<[string]>('UPDATE identity SET private_key_pem = ?').run(sealed),
    );
  }

  #row(): Row | undefined {
    return this.#database.read(() =>
      this.#database
        .prepare<[], Row>(
          `SELECT name, fingerprint, certificate_pem AS certificatePem, private_key_pem AS privateKeyPem,
             created_at_ms AS createdAtMs FROM identity`,
        )
        .get(),
    );
  }

  /** The key under which this party seals what it keeps for itself (HKDF-SHA256 of its private key). */
  sealingKey(): SecretKey {
    const identity = this.get();
    if (identity === undefined) {
      throw new InternalError('identity-missing', `${this.#database.file} holds no identity yet.`);
    }
    const secret = new SecretKey(nodeCrypto.sha256(Buffer.from(identity.privateKeyPem.expose())));
    const key = nodeCrypto.deriveKey(secret, new Uint8Array(0), 'tacit/v1/at-rest');
    secret.erase();
    return key;
  }

  /** Durable. Peers pin the key, so an identity is never replaced (`identity-exists`). */
  create(identity: Omit<StoredIdentity, 'createdAtMs'>): StoredIdentity {
    const createdAtMs = Date.now();
    const pem = identity.privateKeyPem.expose();
    const kept = this.#guard === undefined ? pem : sealText(this.#guard, pem, identity.fingerprint);
    this.#database.durable(() => {
      if (this.get() !== undefined) {
        throw new InputError('identity-exists', `${this.#database.file} already holds an identity.`, {
          hint: 'Use another data folder for another organisation.',
        });
      }
      this.#database
        .prepare<[string, string, string, string, number]>(
          `INSERT INTO identity (id, name, fingerprint, certificate_pem, private_key_pem, created_at_ms)
             VALUES (1, ?, ?, ?, ?, ?)`,
        )
        .run(identity.name, identity.fingerprint, identity.certificatePem, kept, createdAtMs);
    });
    return { ...identity, createdAtMs };
  }
}
