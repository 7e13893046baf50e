/** Any process may be killed at any moment: the others notice, all go on from the last checkpoint, the result is the same. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDataset } from '../../main/host/datasets/dataset.ts';
import { splitSample } from '../../main/host/datasets/samples.ts';
import { samplesFolder } from '../../main/paths.ts';
import { SlowLines } from '../helpers/slow-line.ts';
import { lives, startTacitWith, withFolder } from './program.ts';

/** Small steps and many of them, so that shares are saved between them. */
async function writeJob(folder: string): Promise<string> {
  const sample = await openDataset([join(samplesFolder, 'digits.csv.gz')]);
  const columns = sample.columns.map(({ name: from }, index) => ({ from, name: index === 64 ? 'digit' : from }));
  const parts = ['office-1', 'office-2'].map((party, index) => ({
    path: join(folder, 'files', `${party}.csv`),
    columns,
    takes: (row: number) => row % 2 === index,
  }));
  await splitSample(sample, parts);
  const file = join(folder, 'files', 'job.yaml');
  await writeFile(
    file,
    `name: digits
parties:
  office-1: { data: office-1.csv }
  office-2: { data: office-2.csv }
dealer: registry
join: { how: stack }
label: digit
classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
task: classification
model: { template: mlp, hidden: [16] }
train:
  epochs: 24
  batch: 128
  optimizer: { name: sgd, lr: 0.1, momentum: 0.9 }
  standardise: false
  scale: 4
  seed: 7
reveal: { model: [office-1], metrics: [office-1, office-2] }
`,
  );
  return file;
}

/** All save their shares after some 60 of 290 executions. */
const AFTER_A_CHECKPOINT = 100;

const start = (file: string, folder: string, lines: SlowLines) =>
  startTacitWith(lines.environment, 'run', file, '--local', join(folder, 'parties'), '--json');

function processOf(folder: string, party: string): number {
  return (JSON.parse(readFileSync(join(folder, 'parties', party, 'owner.json'), 'utf8')) as { pid: number }).pid;
}

interface Figures {
  readonly attempt: number;
  readonly testRows: number;
  readonly metrics: { readonly accuracy: number; readonly baseline: { readonly accuracy: number } };
  readonly parties: readonly { readonly bytesSent: number; readonly predictedBytes: number }[];
}

test('a party and then the dealer are killed in training, and the job ends as it would have', async () => {
  await withFolder(async (folder) => {
    const lines = new SlowLines(folder, { 'office-2': AFTER_A_CHECKPOINT });
    const run = start(await writeJob(folder), folder, lines);
    process.kill(await lines.slowed('office-2'), 'SIGKILL');
    await lines.slowed('office-2', 2);
    process.kill(processOf(folder, 'registry'), 'SIGKILL');
    lines.mend('office-2');
    const { code, json, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    for (const party of ['office-1', 'office-2']) {
      expect(stderr.match(new RegExp(`^${party}: resuming after [1-9]`, 'gm')), stderr).toHaveLength(2);
    }
    const { attempt, metrics, testRows, parties } = json as Figures;
    expect(attempt).toBe(3);
    expect(Math.abs(metrics.accuracy - metrics.baseline.accuracy)).toBeLessThanOrEqual(3 / testRows + 1e-9);
    for (const party of parties) expect(party.bytesSent).toBe(party.predictedBytes);
  });
});

test('a run whose launcher was killed leaves no process, and goes on when it is started again', async () => {
  await withFolder(async (folder) => {
    const file = await writeJob(folder);
    const lines = new SlowLines(folder, { 'office-2': AFTER_A_CHECKPOINT });
    const run = start(file, folder, lines);
    await lines.slowed('office-2');
    const processes = ['office-1', 'office-2', 'registry'].map((party) => processOf(folder, party));
    run.signal('SIGKILL');
    await run.ended;
    await expect.poll(() => processes.filter(lives)).toEqual([]);
    lines.mend('office-2');
    const { code, json, stderr } = await start(file, folder, lines).ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/resuming after [1-9]/);
    expect((json as Figures).attempt).toBe(2);
  });
});

test('an interrupted run ends its processes and exits with 130', async () => {
  await withFolder(async (folder) => {
    const lines = new SlowLines(folder, { lab: 3 });
    const demo = startTacitWith(lines.environment, 'demo', '--json', '--folder', folder);
    await lines.slowed('lab');
    const processes = ['clinic-a', 'clinic-b', 'lab', 'registry'].map((party) => processOf(folder, party));
    demo.signal('SIGINT');
    const { code, json } = await demo.ended;
    expect(code).toBe(130);
    expect(json).toMatchObject({ error: { code: 'stopped' } });
    expect(processes.filter(lives)).toEqual([]);
  });
});
