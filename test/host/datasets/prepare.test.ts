import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDataset, type Dataset } from '../../../main/host/datasets/dataset.ts';
import { prepareLocal, type PreparedRows } from '../../../main/host/datasets/prepare.ts';
import { splitSample } from '../../../main/host/datasets/samples.ts';
import { schemaForJob } from '../../../main/host/datasets/schema.ts';
import { canonicalJson } from '../../../shared/canonical.ts';
import { parseJob, type Job } from '../../../shared/job.ts';
import { columnPlan, jobRows, modelSizes, resolveJob, type PartySchemas } from '../../../shared/resolve-job.ts';
import { localTrainingRows } from '../../../shared/schedule.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tacit-prepare-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const samples = join(import.meta.dirname, '../../../assets/samples');

/** Everything that hosts do with a job before a value is shared, for all parties in turn. */
async function prepare(
  job: object,
  files: Record<string, string>,
  tests: Record<string, string> = {},
): Promise<{
  resolved: Job;
  rows: ReturnType<typeof jobRows>;
  parties: Record<string, PreparedRows>;
  sizes: ReturnType<typeof modelSizes>;
}> {
  const where = await mkdtemp(join(folder, 'job-'));
  const open = async (name: string, text: string): Promise<Dataset> => {
    await mkdir(where, { recursive: true });
    await writeFile(join(where, name), text);
    return openDataset([join(where, name)]);
  };
  const parties = Object.fromEntries(
    Object.keys(files).map((party) => [
      party,
      { data: `${party}.csv`, ...(tests[party] === undefined ? {} : { test: `${party}-test.csv` }) },
    ]),
  );
  const parsed = parseJob({
    name: 'j',
    dealer: 'd',
    parties,
    task: 'classification',
    model: { template: 'mlp', hidden: [2] },
    ...job,
  });
  const data: Record<string, Dataset> = {};
  const test: Record<string, Dataset> = {};
  const schemas: Record<string, PartySchemas> = {};
  for (const [party, text] of Object.entries(files)) {
    data[party] = await open(`${party}.csv`, text);
    if (tests[party] !== undefined) test[party] = await open(`${party}-test.csv`, tests[party]);
    schemas[party] = {
      data: schemaForJob(data[party], parsed, party),
      test: test[party] === undefined ? undefined : schemaForJob(test[party], parsed, party),
    };
  }
  const resolved = resolveJob(parsed, schemas);
  expect(canonicalJson(resolveJob(resolved, schemas))).toBe(canonicalJson(resolved));
  expect(canonicalJson(parseJob(JSON.parse(canonicalJson(resolved))))).toBe(canonicalJson(resolved));
  const rows = jobRows(resolved, schemas);
  const prepared: Record<string, PreparedRows> = {};
  for (const party of Object.keys(files)) {
    const plan = columnPlan(resolved, party, schemas);
    prepared[party] = await prepareLocal(data[party]!, test[party], plan, localTrainingRows(rows, party));
  }
  return { resolved, rows, parties: prepared, sizes: modelSizes(resolved, schemas) };
}

const train = (more: object = {}) => ({
  epochs: 1,
  batch: 'all',
  optimizer: { name: 'sgd', lr: 0.1 },
  test: 0,
  ...more,
});
const rowsOf = (prepared: PreparedRows) =>
  Array.from({ length: prepared.rows }, (_, row) => [
    ...prepared.matrix.subarray(row * prepared.columns.length, (row + 1) * prepared.columns.length),
  ]);

