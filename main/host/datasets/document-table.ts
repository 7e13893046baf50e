/**
 * JSON (a list of objects, or one object a line) and Parquet files, read by DuckDB. Knows no job.
 */
import { MAX_COLUMNS } from '../../../shared/dataset.ts';
import { InputError } from '../../../shared/errors.ts';
import { checkNames } from './delimited-table.ts';
import { describeFrom, kindOfSqlType, scanFrom, sqlText, withFile } from './duckdb.ts';
import type { Source } from './source.ts';
import type { Table } from './table.ts';

/** Keys of the first object, counted without parsing: inference takes time in proportion to its square. */
function keysOfFirstObject(head: Uint8Array): number {
  const [quote, backslash, colon, openBrace, closeBrace] = [...'"\\:{}'].map((character) => character.charCodeAt(0));
  let depth = 0;
  let keys = 0;
  let quoted = false;
  for (let at = 0; at < head.length; at++) {
    const byte = head[at];
    if (quoted) {
      if (byte === backslash) at++;
      else if (byte === quote) quoted = false;
    } else if (byte === quote) quoted = true;
    else if (byte === openBrace) depth++;
    else if (byte === closeBrace && --depth === 0) break;
    else if (byte === colon && depth === 1) keys++;
  }
  return keys;
}

/**
 * Opens a JSON or Parquet file. A key that an object lacks is a missing cell; nested values are text.
 * @throws InputError for a file that does not hold a table, or has too many columns.
 */
export async function openDocument(source: Source, format: 'json' | 'parquet', signal?: AbortSignal): Promise<Table> {
  const path = sqlText(source.path);
  const from =
    format === 'parquet'
      ? `read_parquet(${path})`
      : `read_json(${path}, sample_size = -1, map_inference_threshold = -1, records = 'true', compression = '${source.gzip ? 'gzip' : 'uncompressed'}')`;
  const tooMany = (count: number): InputError =>
    new InputError(
      'dataset-too-many-columns',
      `${source.name} has ${count} columns or more; ${MAX_COLUMNS} is the limit.`,
      {
        hint: 'Keep the columns that matter.',
      },
    );
  const keys = format === 'json' ? keysOfFirstObject(source.head) : 0;
  if (keys > MAX_COLUMNS) throw tooMany(keys);
  const columns = await withFile(
    source.path,
    source.name,
    keys,
    (connection) => describeFrom(connection, from),
    signal,
  );
  if (columns.length > MAX_COLUMNS) throw tooMany(columns.length);
  checkNames(
    columns.map((column) => column.name),
    source.name,
  );
  const kinds = columns.map((column) => kindOfSqlType(column.sqlType));
  return {
    file: source.name,
    columns: columns.map((column, index) => ({ name: column.name, kind: kinds[index]! })),
    scan: (positions, visit, scanSignal) =>
      withFile(
        source.path,
        source.name,
        columns.length,
        (connection) =>
          scanFrom(
            connection,
            from,
            positions.map((at) => columns[at]!.name),
            positions.map((at) => kinds[at]!),
            visit,
            scanSignal,
          ),
        scanSignal,
      ),
  };
}
