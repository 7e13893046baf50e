/** Jobs that are being written: their text as it is, right or wrong. Knows nothing of its meaning. */
import { InputError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

export interface StoredDraft {
  readonly id: string;
  readonly text: string;
  readonly changedAtMs: number;
  /** The project that it is written for. */
  readonly project: string | undefined;
  /** The job of the project that it was proposed as. */
  readonly job: string | undefined;
}

interface Row extends Pick<StoredDraft, 'id' | 'text' | 'changedAtMs'> {
  project: string | null;
  job: string | null;
}

const SELECT = 'SELECT id, text, changed_at_ms AS changedAtMs, project, job FROM draft';

const fromRow = (row: Row): StoredDraft => ({
  ...row,
  project: row.project ?? undefined,
  job: row.job ?? undefined,
});

export class DraftStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** The latest change first. */
  list(): StoredDraft[] {
    return this.#database
      .read(() => this.#database.prepare<[], Row>(`${SELECT} ORDER BY changed_at_ms DESC`).all())
      .map(fromRow);
  }

  /** An unknown id is an error (`draft-unknown`). */
  get(id: string): StoredDraft {
    const row = this.#database.read(() => this.#database.prepare<[string], Row>(`${SELECT} WHERE id = ?`).get(id));
    if (row !== undefined) return fromRow(row);
    throw new InputError('draft-unknown', `No draft with the id ${id} is kept.`, {
      hint: 'It may have been removed in another window: look at the list of jobs.',
    });
  }

  /** Durable: what a person wrote is not lost. The project is chosen when the draft is new. */
  save(id: string, text: string, project?: string): StoredDraft {
    this.#database.durable(() =>
      this.#database
        .prepare<[string, string, number, string | null]>(
          `INSERT INTO draft (id, text, changed_at_ms, project) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET text = excluded.text, changed_at_ms = excluded.changed_at_ms`,
        )
        .run(id, text, Date.now(), project ?? null),
    );
    return this.get(id);
  }

  /** Durable. The draft was proposed as this job of its project. */
  proposed(id: string, job: string): void {
    this.#database.durable(() =>
      this.#database.prepare<[string, string]>('UPDATE draft SET job = ? WHERE id = ?').run(job, id),
    );
  }

  /** Durable. */
  remove(id: string): void {
    this.#database.durable(() => this.#database.prepare<[string]>('DELETE FROM draft WHERE id = ?').run(id));
  }
}
