/**
 * The closing line of .ci/run, counted from vitest's JSON report: `node scripts/test-summary.ts REPORT STATUS`, where
 * STATUS is the exit code of the test command. Exits with 0 only if that was 0 and nothing failed.
 */
import { readFileSync } from 'node:fs';

export interface TestReport {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
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
  const { passed, failed, skipped } = summarise(readReport(process.argv[2] ?? ''), Number(process.argv[3] ?? 1));
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed === 0 ? 0 : 1;
}
