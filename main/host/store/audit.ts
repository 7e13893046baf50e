/**
 * The audit log: who decided and received what, as a chain of hashes. Each entry's hash covers the hash before it and the
 * entry's canonical JSON, so a changed, removed or reordered entry shows; a cut-off end shows only to somebody who knows a
 * later head, which is why parties tell each other their heads. Knows nothing of what entries mean. No secret goes in.
 */
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { canonicalJson } from '../../../shared/canonical.ts';
import type { StoreDatabase } from './database.ts';

export interface AuditHead {
  /** Number of entries. */
  readonly sequence: number;
  /** 64 hexadecimal digits; zeros while the log is empty. */
  readonly hash: string;
}

export interface AuditEntry {
  readonly sequence: number;
  readonly atMs: number;
  readonly kind: string;
  readonly body: unknown;
}

export type AuditVerdict =
  | { readonly intact: true; readonly head: AuditHead }
  /** `brokenAt` is the first entry that does not continue the chain. */
  | { readonly intact: false; readonly brokenAt: number };

interface Row {
  sequence: number;
  previous: Uint8Array;
  entry: string;
  hash: Uint8Array;
}

const GENESIS = new Uint8Array(32);

function chain(previous: Uint8Array, entry: string): Uint8Array {
  return nodeCrypto.sha256(Buffer.concat([previous, Buffer.from(entry)]));
}

export class AuditStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Durable. Appends an entry; `body` is JSON. */
  append(kind: string, body: unknown): AuditHead {
    return this.#database.durable(() => {
      const last = this.#last();
      const previous = last?.hash ?? GENESIS;
      const sequence = (last?.sequence ?? 0) + 1;
      const entry = canonicalJson({ sequence, atMs: Date.now(), kind, body });
      const hash = chain(previous, entry);
      this.#database
        .prepare<[number, Uint8Array, string, Uint8Array]>(
          'INSERT INTO audit (sequence, previous, entry, hash) VALUES (?, ?, ?, ?)',
        )
        .run(sequence, previous, entry, hash);
      return { sequence, hash: Buffer.from(hash).toString('hex') };
    });
  }

  head(): AuditHead {
    const last = this.#database.read(() => this.#last());
    return { sequence: last?.sequence ?? 0, hash: Buffer.from(last?.hash ?? GENESIS).toString('hex') };
  }

  /** Entries after `after`, at most `limit`, in order. */
  entries(after = 0, limit = 100): AuditEntry[] {
    return this.#database
      .read(() =>
        this.#database
          .prepare<[number, number], string>('SELECT entry FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?')
          .pluck()
          .all(after, limit),
      )
      .map((entry) => JSON.parse(entry) as AuditEntry);
  }

  /** Recomputes the whole chain. */
  verify(): AuditVerdict {
    return this.#database.read(() => {
      let previous: Uint8Array = GENESIS;
      let sequence = 0;
      const rows = this.#database
        .prepare<[], Row>('SELECT sequence, previous, entry, hash FROM audit ORDER BY sequence')
        .iterate();
      for (const row of rows) {
        sequence += 1;
        const fits =
          row.sequence === sequence &&
          Buffer.compare(row.previous, previous) === 0 &&
          Buffer.compare(row.hash, chain(previous, row.entry)) === 0;
        if (!fits) return { intact: false, brokenAt: sequence };
        previous = row.hash;
      }
      return { intact: true, head: { sequence, hash: Buffer.from(previous).toString('hex') } };
    });
  }

  #last(): Pick<Row, 'sequence' | 'hash'> | undefined {
    return this.#database
      .prepare<[], Pick<Row, 'sequence' | 'hash'>>('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1')
      .get();
  }
}