describe('columns of the same rows', () => {
  const vertical = { join: { how: 'rows', on: 'id' }, label: { b: 'ill' } };
  const a = 'id,age,town\n1,30,Ulm\n2,50,Aalen\n3,70,Ulm\n4,90,Calw\n';
  const b = 'id,dose,ill,smoker\n1,1.5,yes,true\n2,2.5,no,false\n3,3.5,yes,true\n4,4.5,no,true\n';

  test('are selected, one-hot, and standardised by their owner', async () => {
    const { resolved, parties, sizes } = await prepare({ ...vertical, train: train() }, { a, b });
    expect(resolved.features).toEqual({ a: ['age', 'town'], b: ['dose', 'smoker'] });
    expect(resolved.classes).toEqual({ town: ['Aalen', 'Calw', 'Ulm'], ill: ['no', 'yes'] });
    expect(resolved.train?.scale).toEqual({});
    expect(parties['a']!.columns).toEqual(['age', 'town=Aalen', 'town=Calw', 'town=Ulm']);
    const unit = Math.sqrt(500);
    expect(rowsOf(parties['a']!)).toEqual([
      [expect.closeTo(-30 / unit, 12), 0, 0, 1],
      [expect.closeTo(-10 / unit, 12), 1, 0, 0],
      [expect.closeTo(10 / unit, 12), 0, 0, 1],
      [expect.closeTo(30 / unit, 12), 0, 1, 0],
    ]);
    expect([...parties['a']!.standardisation.subtract]).toEqual([60, 0, 0, 0]);
    expect(parties['a']!.standardisation.multiply[0]).toBeCloseTo(1 / unit, 12);
    expect(parties['a']!.labels).toBeUndefined();
    expect([...parties['b']!.labels!]).toEqual([1, 0, 1, 0]);
    expect(rowsOf(parties['b']!).map((row) => row[1])).toEqual([1, 0, 1, 1]);
    expect(sizes).toEqual({ inputs: 6, outputs: 1 });
  });

  test('take their statistics from training rows only', async () => {
    const { rows, parties } = await prepare({ ...vertical, train: train({ test: 0.5, seed: 3 }) }, { a, b });
    const ages = [30, 50, 70, 90];
    const mean = [...rows.train].reduce((sum, row) => sum + ages[row]!, 0) / rows.train.length;
    expect(rows.test.length).toBe(2);
    expect(parties['a']!.standardisation.subtract[0]).toBeCloseTo(mean, 12);
  });

  test('are scaled by a power of two where nothing is standardised', async () => {
    const { resolved, parties } = await prepare({ ...vertical, train: train({ standardise: false }) }, { a, b });
    expect(resolved.train?.scale).toEqual({ age: 7, dose: 3 });
    expect(rowsOf(parties['a']!).map((row) => row[0])).toEqual([30 / 128, 50 / 128, 70 / 128, 90 / 128]);
    expect(parties['b']!.standardisation.multiply[0]).toBe(1 / 8);
    const given = await prepare({ ...vertical, train: train({ standardise: false, scale: { age: 10 } }) }, { a, b });
    expect(given.resolved.train?.scale).toEqual({ age: 10, dose: 3 });
    await expect(
      prepare({ ...vertical, train: train({ standardise: false, scale: { age: 6 } }) }, { a, b }),
    ).rejects.toMatchObject({
      code: 'dataset-cell-out-of-scale',
      message: expect.stringMatching(/^a\.csv, row 3, column "age"/) as string,
    });
  });

  test('come with test files', async () => {
    const { rows, parties } = await prepare(
      { ...vertical, train: train({ test: undefined }) },
      { a, b },
      { a: a.replace('30', '130'), b },
    );
    expect([...rows.test]).toEqual([4, 5, 6, 7]);
    expect(parties['a']!.rows).toBe(8);
    expect(parties['a']!.standardisation.subtract[0]).toBe(60);
    expect(rowsOf(parties['a']!)[4]![0]).toBeCloseTo(70 / Math.sqrt(500), 12);
  });

  test('have a number as the label of a regression', async () => {
    const { resolved, parties } = await prepare(
      { ...vertical, label: { b: 'dose' }, task: 'regression', train: train() },
      { a, b },
    );
    expect(resolved.train?.scale).toEqual({ dose: 3 });
    expect([...parties['b']!.labels!]).toEqual([1.5 / 8, 2.5 / 8, 3.5 / 8, 4.5 / 8]);
  });

  const refusals: [string, object, Record<string, string>, RegExp][] = [
    ['dataset-unknown-column', { features: { a: ['agee'] } }, { a, b }, /"agee", did you mean "age"/],
    ['dataset-unknown-column', { label: { b: 'il' } }, { a, b }, /"il", did you mean .*"ill"/],
    ['rows-differ', {}, { a: a.slice(0, a.lastIndexOf('4')), b }, /a has 3 data rows and b has 4/],
    ['label-one-class', {}, { a, b: b.replaceAll('no', 'yes') }, /only one class/],
    ['job-logistic-classes', { model: { template: 'logistic' } }, { a, b: b.replace('no', 'maybe') }, /has 3/],
    ['job-class-unlisted', { classes: { ill: ['yes', 'maybe'] } }, { a, b }, /"no" occurs/],
    ['job-unknown-column', { classes: { il: ['yes', 'no'] } }, { a, b }, /"il"/],
    ['job-classes-unknown', { label: { b: 'dose' } }, { a, b }, /no list of categories/],
    ['job-label-not-number', { task: 'regression' }, { a, b }, /regression needs a number/],
    ['dataset-cell-not-number', {}, { a: a.replace('70', 'secret'), b }, /^a\.csv, row 3, column "age": not a number/],
    ['dataset-cell-missing', {}, { a: a.replace('70', ''), b }, /^a\.csv, row 3, column "age": the cell is empty/],
    ['dataset-cell-missing', {}, { a: a.replace('Aalen', ''), b }, /^a\.csv, row 2, column "town"/],
    ['dataset-label-missing', {}, { a, b: b.replace('3.5,yes', '3.5,') }, /^b\.csv, row 3, column "ill"/],
    ['dataset-column-empty', {}, { a: 'id,x\n1,\n2,\n3,\n4,\n', b }, /"x" has no value/],
    [
      'job-feature-type',
      {},
      { a: 'id,when\n1,2024-01-01\n2,2024-01-02\n3,2024-01-03\n4,2024-01-04\n', b },
      /"when" of a is date/,
    ],
    ['dataset-cell-infinite', {}, { a: a.replace('70', 'inf'), b }, /row 3/],
  ];
  test.each(refusals)('%s %j', async (code, job, files, message) => {
    const error = await prepare({ ...vertical, train: train(), ...job }, files).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ kind: 'input', code });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('secret');
  });

  test('that only the job lists as categories are one-hot, and others are refused without their value', async () => {
    const listed = { ...vertical, classes: { age: [30, 50, 70, 90] }, train: train() };
    const { parties } = await prepare(listed, { a, b });
    expect(parties['a']!.columns.slice(0, 4)).toEqual(['age=30', 'age=50', 'age=70', 'age=90']);
    expect(rowsOf(parties['a']!)[2]!.slice(0, 4)).toEqual([0, 0, 1, 0]);
  });
});

