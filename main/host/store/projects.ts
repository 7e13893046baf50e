/**
 * Projects as this party holds them: charters, and the journals of all members, its own among them. Append-only. Knows
 * nothing of what entries mean; who calls has checked them.
 */
import { canonicalJson } from '../../../shared/canonical.ts';
import { InternalError } from '../../../shared/errors.ts';
import { NO_ENTRY, charterSchema, entrySchema } from '../../../shared/project.ts';
import type { Charter, JournalHead } from '../../../shared/project.ts';
import type { HeldEntry } from '../../../shared/project-state.ts';
import type { StoreDatabase } from './database.ts';

export interface StoredProject {
  readonly id: string;
  readonly charter: Charter;
}

interface Row {
  hash: string;
  entry: string;
}

export class ProjectStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Durable. A project that is held already stays as it is. */
  add({ id, charter }: StoredProject): void {
    this.#database.durable(() =>
      this.#database
        .prepare<[string, string, number, string]>(
          'INSERT INTO project (id, name, created_at_ms, charter) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
        )
        .run(id, charter.name, charter.createdAtMs, canonicalJson(charter)),
    );
  }

  /** The newest first. */
  list(): StoredProject[] {
    return this.#database
      .read(() =>
        this.#database
          .prepare<[], { id: string; charter: string }>(
            'SELECT id, charter FROM project ORDER BY created_at_ms DESC, id',
          )
          .all(),
      )
      .map(({ id, charter }) => ({ id, charter: charterSchema.parse(JSON.parse(charter)) }));
  }

  /** Durable. Adds an entry to its author's journal; one that does not continue it is a defect of the caller. */
  append({ entry, hash }: HeldEntry): void {
    const { project, author, sequence, previous } = entry;
    this.#database.durable(() => {
      const head = this.#head(project, author);
      if (sequence !== head.sequence + 1 || previous !== head.hash) {
        throw new InternalError(
          'journal-not-continued',
          `Entry ${sequence} does not continue the journal at ${head.sequence}.`,
        );
      }
      this.#database
        .prepare<[string, string, number, string, string]>(
          'INSERT INTO journal (project, author, sequence, hash, entry) VALUES (?, ?, ?, ?, ?)',
        )
        .run(project, author, sequence, hash, canonicalJson(entry));
    });
  }

  /** One author's entries after `after`, in order. */
  entries(project: string, author: string, after = 0): HeldEntry[] {
    return this.#database
      .read(() =>
        this.#database
          .prepare<[string, string, number], Row>(
            'SELECT hash, entry FROM journal WHERE project = ? AND author = ? AND sequence > ? ORDER BY sequence',
          )
          .all(project, author, after),
      )
      .map(({ hash, entry }) => ({ hash, entry: entrySchema.parse(JSON.parse(entry)) }));
  }

  #head(project: string, author: string): JournalHead {
    const head = this.#database
      .prepare<[string, string], JournalHead>(
        'SELECT sequence, hash FROM journal WHERE project = ? AND author = ? ORDER BY sequence DESC LIMIT 1',
      )
      .get(project, author);
    return head ?? { sequence: 0, hash: NO_ENTRY };
  }
}
