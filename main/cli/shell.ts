/**
 * Runs one command: finds it, reads its arguments, prints its result, and turns every failure into one line and an
 * exit code (0 success, 1 failed run, 2 bad input, 128 + n after signal n). Knows no particular command and no process:
 * streams, clock and signal are given.
 */
import { readFileSync } from 'node:fs';
import { InputError, TacitError } from '../../shared/errors.ts';
import { didYouMean } from '../../shared/nearest.ts';
import { packageFile } from '../paths.ts';
import { asksForJson, parseArguments } from './arguments.ts';
import type { CommandRegistry } from './commands.ts';
import { commandHelp, programHelp } from './help.ts';
import { createOutput, printable } from './output.ts';
import type { TextSink } from './output.ts';
import { createProgress } from './progress.ts';
import type { ProgressSink } from './progress.ts';

export interface ShellPorts {
  readonly stdout: TextSink;
  readonly stderr: ProgressSink;
  /** Aborted with an Interruption. */
  readonly signal: AbortSignal;
  /** Monotonic clock, milliseconds. */
  readonly nowMs: () => number;
  /** Print the stack of errors (TACIT_DEBUG). */
  readonly debug: boolean;
}

/** The reason with which the signal of a command is aborted: the user or the system asked the program to stop. */
export class Interruption extends Error {
  readonly exitCode: number;
  constructor(signalName: 'SIGINT' | 'SIGTERM') {
    super(`Stopped by ${signalName}.`);
    this.name = 'Interruption';
    this.exitCode = signalName === 'SIGINT' ? 130 : 143;
  }
}

export interface Failure {
  readonly exitCode: number;
  /** One line. */
  readonly line: string;
  /** What --json prints under `error`. */
  readonly json: { readonly kind: string; readonly code: string; readonly message: string; readonly hint?: string };
}

/** What is said of an error that ended a command. Unexpected ones are defects of ours: code `internal`. */
export function describeFailure(error: unknown, signal: AbortSignal): Failure {
  if (signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError'))) {
    const message = signal.reason instanceof Error ? signal.reason.message : 'Stopped.';
    const exitCode = signal.reason instanceof Interruption ? signal.reason.exitCode : 1;
    return { exitCode, line: message, json: { kind: 'stopped', code: 'stopped', message } };
  }
  if (error instanceof TacitError) {
    const { kind, code, hint, line } = error;
    const json = { kind, code, message: error.message, ...(hint === undefined ? {} : { hint }) };
    return { exitCode: kind === 'input' ? 2 : 1, line: printable(line), json };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const hint = 'This is a defect; TACIT_DEBUG=1 shows where.';
  const json = { kind: 'internal', code: 'internal', message, hint };
  return { exitCode: 1, line: printable(`Internal error: ${message} ${hint}`), json };
}

/** One line; bigints as numbers where they are exact, else as text. */
export function jsonLine(value: object): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== 'bigint') return part;
    return BigInt.asIntN(54, part) === part ? Number(part) : part.toString();
  });
}

async function helpOfAll(registry: CommandRegistry): Promise<string> {
  const summaries = Object.entries(registry).map(async ([name, load]) => {
    try {
      return [name, (await load()).summary] as const;
    } catch (error) {
      return [name, `(cannot be loaded: ${error instanceof Error ? error.message : String(error)})`] as const;
    }
  });
  return programHelp(await Promise.all(summaries));
}

function programVersion(): string {
  return (JSON.parse(readFileSync(packageFile, 'utf8')) as { readonly version: string }).version;
}

function findCommand(registry: CommandRegistry, name: string): CommandRegistry[string] {
  const load = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (load !== undefined) return load;
  const near = didYouMean(name, Object.keys(registry)) || '.';
  const what = name.startsWith('-') ? 'option' : 'command';
  throw new InputError(`unknown-${what}`, `tacit: unknown ${what} ${JSON.stringify(name)}${near}`, {
    hint: 'See: tacit --help',
  });
}

/** Runs `tacit ...argv` and returns the exit code. Never rejects. */
export async function runShell(argv: readonly string[], registry: CommandRegistry, ports: ShellPorts): Promise<number> {
  const { stdout, stderr, signal, debug } = ports;
  const progress = createProgress(stderr, ports.nowMs);
  const json = asksForJson(argv);
  try {
    const [name, ...rest] = argv;
    if (name === undefined || name === '--help' || name === '-h') {
      stdout.write(`${await helpOfAll(registry)}\n`);
      return 0;
    }
    if (name === '--version') {
      stdout.write(`${programVersion()}\n`);
      return 0;
    }
    const command = await findCommand(registry, name)();
    const parsed = parseArguments(command, rest);
    if (parsed.help) {
      stdout.write(`${commandHelp(command)}\n`);
      return 0;
    }
    signal.throwIfAborted();
    const outcome = await command.run({
      arguments: parsed.arguments,
      options: parsed.options,
      signal,
      // with --json, standard output is the object alone
      output: createOutput(json ? stderr : stdout, progress.clear),
      progress,
    });
    progress.end();
    if (json) stdout.write(`${jsonLine(outcome.json)}\n`);
    if (outcome.failure === undefined) return 0;
    stderr.write(`${printable(outcome.failure)}\n`);
    return 1;
  } catch (error) {
    progress.end();
    const failure = describeFailure(error, signal);
    stderr.write(`${failure.line}\n`);
    if (debug && error instanceof Error) stderr.write(`${error.stack ?? ''}\n`);
    if (json) stdout.write(`${jsonLine({ error: failure.json })}\n`);
    return failure.exitCode;
  }
}
