/** Identifiers from key columns: normalisation, several columns, duplicates, types. */
import { fc } from '../helpers/properties.ts';
import { describe, expect, test } from 'vitest';
import type { Cell } from '../../shared/dataset.ts';
import {
  checkKeysAgree,
  joinKeySchema,
  keyColumnSchema,
  makeIdentifiers,
  normaliseCell,
  previewIdentifiers,
} from '../../shared/identifiers.ts';
import type { Identifiers, JoinKey, PartyKey } from '../../shared/identifiers.ts';

const rule = (fields: object = {}) => keyColumnSchema.parse({ column: 'id', ...fields });
const key = (fields: object = {}): JoinKey => joinKeySchema.parse({ columns: [{ column: 'id' }], ...fields });
const normalised = (cell: Cell, fields: object = {}): string | undefined => {
  const result = normaliseCell(cell, rule(fields));
  if (result === undefined) return undefined;
  return 'text' in result ? result.text : `! ${result.problem}`;
};
const identifiers = ({ packed: { bytes, offsets } }: Identifiers): string[] =>
  Array.from({ length: offsets.length - 1 }, (_, i) =>
    Buffer.from(bytes.slice(offsets[i], offsets[i + 1])).toString('hex'),
  );

describe('normalisation', () => {
  test.each<[Cell, object, string | undefined]>([
    ['  Anna \t Meier ', {}, 'anna meier'],
    ['Anna  Meier', { space: 'remove' }, 'annameier'],
    [' Anna', { space: 'keep', case: 'keep' }, ' Anna'],
    ['STRASSE', {}, 'strasse'],
    ['Straße', {}, 'strasse'],
    ['ΟΔΟΣ', {}, 'οδος'],
    ['οδοσ', {}, 'οδος'],
    ['José', {}, 'josé'],
    ['Jose\u0301', {}, 'josé'],
    ['José Łuk', { accents: 'strip' }, 'jose łuk'],
    ['ＡＢＣ１２', {}, 'abc12'],
    ['😀', {}, '😀'],
    ['\u0301', { accents: 'strip' }, '! has nothing left when it is normalised'],
    ['\ud800', {}, '! is not valid Unicode'],
    [7, {}, '7'],
    ['', {}, undefined],
    ['  ', {}, undefined],
    [null, {}, undefined],
    [Number.NaN, {}, undefined],
  ])('text %j with %j', (cell, fields, expected) => {
    expect(normalised(cell, fields)).toBe(expected);
  });

  test.each<[string, Cell, object, string]>([
    ['number', '007', {}, '7'],
    ['number', 7, {}, '7'],
    ['number', '-0', {}, '0'],
    ['number', '+12345678901234567890', {}, '12345678901234567890'],
    ['number', 1.5, {}, '! is not a whole number below 2^53'],
    ['number', 2 ** 53, {}, '! is not a whole number below 2^53'],
    ['number', '1e3', {}, '! is not a whole number'],
    ['date', '2026-11-23', {}, '2026-11-23'],
    ['date', '2026-1-3', {}, '2026-01-03'],
    ['date', '2026-11-23T10:00:00Z', {}, '2026-11-23'],
    ['date', '23.11.2026', { dateOrder: 'dmy' }, '2026-11-23'],
    ['date', '11/23/2026', { dateOrder: 'mdy' }, '2026-11-23'],
    ['date', '2026-11-23', { dateOrder: 'mdy' }, '2026-11-23'],
    ['date', '23.11.2026', {}, '! is not a date like 2026-11-23'],
    ['date', '31.02.2026', { dateOrder: 'dmy' }, '! is a day that does not exist'],
    ['date', '23/11/26', { dateOrder: 'dmy' }, '! is not a date'],
    ['phone', '+49 (0)30 123-456', {}, '+4930123456'],
    ['phone', '0049 30 123456', {}, '+4930123456'],
    ['phone', '(030) 123 456', { country: '49' }, '+4930123456'],
    ['phone', 30123456, { country: '49' }, '+4930123456'],
    ['phone', '030 123456', {}, '! has no country code, and the rule gives none'],
    ['phone', '+49 30 CALL ME', {}, '! is not a telephone number'],
    ['phone', '+1234567890123456', {}, '! is not a telephone number'],
    ['email', ' Anna.Meier@Example.ORG ', {}, 'anna.meier@example.org'],
    ['email', 'anna at example', {}, '! is not an e-mail address'],
    ['email', 'a@b@c', {}, '! is not an e-mail address'],
  ])('%s %j with %j', (kind, cell, fields, expected) => {
    expect(normalised(cell, { kind, ...fields })).toBe(expected);
  });

  test('a lone accent leaves nothing behind', () => {
    expect(normaliseCell('!\u0384', rule({ accents: 'strip' }))).toEqual({ text: '!' });
  });

  test('is idempotent, and well-formed text never fails', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.constantFrom('keep', 'strip'), (text, accents) => {
        const once = normaliseCell(text, rule({ accents }));
        if (once === undefined || 'problem' in once) return;
        expect(normaliseCell(once.text, rule({ accents }))).toEqual(once);
      }),
    );
  });
});

