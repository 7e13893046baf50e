/** The shell around commands: exit codes, one line for every failure, JSON on the last line, help, stopping. */
import { expect, test } from 'vitest';
import { defineCommand } from '../../../main/cli/command.ts';
import type { CommandContext, OptionSpecs, Outcome } from '../../../main/cli/command.ts';
import { Interruption, jsonLine, runShell } from '../../../main/cli/shell.ts';
import { InputError, InternalError, MachineError, PeerError } from '../../../shared/errors.ts';

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Body = (context: CommandContext<OptionSpecs>) => Promise<Outcome>;

/** Runs `argv` in a shell whose command `work` does `body`. */
async function shell(argv: readonly string[], body: Body, stop = new AbortController(), debug = false): Promise<Ran> {
  const work = defineCommand({
    name: 'work',
    summary: 'Works.',
    usage: 'For as long as it takes.',
    arguments: [{ name: 'FILE', description: 'what to work on', optional: true }],
    options: {
      parties: { type: 'string', short: 'p', value: 'N', default: '3', description: 'How many.' },
      input: { type: 'string', value: 'FILE', multiple: true, description: 'What to read.' },
    },
    run: body,
  });
  let stdout = '';
  let stderr = '';
  const exitCode = await runShell(
    argv,
    { work: () => Promise.resolve(work), broken: () => Promise.reject(new Error('a part is missing')) },
    {
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: (text) => (stderr += text) },
      signal: stop.signal,
      nowMs: () => 0,
      debug,
    },
  );
  return { exitCode, stdout, stderr };
}

const idle: Body = () => Promise.resolve({ json: {} });
const failing =
  (error: unknown): Body =>
  async () => {
    throw error;
  };

/** The JSON object on the last line. */
function lastLine(stdout: string): unknown {
  expect(stdout.endsWith('\n')).toBe(true);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
}

test('a result is text for people, or one JSON line', async () => {
  const body: Body = ({ output, progress }) => {
    progress.report({ phase: 'working' });
    output.line('done');
    return Promise.resolve({ json: { bytesSent: 12n, big: 2n ** 63n } });
  };
  expect(await shell(['work'], body)).toEqual({ exitCode: 0, stdout: 'done\n', stderr: 'working\n' });
  const withJson = await shell(['work', '--json'], body);
  expect(withJson).toEqual({
    exitCode: 0,
    stdout: '{"bytesSent":12,"big":"9223372036854775808"}\n',
    stderr: 'working\ndone\n',
  });
});

test('a command receives its arguments', async () => {
  let seen: unknown;
  await shell(['work', 'a.yaml', '-p', '5'], (context) => {
    seen = [context.arguments, context.options];
    return idle(context);
  });
  expect(seen).toEqual([['a.yaml'], { parties: '5', input: [] }]);
});

test('a run that ended but failed prints its result and exits with 1', async () => {
  const ran = await shell(['work', '--json'], () =>
    Promise.resolve({ json: { healthy: false }, failure: 'it is ill' }),
  );
  expect(ran).toEqual({ exitCode: 1, stdout: '{"healthy":false}\n', stderr: 'it is ill\n' });
});

test.each([
  [new InputError('bad-cell', 'data.csv row 3: not a number.', { hint: 'Correct it.' }), 2, 'input'],
  [new PeerError('unreachable', 'clinic-b', 'clinic-b does not answer.'), 1, 'peer'],
  [new MachineError('disk-full', 'The disk is full.'), 1, 'machine'],
  [new InternalError('impossible', 'This cannot be.'), 1, 'internal'],
])('%s exits with %i and its line', async (error, exitCode, kind) => {
  const ran = await shell(['work', '--json'], failing(error));
  expect(ran.exitCode).toBe(exitCode);
  expect(ran.stderr).toBe(`${error.line}\n`);
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  expect(lastLine(ran.stdout)).toEqual({ error: { kind, code: error.code, message: error.message, ...hint } });
});

