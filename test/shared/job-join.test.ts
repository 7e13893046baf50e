/** The join of a job: what the short forms mean, and what contradicts itself. */
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../shared/canonical.ts';
import { identifierJoin, joinKeyOf } from '../../shared/job-join.ts';
import { checkJob, parseJob } from '../../shared/job.ts';
import { joinedRowRange, joinedSchemas, largestSchemas, resolveJob } from '../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../shared/resolve-job.ts';

const job = (join: object, more: object = {}): object => ({
  name: 'j',
  parties: { a: { data: 'a.csv' }, b: { data: 'b.csv' }, helper: {} },
  dealer: 'd',
  join,
  features: { a: ['u'], b: ['v'] },
  label: { b: 'y' },
  classes: ['0', '1'],
  task: 'classification',
  model: { template: 'logistic' },
  train: { epochs: 1, batch: 'all', optimizer: { name: 'sgd', lr: 0.1 } },
  reveal: { metrics: ['a'] },
  ...more,
});
const three = {
  parties: { a: { data: 'a.csv' }, b: { data: 'b.csv' }, c: { data: 'c.csv' } },
  features: { a: ['u'], b: ['v'], c: [] },
};

test('the common case is short, and settles everything', () => {
  const { join } = parseJob(job({ how: 'ids', on: 'id' }));
  expect(join).toMatchObject({ on: { a: ['id'], b: ['id'] }, form: 'curve', matcher: 'none', floor: 10 });
  expect(parseJob(job({ how: 'ids', on: 'id' }, three)).join).toMatchObject({ matcher: 'd' });
  expect(parseJob(job({ how: 'hidden', on: 'id' })).join).toMatchObject({ matcher: 'd', revealCount: false });
  expect(parseJob(job({ how: 'stack' }, { features: ['u'], label: 'y' })).join).toEqual({ how: 'stack', on: {} });
  expect(parseJob(job({ how: 'stack', on: 'id' }, { features: ['u'], label: 'y' })).join).toMatchObject({
    repeats: 'refuse',
    duplicates: 'first',
  });
});

test('shorthands are written out, and the result parses to itself', () => {
  const parsed = parseJob(
    job({
      how: 'ids',
      on: { a: ['n', 'd'], b: ['m', 'e'] },
      rules: ['email', { kind: 'date', dateOrder: 'dmy' }],
      pad: 90,
    }),
  );
  const join = identifierJoin(parsed)!;
  expect(join.pad).toEqual({ a: 90, b: 90 });
  expect(joinKeyOf(join, 'b').columns).toMatchObject([
    { column: 'm', kind: 'email' },
    { column: 'e', kind: 'date', dateOrder: 'dmy' },
  ]);
  for (const text of [parsed, parseJob(job({ how: 'left', on: 'id', keep: 'b' }))]) {
    expect(canonicalJson(parseJob(JSON.parse(canonicalJson(text))))).toBe(canonicalJson(text));
  }
});

describe('refused, by name', () => {
  const keyed = { how: 'ids', on: 'id', form: 'keyed' };
  const cases: [code: string, join: object, more?: object][] = [
    ['job-join-without-id', { how: 'ids' }],
    ['job-join-without-id', { how: 'ids', on: { a: 'id' } }],
    ['job-join-columns-differ', { how: 'ids', on: { a: ['x', 'z'], b: 'x' } }],
    ['job-join-column-twice', { how: 'ids', on: ['x', 'x'] }],
    ['job-join-rules-count', { how: 'ids', on: 'id', rules: ['text', 'text'] }],
    ['job-join-rule-unused', { how: 'ids', on: 'id', rules: { kind: 'text', dateOrder: 'dmy' } }],
    ['job-id-is-label', { how: 'ids', on: { a: 'id', b: 'y' } }],
    ['job-id-is-feature', { how: 'ids', on: { a: 'u', b: 'id' } }],
    ['job-unknown-party', { how: 'ids', on: 'id', matcher: 'nobody' }],
    ['job-join-needs-matcher', { how: 'ids', on: 'id', matcher: 'none' }, three],
    ['job-join-matcher-has-rows', { how: 'hidden', on: 'id', matcher: 'a' }],
    ['job-join-matcher-has-rows', { how: 'hidden', on: 'id', matcher: 'none' }],
    ['job-join-matcher-has-rows', { ...keyed, matcher: 'b' }],
    ['job-join-without-keep', { how: 'left', on: 'id' }],
    ['job-unknown-party', { how: 'left', on: 'id', keep: 'helper' }],
    ['job-left-label', { how: 'left', on: 'id', keep: 'a' }],
    ['job-join-unused', { how: 'ids', on: 'id', keep: 'a' }],
    ['job-join-unused', { how: 'ids', on: 'id', revealCount: true }],
    ['job-join-unused', { how: 'rows', floor: 3 }],
    ['job-join-unused', { how: 'stack', duplicates: 'first' }, { features: ['u'], label: 'y' }],
    [
      'job-join-with-test-files',
      { how: 'ids', on: 'id' },
      { parties: { a: { data: 'a', test: 't' }, b: { data: 'b', test: 't' } } },
    ],
    ['job-join-one-party', { how: 'ids', on: 'id' }, { parties: { b: { data: 'b' }, a: {} }, features: '*' }],
  ];
  test.each(cases)('%s (%#)', (code, join, more) => {
    const checked = checkJob(job(join, more));
    expect(checked.ok ? [] : checked.issues.map((issue) => issue.code)).toContain(code);
  });
});

describe('with the schemas', () => {
  const schemas = (rows: { a: number; b: number }, key: 'text' | 'integer' = 'text'): SchemasByParty => ({
    a: {
      data: {
        rows: rows.a,
        columns: [
          { name: 'id', type: key },
          { name: 'u', type: 'number', scalePower: 0 },
        ],
      },
    },
    b: {
      data: {
        rows: rows.b,
        columns: [
          { name: 'id', type: 'text' },
          { name: 'v', type: 'number', scalePower: 0 },
          { name: 'y', type: 'integer', categories: ['0', '1'] },
        ],
      },
    },
  });
  const open = (join: object) => parseJob(job(join));

  test('rows that a join can leave are planned for at most', () => {
    const ids = open({ how: 'ids', on: 'id', floor: 7 });
    const known = schemas({ a: 30, b: 50 });
    expect(joinedRowRange(ids, known)).toEqual({ least: 7, most: 30 });
    expect(largestSchemas(ids, known)['b']?.data.rows).toBe(30);
    expect(joinedRowRange(open({ how: 'hidden', on: 'id' }), known)).toEqual({ least: 80, most: 80 });
    expect(joinedSchemas(known, 12)['a']?.data).toEqual({ ...known['a']?.data, rows: 12 });
  });

  test('an unreachable floor, unlike types and missing key columns are refused', () => {
    const ids = open({ how: 'ids', on: 'id' });
    const codeOf = (work: () => unknown): unknown => {
      try {
        return work();
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(codeOf(() => resolveJob(ids, schemas({ a: 9, b: 50 })))).toBe('join-floor-unreachable');
    expect(codeOf(() => resolveJob(ids, schemas({ a: 30, b: 50 }, 'integer')))).toBe('join-key-type');
    expect(codeOf(() => resolveJob(open({ how: 'ids', on: 'pid' }), schemas({ a: 30, b: 50 })))).toBe(
      'job-unknown-column',
    );
    expect(resolveJob(ids, schemas({ a: 30, b: 50 })).features).toEqual({ a: ['u'], b: ['v'] });
  });
});
