/** The texts of `--help`. Knows specifications only. */
import { commonOptions } from './arguments.ts';
import type { ArgumentSpec, Command, OptionSpec } from './command.ts';
import { alignedRows } from './output.ts';

function argumentForm(spec: ArgumentSpec): string {
  return spec.optional === true ? `[${spec.name}]` : spec.name;
}

function optionForm(name: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? '' : `-${spec.short}, `;
  return spec.type === 'boolean' ? `${short}--${name}` : `${short}--${name} ${spec.value}`;
}

function optionDescription(spec: OptionSpec): string {
  if (spec.type === 'boolean') return spec.description;
  const preset = spec.default === undefined ? '' : ` Default: ${spec.default}.`;
  return `${spec.description}${preset}${spec.multiple === true ? ' May be repeated.' : ''}`;
}

function list(heading: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : ['', heading, ...alignedRows(rows, ['left', 'left']).map((row) => `  ${row}`)];
}

/** Help of one command. */
export function commandHelp(command: Command): string {
  const synopsis = ['tacit', command.name, ...command.arguments.map(argumentForm), '[options]'].join(' ');
  const options = Object.entries({ ...command.options, ...commonOptions });
  return [
    `Usage: ${synopsis}`,
    '',
    command.summary,
    ...(command.usage === '' ? [] : ['', command.usage]),
    ...list(
      'Arguments:',
      command.arguments.map((spec) => [spec.name, spec.description]),
    ),
    ...list(
      'Options:',
      options.map(([name, spec]) => [optionForm(name, spec), optionDescription(spec)]),
    ),
  ].join('\n');
}

/** Help of the program: its commands with their summaries. */
export function programHelp(summaries: readonly (readonly [name: string, summary: string])[]): string {
  return [
    'Usage: tacit COMMAND [arguments] [options]',
    '',
    'Train machine-learning models together on data that nobody shows.',
    ...list('Commands:', summaries),
    '',
    'tacit COMMAND --help tells more. Every command takes --json.',
    'Exit codes: 0 success, 1 the run failed, 2 bad input.',
  ].join('\n');
}