test('an unexpected error is one line with the code `internal`; its stack only for those who ask', async () => {
  const error = new TypeError('x is\nundefined\u001b[2J');
  const ran = await shell(['work', '--json'], failing(error));
  expect(ran.exitCode).toBe(1);
  expect(ran.stderr).toBe(
    'Internal error: TypeError: x is undefined [2J This is a defect; TACIT_DEBUG=1 shows where.\n',
  );
  expect(lastLine(ran.stdout)).toMatchObject({ error: { kind: 'internal', code: 'internal' } });
  const debugged = await shell(['work'], failing(error), new AbortController(), true);
  expect(debugged.stderr).toContain('shell.test.ts');
  expect((await shell(['work'], failing('a mere text'))).stderr).toMatch(/^Internal error: a mere text /u);
});

test('an unknown command names the nearest', async () => {
  const ran = await shell(['wrok'], idle);
  expect(ran).toEqual({
    exitCode: 2,
    stdout: '',
    stderr: 'tacit: unknown command "wrok", did you mean "work"? See: tacit --help\n',
  });
  expect((await shell(['constructor'], idle)).stderr).toBe('tacit: unknown command "constructor". See: tacit --help\n');
  expect((await shell(['--jason'], idle)).stderr).toBe('tacit: unknown option "--jason". See: tacit --help\n');
});

test('bad arguments exit with 2 before the command runs', async () => {
  const ran = await shell(['work', '--partys', '3', '--json'], failing(new Error('it ran')));
  expect(ran.exitCode).toBe(2);
  expect(ran.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(lastLine(ran.stdout)).toMatchObject({ error: { kind: 'input', code: 'unknown-option' } });
});

test('help of the program lists its commands, one that cannot be loaded too', async () => {
  for (const argv of [[], ['--help'], ['-h']]) {
    const { exitCode, stdout, stderr } = await shell(argv, idle);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain('  work    Works.\n  broken  (cannot be loaded: a part is missing)\n');
  }
});

test('help of a command lists what it takes', async () => {
  const { exitCode, stdout, stderr } = await shell(['work', '--help'], failing(new Error('it ran')));
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(stdout).toBe(
    `Usage: tacit work [FILE] [options]

Works.

For as long as it takes.

Arguments:
  FILE  what to work on

Options:
  -p, --parties N  How many. Default: 3.
  --input FILE     What to read. May be repeated.
  --json           End with one JSON object on the last line of standard output.
  -h, --help       Show this help.
`,
  );
});

test('an interrupted command ends as the signal says, whichever way it notices', async () => {
  const stopped = async (signalName: 'SIGINT' | 'SIGTERM', body: Body): Promise<Ran> => {
    const stop = new AbortController();
    const ran = shell(['work', '--json'], body, stop);
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new Interruption(signalName));
    return ran;
  };
  const untilAborted: Body = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  const ran = await stopped('SIGINT', untilAborted);
  expect([ran.exitCode, ran.stderr]).toEqual([130, 'Stopped by SIGINT.\n']);
  expect(lastLine(ran.stdout)).toEqual({ error: { kind: 'stopped', code: 'stopped', message: 'Stopped by SIGINT.' } });

  const asAbortError: Body = ({ signal }) =>
    new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(new DOMException('The operation was aborted', 'AbortError'))),
    );
  expect((await stopped('SIGTERM', asAbortError)).exitCode).toBe(143);

  const gracefully: Body = ({ signal }) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve({ json: { served: 3 } })));
  const served = await stopped('SIGTERM', gracefully);
  expect([served.exitCode, served.stdout]).toEqual([0, '{"served":3}\n']);
});

test('an AbortError that nobody asked for is a defect', async () => {
  const ran = await shell(['work'], failing(new DOMException('stray', 'AbortError')));
  expect([ran.exitCode, ran.stderr.startsWith('Internal error: ')]).toEqual([1, true]);
});

test('JSON lines hold exact numbers', () => {
  const edges = { a: 2n ** 53n - 1n, b: -(2n ** 53n) + 1n, c: 2n ** 53n + 1n };
  expect(jsonLine(edges)).toBe('{"a":9007199254740991,"b":-9007199254740991,"c":"9007199254740993"}');
});
