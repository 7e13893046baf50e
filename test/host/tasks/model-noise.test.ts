/** Noise on a revealed model: what is added, what bounds a row's effect, what the account says, and where nothing does. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileJob } from '../../../main/host/jobs/compile.ts';
import { openJobFile } from '../../../main/host/jobs/open-job.ts';
import { convexSensitivity } from '../../../main/host/jobs/tasks/model-noise.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { gaussianEpsilon } from '../../../shared/privacy-account.ts';
import { simulateJobFile } from '../../helpers/simulated-job.ts';
import { withFolder } from '../../parties/program.ts';
import { writeSmallJob } from '../../parties/small-job.ts';

/** Revealed weights less the first ones, in order. */
async function change(file: string, seed?: number): Promise<number[]> {
  const { compiled, result } = await simulateJobFile(file, undefined, seed);
  const first = initialWeights(compiled.training!.description, 1);
  return [...(result.get('a')?.model?.weights ?? [])].flatMap(([key, { data }]) =>
    [...data].map((value, i) => value - (first.get(key)?.data[i] ?? 0)),
  );
}

const length = (values: readonly number[]): number => Math.hypot(...values);
const spread = (values: readonly number[]): number => length(values) / Math.sqrt(values.length);
const still = '{ epochs: 1, batch: all, optimizer: { name: sgd, lr: 0.001 }, test: 0, seed: 1 }';

test('a model that hardly moved is its first weights and noise of twice the norm times the multiple', () =>
  withFolder(async (folder) => {
    const model = '{ template: mlp, hidden: [60] }';
    const privacy = '{ model: { norm: 0.5, noise: 2 } }';
    const file = await writeSmallJob(folder, { train: still, model, privacy });
    const moved = [await change(file, 1), await change(file, 2)];
    for (const values of moved) {
      expect(values.length).toBe(3 * 60 + 60 + 60 + 1);
      expect(spread(values)).toBeGreaterThan(2 * 0.85);
      expect(spread(values)).toBeLessThan(2 * 1.15);
    }
    const product = moved[0]!.reduce((sum, value, i) => sum + value * (moved[1]![i] ?? 0), 0);
    expect(Math.abs(product) / length(moved[0]!) / length(moved[1]!)).toBeLessThan(0.25);
  }));

test('the change is cut to the norm and keeps its direction; a shorter one stays as it is', () =>
  withFolder(async (folder) => {
    const whole = await change(await writeSmallJob(folder));
    expect(length(whole)).toBeGreaterThan(0.5);
    for (const norm of [0.25, 8]) {
      const privacy = `{ model: { norm: ${norm}, noise: 0.000001 } }`;
      const cut = await change(await writeSmallJob(folder, { privacy }));
      const factor = Math.min(1, norm / length(whole));
      cut.forEach((value, i) => expect(Math.abs(value - factor * (whole[i] ?? NaN))).toBeLessThan(1e-3));
    }
  }));

const convex = '{ epochs: 3, batch: 16, optimizer: { name: sgd, lr: 1 }, test: 0, seed: 1, standardise: false }';

test('a convex loss bounds what a row changes: no pair of neighbours in the clear is further apart', () =>
  withFolder(async (folder) => {
    const file = await writeSmallJob(folder, { train: convex, privacy: '{ model: { noise: 1 } }' });
    const { job, schemas } = await openJobFile(file);
    const { training } = compileJob(job, schemas);
    const bound = convexSensitivity(job, job.train!, training!.spec);
    // 2 epochs lr |row| / smallest batch: of 40 rows the last has 8.
    expect(bound).toBeCloseTo((2 * 3 * Math.sqrt(3 * 2 ** 0.02 + 1)) / 8, 9);
    const random = (i: number): number => 2 * (Math.abs(Math.sin(i * 12.9898) * 43758.5453) % 1) - 1;
    const rows = Array.from({ length: 40 }, (_, row) => ({
      x: [random(3 * row), random(3 * row + 1), random(3 * row + 2), 1],
      y: row % 2,
    }));
    const train = (changed: number): number[] => {
      const weights = [0.3, -0.2, 0.1, 0];
      for (let epoch = 0; epoch < 3; epoch++)
        for (let from = 0; from < 40; from += 16) {
          const batch = rows
            .slice(from, from + 16)
            .map((row, i) =>
              from + i === changed ? { x: [-1, 1, -1, 1].map((s, k) => (k < 3 ? s : 1)), y: 1 - row.y } : row,
            );
          const gradient = [0, 0, 0, 0];
          for (const { x, y } of batch) {
            const score = x.reduce((sum, value, k) => sum + value * (weights[k] ?? 0), 0);
            x.forEach((value, k) => (gradient[k]! += ((1 / (1 + Math.exp(-score)) - y) * value) / batch.length));
          }
          gradient.forEach((value, k) => (weights[k]! -= value));
        }
      return weights;
    };
    const before = train(-1);
    const apart = Array.from({ length: 40 }, (_, row) =>
      length(train(row).map((value, k) => value - (before[k] ?? 0))),
    );
    expect(Math.max(...apart)).toBeLessThan(bound);
    expect(Math.max(...apart)).toBeGreaterThan(bound / 10);
  }));

