/** A split model between processes: who has the features goes on after a crash with the model it had, and ends as in the clear. */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../main/host/store/store.ts';
import { SlowLines } from '../helpers/slow-line.ts';
import { startTacitWith, tacit, withFolder } from './program.ts';
import { writeSmallJob } from './small-job.ts';

test('the owner of the features is killed in training, and the job ends as it would have', () =>
  withFolder(async (folder) => {
    const files = join(folder, 'files');
    const job = await writeSmallJob(files, {
      features: '{ a: "*", b: [] }',
      model: '{ template: mlp, hidden: [6] }',
      privacy: '{ split: { noise: 0 } }',
      train: '{ epochs: 200, batch: 10, optimizer: { name: adam, lr: 0.01 }, test: 0.25, seed: 1 }',
      reveal: '{ model: [a], metrics: [a, b] }',
    });
    const rows = Array.from({ length: 40 }, (_, row) => (Math.sin(row) + Math.cos(row * 3) > 0.2 ? 'yes' : 'no'));
    await writeFile(
      join(files, 'a.csv'),
      `x,y\n${rows.map((_, row) => `${Math.sin(row)},${Math.cos(row * 3)}\n`).join('')}`,
    );
    await writeFile(join(files, 'b.csv'), `outcome\n${rows.map((label) => `${label}\n`).join('')}`);
    // Two predicted seconds of work and more: there is a checkpoint.
    const lines = new SlowLines(folder, { a: 400 });
    const run = startTacitWith(lines.environment, 'run', job, '--local', join(folder, 'parties'), '--json');
    process.kill(await lines.slowed('a'), 'SIGKILL');
    lines.mend('a');
    const { code, json, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/resuming after [1-9]/);
    const { attempt, metrics, parties } = json as {
      attempt: number;
      metrics: { accuracy: number; loss: number; baseline: { accuracy: number; loss: number } };
      parties: { bytesSent: number; predictedBytes: number }[];
    };
    expect(attempt).toBe(2);
    expect(metrics.accuracy).toBeCloseTo(metrics.baseline.accuracy, 6);
    expect(Math.abs(metrics.loss - metrics.baseline.loss)).toBeLessThan(2e-3);
    for (const party of parties) expect(party.bytesSent).toBe(party.predictedBytes);
    expect(existsSync(join(folder, 'parties', 'a', 'results', 'model.onnx'))).toBe(true);
    expect(existsSync(join(folder, 'parties', 'b', 'results', 'model.onnx'))).toBe(false);
  }));

test('who has the labels is told what its noise guarantees, in results and audit log', () =>
  withFolder(async (folder) => {
    const job = await writeSmallJob(join(folder, 'files'), {
      features: '{ a: "*", b: [] }',
      privacy: '{ split: { noise: 0 }, labels: { keep: 0.9 } }',
    });
    await writeFile(join(folder, 'files', 'b.csv'), `outcome\n${'yes\nno\n'.repeat(20)}`);
    const { code, stderr } = await tacit('run', job, '--local', join(folder, 'parties'), '--json');
    expect(code, stderr).toBe(0);
    const results = (party: string): string => join(folder, 'parties', party, 'results');
    const told = JSON.parse(readFileSync(join(results('b'), 'privacy.json'), 'utf8')) as unknown;
    const bound = { of: 'label', epsilon: Math.log(0.9 / (1 - 0.9)), delta: 0 };
    expect(told).toMatchObject({ run: [bound], spent: [{ ...bound, runs: 1 }] });
    expect(readFileSync(join(results('a'), 'report.html'), 'utf8')).toContain(
      'the flipped labels of the training rows can be computed from them',
    );
    expect(readFileSync(join(results('b'), 'report.html'), 'utf8')).toContain('spent of the privacy of a label');
    const store = openStore(join(folder, 'parties', 'b'));
    const spent = store.audit.entries(0, 100).filter(({ kind }) => kind === 'privacy-spent');
    store.close();
    expect(spent.map(({ body }) => body)).toMatchObject([{ label: { epsilon: bound.epsilon, delta: 0 } }]);
  }));
