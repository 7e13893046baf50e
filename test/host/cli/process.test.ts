/** The command line as a process: signals, errors that nobody caught, pipes that close, long results. */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { writeSmallJob } from '../../parties/small-job.ts';

type Child = ChildProcessByStdio<null, Readable, Readable>;
const children: Child[] = [];
afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));

function start(...argv: readonly string[]): Child {
  const program = join(import.meta.dirname, 'sample-program.ts');
  const environment = { ...process.env, TACIT_DEBUG: '' };
  const child = spawn(process.execPath, [program, ...argv], { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  children.push(child);
  return child;
}

async function exitOf(child: Child): Promise<number | null> {
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

/** Waits until the child has printed `word`. */
async function printed(child: Child, word: string): Promise<void> {
  child.stdout.setEncoding('utf8');
  let seen = '';
  while (!seen.includes(word)) seen += String((await once(child.stdout, 'data'))[0]);
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s stops a command: exit code %i and one line', async (name, code) => {
  const child = start('wait');
  const [exit, errors] = [exitOf(child), text(child.stderr)];
  await printed(child, 'ready');
  child.kill(name);
  expect([await exit, await errors]).toEqual([code, `Stopped by ${name}.\n`]);
});

test('the second signal ends a command that does not stop', async () => {
  const child = start('stubborn');
  const exit = exitOf(child);
  await printed(child, 'ready');
  const stopping = printed(child, 'stopping');
  child.kill('SIGINT');
  await stopping;
  child.kill('SIGINT');
  expect(await exit).toBe(130);
});

test.each([
  ['crash', 'out of the blue'],
  ['reject', 'nobody listens'],
])('an error that nobody caught (%s) is one line and exit code 1', async (command, message) => {
  const child = start(command);
  const [exit, errors] = await Promise.all([exitOf(child), text(child.stderr)]);
  expect([exit, errors]).toEqual([
    1,
    `Internal error: TypeError: ${message} This is a defect; TACIT_DEBUG=1 shows where.\n`,
  ]);
});

test('a reader that closes the pipe ends the program without a complaint', async () => {
  const child = start('talk');
  const [exit, errors] = [exitOf(child), text(child.stderr)];
  await printed(child, 'line 1');
  child.stdout.destroy();
  expect([await exit, await errors]).toEqual([0, '']);
});

test('a long result arrives whole', async () => {
  const child = start('long', '--json');
  const [exit, output] = await Promise.all([exitOf(child), text(child.stdout)]);
  expect(exit).toBe(0);
  expect((JSON.parse(output) as { text: string }).text).toHaveLength(1_000_000);
});

test('a command that leaves something open is ended all the same, with its exit code', async () => {
  const child = start('linger');
  const [exit, errors] = [exitOf(child), text(child.stderr)];
  expect([await exit, await errors]).toEqual([1, 'It lingers.\n']);
});

test('a command that has closed what it opened ends by itself, threads and all', async () => {
  const program = join(import.meta.dirname, '../../../main/cli/index.ts');
  const folder = await mkdtemp(join(tmpdir(), 'tacit-process-'));
  const job = await writeSmallJob(folder);
  const child = spawn(process.execPath, [program, 'plan', job], { env: { ...process.env, TACIT_DEBUG: '1' } });
  const errors = text(child.stderr);
  child.stdout.resume();
  expect((await once(child, 'exit'))[0]).toBe(0);
  expect(await errors).not.toContain('Held open');
  await rm(folder, { recursive: true });
});
