/**
 * DuckDB as a reader of one file and nothing else: no extension is loaded or installed, no other file can be touched, and
 * the configuration is locked before the file is looked at. Knows SQL, no job.
 */
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { InputError } from '../../../shared/errors.ts';
import type { ColumnCells, TableColumn, VisitBatch } from './table.ts';

const settings = {
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  // One thread keeps rows in file order and the memory of a scan small.
  threads: '1',
};

/** For lines of any length that a table has; what is longer is refused. */
const LEAST_MEMORY_MB = 1000;
/** DuckDB reads 2048 rows of all columns at once, and holds them several times. Measured: 85 kB for each column of numbers. */
const COLUMNS_PER_MB = 8;

export const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const sqlName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** DuckDB's words, without what it quotes from the file. */
function problem(file: string, cause: Error): InputError {
  const { message } = cause;
  const line = /CSV Error on Line: (\d+)/.exec(message)?.[1];
  const widths = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message);
  if (line !== undefined && widths !== null) {
    return new InputError(
      'dataset-ragged-row',
      `${file}, line ${line}: ${widths[2]} cells, but the table has ${widths[1]} columns.`,
      {
        hint: 'Give every row the same number of cells, and quote cells that hold the separator.',
      },
    );
  }
  if (/^Invalid unicode|invalid UTF-?8/im.test(message)) {
    return new InputError(
      'dataset-not-utf8',
      `${file}${line === undefined ? '' : `, line ${line}`}: the text is not UTF-8.`,
      { hint: 'Save the file as UTF-8.' },
    );
  }
  if (message.includes('unterminated quote') && line !== undefined) {
    return new InputError('dataset-open-quote', `${file}, line ${line}: a quoted cell is not closed properly.`, {
      hint: 'Double the quotes inside a quoted cell.',
    });
  }
  if (message.startsWith('Out of Memory')) {
    return new InputError('dataset-too-large', `${file} needs more memory to be read than this program takes for it.`, {
      hint: 'Its lines may be far longer than those of a table; else keep fewer columns, or use Parquet.',
    });
  }
  const where = line === undefined ? '' : `, line ${line}`;
  const first =
    line === undefined
      ? (message.split('\n')[0] ?? '').replaceAll(/"[^"]*"|'[^']*'/g, '...').slice(0, 120)
      : 'the row cannot be read';
  return new InputError('dataset-not-a-table', `${file}${where} cannot be read as a table: ${first}`, {
    hint: 'Check the format of the file and its ending.',
  });
}

/**
 * Runs `work` on a connection that can read the file at `path` and no other.
 * @param columns as many as are read at once, as far as that is known.
 * @throws InputError for whatever DuckDB cannot read; none of its texts show cells.
 */
export async function withFile<T>(
  path: string,
  file: string,
  columns: number,
  work: (connection: DuckDBConnection) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  if (/[*?[\]]/.test(path)) {
    throw new InputError(
      'dataset-path-pattern',
      `The path ${path} contains one of * ? [ ], which would stand for several files.`,
      { hint: 'Rename the file or its folder.' },
    );
  }
  const memoryMb = Math.max(LEAST_MEMORY_MB, Math.ceil(columns / COLUMNS_PER_MB));
  const instance = await DuckDBInstance.create(':memory:', { ...settings, memory_limit: `${memoryMb}MB` });
  try {
    const connection = await instance.connect();
    await connection.run(`SET allowed_paths = [${sqlText(path)}]`);
    await connection.run('SET enable_external_access = false');
    await connection.run('SET lock_configuration = true');
    const interrupt = () => connection.interrupt();
    signal?.addEventListener('abort', interrupt, { once: true });
    try {
      return await work(connection);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof Error && cause.constructor === Error) throw problem(file, cause);
      throw cause;
    } finally {
      signal?.removeEventListener('abort', interrupt);
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

/** Names and SQL types of what a FROM clause yields. */
export async function describeFrom(
  connection: DuckDBConnection,
  from: string,
): Promise<{ name: string; sqlType: string }[]> {
  const result = await connection.run(`DESCRIBE SELECT * FROM ${from}`);
  const rows = await result.getRowsJS();
  return rows.map((row) => ({ name: String(row[0]), sqlType: String(row[1]) }));
}

/** What an SQL type is to us; whatever is nested or opaque is text. */
export function kindOfSqlType(sqlType: string): TableColumn['kind'] {
  if (/^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))$/.test(sqlType)) return 'number';
  if (sqlType === 'BOOLEAN') return 'boolean';
  if (/^(DATE|TIMESTAMP.*)$/.test(sqlType)) return 'date';
  return 'text';
}

/** Reads columns batch by batch; NULL and NaN are both missing. `names` are the columns of `from`, in the order of `kinds`. */
export async function scanFrom(
  connection: DuckDBConnection,
  from: string,
  names: readonly string[],
  kinds: readonly TableColumn['kind'][],
  visit: VisitBatch,
  signal?: AbortSignal,
): Promise<number> {
  const numeric = kinds.map((kind) => kind === 'number' || kind === 'boolean');
  const selected = names.map((name, index) =>
    numeric[index] ? `coalesce(CAST(${sqlName(name)} AS DOUBLE), 'nan'::DOUBLE)` : `CAST(${sqlName(name)} AS VARCHAR)`,
  );
  const result = await connection.stream(
    `SELECT ${selected.length === 0 ? '0::DOUBLE' : selected.join(', ')} FROM ${from}`,
  );
  let rows = 0;
  for (;;) {
    signal?.throwIfAborted();
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return rows;
    const count = chunk.rowCount;
    const cells = selected.map((_, column): ColumnCells => {
      const vector = chunk.getColumnVector(column);
      if (!numeric[column]) return Array.from({ length: count }, (__, row) => vector.getItem(row) as string | null);
      const values = new Float64Array(count);
      for (let row = 0; row < count; row++) values[row] = vector.getItem(row) as number;
      return values;
    });
    visit(cells, count);
    rows += count;
  }
}
