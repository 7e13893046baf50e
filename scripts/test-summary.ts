/**
 * What .ci/run makes of vitest's JSON reports.
 *
 * `node scripts/test-summary.ts --again REPORT` prints the files that deserve a second try, one a line.
 * `node scripts/test-summary.ts STATUS REPORT [SECOND]` prints the closing line, where STATUS is the exit code of the last
 * run and SECOND the report of the second try; exits with 0 only if that code was 0 and nothing failed.
 */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

interface FileReport {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly status: string }[];
}

export interface TestReport {
  readonly testResults: readonly FileReport[];
}

export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const root = join(import.meta.dirname, '..');
/** Tests of real processes, sockets and browsers: a machine that stalls can fail one. All others are the same every time. */
const REAL_TIME = /^test\/(?:host|renderer|desktop|parties|bench|compliance\/transport)\//;
/** More failures than this are not a machine's mood. */
const FILES_AGAIN = 3;

const hasFailed = ({ status, assertionResults }: FileReport): boolean =>
  status === 'failed' || assertionResults.some((test) => test.status === 'failed');

/**
 * The failed files, from the project's root, if a second try could tell a fault from a stalled machine: they are few, and
 * all of them work in real time. None otherwise.
 */
export function filesToTryAgain(report: TestReport | undefined): string[] {
  const failed = (report?.testResults ?? []).filter(hasFailed).map(({ name }) => relative(root, name));
  return failed.length <= FILES_AGAIN && failed.every((name) => REAL_TIME.test(name)) ? failed : [];
}

/** What the first run found, but for the files of the second, which count as they went then. */
export function withSecondTry(first: TestReport, second: TestReport): TestReport {
  const again = new Set(second.testResults.map(({ name }) => name));
  return { testResults: [...first.testResults.filter(({ name }) => !again.has(name)), ...second.testResults] };
}

/**
 * Counts tests; what failed outside a test counts as a failed one: a file that did not load or finish, and a run that
 * ended badly though no test did (an unhandled error, no report, no test at all).
 */
export function summarise(report: TestReport | undefined, status: number): TestSummary {
  const files = report?.testResults ?? [];
  const tests = files.flatMap((file) => file.assertionResults.map((test) => test.status));
  const passed = tests.filter((test) => test === 'passed').length;
  const failedTests = tests.filter((test) => test === 'failed').length;
  const failedFiles = files.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = failedTests + failedFiles;
  const endedBadly = status !== 0 || passed === 0;
  return {
    passed,
    failed: failed === 0 && endedBadly ? 1 : failed,
    skipped: tests.length - passed - failedTests,
  };
}

function readReport(path: string): TestReport | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as TestReport;
  } catch {
    return undefined; // the run ended before it wrote one: summarise counts that as a failure
  }
}

if (import.meta.main) {
  const [mode = '', path = '', secondPath] = process.argv.slice(2);
  const first = readReport(path);
  if (mode === '--again') {
    for (const file of filesToTryAgain(first)) console.log(file);
  } else {
    const second = secondPath === undefined ? undefined : readReport(secondPath);
    const report = first !== undefined && second !== undefined ? withSecondTry(first, second) : first;
    const { passed, failed, skipped } = summarise(report, Number(mode));
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    process.exitCode = failed === 0 ? 0 : 1;
  }
}