describe('missing cells', () => {
  const b = 'y\n0\n1\n0\n1\n1\n';
  const values = async (missing: unknown, column: string) => {
    const { parties } = await prepare(
      { join: { how: 'rows' }, label: { b: 'y' }, train: train({ standardise: false, scale: { x: 4 }, missing }) },
      { a: `x,k\n${column}`, b },
    );
    return rowsOf(parties['a']!).map((row) => row.map((value, index) => (index === 0 ? value * 16 : value)));
  };
  const cells = '1,u\n,v\n2,\n2,v\n7,v\n';

  test('take the mean, median, mode or a constant; categories the mode', async () => {
    expect((await values('mean', cells))[1]).toEqual([3, 0, 1]);
    expect((await values('median', cells))[1]).toEqual([2, 0, 1]);
    expect((await values('mode', cells))[1]).toEqual([2, 0, 1]);
    expect((await values('mode', cells))[2]).toEqual([2, 0, 1]);
    expect((await values({ constant: 5 }, cells.replace('2,\n', '2,u\n')))[1]).toEqual([5, 0, 1]);
    await expect(values({ constant: 5 }, cells)).rejects.toMatchObject({ code: 'dataset-constant-category' });
    await expect(values({ constant: 99 }, cells.replace('2,\n', '2,u\n'))).rejects.toMatchObject({
      code: 'dataset-cell-out-of-scale',
    });
  });
});

