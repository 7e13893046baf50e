/**
 * CSV and TSV files. Separator, header and width are settled here from the first record, so that a wrong file is refused
 * before it is read; DuckDB reads the cells. Knows no job.
 *
 * Cells are quoted by " and "" stands for a quote inside. The first record is a header unless at least half of its cells are
 * numbers; columns without a header are column1, column2, ...
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import { MAX_COLUMNS, MAX_NAME_LENGTH } from '../../../shared/dataset.ts';
import { InputError } from '../../../shared/errors.ts';
import { describeFrom, kindOfSqlType, scanFrom, sqlText, withFile } from './duckdb.ts';
import { looksBinary } from './source.ts';
import type { Source } from './source.ts';
import type { ColumnKind, Table, VisitBatch } from './table.ts';

/** Cells that mean "no value". */
const missingMarkers = ['', 'NA', 'N/A', 'n/a', 'NaN', 'nan', 'NULL', 'null', 'None', '?'];
const separators = [',', '\t', ';', '|'];

/** The first record, or undefined when it does not end within the text. */
function firstRecord(text: string, separator: string, whole: boolean): string[] | undefined {
  const cells: string[] = [];
  let cell = '';
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[++at]!;
      else quoted = false;
    } else if (character === '"' && cell === '') {
      quoted = true;
    } else if (character === separator) {
      if (cells.push(cell) > MAX_COLUMNS) return cells;
      cell = '';
    } else if (character === '\n' || character === '\r') {
      return [...cells, cell];
    } else {
      cell += character;
    }
  }
  return whole ? [...cells, cell] : undefined;
}

const isNumber = (text: string): boolean => text.trim() !== '' && Number.isFinite(Number(text));

const binaryFile = (name: string): InputError =>
  new InputError('dataset-not-a-table', `${name} is not a table: it is a binary file.`, {
    hint: 'Use CSV, TSV, JSON, Parquet, npy or idx.',
  });

function decode(source: Source): string {
  const { head, name } = source;
  if (head.includes(0)) throw binaryFile(name);
  try {
    // A character may be cut at the end of the head: `stream` lets it wait.
    return new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: !source.whole });
  } catch (cause) {
    throw new InputError('dataset-not-utf8', `${name}: the text is not UTF-8.`, {
      hint: 'Save the file as UTF-8.',
      cause,
    });
  }
}

interface Layout {
  readonly separator: string;
  readonly header: boolean;
  readonly names: readonly string[];
}

function findLayout(source: Source): Layout {
  const { name } = source;
  const text = decode(source);
  const candidates = /\.tsv(\.gz)?$/i.test(name) ? ['\t'] : separators;
  let cells: string[] | undefined;
  let separator = candidates[0]!;
  for (const candidate of candidates) {
    const found = firstRecord(text, candidate, source.whole);
    if (found !== undefined && found.length > (cells?.length ?? 0)) {
      cells = found;
      separator = candidate;
    }
    if (cells !== undefined && cells.length > MAX_COLUMNS) break;
  }
  if (cells === undefined || cells.length > MAX_COLUMNS) {
    throw new InputError('dataset-too-many-columns', `${name}: its first row is longer than ${MAX_COLUMNS} columns.`, {
      hint: 'Check the line ends, or keep the columns that matter.',
    });
  }
  const header = cells.filter(isNumber).length * 2 < cells.length;
  const names = cells.map((cell, index) => (header ? cell.trim() : `column${index + 1}`));
  return { separator, header, names };
}

/**
 * Refuses names that are empty, too long or there twice.
 * @param names in the order of the columns.
 */
export function checkNames(names: readonly string[], file: string): void {
  const places = new Map<string, number>();
  names.forEach((name, index) => {
    if (name === '') {
      throw new InputError('dataset-unnamed-column', `${file}: column ${index + 1} has no name in the header.`, {
        hint: 'Give every column a name.',
      });
    }
    if (name.length > MAX_NAME_LENGTH || !name.isWellFormed()) {
      throw new InputError(
        'dataset-column-name',
        `${file}: the name of column ${index + 1} is not a text of at most ${MAX_NAME_LENGTH} characters.`,
        { hint: 'Shorten the name.' },
      );
    }
    const twin = places.get(name);
    if (twin !== undefined) {
      throw new InputError(
        'dataset-duplicate-column',
        `${file}: columns ${twin + 1} and ${index + 1} are both named ${JSON.stringify(name)}.`,
        { hint: 'Rename one of them.' },
      );
    }
    places.set(name, index);
  });
}

