import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDataset, scanColumns } from '../../../main/host/datasets/dataset.ts';
import { withFile } from '../../../main/host/datasets/duckdb.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tacit-data-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const samples = join(import.meta.dirname, '../../../assets/samples');

async function put(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const openText = async (name: string, content: string | Uint8Array) => openDataset([await put(name, content)]);

async function column(dataset: Awaited<ReturnType<typeof openDataset>>, name: string): Promise<unknown[]> {
  const values: unknown[] = [];
  await scanColumns(dataset, [name], ([cells]) => values.push(...cells!));
  return values;
}

function idx(type: number, shape: number[], data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.set([0, 0, type, shape.length]);
  shape.forEach((size, axis) => head.writeUInt32BE(size, 4 + 4 * axis));
  return Buffer.concat([head, data]);
}

function npy(descr: string, shape: string, data: Uint8Array): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + '\n';
  const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length & 0xff, padded.length >> 8]);
  return Buffer.concat([head, Buffer.from(padded), data]);
}

describe('formats', () => {
  const table =
    'age,smoker,town,seen,note\n41,true,Ulm,2024-01-02,x\n,false,"Bad ""Aibling"", south",2024-02-03,\n58,,Ulm,,z\n';

  test('CSV: types, missing cells, categories, preview', async () => {
    const dataset = await openText('clinic.csv', table);
    expect(dataset.rows).toBe(3);
    expect(dataset.columns.map(({ name, type, missing }) => [name, type, missing])).toEqual([
      ['age', 'integer', 1],
      ['smoker', 'boolean', 1],
      ['town', 'category', 0],
      ['seen', 'date', 1],
      ['note', 'category', 1],
    ]);
    expect(dataset.columns[0]).toMatchObject({ minimum: 41, maximum: 58, mean: 49.5 });
    expect(dataset.columns[2]?.counts).toEqual([
      { value: 'Bad "Aibling", south', rows: 1 },
      { value: 'Ulm', rows: 2 },
    ]);
    expect(dataset.columns[1]?.counts?.map((entry) => entry.value)).toEqual(['false', 'true']);
    expect(dataset.preview[0]).toEqual([41, 1, 'Ulm', '2024-01-02', 'x']);
    expect(dataset.preview[1]).toEqual([null, 0, 'Bad "Aibling", south', '2024-02-03', null]);
    expect(dataset.contentDigest).toMatch(/^[0-9a-f]{64}$/);
  });

  test('other separators, line ends, byte order mark, gzip', async () => {
    const rows = [
      [1, 'a'],
      [2, null],
    ];
    expect((await openText('a.tsv', 'n\ttext, more\n1\ta\n2\t\n')).preview).toEqual(rows);
    expect((await openText('a.csv', '\ufeffn;t\r\n1;a\r\n2;\r\n')).preview).toEqual(rows);
    expect((await openText('b.csv.gz', gzipSync('n,t\n1,a\n2,\n'))).preview).toEqual(rows);
    expect((await openText('c.csv', '1,a,2\n2,?,3')).columns.map((c) => c.name)).toEqual([
      'column1',
      'column2',
      'column3',
    ]);
    expect((await openText('d.csv', 'n\n5\n')).preview).toEqual([[5]]);
  });

  test('the usual markers are missing cells', async () => {
    const dataset = await openText('m.csv', 'n,t\n1,a\nNA,b\n?,c\nnan,d\nnull,e\n');
    expect(dataset.columns[0]).toMatchObject({ type: 'integer', missing: 4 });
  });

  test('JSON as a list and by line', async () => {
    const list = await openText('a.json', '[{"n":1,"t":"x","b":true},{"n":2.5,"b":null}]');
    expect(list.preview).toEqual([
      [1, 'x', 1],
      [2.5, null, null],
    ]);
    expect(list.columns.map((c) => c.type)).toEqual(['number', 'category', 'boolean']);
    expect((await openText('b.jsonl', '{"n":1}\n{"n":2}\n')).preview).toEqual([[1], [2]]);
    expect((await openText('c.json.gz', gzipSync('[{"n":1}]'))).preview).toEqual([[1]]);
  });

  test('Parquet', async () => {
    const path = join(folder, 'a.parquet');
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    await connection.run(
      `COPY (SELECT 7::TINYINT AS small, 1.25::DECIMAL(5,2) AS exact, NULL::DOUBLE AS gone, 'x' AS t, [1,2] AS list) TO '${path}' (FORMAT parquet)`,
    );
    connection.closeSync();
    const dataset = await openDataset([path]);
    expect(dataset.preview).toEqual([[7, 1.25, null, 'x', '[1, 2]']]);
  });

  test('npy and idx, plain and packed, side by side', async () => {
    const pixels = Uint8Array.from({ length: 12 }, (_, i) => i * 20);
    const images = await put('images-idx3-ubyte.gz', gzipSync(idx(8, [3, 2, 2], pixels)));
    const labels = await put('labels-idx1-ubyte', idx(8, [3], Uint8Array.of(1, 0, 1)));
    const dataset = await openDataset([images, labels]);
    expect(dataset.columns.map((c) => c.name)).toEqual(['x0', 'x1', 'x2', 'x3', 'label']);
    expect(dataset.preview).toEqual([
      [0, 20, 40, 60, 1],
      [80, 100, 120, 140, 0],
      [160, 180, 200, 220, 1],
    ]);
    const floats = await openText(
      'f.npy',
      npy('<f8', '(2, 2)', new Uint8Array(Float64Array.of(1.5, -2, NaN, 4).buffer)),
    );
    expect(floats.preview).toEqual([
      [1.5, -2],
      [null, 4],
    ]);
    expect((await openText('v.npy', npy('|u1', '(3,)', Uint8Array.of(1, 2, 3)))).columns[0]?.name).toBe('value');
  });

  test('the samples', async () => {
    const wdbc = await openDataset([join(samples, 'wdbc.csv')]);
    expect([wdbc.rows, wdbc.columns.length]).toEqual([569, 31]);
    expect(wdbc.columns.at(-1)?.counts).toEqual([
      { value: '0', rows: 357 },
      { value: '1', rows: 212 },
    ]);
    const digits = await openDataset([join(samples, 'digits.csv.gz')]);
    expect([digits.rows, digits.columns.length, digits.columns[64]?.name]).toEqual([1797, 65, 'column65']);
    expect(digits.columns[64]?.counts?.length).toBe(10);
  });

  test('rows keep their order over many batches', async () => {
    const rows = 20_000;
    const dataset = await openText('long.csv', `n\n${Array.from({ length: rows }, (_, row) => row).join('\n')}\n`);
    expect(await column(dataset, 'n')).toEqual(Array.from({ length: rows }, (_, row) => row));
  });
});