describe('identifiers', () => {
  test('one column: length, then the text', () => {
    expect(identifiers(makeIdentifiers([['Ab', 'é']], key()))).toEqual(['020000006162', '02000000c3a9']);
  });

  test('several columns cannot be confused by moving a border', () => {
    const two = key({ columns: [{ column: 'a' }, { column: 'b' }] });
    const made = makeIdentifiers(
      [
        ['ab', 'a', 'a:1', 'abc'],
        ['c', 'bc', '1:a', 'x'],
      ],
      two,
    );
    expect(new Set(identifiers(made)).size).toBe(4);
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(fc.string(), fc.string()), { selector: String, maxLength: 20 }), (rows) => {
        const exact = key({
          columns: ['a', 'b'].map((column) => ({ column, case: 'keep', space: 'keep' })),
          duplicates: 'first',
        });
        const columns = [rows.map(([a]) => `${a}.`), rows.map(([, b]) => `${b}.`)];
        const made = makeIdentifiers(columns, exact);
        expect(new Set(identifiers(made)).size).toBe(made.starts.length - 1);
      }),
    );
  });

  const cells = ['a', 'B', null, 'b ', 'c', 'A', 'b'];

  test('duplicates are refused with their rows, not their cells', () => {
    expect(() => makeIdentifiers([cells], key())).toThrow(
      expect.objectContaining({ code: 'join-key-duplicate', message: 'Rows 2 and 4 have the same key.' }),
    );
  });

  test.each([
    ['first', [0, 1, 4], [0, 1, 2, 3]],
    ['last', [5, 6, 4], [0, 1, 2, 3]],
    ['aggregate', [0, 5, 1, 3, 6, 4], [0, 2, 5, 6]],
  ])('duplicates: %s', (duplicates, rows, starts) => {
    const made = makeIdentifiers([cells], key({ duplicates }));
    expect([...made.rows]).toEqual(rows);
    expect([...made.starts]).toEqual(starts);
    expect(made).toMatchObject({ rowsWithoutKey: 1, rowsRepeated: 5 });
    expect(identifiers(made)).toHaveLength(3);
  });

  test('unreadable cells are refused by column and row, or left out', () => {
    const phones = { columns: [{ column: 'mobile', kind: 'phone' }] };
    const cellsOfPhones = ['+4930123', 'none of your business'];
    const refusal = expect.objectContaining({ code: 'join-key-unreadable', kind: 'input' });
    expect(() => makeIdentifiers([cellsOfPhones], key(phones))).toThrow(refusal);
    expect(() => makeIdentifiers([cellsOfPhones], key(phones))).toThrow(/^Column "mobile", row 2: /u);
    expect(() => makeIdentifiers([cellsOfPhones], key(phones))).not.toThrow(/business/u);
    const made = makeIdentifiers([cellsOfPhones], key({ ...phones, unreadable: 'leaveOut' }));
    expect([...made.rows]).toEqual([0]);
    expect(made.rowsWithoutKey).toBe(1);
  });

  test('a key of more than 64 KiB is refused, one of 10 kB is not', () => {
    expect(identifiers(makeIdentifiers([['x'.repeat(10_000)]], key()))).toHaveLength(1);
    expect(() => makeIdentifiers([['x'.repeat(70_000)]], key())).toThrow(
      expect.objectContaining({ code: 'join-key-too-long' }),
    );
  });

  test('no rows, no identifiers', () => {
    expect(identifiers(makeIdentifiers([[]], key()))).toEqual([]);
  });
});

test('the preview shows cells beside what is compared, and rows that cannot be read', () => {
  const preview = previewIdentifiers(
    [['+49 30 1234', ' ', 'x', '+49301', 'y']],
    key({ columns: [{ column: 'p', kind: 'phone' }] }),
    2,
  );
  expect(preview.rows).toEqual([
    { row: 0, cells: [{ before: '+49 30 1234', after: '+49301234' }] },
    { row: 1, cells: [{ before: ' ' }] },
  ]);
  expect(preview.unreadable.map(({ row }) => row)).toEqual([2, 4]);
});

describe('keys of several parties', () => {
  const of = (party: string, fields: object, type: PartyKey['types'][number]): PartyKey => ({
    party,
    key: key({ columns: [{ column: `${party}-id`, ...fields }] }),
    types: [type],
  });

  test('agree', () => {
    checkKeysAgree([of('anna', {}, 'text'), of('bela', {}, 'category')]);
    checkKeysAgree([of('anna', { kind: 'number' }, 'text'), of('bela', { kind: 'number' }, 'integer')]);
    // each party may write its dates and telephone numbers in its own way
    checkKeysAgree([of('anna', { kind: 'date', dateOrder: 'dmy' }, 'text'), of('bela', { kind: 'date' }, 'date')]);
  });

  test.each<[string, RegExp, PartyKey, PartyKey]>([
    ['join-key-type', /"bela-id" of bela is of type number/u, of('anna', {}, 'text'), of('bela', {}, 'number')],
    ['join-key-type', /"anna-id" of anna is of type integer/u, of('anna', {}, 'integer'), of('bela', {}, 'text')],
    [
      'join-key-type',
      /bela is of type date/u,
      of('anna', { kind: 'phone' }, 'text'),
      of('bela', { kind: 'phone' }, 'date'),
    ],
    ['join-key-rules', /with kind "number"/u, of('anna', { kind: 'number' }, 'integer'), of('bela', {}, 'text')],
    ['join-key-rules', /with case "fold"/u, of('anna', {}, 'text'), of('bela', { case: 'keep' }, 'text')],
    [
      'join-key-rules',
      /1 columns and bela on 2/u,
      of('anna', {}, 'text'),
      { party: 'bela', key: key({ columns: [{ column: 'a' }, { column: 'b' }] }), types: ['text', 'text'] },
    ],
  ])('%s %s', (code, message, first, second) => {
    expect(() => checkKeysAgree([first, second])).toThrow(expect.objectContaining({ code, kind: 'input' }));
    expect(() => checkKeysAgree([first, second])).toThrow(message);
  });
});
