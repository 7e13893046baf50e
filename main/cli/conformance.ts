/** `tacit conformance`: the ONNX backend's operator tests on shares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { BEGIN_MARK, END_MARK, countOf, countsBySuite, testName, withResults } from '../host/conformance/report.ts';
import { conformanceTests, runConformanceTest } from '../host/conformance/suite.ts';
import type { Verdict } from '../host/conformance/suite.ts';
import { InputError } from '../../shared/errors.ts';
import { defineCommand } from './command.ts';
import { countText } from './output.ts';

export const conformance = defineCommand({
  name: 'conformance',
  summary: "Run the ONNX backend's operator tests through private inference.",
  usage:
    'Needs the test data of ONNX: apt-get install -y --no-install-recommends libonnx-testdata. Every test runs between two ' +
    'simulated parties, with all data secret; what cannot be computed so is refused by node name and operator. Whole numbers ' +
    'and truth values must be exact, others right to 1 % or 0.002.',
  arguments: [],
  options: {
    filter: { type: 'string', value: 'TEXT', description: 'Only tests with this text in their name, as suite/name.' },
    document: {
      type: 'string',
      value: 'FILE',
      description: 'Writes the results into this document, docs/conformance.md.',
    },
    verbose: { type: 'boolean', description: 'A line for every test that passes too.' },
  },
  async run({ options, output, progress, signal }) {
    const tests = conformanceTests().filter(({ suite, name }) => `${suite}/${name}`.includes(options.filter ?? ''));
    if (tests.length === 0) throw new InputError('conformance-filter', `No test has "${options.filter}" in its name.`);
    const verdicts: Verdict[] = [];
    for (const [done, test] of tests.entries()) {
      signal.throwIfAborted();
      progress.report({ phase: 'testing', done, total: tests.length, unit: 'tests' });
      const verdict = await runConformanceTest(test, { signal, kernels: () => wasmKernels({ threads: 1 }) });
      verdicts.push(verdict);
      if (verdict.outcome === 'passed' && !options.verbose) continue;
      progress.clear();
      output.line(`${verdict.outcome} ${testName(verdict)}${verdict.reason === '' ? '' : `: ${verdict.reason}`}`);
    }
    progress.clear();
    const [passed, refused, failed] = [
      countOf(verdicts, 'passed'),
      countOf(verdicts, 'refused'),
      countOf(verdicts, 'failed'),
    ];
    const json = { passed, refused, failed };
    if (options.document !== undefined) writeDocument(options.document, verdicts);
    output.line();
    output.table(
      [
        { heading: 'tests', align: 'left' },
        { heading: 'passed', align: 'right' },
        { heading: 'refused', align: 'right' },
        { heading: 'failed', align: 'right' },
      ],
      countsBySuite(verdicts).map(([suite, ...counts]) => [suite, ...counts.map(countText)]),
    );
    output.line(`${passed} passed, ${refused} refused by name, ${failed} failed.`);
    return { json, ...(failed === 0 ? {} : { failure: `${failed} conformance tests failed.` }) };
  },
});

function writeDocument(file: string, verdicts: readonly Verdict[]): void {
  const written = withResults(readFileSync(file, 'utf8'), verdicts);
  if (written === undefined) {
    throw new InputError('conformance-document', `${file} has no place for the results: its marks are missing.`, {
      hint: `It needs the lines ${BEGIN_MARK} and ${END_MARK}.`,
    });
  }
  writeFileSync(file, written);
}
