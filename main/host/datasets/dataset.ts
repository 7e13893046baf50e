/**
 * A data set: one file, or several side by side, opened, typed and looked through once. Everything in it is its owner's;
 * what may leave the machine is made by schema.ts. Knows no job.
 */
import type { Cell } from '../../../shared/dataset.ts';
import { InputError } from '../../../shared/errors.ts';
import { didYouMean } from '../../../shared/nearest.ts';
import { openArray } from './array-table.ts';
import { openDelimited } from './delimited-table.ts';
import { openDocument } from './document-table.ts';
import { looksLikeIdx } from './idx.ts';
import { ColumnProfiler, type ProfiledColumn } from './profile.ts';
import { digestFiles, openSource, type Source } from './source.ts';
import type { ColumnCells, Table } from './table.ts';

const PREVIEW_ROWS = 20;

export interface Dataset {
  /** Names of the files, for messages. */
  readonly name: string;
  readonly paths: readonly string[];
  readonly rows: number;
  readonly columns: readonly ProfiledColumn[];
  /** The first rows, in the order of `columns`. */
  readonly preview: readonly (readonly Cell[])[];
  /** SHA-256 of the files' bytes. Content can be guessed and confirmed by it: never for others. */
  readonly contentDigest: string;
  readonly tables: readonly Table[];
  /** Where rows are not in the order of the files: the file's row of each, for messages. */
  readonly fileRows?: Uint32Array;
}

const startsWith = (head: Uint8Array, text: string): boolean =>
  [...text].every((character, at) => head[at] === character.charCodeAt(0));

/** Content decides; the name only where content does not. */
function openTable(source: Source, signal?: AbortSignal): Promise<Table> {
  const { head, name } = source;
  if (startsWith(head, '\x93NUMPY')) return openArray(source, 'npy', signal);
  if (looksLikeIdx(head)) return openArray(source, 'idx', signal);
  if (startsWith(head, 'PAR1') && !source.gzip) return openDocument(source, 'parquet', signal);
  const expected = /\.(npy|idx|parquet)(\.gz)?$/i.exec(name)?.[1];
  if (expected !== undefined) {
    throw new InputError('dataset-not-its-format', `${name} is not a readable ${expected.toLowerCase()} file.`, {
      hint: 'Export it again, or correct its ending.',
    });
  }
  if (/\.(json|jsonl|ndjson)(\.gz)?$/i.test(name)) return openDocument(source, 'json', signal);
  return openDelimited(source, signal);
}

function previewCells(cells: readonly ColumnCells[], rows: number): Cell[][] {
  return Array.from({ length: Math.min(rows, PREVIEW_ROWS) }, (_, row) =>
    cells.map((column): Cell => {
      const value = column[row] ?? null;
      return typeof value === 'number' && Number.isNaN(value) ? null : value;
    }),
  );
}

/**
 * Opens data files and reads them once: types, ranges, categories, missing cells, preview, digest. Several files stand side
 * by side: row i of each belongs together, and no column name occurs twice.
 * @param paths absolute.
 * @throws InputError naming the file, and the row and column where there is one.
 */
export async function openDataset(paths: readonly string[], signal?: AbortSignal): Promise<Dataset> {
  const tables: Table[] = [];
  const columns: ProfiledColumn[] = [];
  let preview: Cell[][] = [];
  let rows = 0;
  for (const path of paths) {
    const table = await openTable(await openSource(path, signal), signal);
    for (const { name } of table.columns) {
      const twin = tables.find((other) => other.columns.some((column) => column.name === name));
      if (twin !== undefined) {
        throw new InputError(
          'dataset-duplicate-column',
          `${twin.file} and ${table.file} both have a column ${JSON.stringify(name)}.`,
          { hint: 'Rename one of them.' },
        );
      }
    }
    const profilers = table.columns.map((column) => new ColumnProfiler(column));
    let start: Cell[][] = [];
    const positions = table.columns.map((_, index) => index);
    const found = await table.scan(
      positions,
      (cells, count) => {
        if (start.length === 0) start = previewCells(cells, count);
        cells.forEach((column, index) => profilers[index]!.add(column));
      },
      signal,
    );
    if (found === 0)
      throw new InputError('dataset-no-rows', `${table.file} has columns but no rows.`, {
        hint: 'Check that it was written to its end.',
      });
    if (tables.length > 0 && found !== rows) {
      throw new InputError(
        'dataset-rows-differ',
        `${tables[0]!.file} has ${rows} rows and ${table.file} has ${found}; side by side they need the same number.`,
        {
          hint: 'Check that the files belong together.',
        },
      );
    }
    rows = found;
    preview = tables.length === 0 ? start : preview.map((row, index) => [...row, ...start[index]!]);
    tables.push(table);
    columns.push(...profilers.map((profiler) => profiler.result()));
  }
  const contentDigest = await digestFiles(paths, signal);
  return { name: tables.map((table) => table.file).join(' + '), paths, rows, columns, preview, contentDigest, tables };
}

/**
 * Reads columns by name, each file in turn; `visit` is told the first row of the batch (from 0) and which of the names
 * its cells belong to.
 * @throws InputError (`dataset-unknown-column`, `dataset-changed`).
 */
export async function scanColumns(
  dataset: Dataset,
  names: readonly string[],
  visit: (cells: readonly ColumnCells[], wanted: readonly number[], firstRow: number, rows: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  for (const name of names) findColumn(dataset, name);
  const changed = (): InputError =>
    new InputError('dataset-changed', `${dataset.name} has changed since it was opened.`, {
      hint: 'Open it again, and vote on the job again if it was shared.',
    });
  if ((await digestFiles(dataset.paths, signal)) !== dataset.contentDigest) throw changed();
  for (const table of dataset.tables) {
    const places = new Map(table.columns.map((column, index) => [column.name, index]));
    const wanted = names.map((_, index) => index).filter((index) => places.has(names[index]!));
    if (wanted.length === 0) continue;
    let row = 0;
    const total = await table.scan(
      wanted.map((index) => places.get(names[index]!)!),
      (cells, count) => {
        if (row + count > dataset.rows) throw changed();
        visit(cells, wanted, row, count);
        row += count;
      },
      signal,
    );
    if (total !== dataset.rows) throw changed();
  }
}

/** @throws InputError (`dataset-unknown-column`) with the nearest names. */
export function findColumn(dataset: Dataset, name: string): ProfiledColumn {
  const column = dataset.columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  const near = didYouMean(
    name,
    dataset.columns.map((candidate) => candidate.name),
  );
  throw new InputError(
    'dataset-unknown-column',
    `${dataset.name} has no column ${JSON.stringify(name)}${near || '.'}`,
    {
      hint: `It has ${dataset.columns.length}: ${dataset.columns
        .slice(0, 8)
        .map((candidate) => candidate.name)
        .join(', ')}${dataset.columns.length > 8 ? ', ...' : ''}.`,
    },
  );
}
