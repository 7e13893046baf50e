/**
 * Checkpoints: this party's shares of a job's state after a number of executions, sealed with a key of this party, so that a
 * copied file alone gives nothing away. Knows nothing of what the bytes mean.
 * Sealing is ChaCha20-Poly1305 (RFC 8439) in chunks of 1 MiB under random nonces; job, attempt, execution, chunk number and
 * the number of chunks are authenticated, so nothing can be swapped between checkpoints or cut off.
 */
import type { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { MachineError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

export interface CheckpointPlace {
  readonly job: string;
  readonly attempt: number;
  /** Executions finished before this state. */
  readonly execution: number;
}

const CHUNK_BYTES = 1 << 20;
const NONCE_BYTES = 12;

function associated(place: CheckpointPlace, number: number, chunks: number): Uint8Array {
  return Buffer.from(
    JSON.stringify(['tacit/v1/checkpoint', place.job, place.attempt, place.execution, number, chunks]),
  );
}

function damaged(place: CheckpointPlace, cause?: unknown): MachineError {
  return new MachineError(
    'checkpoint-damaged',
    `The checkpoint of job ${place.job}, attempt ${place.attempt}, after ${place.execution} executions is damaged.`,
    { hint: 'Resume from an earlier checkpoint, or start the job anew.', cause },
  );
}

export class CheckpointStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Durable: the state can be loaded after a crash once this returns. Replaces one saved at the same place. */
  save(place: CheckpointPlace, state: Uint8Array, key: SecretKey): void {
    const chunks = Math.ceil(state.length / CHUNK_BYTES);
    this.#database.durable(() => {
      this.#database
        .prepare<[string, number, number]>('DELETE FROM checkpoint WHERE job = ? AND attempt = ? AND execution = ?')
        .run(place.job, place.attempt, place.execution);
      const { lastInsertRowid: id } = this.#database
        .prepare<[string, number, number, number, number, number]>(
          'INSERT INTO checkpoint (job, attempt, execution, bytes, chunks, saved_at_ms) VALUES (?, ?, ?, ?, ?, ?)',
        )
        .run(place.job, place.attempt, place.execution, state.length, chunks, Date.now());
      const insert = this.#database.prepare<[number | bigint, number, Uint8Array, Uint8Array]>(
        'INSERT INTO checkpoint_chunk (checkpoint, number, nonce, sealed) VALUES (?, ?, ?, ?)',
      );
      for (let number = 0; number < chunks; number += 1) {
        const nonce = nodeCrypto.randomBytes(NONCE_BYTES);
        const part = state.subarray(number * CHUNK_BYTES, (number + 1) * CHUNK_BYTES);
        insert.run(id, number, nonce, nodeCrypto.seal(key, nonce, associated(place, number, chunks), part));
      }
    });
  }

  /** The places saved for a job, the furthest first (by attempt, then by execution). */
  places(job: string): CheckpointPlace[] {
    return this.#database.read(() =>
      this.#database
        .prepare<[string], CheckpointPlace>(
          'SELECT job, attempt, execution FROM checkpoint WHERE job = ? ORDER BY attempt DESC, execution DESC',
        )
        .all(job),
    );
  }

  /** The state saved at a place, or undefined. One that does not open intact is refused (`checkpoint-damaged`). */
  load(place: CheckpointPlace, key: SecretKey): Uint8Array | undefined {
    return this.#database.read(() => {
      const row = this.#database
        .prepare<[string, number, number], { id: number; bytes: number; chunks: number }>(
          'SELECT id, bytes, chunks FROM checkpoint WHERE job = ? AND attempt = ? AND execution = ?',
        )
        .get(place.job, place.attempt, place.execution);
      if (row === undefined) return undefined;
      const state = new Uint8Array(row.bytes);
      const select = this.#database.prepare<[number, number], { nonce: Uint8Array; sealed: Uint8Array }>(
        'SELECT nonce, sealed FROM checkpoint_chunk WHERE checkpoint = ? AND number = ?',
      );
      if (row.chunks !== Math.ceil(row.bytes / CHUNK_BYTES)) throw damaged(place);
      for (let number = 0; number < row.chunks; number += 1) {
        const chunk = select.get(row.id, number);
        if (chunk === undefined) throw damaged(place);
        try {
          const part = nodeCrypto.open(key, chunk.nonce, associated(place, number, row.chunks), chunk.sealed);
          state.set(part, number * CHUNK_BYTES);
        } catch (cause) {
          throw damaged(place, cause);
        }
      }
      return state;
    });
  }

  /** Keeps the `keep` furthest checkpoints of a job and erases the others. */
  prune(job: string, keep: number): void {
    this.#database.quick(() =>
      this.#database
        .prepare<[string, number]>(
          `DELETE FROM checkpoint WHERE id IN
             (SELECT id FROM checkpoint WHERE job = ? ORDER BY attempt DESC, execution DESC LIMIT -1 OFFSET ?)`,
        )
        .run(job, keep),
    );
  }
}