describe('stacked rows', () => {
  const stack = { join: { how: 'stack' }, label: 'y', train: train({ test: 0.25, seed: 5 }) };
  const a = 'x,k,y\n1,u,0\n200,v,2\n3,u,0\n4,u,0\n';
  const b = 'y,k,x\n1,w,-5\n2,w,6\n1,u,7\n0,w,8\n';

  test('agree on columns, categories, classes and scales', async () => {
    const { resolved, rows, parties, sizes } = await prepare(stack, { a, b });
    expect(resolved.features).toEqual({ a: ['x', 'k'], b: ['x', 'k'] });
    expect(resolved.classes).toEqual({ k: ['u', 'v', 'w'], y: ['0', '1', '2'] });
    expect(resolved.train?.scale).toEqual({ x: 8 });
    expect(sizes).toEqual({ inputs: 4, outputs: 3 });
    expect(rowsOf(parties['b']!)[0]).toEqual([-5 / 256, 0, 0, 1]);
    expect(parties['b']!.toStandardise).toEqual([0]);
    expect([...parties['b']!.labels!]).toEqual([1, 2, 1, 0]);
    expect(rows.rows).toBe(8);
    expect(rows.train.length + rows.test.length).toBe(8);
  });

  test('need the same columns of the same types', async () => {
    await expect(prepare(stack, { a, b: b.replace('x', 'z') })).rejects.toMatchObject({
      code: 'job-stack-columns-differ',
    });
    await expect(
      prepare(stack, {
        a,
        b: b.replace(',w,', ',1,').replace(',w,', ',2,').replace(',u,', ',3,').replace(',w,', ',4,'),
      }),
    ).rejects.toMatchObject({
      code: 'job-stack-types-differ',
    });
  });

  test('may show one class at one party, not at all', async () => {
    const one = { a: 'x,y\n1,0\n2,0\n3,0\n', b: 'x,y\n4,1\n5,1\n6,1\n' };
    expect((await prepare(stack, one)).resolved.classes).toEqual({ y: ['0', '1'] });
    await expect(prepare(stack, { ...one, b: one.a })).rejects.toMatchObject({ code: 'label-one-class' });
  });
});

describe('what leaves the machine', () => {
  test('is the schema of the columns in use, without identifiers, counts or digests', async () => {
    const path = join(folder, 'own.csv');
    await writeFile(path, 'id,age,income,ill,private\na1,30,1000.5,0,x\na2,31,9000,1,y\n');
    const dataset = await openDataset([path]);
    const job = parseJob({
      name: 'j',
      dealer: 'd',
      parties: { a: { data: 'own.csv' }, b: {} },
      join: { how: 'rows', on: { a: 'id' } },
      features: { a: ['age', 'income'] },
      label: { a: 'ill' },
      task: 'classification',
      model: { template: 'logistic' },
      train: train({ scale: { age: 8 }, standardise: false }),
    });
    expect(schemaForJob(dataset, job, 'a')).toEqual({
      rows: 2,
      columns: [
        { name: 'age', type: 'integer' },
        { name: 'income', type: 'number', scalePower: 14 },
        { name: 'ill', type: 'integer', categories: ['0', '1'] },
        { name: 'id', type: 'category' },
      ],
    });
  });
});

describe('samples', () => {
  test('split by columns and by rows, and prepare', async () => {
    const wdbc = await openDataset([join(samples, 'wdbc.csv')]);
    const names = wdbc.columns.map((column) => column.name);
    const own = (columns: string[]) => columns.map((name) => ({ from: name, name }));
    const files = [join(folder, 'split/a.csv'), join(folder, 'split/b.csv')];
    await splitSample(wdbc, [
      { path: files[0]!, columns: own(names.slice(0, 15)), takes: () => true },
      { path: files[1]!, columns: own(names.slice(15)), takes: (row) => row % 2 === 0 },
    ]);
    const [a, b] = [await openDataset([files[0]!]), await openDataset([files[1]!])];
    expect([a.rows, a.columns.length, b.rows, b.columns.length]).toEqual([569, 15, 285, 16]);
    expect(a.preview[4]).toEqual(wdbc.preview[4]!.slice(0, 15));
    expect(b.preview[2]).toEqual(wdbc.preview[4]!.slice(15));
  });
});
