/**
 * The results of the operator tests as the tables of docs/conformance.md: what passed, operator by operator, and every test
 * that was refused with the reason. Knows nothing of how tests are run.
 */
import type { Verdict } from './suite.ts';

/** What stands around the generated part of the document. */
export const BEGIN_MARK = '<!-- results: written by `tacit conformance --document` -->';
export const END_MARK = '<!-- end of results -->';

export function testName({ test }: Verdict): string {
  return `${test.suite}/${test.name}`;
}

export function countOf(verdicts: readonly Verdict[], outcome: Verdict['outcome']): number {
  return verdicts.filter((verdict) => verdict.outcome === outcome).length;
}

/** Passed, refused and failed of each group of tests, and of all. */
export function countsBySuite(
  verdicts: readonly Verdict[],
): [suite: string, passed: number, refused: number, failed: number][] {
  const row = (name: string, own: readonly Verdict[]): [string, number, number, number] => [
    name,
    countOf(own, 'passed'),
    countOf(own, 'refused'),
    countOf(own, 'failed'),
  ];
  const suites = [...new Set(verdicts.map(({ test }) => test.suite))];
  return [
    ...suites.map((suite) =>
      row(
        suite,
        verdicts.filter(({ test }) => test.suite === suite),
      ),
    ),
    row('all', verdicts),
  ];
}

/** The document with its generated part replaced; undefined where the marks are missing. */
export function withResults(document: string, verdicts: readonly Verdict[]): string | undefined {
  const [begin, end] = [document.indexOf(BEGIN_MARK), document.indexOf(END_MARK)];
  if (begin < 0 || end < begin) return undefined;
  return `${document.slice(0, begin + BEGIN_MARK.length)}\n\n${resultTables(verdicts)}\n${document.slice(end)}`;
}

/** Names of the tests that a document lists as refused. */
export function refusedIn(document: string): ReadonlySet<string> {
  const part = document.slice(document.indexOf(REFUSED_HEADING), document.indexOf(END_MARK));
  return new Set(
    [...part.matchAll(/`((?:node|simple|pytorch-operator|pytorch-converted)\/[^`]+)`/g)].map((m) => m[1] ?? ''),
  );
}

const REFUSED_HEADING = '### Refused';

function resultTables(verdicts: readonly Verdict[]): string {
  return [
    '### Passed',
    '',
    table(
      ['Tests', 'Passed', 'Refused by name', 'Failed'],
      countsBySuite(verdicts).map((row) => row.map(String)),
    ),
    '',
    'Each operator with the tests whose models have it, alone or among others; public inputs are those that had to be known in tests of it alone.',
    '',
    operatorTable(verdicts),
    '',
    REFUSED_HEADING,
    '',
    refusalList(verdicts),
    '',
  ].join('\n');
}

function operatorTable(verdicts: readonly Verdict[]): string {
  const operators = [...new Set(verdicts.flatMap((verdict) => verdict.operators))].sort();
  return table(
    ['Operator', 'Passed', 'Refused', 'Most rounds', 'Public inputs'],
    operators.map((operator) => {
      const own = verdicts.filter((verdict) => verdict.operators.includes(operator));
      const alone = own.filter((verdict) => verdict.operators.length === 1);
      const known = [...new Set(alone.flatMap(({ publicInputs }) => publicInputs))];
      const rounds = Math.max(0, ...alone.map((verdict) => verdict.rounds));
      return [
        operator,
        String(countOf(own, 'passed')),
        String(countOf(own, 'refused')),
        rounds === 0 ? '' : String(rounds),
        known.join(', '),
      ];
    }),
  );
}

function refusalList(verdicts: readonly Verdict[]): string {
  const reasons = new Map<string, string[]>();
  for (const verdict of verdicts) {
    if (verdict.outcome !== 'refused') continue;
    const reason = generalReason(verdict.reason);
    reasons.set(reason, [...(reasons.get(reason) ?? []), `\`${testName(verdict)}\``]);
  }
  return [...reasons]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([reason, names]) => `- ${reason} ${names.join(' ')}`)
    .join('\n');
}

/** A reason without what is particular to one test: names of nodes and values, positions and numbers. */
function generalReason(reason: string): string {
  return reason
    .replace(/^node "[^"]*" \(([^)]*)\)/, '$1')
    .replace(/"[^"]*"/g, '...')
    .replace(/, position \d+,/, '')
    .replace(/(input|output)_\d+\.pb/g, '$1')
    .replace(/holds [^:]+:/, 'is out of range:');
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n');
}
