/**
 * Reads a command's arguments by its specification, and the texts of options as numbers or choices.
 * Everything wrong is an InputError that names the command, the option and what was given. Knows no particular command.
 */
import { parseArgs } from 'node:util';
import { InputError } from '../../shared/errors.ts';
import { didYouMean } from '../../shared/nearest.ts';
import type { Command, OptionSpecs, OptionValues } from './command.ts';

/** Options that every command has. */
export const commonOptions = {
  json: { type: 'boolean', description: 'End with one JSON object on the last line of standard output.' },
  help: { type: 'boolean', short: 'h', description: 'Show this help.' },
} as const satisfies OptionSpecs;

export interface ParsedArguments {
  readonly arguments: readonly (string | undefined)[];
  readonly options: OptionValues<OptionSpecs>;
  readonly json: boolean;
  readonly help: boolean;
}

/** True when `--json` is among the arguments: known before they are checked, so that errors are printed so too. */
export function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json');
}

/** Reads `argv` (without the command's name); with `--help` nothing else is required. */
export function parseArguments(command: Command, argv: readonly string[]): ParsedArguments {
  const specs: OptionSpecs = { ...command.options, ...commonOptions };
  const hint = `See: tacit ${command.name} --help`;
  const refuse = (code: string, problem: string): never => {
    throw new InputError(code, `tacit ${command.name}: ${problem}`, { hint });
  };

  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      Object.entries(specs).map(([name, { type, short }]) => [name, short === undefined ? { type } : { type, short }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });

  const positionals: string[] = [];
  const switches = new Set<string>();
  const texts = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (spec === undefined) {
      const near = didYouMean(
        token.rawName,
        Object.keys(specs).map((name) => `--${name}`),
      );
      return refuse('unknown-option', `unknown option ${token.rawName}${near || '.'}`);
    }
    if (spec.type === 'boolean') {
      if (token.value !== undefined) refuse('unexpected-option-value', `${token.rawName} takes no value.`);
      switches.add(token.name);
      continue;
    }
    if (token.value === undefined)
      return refuse('missing-option-value', `${token.rawName} needs a value (${spec.value}).`);
    if (!token.inlineValue && token.value.startsWith('-') && token.value !== '-') {
      refuse(
        'missing-option-value',
        `${token.rawName} needs a value (${spec.value}); one that begins with a dash is written ${token.rawName}=${token.value}.`,
      );
    }
    texts.set(token.name, [...(texts.get(token.name) ?? []), token.value]);
  }

  const help = switches.has('help');
  if (!help) {
    const missing = command.arguments.find((spec, index) => spec.optional !== true && index >= positionals.length);
    if (missing !== undefined) refuse('missing-argument', `${missing.name} is missing (${missing.description}).`);
    const extra = positionals[command.arguments.length];
    if (extra !== undefined) refuse('unexpected-argument', `unexpected argument ${JSON.stringify(extra)}.`);
  }
  const options: Record<string, boolean | string | readonly string[] | undefined> = {};
  for (const [name, spec] of Object.entries(command.options)) {
    const given = texts.get(name) ?? [];
    if (spec.type === 'boolean') options[name] = switches.has(name);
    else if (spec.multiple === true) options[name] = given;
    else options[name] = given.at(-1) ?? spec.default;
  }
  return {
    arguments: command.arguments.map((_, index) => positionals[index]),
    options: options as OptionValues<OptionSpecs>,
    json: switches.has('json'),
    help,
  };
}

/** The whole number written in `text`; `label` is what the user called it, such as `--parties`. */
export function parseInteger(
  label: string,
  text: string,
  range: { readonly min: number; readonly max: number },
): number {
  const value = /^[+-]?\d+$/u.test(text) ? Number(text) : Number.NaN;
  if (!(value >= range.min && value <= range.max)) {
    const wanted = `a whole number from ${range.min} to ${range.max}`;
    throw new InputError('bad-number', `${label} must be ${wanted}, not ${JSON.stringify(text)}.`);
  }
  return value;
}

/** The number written in `text`, with a point and an exponent if need be. */
export function parseNumber(
  label: string,
  text: string,
  range: { readonly min: number; readonly max: number },
): number {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/iu.test(text) ? Number(text) : Number.NaN;
  if (!(value >= range.min && value <= range.max)) {
    const wanted = `a number from ${range.min} to ${range.max}`;
    throw new InputError('bad-number', `${label} must be ${wanted}, not ${JSON.stringify(text)}.`);
  }
  return value;
}

/** `text` if it is one of `choices`. */
export function parseChoice<const Choice extends string>(
  label: string,
  text: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) {
    throw new InputError('bad-choice', `${label} must be one of ${choices.join(', ')}, not ${JSON.stringify(text)}.`);
  }
  return choice;
}