describe('bad files', () => {
  const refusals: [string, string, string | Uint8Array, RegExp][] = [
    ['empty.csv', 'dataset-empty', '', /is empty/],
    ['header.csv', 'dataset-no-rows', 'a,b\n', /no rows/],
    ['binary.csv', 'dataset-not-a-table', Uint8Array.from({ length: 999 }, (_, i) => (i * 7919) % 256), /binary file/],
    ['latin.csv', 'dataset-not-utf8', Buffer.from('a,b\n1,caf\xe9\n', 'latin1'), /not UTF-8/],
    [
      'latin-late.csv',
      'dataset-not-utf8',
      Buffer.from(`a,b\n${'1,xxxxxx\n'.repeat(500_000)}1,caf\xe9\n`, 'latin1'),
      /line 500002/,
    ],
    ['short.csv', 'dataset-ragged-row', 'a,b\n1,2\n3\n4,5\n', /line 3: 1 cells.*2 columns/],
    ['long.csv', 'dataset-ragged-row', 'a,b\n1,2\n3,4,5\n', /line 3: 3 cells/],
    ['quote.csv', 'dataset-open-quote', 'a,b\n1,"x\n2,y\n', /line 2/],
    ['twice.csv', 'dataset-duplicate-column', 'a,b,a\n1,2,3\n', /columns 1 and 3 are both named "a"/],
    ['unnamed.csv', 'dataset-unnamed-column', 'a,,c\n1,2,3\n', /column 2/],
    ['cut.csv.gz', 'dataset-damaged-gzip', gzipSync('a,b\n1,2\n').subarray(0, 20), /gzip/],
    ['values.json', 'dataset-not-a-table', '[1,2,3]', /cannot be read/],
    ['cut.json', 'dataset-not-a-table', '[{"a":1', /cannot be read/],
    ['not.parquet', 'dataset-not-its-format', 'PARQUET?', /parquet/],
    ['not.npy', 'dataset-not-its-format', 'numbers', /npy/],
    ['cut.npy', 'tensor-size', npy('<f8', '(2, 2)', new Uint8Array(8)), /32 bytes/],
    ['object.npy', 'npy-type', npy('|O', '(2,)', new Uint8Array(16)), /object/],
    ['scalar.npy', 'dataset-no-rows', npy('<f8', '()', new Uint8Array(8)), /single number/],
    ['wide.npy', 'dataset-too-many-columns', npy('|u1', '(1, 30000)', new Uint8Array(30_000)), /30000 columns/],
    ['cut-idx3-ubyte', 'tensor-size', idx(8, [3, 2, 2], new Uint8Array(5)), /12 bytes/],
    ['cut-idx1-ubyte', 'idx-format', Uint8Array.of(0, 0, 8, 3, 0, 0), /idx/],
    ['wide.csv', 'dataset-too-many-columns', `${'x,'.repeat(1_000_000)}x\n${'1,'.repeat(1_000_000)}1\n`, /20000/],
    [
      'wide.json',
      'dataset-too-many-columns',
      JSON.stringify([Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`c${i}`, 1]))]),
      /limit/,
    ],
  ];
  test.each(refusals)('%s: %s', async (name, code, content, message) => {
    const error = await openText(name, content).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ kind: 'input', code });
    expect((error as Error).message).toMatch(message);
    expect((error as { hint?: string }).hint).toBeTruthy();
  });

  test('5 GB that are no table are refused without being read, wherever their bytes 0 are', async () => {
    for (const [name, head] of [
      ['holes.csv', 'a,b\n1,2\n'],
      ['late-holes.csv', `a,b\n${'1,2\n'.repeat(1_500_000)}`],
    ] as const) {
      const path = join(folder, name);
      await writeFile(path, head);
      await truncate(path, 5 * 2 ** 30);
      const error = await openDataset([path]).catch((cause: unknown) => cause);
      expect(error).toMatchObject({ kind: 'input', code: 'dataset-not-a-table' });
      expect((error as Error).message).toMatch(/binary file/);
      await rm(path);
    }
  });

  test('a file that is not there, or not a file', async () => {
    await expect(openDataset([join(folder, 'none.csv')])).rejects.toMatchObject({ code: 'dataset-missing-file' });
    await expect(openDataset([folder])).rejects.toMatchObject({ code: 'dataset-not-a-file' });
    await expect(openText('a[1].csv', 'a\n1\n')).rejects.toMatchObject({ code: 'dataset-path-pattern' });
  });

  test('files side by side need one number of rows and names of their own', async () => {
    const one = await put('one.csv', 'a\n1\n2\n');
    const two = await put('two.csv', 'b\n1\n');
    const three = await put('three.csv', 'a\n1\n2\n');
    await expect(openDataset([one, two])).rejects.toThrow(/2 rows and two\.csv has 1/);
    await expect(openDataset([one, three])).rejects.toMatchObject({ code: 'dataset-duplicate-column' });
  });

  test('a column of numbers with one text keeps the row of it', async () => {
    const dataset = await openText('broken.csv', 'n,grade\n1,a\n2,b\nsecret,c\n4,1\n');
    expect(dataset.columns[0]).toMatchObject({ type: 'text', notNumberRow: 3 });
    expect(dataset.columns[1]).toMatchObject({ type: 'category' });
    expect(dataset.columns[1]).not.toHaveProperty('notNumberRow');
  });

  test('a file that changed after it was opened is not read', async () => {
    const dataset = await openText('change.csv', 'n\n1\n');
    await writeFile(join(folder, 'change.csv'), 'n\n2\n');
    await expect(column(dataset, 'n')).rejects.toMatchObject({ code: 'dataset-changed' });
    await expect(column(dataset, 'm')).rejects.toThrow(/no column "m", did you mean "n"\?/);
  });

  test('an aborted scan stops', async () => {
    const path = await put('abort.csv', 'n\n1\n');
    await expect(openDataset([path], AbortSignal.abort())).rejects.toThrow(/abort/);
  });
});

test('the reader can touch its file and no other', async () => {
  const mine = await put('mine.csv', 'a\n1\n');
  const other = await put('other.csv', 'a\n1\n');
  await withFile(mine, 'mine.csv', 1, async (connection) => {
    await expect(connection.run(`SELECT * FROM read_csv('${other}')`)).rejects.toThrow(/Permission/);
    await expect(connection.run(`COPY (SELECT 1) TO '${join(folder, 'written.csv')}'`)).rejects.toThrow(/Permission/);
    await expect(connection.run('SET enable_external_access = true')).rejects.toThrow();
    await expect(connection.run('INSTALL httpfs')).rejects.toThrow();
    await expect(connection.run("SELECT * FROM read_csv('https://localhost:1/a.csv')")).rejects.toThrow();
  });
});

test.each([
  [1, '953.6 MiB'],
  [20_000, '2.3 GiB'],
])('for %i columns the reader may take %s', async (columns, memory) => {
  const file = await put('memory.csv', 'a\n1\n');
  await withFile(file, 'memory.csv', columns, async (connection) => {
    const [row] = await (await connection.run("SELECT current_setting('memory_limit')")).getRowsJS();
    expect(row).toEqual([memory]);
  });
});
