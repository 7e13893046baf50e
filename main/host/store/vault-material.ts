/**
 * The vault's material: sealed correction records, made ahead by the dealer and consumed once. Knows nothing of what is
 * inside a record (it is sealed by the dealer for the engine) nor of who may consume: vault.ts asks the cursor first.
 *
 * A record is kept in chunks of at most 1 MiB with its length and SHA-256, so damage is reported before use. Appending and
 * taking are quick transactions: 0.3 to 0.4 GiB/s stored and 0.5 to 0.6 GiB/s taken, hash included (1 MiB records, two busy
 * cores); a durable commit a record would add an fsync to each. What a power failure takes is the newest stock since the last
 * flush, which the dealer sends again.
 */
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { MachineError, PeerError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

export interface MaterialRecord {
  /** Number of the plan execution that consumes it, from 0. */
  readonly execution: number;
  /** Number of the record within the execution, from 0. */
  readonly number: number;
  /** What it is and of which shape, for the stock's display: `truncation 128x64`. */
  readonly label: string;
  /** The sealed bytes. */
  readonly sealed: Uint8Array;
}

/** Records of one label. `left` are made and neither used nor burnt. */
export interface StockLine {
  readonly label: string;
  readonly made: number;
  readonly used: number;
  readonly left: number;
  readonly burnt: number;
  readonly bytesLeft: number;
}

const CHUNK_BYTES = 1 << 20;

interface RecordRow {
  id: number;
  label: string;
  bytes: number;
  sha256: Uint8Array;
}

export class VaultMaterial {
  readonly #database: StoreDatabase;
  readonly #find;
  readonly #insertRecord;
  readonly #insertChunk;
  readonly #chunks;
  readonly #deleteRecord;
  readonly #made;
  readonly #used;
  readonly #bytesLeft;
  readonly #burnTally;
  readonly #burnRecords;

  constructor(database: StoreDatabase) {
    this.#database = database;
    this.#find = database.prepare<[number, number, number], RecordRow>(
      'SELECT id, label, bytes, sha256 FROM record WHERE cursor = ? AND execution = ? AND number = ?',
    );
    this.#insertRecord = database.prepare<[number, number, number, string, number, Uint8Array]>(
      'INSERT INTO record (cursor, execution, number, label, bytes, sha256) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#insertChunk = database.prepare<[number | bigint, number, Uint8Array]>(
      'INSERT INTO chunk (record, number, content) VALUES (?, ?, ?)',
    );
    this.#chunks = database
      .prepare<[number], Buffer>('SELECT content FROM chunk WHERE record = ? ORDER BY number')
      .pluck();
    this.#deleteRecord = database.prepare<[number]>('DELETE FROM record WHERE id = ?');
    this.#made = database.prepare<[number, string, number]>(
      `INSERT INTO tally (cursor, label, made, used, burnt, bytes_left) VALUES (?, ?, 1, 0, 0, ?)
         ON CONFLICT DO UPDATE SET made = made + 1, bytes_left = bytes_left + excluded.bytes_left`,
    );
    this.#used = database.prepare<[number, number, string]>(
      'UPDATE tally SET used = used + 1, bytes_left = bytes_left - ? WHERE cursor = ? AND label = ?',
    );
    this.#bytesLeft = database.prepare<[], number>('SELECT coalesce(sum(bytes_left), 0) FROM tally').pluck();
    this.#burnTally = database.prepare<[number, number, number]>(
      `UPDATE tally SET burnt = burnt + gone.records, bytes_left = bytes_left - gone.bytes
         FROM (SELECT cursor, label, count(*) AS records, sum(bytes) AS bytes FROM record
                 WHERE cursor = ? AND execution >= ? AND execution < ? GROUP BY label) AS gone
         WHERE tally.cursor = gone.cursor AND tally.label = gone.label`,
    );
    this.#burnRecords = database.prepare<[number, number, number]>(
      'DELETE FROM record WHERE cursor = ? AND execution >= ? AND execution < ?',
    );
  }

  /**
   * Stores a record: wholly or, on an error such as a full disk, not at all; undefined if the vault would hold more than
   * `limitBytes` then. The same record again is a resend and is dropped; another one under its number is refused
   * (`material-changed`).
   */
  append(cursor: number, record: MaterialRecord, limitBytes: number): 'stored' | 'duplicate' | undefined {
    const { execution, number, label, sealed } = record;
    return this.#database.quick(() => {
      const known = this.#find.get(cursor, execution, number);
      if (known === undefined && (this.#bytesLeft.get() ?? 0) + sealed.length > limitBytes) return undefined;
      const sha256 = nodeCrypto.sha256(sealed);
      if (known !== undefined) {
        if (Buffer.compare(known.sha256, sha256) === 0) return 'duplicate';
        throw new PeerError(
          'material-changed',
          'dealer',
          `The dealer sent record ${number} of execution ${execution} twice, with different bytes.`,
          { hint: 'Start a new attempt; if it happens again, ask the dealer to update.' },
        );
      }
      const { lastInsertRowid: id } = this.#insertRecord.run(cursor, execution, number, label, sealed.length, sha256);
      for (let start = 0, chunk = 0; start < sealed.length; start += CHUNK_BYTES, chunk += 1) {
        this.#insertChunk.run(id, chunk, sealed.subarray(start, start + CHUNK_BYTES));
      }
      this.#made.run(cursor, label, sealed.length);
      return 'stored';
    });
  }

  /** Takes a record out, checked; undefined if it is not here. A damaged one stays and is refused (`vault-record-damaged`). */
  take(cursor: number, execution: number, number: number): Uint8Array | undefined {
    return this.#database.quick(() => {
      const row = this.#find.get(cursor, execution, number);
      if (row === undefined) return undefined;
      const chunks = this.#chunks.all(row.id);
      const sealed = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      if (sealed.length !== row.bytes || Buffer.compare(nodeCrypto.sha256(sealed), row.sha256) !== 0) {
        throw new MachineError(
          'vault-record-damaged',
          `${this.#database.file}: record ${number} (${row.label}) of execution ${execution} is damaged.`,
          { hint: 'Check the disk, then start a new attempt of the job: the dealer makes new material.' },
        );
      }
      this.#deleteRecord.run(row.id);
      this.#used.run(row.bytes, cursor, row.label);
      return sealed;
    });
  }

  /** Erases what is left of executions `first` up to, not including, `end`, and counts it as burnt. Inside a transaction. */
  burn(cursor: number, first: number, end: number): void {
    this.#burnTally.run(cursor, first, end);
    this.#burnRecords.run(cursor, first, end);
  }

  /** What a job has in stock, per label. */
  stock(job: string): StockLine[] {
    return this.#database.read(() =>
      this.#database
        .prepare<[string], StockLine>(
          `SELECT label, sum(made) AS made, sum(used) AS used, sum(made - used - burnt) AS left, sum(burnt) AS burnt,
             sum(bytes_left) AS bytesLeft
             FROM tally JOIN cursor ON cursor.id = tally.cursor WHERE job = ? GROUP BY label ORDER BY label`,
        )
        .all(job),
    );
  }
}
