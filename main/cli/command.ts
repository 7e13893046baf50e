/**
 * What a command of the command line is. A new command is one file that exports one, and one line in commands.ts.
 * Knows no particular command, and not how arguments are read or results are printed.
 */
import type { Output } from './output.ts';
import type { Progress } from './progress.ts';

/** A `--name`: either a switch, or one with a value (shown as `value` in the help). */
export type OptionSpec =
  | { readonly type: 'boolean'; readonly short?: string; readonly description: string }
  | {
      readonly type: 'string';
      readonly short?: string;
      readonly description: string;
      /** What the value is, in capitals: FILE, N, NAME. */
      readonly value: string;
      readonly default?: string;
      /** May be given several times; the values come as a list. */
      readonly multiple?: true;
    };

/** By name without dashes. `json` and `help` are every command's and are not listed. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** Values of options as a command receives them: text still, to be checked by parseInteger and the like. */
export type OptionValues<Specs extends OptionSpecs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends { type: 'boolean' }
    ? boolean
    : Specs[Name] extends { multiple: true }
      ? readonly string[]
      : Specs[Name] extends { default: string }
        ? string
        : string | undefined;
};

/** An argument by position. Optional ones come last. */
export interface ArgumentSpec {
  /** In capitals: JOB, MODEL. */
  readonly name: string;
  readonly description: string;
  readonly optional?: true;
}

export interface CommandContext<Specs extends OptionSpecs> {
  /** As many as the command's `arguments` asks for; a missing optional one is undefined. */
  readonly arguments: readonly (string | undefined)[];
  readonly options: OptionValues<Specs>;
  /** Aborted when the user interrupts or the system stops the program: finish what must be, and return or throw. */
  readonly signal: AbortSignal;
  /** Text for people. */
  readonly output: Output;
  readonly progress: Progress;
}

/** How a command that ran to its end came out. Bad input and failures that end it early are thrown. */
export interface Outcome {
  /** The object printed with --json. It must be plain data; bigints are printed as numbers. */
  readonly json: object;
  /** What went wrong, in one line, when the run failed although there is a result to print: exit code 1. */
  readonly failure?: string;
}

export interface Command<Specs extends OptionSpecs = OptionSpecs> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What a user should know beyond the list of options: paragraphs and examples. */
  readonly usage: string;
  readonly arguments: readonly ArgumentSpec[];
  readonly options: Specs;
  run(context: CommandContext<Specs>): Promise<Outcome>;
}

/** Keeps the literal types of the options, so that `run` receives exact values. */
export function defineCommand<const Specs extends OptionSpecs>(command: Command<Specs>): Command<Specs> {
  return command;
}
