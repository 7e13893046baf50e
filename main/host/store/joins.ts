/**
 * What a join came to, for each job: the last one that ended, as one sealed blob, so that a copied file alone does not tell who
 * is in whose data. Sealing is ChaCha20-Poly1305 (RFC 8439) under a random nonce; job and attempt are authenticated.
 * Knows nothing of what the bytes mean.
 */
import type { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { MachineError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

const NONCE_BYTES = 12;

const associated = (job: string, attempt: number): Uint8Array =>
  Buffer.from(JSON.stringify(['tacit/v1/row-join', job, attempt]));

export class JoinStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Durable: it can be loaded after a crash once this returns. Replaces that of an earlier attempt. */
  save(job: string, attempt: number, outcome: Uint8Array, key: SecretKey): void {
    const nonce = nodeCrypto.randomBytes(NONCE_BYTES);
    const sealed = nodeCrypto.seal(key, nonce, associated(job, attempt), outcome);
    this.#database.durable(() =>
      this.#database
        .prepare<[string, number, Uint8Array, Uint8Array]>(
          `INSERT INTO row_join (job, attempt, nonce, sealed) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET attempt = excluded.attempt, nonce = excluded.nonce, sealed = excluded.sealed`,
        )
        .run(job, attempt, nonce, sealed),
    );
  }

  /** The attempt in which the job's join ended, or undefined. */
  attemptOf(job: string): number | undefined {
    return this.#database.read(() =>
      this.#database.prepare<[string], number>('SELECT attempt FROM row_join WHERE job = ?').pluck().get(job),
    );
  }

  /** What the job's join came to, or undefined. One that does not open intact is refused (`join-damaged`). */
  load(job: string, key: SecretKey): Uint8Array | undefined {
    const row = this.#database.read(() =>
      this.#database
        .prepare<[string], { attempt: number; nonce: Uint8Array; sealed: Uint8Array }>(
          'SELECT attempt, nonce, sealed FROM row_join WHERE job = ?',
        )
        .get(job),
    );
    if (row === undefined) return undefined;
    try {
      return nodeCrypto.open(key, row.nonce, associated(job, row.attempt), row.sealed);
    } catch (cause) {
      throw new MachineError('join-damaged', `The joined order of job ${job} is damaged.`, {
        hint: 'Start the job anew.',
        cause,
      });
    }
  }
}
