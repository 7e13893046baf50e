/** The program `tacit` as a process, and `tacit doctor` on this machine. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { commands } from '../../../main/cli/commands.ts';
import { runtimeFinding } from '../../../main/cli/doctor.ts';
import { probe } from '../../../main/host/probe/probe.ts';
import { entryFile, packageFile, programRoot } from '../../../main/paths.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function tacit(...argv: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [entryFile('cli'), ...argv], { encoding: 'utf8' });
}

test('the program knows where it is', () => {
  expect(join(programRoot, 'main/cli/index.ts')).toBe(entryFile('cli'));
  const version = (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version;
  expect(tacit('--version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
});

test('bad input exits with 2 and one line on standard error', () => {
  expect(tacit('docter')).toMatchObject({
    status: 2,
    stdout: '',
    stderr: 'tacit: unknown command "docter", did you mean "doctor"? See: tacit --help\n',
  });
});

test('every registered command loads, under its own name, and has help', async () => {
  for (const [name, load] of Object.entries(commands)) {
    const command = await load();
    expect(command.name).toBe(name);
    expect(command.summary).toMatch(/^\p{Lu}.*\.$/u);
    expect(Object.keys(command.options)).not.toEqual(expect.arrayContaining(['json']));
  }
  expect(tacit('--help').stdout).toContain('doctor');
});

test('doctor reports every part, with JSON on the last line, and its exit code says whether one is broken', () => {
  const { status, stdout, stderr } = tacit('doctor', '--json');
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as {
    healthy: boolean;
    findings: { part: string; state: string; found: string; chosen: string }[];
  };
  const states = new Map(report.findings.map((finding) => [finding.part, finding.state]));
  expect([...states.keys()]).toEqual(
    expect.arrayContaining(['runtime', 'cores', 'memory', 'kernels', 'store', 'data files', 'GPU']),
  );
  expect(states.get('runtime')).toBe('ok');
  expect(states.get('store')).toBe('ok');
  expect(states.get('data files')).toBe('ok');
  expect(report.findings.every((finding) => finding.found !== '' && finding.chosen !== '')).toBe(true);
  expect(report.healthy).toBe(![...states.values()].includes('broken'));
  expect(status).toBe(report.healthy ? 0 : 1);
  expect(stderr).toContain('chosen, and why');
});

test('a part that crashes, hangs up or talks nonsense is a finding', async () => {
  const trial = async (code: string): Promise<unknown> => {
    const file = join(folder, 'trial.mjs');
    writeFileSync(file, code);
    return probe('store', new AbortController().signal, file);
  };
  expect(await trial('process.abort()')).toEqual({ works: false, found: 'the trial was ended by SIGABRT' });
  expect(await trial('process.exit(7)')).toEqual({ works: false, found: 'the trial ended with code 7' });
  expect(await trial('console.log("hello")')).toEqual({ works: false, found: 'the trial ended with code 0' });
  expect(await trial('console.log("noise\\n" + JSON.stringify({ works: true, found: process.argv[2] }))')).toEqual({
    works: true,
    found: 'store',
  });
});

test('a stopped examination leaves no trial behind', async () => {
  const file = join(folder, 'endless.mjs');
  writeFileSync(file, 'setInterval(() => {}, 1000)');
  const stop = new AbortController();
  const running = probe('store', stop.signal, file);
  stop.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
});

test('an old runtime is said to be one', () => {
  expect(runtimeFinding('20.20.2', 'linux x64')).toMatchObject({ state: 'broken' });
  expect(runtimeFinding('22.13.0', 'linux x64')).toMatchObject({ state: 'broken' });
  expect(runtimeFinding('22.14.0', 'linux x64')).toMatchObject({ state: 'ok' });
  expect(runtimeFinding('24.1.0', 'linux x64')).toMatchObject({ state: 'ok' });
});