test('where the training bounds it, the noise is measured by that bound', () =>
  withFolder(async (folder) => {
    const columns = 150;
    const train = '{ epochs: 1, batch: all, optimizer: { name: sgd, lr: 0.05 }, test: 0, seed: 1, standardise: false }';
    const file = await writeSmallJob(folder, { train, privacy: '{ model: { noise: 50 } }' });
    const names = Array.from({ length: columns }, (_, i) => `c${i}`);
    const lines = Array.from({ length: 40 }, (_, row) => names.map((_, i) => Math.sin(row * 3 + i)).join(','));
    await writeFile(join(folder, 'a.csv'), `${names.join(',')}\n${lines.join('\n')}\n`);
    const bound = (2 * 0.05 * Math.sqrt((columns + 1) * 2 ** 0.02 + 1)) / 40;
    const moved = await change(file);
    expect(moved.length).toBe(columns + 2);
    expect(spread(moved)).toBeGreaterThan(50 * bound * 0.8);
    expect(spread(moved)).toBeLessThan(50 * bound * 1.2);
  }));

/** Normal distribution function (Abramowitz, Stegun 7.1.26; error 1.5e-7). */
function normal(z: number): number {
  const t = 1 / (1 + 0.3275911 * (Math.abs(z) / Math.SQRT2));
  const series = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592].reduce(
    (sum, c) => (sum + c) * t,
    0,
  );
  const tail = (series * Math.exp((-z * z) / 2)) / 2;
  return z > 0 ? 1 - tail : tail;
}

test('the account is that of one Gaussian mechanism: sound, and close to the exact curve', () =>
  withFolder(async (folder) => {
    for (const noise of [1, 4, 10]) {
      const privacy = `{ model: { norm: 1, noise: ${noise}, delta: 0.001 } }`;
      const { job, schemas } = await openJobFile(await writeSmallJob(folder, { privacy }));
      const [claim, ...others] = compileJob(job, schemas).privacy ?? [];
      expect(others).toEqual([]);
      expect(claim).toMatchObject({ of: 'training row', delta: 0.001 });
      const epsilon = claim?.epsilon ?? NaN;
      expect(epsilon).toBe(gaussianEpsilon({ multiplier: noise, sampling: 1, steps: 1 }, 0.001));
      // Balle, Wang: Improving the Gaussian mechanism, ICML 2018, theorem 8.
      const delta = (e: number): number =>
        normal(1 / (2 * noise) - e * noise) - Math.exp(e) * normal(-1 / (2 * noise) - e * noise);
      expect(delta(epsilon)).toBeLessThan(0.001);
      expect(delta(epsilon * 0.7)).toBeGreaterThan(0.001);
      expect(claim?.holds).toContain('not for means and spreads of the columns and metrics');
    }
  }));

const bounded = '{ model: { noise: 1 } }';
const sgd = (changes: string): string =>
  `{ epochs: 1, batch: 16, optimizer: { name: sgd, lr: 1${changes} }, test: 0, standardise: false }`;
test.each([
  ['hidden layers', 'privacy-unbounded', { train: sgd(''), model: '{ template: mlp, hidden: [3] }', privacy: bounded }],
  ['momentum', 'privacy-unbounded', { train: sgd(', momentum: 0.9'), privacy: bounded }],
  ['a rate too large', 'privacy-unbounded', { train: sgd('0'), privacy: bounded }],
  ['standardised features', 'privacy-unbounded', { privacy: bounded }],
  [
    'noise in every step besides',
    'job-model-noise-twice',
    { privacy: '{ model: { norm: 1, noise: 1 }, gradients: { norm: 1, noise: 1 } }' },
  ],
  [
    'a model for nobody',
    'job-model-noise-unseen',
    { privacy: '{ model: { norm: 1, noise: 1 } }', reveal: '{ metrics: [a] }' },
  ],
] as const)('refused: %s', (_, code, changes) =>
  withFolder(async (folder) => {
    const file = await writeSmallJob(folder, changes);
    const compiled = async () => {
      const { job, schemas } = await openJobFile(file);
      return compileJob(job, schemas);
    };
    await expect(compiled()).rejects.toMatchObject({ code });
  }),
);
