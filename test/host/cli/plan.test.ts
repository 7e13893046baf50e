/** `tacit plan`: exact costs of a job, what each party learns, refusals. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseJobText } from '../../../main/host/jobs/job-file.ts';
import { openJobFile } from '../../../main/host/jobs/open-job.ts';
import { compileJob } from '../../../main/host/jobs/compile.ts';
import { jobCost } from '../../../main/host/results/job-cost.ts';
import { programRoot } from '../../../main/paths.ts';
import { checkJob } from '../../../shared/job.ts';
import { closingObject, runInProcess } from './run-in-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-plan-'));
const job = join(folder, 'job.yaml');
const text = `name: tiny
parties:
  clinic-a: { data: a.csv }
  clinic-b: { data: b.csv }
dealer: registry
join: { how: rows }
label: { clinic-b: sick }
task: classification
model: { template: logistic }
train: { epochs: 3, batch: 8, optimizer: { name: sgd, lr: 0.1 }, metricsEvery: 1 }
reveal: { model: [clinic-a], metrics: [clinic-b] }
`;
const table = (heading: string, cells: (row: number) => string): string =>
  [heading, ...Array.from({ length: 25 }, (_, row) => cells(row))].join('\n');

beforeAll(() => {
  writeFileSync(
    join(folder, 'a.csv'),
    table('age,height', (row) => `${20 + row},${150 + 2 * row}.5`),
  );
  writeFileSync(
    join(folder, 'b.csv'),
    table('dose,sick', (row) => `${row % 7},${row % 2}`),
  );
  writeFileSync(job, text);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Closing {
  parties: {
    id: string;
    predictedBytes: number;
    predictedRounds: number;
    evalBytes: number;
    evalRounds: number;
    dealerBytes: number;
    memoryBytes: number;
  }[];
  programs: { program: string; executions: number; rounds: number; bytesSent: number[] }[];
  layers: { layer: string; phase: string; ms: number }[];
  learned: { party: string; learns: string[] }[];
  assumptions: { layer: string }[];
  seconds: Record<string, number>;
  digest: string;
}

test('the plan has every program of the script, and its figures are those of the plan', async () => {
  const { exitCode, stdout } = await runInProcess('plan', job, '--json', '--latency-ms', '10', '--bandwidth', '2.5');
  expect(exitCode).toBe(0);
  const closing = closingObject<Closing>(stdout);
  // 20 training rows: 2 whole batches of 8 and one of 4, three times; evaluation after each epoch.
  expect(closing.programs.map(({ program, executions }) => [program, executions])).toEqual([
    ['setup', 1],
    ['step-8', 6],
    ['step-4', 3],
    ['evaluate', 3],
    ['reveal', 1],
  ]);
  const opened = await openJobFile(job);
  const compiled = compileJob(opened.job, opened.schemas);
  const { training, evaluation } = jobCost(compiled.plan, compiled.script());
  expect(closing.digest).toBe(compiled.plan.digest);
  expect(closing.parties.map(({ id }) => id)).toEqual(['clinic-a', 'clinic-b']);
  closing.parties.forEach((party, i) => {
    expect(party.predictedBytes).toBe(training.bytesSent[i]);
    expect(party.predictedRounds).toBe(training.rounds);
    expect(party.evalBytes).toBe(evaluation.bytesSent[i]);
    expect(party.evalRounds).toBe(evaluation.rounds);
    expect(party.memoryBytes).toBeGreaterThan(0);
  });
  const rounds = closing.programs.reduce((sum, program) => sum + program.rounds, 0);
  expect(rounds).toBe(training.rounds + evaluation.rounds);
  expect(closing.seconds.latency).toBeCloseTo(rounds * 0.01);
  expect(closing.assumptions.length).toBeGreaterThan(0);
});

test('people read costs by layer, and who learns what', async () => {
  const { stdout, exitCode } = await runInProcess('plan', job);
  expect(exitCode).toBe(0);
  expect(stdout).toContain('tiny: classification, training rows 20, test rows 5, 2 compute parties, dealer registry');
  expect(stdout).toMatch(/^dense1 +forward /m);
  const [, a = '', b = '', dealer = ''] = stdout.split(/^(?=\S+ \(.*\) learns$)/m);
  expect(a).toMatch(
    /^clinic-a \(computes, brings features\) learns\n {2}- the trained model, all weights\n {2}- mean and spread of every numeric feature: the model needs them to take raw numbers\n/,
  );
  expect(a).not.toContain('accuracy');
  expect(b).toMatch(
    /^clinic-b \(computes, brings features and label\) learns\n {2}- accuracy and loss on the test rows, after every epoch\n/,
  );
  expect(b).not.toContain('weights');
  expect(dealer).toContain('no data, no share, no opening');
});

test.each([
  ['a job that is not there', 'absent.yaml', undefined, /The job file .*absent\.yaml is not there/],
  ['data that is not there', 'lost.yaml', text.replace('a.csv', 'lost.csv'), /There is no data file .*lost\.csv/],
  ['an unknown column', 'column.yaml', text.replace('sick', 'ill'), /no column "ill"/],
  [
    'a registered data set',
    'reference.yaml',
    text.replace('a.csv', `{ id: x, schema: ${'a'.repeat(64)} }`),
    /names a registered data set, not a file/,
  ],
  ['a join to come', 'ids.yaml', text.replace('how: rows', 'how: ids, on: age'), /age/],
])('%s is refused with exit code 2', async (_, name, content, line) => {
  const path = join(folder, name);
  if (content !== undefined) writeFileSync(path, content);
  const { exitCode, stderr } = await runInProcess('plan', path);
  expect(exitCode).toBe(2);
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(line);
});

test('a latency that is no number is refused', async () => {
  expect(await runInProcess('plan', job, '--latency-ms', 'fast')).toMatchObject({
    exitCode: 2,
    stderr: '--latency-ms must be a number from 0 to 60000, not "fast".\n',
  });
});

test('docs/job-file.md has a heading for every key of a job, and its example is one', () => {
  const page = readFileSync(join(programRoot, 'docs/job-file.md'), 'utf8');
  const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  expect(parseJobText(example, 'docs/job-file.md').name).toBe('malignancy');
  const checked = checkJob({ nonsense: true });
  const known = checked.ok ? '' : (checked.issues[0]?.message ?? '');
  const keys = /Known here: (.*)\./.exec(known)?.[1]?.split(', ') ?? [];
  expect(keys.length).toBeGreaterThan(10);
  for (const key of keys) expect(page).toContain(`### \`${key}\``);
});