interface SqlColumn {
  readonly name: string;
  readonly sqlType: string;
}

/** DuckDB takes yes and no, t and f for truth values too; to us they are categories, as the file writes them. */
async function onlyTruthValues(
  connection: DuckDBConnection,
  columns: readonly SqlColumn[],
  read: (columns: readonly SqlColumn[]) => string,
): Promise<readonly SqlColumn[]> {
  const suspects = columns.filter((column) => column.sqlType === 'BOOLEAN');
  if (suspects.length === 0) return columns;
  const texts = read(columns.map(({ name }) => ({ name, sqlType: 'VARCHAR' })));
  const tests = suspects.map(({ name }) => `coalesce(bool_and(lower(${name}) IN ('true', 'false')), false)`);
  const [answers] = await (await connection.run(`SELECT ${tests.join(', ')} FROM ${texts}`)).getRowsJS();
  const others = new Set(suspects.filter((_, index) => answers?.[index] !== true).map((column) => column.name));
  return columns.map((column) => (others.has(column.name) ? { ...column, sqlType: 'VARCHAR' } : column));
}

/**
 * Opens a CSV or TSV file; types are settled from all rows.
 * @throws InputError for text that is no table: not UTF-8, ragged rows, names missing or there twice, too many columns.
 */
export async function openDelimited(source: Source, signal?: AbortSignal): Promise<Table> {
  const { separator, header, names } = findLayout(source);
  if (await looksBinary(source)) throw binaryFile(source.name);
  checkNames(names, source.name);
  // DuckDB sees names of ours: its own are not case-sensitive.
  const columns = names.map((_, index) => `c${index}`);
  const options = [
    `header = ${header}`,
    `delim = ${sqlText(separator)}`,
    `quote = '"', escape = '"', comment = ''`,
    'strict_mode = true, null_padding = false',
    `nullstr = [${missingMarkers.map(sqlText).join(', ')}]`,
    `compression = '${source.gzip ? 'gzip' : 'none'}'`,
  ].join(', ');
  const read = (types: readonly SqlColumn[]): string => {
    const typed = types.map((column) => `${sqlText(column.name)}: ${sqlText(column.sqlType)}`).join(', ');
    return `read_csv(${sqlText(source.path)}, auto_detect = false, ${options}, columns = {${typed}})`;
  };
  const found = await withFile(
    source.path,
    source.name,
    columns.length,
    async (connection) => {
      const list = columns.map(sqlText).join(', ');
      const sniffed = `read_csv(${sqlText(source.path)}, ${options}, skip = 0, sample_size = -1, names = [${list}])`;
      const types = await describeFrom(connection, sniffed).catch((cause: unknown) => cause as Error);
      if (!(types instanceof Error) && types.length === columns.length) return onlyTruthValues(connection, types, read);
      // Detection does not say where a row is wrong; reading as text does.
      const texts = read(columns.map((name) => ({ name, sqlType: 'VARCHAR' })));
      await scanFrom(connection, texts, [], [], () => undefined, signal);
      if (types instanceof Error) throw types;
      throw new InputError(
        'dataset-ragged-row',
        `${source.name}: a row has ${types.length} cells, but the first has ${columns.length}.`,
        { hint: 'Give every row the same number of cells.' },
      );
    },
    signal,
  );
  const kinds = found.map((column) => kindOfSqlType(column.sqlType));
  const from = read(found);
  return {
    file: source.name,
    columns: names.map((name, index) => ({ name, kind: kinds[index]! })),
    scan: (positions: readonly number[], visit: VisitBatch, scanSignal?: AbortSignal) =>
      withFile(
        source.path,
        source.name,
        columns.length,
        (connection) =>
          scanFrom(
            connection,
            from,
            positions.map((at) => columns[at]!),
            positions.map((at): ColumnKind => kinds[at]!),
            visit,
            scanSignal,
          ),
        scanSignal,
      ),
  };
}
