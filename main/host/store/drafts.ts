/** Jobs that are being written: their text as it is, right or wrong. Knows nothing of its meaning. */
import type { StoreDatabase } from './database.ts';

export interface StoredDraft {
  readonly id: string;
  readonly text: string;
  readonly changedAtMs: number;
}

export class DraftStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** The latest change first. */
  list(): StoredDraft[] {
    return this.#database.read(() =>
      this.#database
        .prepare<[], StoredDraft>(
          'SELECT id, text, changed_at_ms AS changedAtMs FROM draft ORDER BY changed_at_ms DESC',
        )
        .all(),
    );
  }

  /** Durable: what a person wrote is not lost. */
  save(id: string, text: string): StoredDraft {
    const changedAtMs = Date.now();
    this.#database.durable(() =>
      this.#database
        .prepare<[string, string, number]>(
          `INSERT INTO draft (id, text, changed_at_ms) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET text = excluded.text, changed_at_ms = excluded.changed_at_ms`,
        )
        .run(id, text, changedAtMs),
    );
    return { id, text, changedAtMs };
  }

  /** Durable. */
  remove(id: string): void {
    this.#database.durable(() => this.#database.prepare<[string]>('DELETE FROM draft WHERE id = ?').run(id));
  }
}
