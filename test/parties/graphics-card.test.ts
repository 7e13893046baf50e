/** Parties that compute on a graphics card, as processes: what they say of it, and what happens when it is lost. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { runInsightsSchema } from '../../shared/timing.ts';
import { programRoot } from '../../main/paths.ts';
import { requires } from '../helpers/requires.ts';
import { SOFTWARE_DRIVER } from '../helpers/software-gpu.ts';
import { tacit, withFolder } from './program.ts';
import { writeSmallJob } from './small-job.ts';

interface Figures {
  readonly attempt: number;
  readonly metrics: { readonly accuracy: number; readonly baseline: { readonly accuracy: number } };
  readonly parties: readonly {
    readonly id: string;
    readonly bytesSent: number;
    readonly predictedBytes: number;
    readonly kernels: { readonly kernels: string; readonly reason: string; readonly notices: readonly string[] };
  }[];
}

function environment(values: Readonly<Record<string, string>>): void {
  const before = { ...process.env };
  Object.assign(process.env, values);
  onTestFinished(() => {
    process.env = before;
  });
}

test('without a card the CPU computes and every party says why', () =>
  withFolder(async (folder) => {
    environment({ VK_DRIVER_FILES: '/nonexistent', VK_ICD_FILENAMES: '/nonexistent' });
    const file = await writeSmallJob(join(folder, 'files'));
    const { code, json } = await tacit(
      'run',
      file,
      '--local',
      join(folder, 'parties'),
      '--kernels',
      'webgpu',
      '--json',
    );
    expect(code).toBe(0);
    for (const { kernels } of (json as Figures).parties) {
      expect(kernels).toMatchObject({ kernels: 'wasm', reason: expect.stringContaining('No graphics card') });
    }
  }));

requires('chromium', 'libvulkan1')('with the software driver', () => {
  test('two parties and the dealer lose their devices in training: the CPU goes on in the same attempt', () =>
    withFolder(async (folder) => {
      environment({
        ...SOFTWARE_DRIVER,
        NODE_OPTIONS: `--import ${pathToFileURL(join(programRoot, 'test/helpers/lose-gpu.ts')).href}`,
        TACIT_TEST_LOSE_GPU_AFTER: '60',
      });
      const file = await writeSmallJob(join(folder, 'files'), {
        train: '{ epochs: 12, batch: all, optimizer: { name: sgd, lr: 0.5 }, test: 0.25, seed: 1 }',
      });
      const parties = join(folder, 'parties');
      const { code, json, stderr } = await tacit('run', file, '--local', parties, '--kernels', 'webgpu', '--json');
      expect(code, stderr).toBe(0);
      const { attempt, metrics, parties: told } = json as Figures;
      expect(attempt).toBe(1);
      expect(metrics.accuracy).toBe(metrics.baseline.accuracy);
      expect(told.map(({ id }) => id)).toEqual(['a', 'b']);
      for (const { id, kernels, bytesSent, predictedBytes } of told) {
        expect(bytesSent).toBe(predictedBytes);
        expect(kernels.reason).toMatch(/leaves the same words/);
        expect(kernels).toMatchObject({ kernels: 'wasm', notices: [expect.stringContaining('did the step again')] });
        const results = join(parties, id, 'results');
        const insights = runInsightsSchema.parse(JSON.parse(await readFile(join(results, 'insights.json'), 'utf8')));
        expect(insights.kernels).toEqual(kernels);
        expect(await readFile(join(results, 'report.html'), 'utf8')).toContain('did the step again');
      }
    }));
});
