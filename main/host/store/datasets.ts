/** The register of this organisation's data sets: where their files are and what people said of their columns. Knows no cell. */
import { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

export interface RegisteredDataset {
  readonly id: string;
  readonly name: string;
  /** Absolute. */
  readonly paths: readonly string[];
  /** Whether the files are copies of the program's own. */
  readonly uploaded: boolean;
  readonly rows: number;
  readonly columns: number;
  readonly contentDigest: string;
  /** By column; what is not named has no use yet. */
  readonly uses: Readonly<Record<string, string>>;
  readonly addedAtMs: number;
  readonly confirmedAtMs: number | undefined;
}

interface Row {
  id: string;
  name: string;
  paths: string;
  uploaded: number;
  rows: number;
  columns: number;
  contentDigest: string;
  uses: string;
  addedAtMs: number;
  confirmedAtMs: number | null;
}

const pathsSchema = z.array(z.string());
const usesSchema = z.record(z.string(), z.string());

const SELECT = `SELECT id, name, paths, uploaded, row_count AS rows, column_count AS columns,
  content_digest AS contentDigest, uses, added_at_ms AS addedAtMs, confirmed_at_ms AS confirmedAtMs FROM dataset`;

function fromRow(row: Row): RegisteredDataset {
  return {
    ...row,
    paths: pathsSchema.parse(JSON.parse(row.paths)),
    uploaded: row.uploaded === 1,
    uses: usesSchema.parse(JSON.parse(row.uses)),
    confirmedAtMs: row.confirmedAtMs ?? undefined,
  };
}

export class DatasetStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Durable. */
  add(dataset: Omit<RegisteredDataset, 'addedAtMs' | 'confirmedAtMs' | 'uses'>): RegisteredDataset {
    const addedAtMs = Date.now();
    this.#database.durable(() =>
      this.#database
        .prepare<[string, string, string, number, number, number, string, number]>(
          `INSERT INTO dataset (id, name, paths, uploaded, row_count, column_count, content_digest, uses, added_at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, '{}', ?)`,
        )
        .run(
          dataset.id,
          dataset.name,
          JSON.stringify(dataset.paths),
          dataset.uploaded ? 1 : 0,
          dataset.rows,
          dataset.columns,
          dataset.contentDigest,
          addedAtMs,
        ),
    );
    return { ...dataset, uses: {}, addedAtMs, confirmedAtMs: undefined };
  }

  /** All data sets, by name. */
  list(): RegisteredDataset[] {
    return this.#database.read(() => this.#database.prepare<[], Row>(`${SELECT} ORDER BY name, id`).all()).map(fromRow);
  }

  /** An unknown id is an error (`dataset-unknown`). */
  get(id: string): RegisteredDataset {
    const row = this.#database.read(() => this.#database.prepare<[string], Row>(`${SELECT} WHERE id = ?`).get(id));
    if (row !== undefined) return fromRow(row);
    throw new InputError('dataset-unknown', `No data set with the id ${id} is registered.`, {
      hint: 'It may have been removed in another window: look at the list of data sets.',
    });
  }

  /** Durable. A person said what the columns are for. */
  confirm(id: string, uses: Readonly<Record<string, string>>): void {
    this.#database.durable(() =>
      this.#database
        .prepare<[string, number, string]>('UPDATE dataset SET uses = ?, confirmed_at_ms = ? WHERE id = ?')
        .run(JSON.stringify(uses), Date.now(), id),
    );
  }

  /** Durable. The files stay. */
  remove(id: string): void {
    this.#database.durable(() => this.#database.prepare<[string]>('DELETE FROM dataset WHERE id = ?').run(id));
  }
}
