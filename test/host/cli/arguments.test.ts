/** Arguments of commands: values, defaults, and every kind of bad input with its code. */
import { describe, expect, test } from 'vitest';
import { asksForJson, parseArguments, parseChoice, parseInteger } from '../../../main/cli/arguments.ts';
import { defineCommand } from '../../../main/cli/command.ts';
import { TacitError } from '../../../shared/errors.ts';

const train = defineCommand({
  name: 'train',
  summary: 'Trains.',
  usage: '',
  arguments: [
    { name: 'JOB', description: 'the job file' },
    { name: 'FOLDER', description: 'where results go', optional: true },
  ],
  options: {
    parties: { type: 'string', value: 'N', default: '3', description: 'how many' },
    output: { type: 'string', short: 'o', value: 'FILE', description: 'the result' },
    input: { type: 'string', value: 'FILE', multiple: true, description: 'what to read' },
    quick: { type: 'boolean', description: 'in a hurry' },
  },
  run: () => Promise.resolve({ json: {} }),
});

function refusal(run: () => unknown): { code: string; line: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof TacitError && error.kind === 'input') return { code: error.code, line: error.line };
    throw error;
  }
  throw new Error('nothing was refused');
}

test('values, defaults and positions', () => {
  expect(parseArguments(train, ['job.yaml'])).toEqual({
    arguments: ['job.yaml', undefined],
    options: { parties: '3', output: undefined, input: [], quick: false },
    json: false,
    help: false,
  });
  const argv = [
    '--parties=5',
    '-o',
    'a.npy',
    'job.yaml',
    '--input',
    'x',
    '--json',
    '--input',
    'y',
    '--quick',
    'results',
  ];
  expect(parseArguments(train, argv)).toEqual({
    arguments: ['job.yaml', 'results'],
    options: { parties: '5', output: 'a.npy', input: ['x', 'y'], quick: true },
    json: true,
    help: false,
  });
});

test('a value may begin with a dash where it cannot be mistaken, and -- ends the options', () => {
  expect(parseArguments(train, ['job.yaml', '--output=-x']).options['output']).toBe('-x');
  expect(parseArguments(train, ['-o', '-', 'job.yaml']).options['output']).toBe('-');
  expect(parseArguments(train, ['--', '--quick']).arguments).toEqual(['--quick', undefined]);
});

test('help asks for nothing else', () => {
  expect(parseArguments(train, ['--help']).help).toBe(true);
  expect(parseArguments(train, ['-h']).help).toBe(true);
});

test.each([
  [['--partys', '3', 'job.yaml'], 'unknown-option', 'unknown option --partys, did you mean "--parties"?'],
  [['--constructor', 'job.yaml'], 'unknown-option', 'unknown option --constructor.'],
  [['-x', 'job.yaml'], 'unknown-option', 'unknown option -x.'],
  [['job.yaml', '--output'], 'missing-option-value', '--output needs a value (FILE).'],
  [['job.yaml', '--output', '--quick'], 'missing-option-value', 'is written --output=--quick.'],
  [['job.yaml', '--quick=yes'], 'unexpected-option-value', '--quick takes no value.'],
  [['--quick'], 'missing-argument', 'JOB is missing (the job file).'],
  [['a', 'b', 'c'], 'unexpected-argument', 'unexpected argument "c".'],
])('%j is refused: %s', (argv, code, words) => {
  const { code: actual, line } = refusal(() => parseArguments(train, argv));
  expect(actual).toBe(code);
  expect(line).toContain(words);
  expect(line).toMatch(/^tacit train: .* See: tacit train --help$/u);
});

test('--json is seen even where the arguments are wrong, but not behind --', () => {
  expect(asksForJson(['train', '--nonsense', '--json'])).toBe(true);
  expect(asksForJson(['train', '--', '--json'])).toBe(false);
});

describe('option texts', () => {
  test.each([
    ['2', 2],
    ['16', 16],
  ])('%s is a number in range', (text, value) => {
    expect(parseInteger('--parties', text, { min: 2, max: 16 })).toBe(value);
  });

  test.each(['1', '17', '3.5', '1e1', '0x3', '', ' 3', 'three', '99999999999999999999'])('%j is not', (text) => {
    const { code, line } = refusal(() => parseInteger('--parties', text, { min: 2, max: 16 }));
    expect(code).toBe('bad-number');
    expect(line).toBe(`--parties must be a whole number from 2 to 16, not ${JSON.stringify(text)}.`);
  });

  test('a choice is one of those listed', () => {
    expect(parseChoice('--transport', 'memory', ['memory', 'sockets'])).toBe('memory');
    const { code, line } = refusal(() => parseChoice('--transport', 'pigeon', ['memory', 'sockets']));
    expect(code).toBe('bad-choice');
    expect(line).toBe('--transport must be one of memory, sockets, not "pigeon".');
  });
});
