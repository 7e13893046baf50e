/** The program finds its files in a build as it does in a checkout: entries side by side in out/, package.json above. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from 'vite';

const root = join(import.meta.dirname, '../..');
const built = mkdtempSync(join(tmpdir(), 'tacit-built-'));
afterAll(() => rmSync(built, { recursive: true }));

beforeAll(async () => {
  copyFileSync(join(root, 'package.json'), join(built, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(built, 'node_modules'));
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: true,
      outDir: join(built, 'out'),
      target: 'node22',
      rolldownOptions: {
        input: { cli: join(root, 'main/cli/index.ts'), 'doctor-probe': join(root, 'main/cli/doctor-probe.ts') },
        output: { entryFileNames: '[name].js' },
      },
    },
  });
});

function tacit(...argv: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(built, 'out/cli.js'), ...argv], { encoding: 'utf8' });
}

test('the built program starts and lists its commands', () => {
  expect(tacit('--help')).toMatchObject({ status: 0, stderr: '' });
  expect(tacit('--version').status).toBe(0);
});

test('it starts its other entries', () => {
  const { stdout } = tacit('doctor', '--json');
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as {
    findings: { part: string; state: string }[];
  };
  // both are tried in a process of their own, from the entry doctor-probe
  expect(report.findings).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ part: 'store', state: 'ok' }),
      expect.objectContaining({ part: 'data files', state: 'ok' }),
    ]),
  );
});
