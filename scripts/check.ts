/**
 * `npm run check`: types and linter (types of the interface by svelte-check, with its own configuration), formatting and the quick
 * tests, at the same time: each but the tests keeps one core busy, so together they take little more than half as long as one
 * after the other. Prints what failed, and how long each took.
 */
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

/** Programs of node_modules/.bin with their arguments. */
const steps: Readonly<Record<string, readonly [program: string, ...args: string[]]>> = {
  'types and lint': ['node', 'scripts/types-and-lint.ts'],
  interface: ['svelte-check', '--tsconfig', 'renderer/tsconfig.json', '--fail-on-warnings'],
  format: ['prettier', '--check', '--cache', '--cache-strategy', 'content', '--log-level', 'warn', '.'],
  tests: ['vitest', 'run', '--project', 'unit'],
};

interface Ended {
  readonly isGood: boolean;
  readonly output: string;
  readonly seconds: number;
}

function run([program, ...args]: readonly [string, ...string[]]): Promise<Ended> {
  const startedMs = performance.now();
  const child = spawn(join(root, 'node_modules/.bin', program), args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => done({ isGood: code === 0, output, seconds: (performance.now() - startedMs) / 1000 }));
  });
}

const all = Object.entries(steps).map(async ([name, step]) => {
  const { isGood, output, seconds } = await run(step);
  console.log(`${isGood ? 'ok    ' : 'FAILED'} ${name} (${seconds.toFixed(0)} s)`);
  if (!isGood) console.log(output);
  return isGood;
});
if ((await Promise.all(all)).includes(false)) process.exitCode = 1;
