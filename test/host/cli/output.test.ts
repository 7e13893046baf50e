/** Text for people: aligned tables, numbers with units, and nothing that steers the terminal. */
import { expect, test } from 'vitest';
import {
  bytesText,
  countText,
  createOutput,
  durationText,
  percentText,
  printable,
  tableLines,
} from '../../../main/cli/output.ts';

test('a table has aligned columns and no trailing blanks', () => {
  const columns = [
    { heading: 'party', align: 'left' },
    { heading: 'sent', align: 'right' },
  ] as const;
  const rows = [
    ['clinic-a', '2.69 MB'],
    ['é', '0 B'],
  ];
  expect(tableLines(columns, rows)).toEqual([
    'party        sent',
    '-----------------',
    'clinic-a  2.69 MB',
    'é             0 B',
  ]);
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 kB'],
  [2_690_000, '2.69 MB'],
  [999_499, '999 kB'],
  [999_999, '1 MB'],
  [43_000_000_000, '43 GB'],
  [5e15, '5,000 TB'],
])('%d bytes: %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test.each([
  [0, '0 ms'],
  [0.000_42, '0.42 ms'],
  [0.12, '120 ms'],
  [0.9996, '1 s'],
  [12.34, '12.3 s'],
  [59.97, '1 min 0 s'],
  [192, '3 min 12 s'],
  [7_500, '2 h 5 min'],
])('%d seconds: %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

test('counts and fractions', () => {
  expect(countText(1_234_567)).toBe('1,234,567');
  expect(countText(12_345_678_901_234_567_890n)).toBe('12,345,678,901,234,567,890');
  expect(percentText(0.9134)).toBe('91.3 %');
});

test('control characters do not reach the terminal', () => {
  expect(printable('a\u001b[2Jb\nc\r\u202ed')).toBe('a [2Jb c d');
  const written: string[] = [];
  const output = createOutput({ write: (text) => written.push(text) }, () => written.push('(room)'));
  output.line('two\nlines \u0007');
  output.table([{ heading: 'name', align: 'left' }], [['x\u001b]0;title\u0007\ny']]);
  expect(written).toEqual(['(room)', 'two\nlines  \n', '(room)', 'name\n------------\nx ]0;title y\n']);
});
