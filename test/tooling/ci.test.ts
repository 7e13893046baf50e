/** The closing line of continuous integration tells the truth, and suites without their system package say so. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { filesToTryAgain, summarise, withSecondTry } from '../../scripts/test-summary.ts';
import { decision } from '../helpers/requires.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'tacit-ci-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (status: string, ...tests: readonly string[]) => fileOf('test/host/x.test.ts', status, ...tests);
const fileOf = (name: string, status: string, ...tests: readonly string[]) => ({
  name: join(root, name),
  status,
  assertionResults: tests.map((test) => ({ status: test })),
});

test.each([
  ['all passed', [file('passed', 'passed', 'passed')], 0, { passed: 2, failed: 0, skipped: 0 }],
  ['skipped and todo', [file('passed', 'passed', 'skipped', 'todo')], 0, { passed: 1, failed: 0, skipped: 2 }],
  ['a failed test', [file('failed', 'passed', 'failed')], 1, { passed: 1, failed: 1, skipped: 0 }],
  ['a file that does not load', [file('failed'), file('passed', 'passed')], 1, { passed: 1, failed: 1, skipped: 0 }],
  ['an unhandled error', [file('passed', 'passed')], 1, { passed: 1, failed: 1, skipped: 0 }],
  ['no test at all', [], 0, { passed: 0, failed: 1, skipped: 0 }],
])('summary: %s', (_name, testResults, status, summary) => {
  expect(summarise({ testResults }, status)).toEqual(summary);
});

test('no report is a failure', () => {
  expect(summarise(undefined, 1)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test.each([
  ['nothing failed', [['test/host/a.test.ts', 'passed', 'passed']], []],
  ['a test over processes', [['test/host/a.test.ts', 'failed', 'passed', 'failed']], ['test/host/a.test.ts']],
  ['a browser that did not start', [['test/renderer/a.test.ts', 'failed']], ['test/renderer/a.test.ts']],
  ['what is the same every time', [['test/engine/a.test.ts', 'failed', 'failed']], []],
  [
    'both',
    [
      ['test/engine/a.test.ts', 'failed', 'failed'],
      ['test/host/a.test.ts', 'failed', 'failed'],
    ],
    [],
  ],
  ['many', [1, 2, 3, 4].map((each) => [`test/parties/${each}.test.ts`, 'failed', 'failed']), []],
] as const)('a second try: %s', (_name, files, again) => {
  const testResults = files.map(([name, status, ...tests]) => fileOf(name, status, ...tests));
  expect(filesToTryAgain({ testResults })).toEqual(again);
});

test('no second try without a report', () => {
  expect(filesToTryAgain(undefined)).toEqual([]);
});

test('the second try counts for its files alone', () => {
  const testResults = [
    fileOf('test/host/a.test.ts', 'failed', 'failed'),
    fileOf('test/host/b.test.ts', 'passed', 'passed'),
  ];
  const [failed, passed] = testResults;
  const better = { testResults: [fileOf('test/host/a.test.ts', 'passed', 'passed')] };
  expect(summarise(withSecondTry({ testResults }, better), 0)).toEqual({ passed: 2, failed: 0, skipped: 0 });
  const worse = { testResults: [failed!] };
  expect(summarise(withSecondTry({ testResults: [passed!, failed!] }, worse), 1)).toEqual({
    passed: 1,
    failed: 1,
    skipped: 0,
  });
});

test('the summary of a real run, on a line of its own, with its exit code', () => {
  const suite = [
    `import { test, expect } from 'vitest';`,
    `test('good', () => {});`,
    `test('bad', () => expect(1).toBe(2));`,
    `test.skip('not now', () => {});`,
  ];
  writeFileSync(join(folder, 'three.test.ts'), suite.join('\n'));
  writeFileSync(join(folder, 'broken.test.ts'), `import './not-there.ts';`);
  // vitest resolves its own name from the test's folder: lend it ours
  writeFileSync(
    join(folder, 'vitest.config.js'),
    `export default { resolve: { alias: { vitest: ${JSON.stringify(join(root, 'node_modules/vitest'))} } } };`,
  );
  const report = join(folder, 'report.json');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const run = spawnSync(process.execPath, [vitest, 'run', '--root', folder, ...reporters], { encoding: 'utf8' });
  expect(run.status).toBe(1);
  const summary = spawnSync(process.execPath, [join(root, 'scripts/test-summary.ts'), String(run.status), report], {
    encoding: 'utf8',
  });
  expect(summary.stdout).toBe('1 passed, 2 failed, 1 skipped\n');
  expect(summary.status).toBe(1);
});

test('.ci/run is a script that bash accepts', () => {
  execFileSync('bash', ['-n', join(root, '.ci/run')]);
});

test('a suite without its system package is skipped, in continuous integration it fails', () => {
  expect(decision([], true)).toEqual({ action: 'run', reason: '' });
  const reason = 'needs: apt-get install -y --no-install-recommends chromium libvulkan1';
  expect(decision(['chromium', 'libvulkan1'], false)).toEqual({ action: 'skip', reason });
  expect(decision(['chromium', 'libvulkan1'], true)).toEqual({ action: 'fail', reason });
});
