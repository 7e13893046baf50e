/** Noise on cut gradients: what is cut and added is what the account takes it to be, and the job says what it guarantees. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { randomisedLabels } from '../../../main/host/datasets/randomised-labels.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { gaussianEpsilon } from '../../../shared/privacy-account.ts';
import { simulateJobFile } from '../../helpers/simulated-job.ts';
import type { SimulatedJob } from '../../helpers/simulated-job.ts';
import { withFolder } from '../../parties/program.ts';
import { writeSmallJob } from '../../parties/small-job.ts';

/** The small job's columns, standardised as their owners do. */
const table = Array.from({ length: 40 }, (_, row) => [row % 7, (row * 3) % 11, row % 5]);

const step = '{ epochs: 1, batch: all, optimizer: { name: sgd, lr: 1 }, test: 0, seed: 1 }';

/** Change of every weight by one step of rate 1, by name. */
function changes({ compiled, result }: SimulatedJob): Map<string, number[]> {
  const { training } = compiled;
  const first = initialWeights(training!.description, 1);
  return new Map(
    [...(result.get('a')?.model?.weights ?? [])].map(([key, { data }]) => [
      key,
      [...data].map((value, i) => (first.get(key)?.data[i] ?? 0) - value),
    ]),
  );
}

/** Means of rows' gradients of a logistic regression, each cut to a length. */
function cutGradient(weights: readonly number[], bias: number, length: number): number[] {
  const columns = [0, 1, 2].map((column) => {
    const values = table.map((row) => row[column] ?? 0);
    const mean = values.reduce((sum, value) => sum + value, 0) / 40;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 40);
    return values.map((value) => (value - mean) / deviation);
  });
  const sums = [0, 0, 0, 0];
  table.forEach((cells, row) => {
    const x = [...columns.map((column) => column[row] ?? 0), 1];
    const score = x.reduce((sum, value, i) => sum + value * (weights[i] ?? bias), 0);
    const error = 1 / (1 + Math.exp(-score)) - Number((cells[0] ?? 0) > 3);
    const norm = Math.abs(error) * Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0));
    x.forEach((value, i) => (sums[i] = (sums[i] ?? 0) + error * value * Math.min(1, length / norm)));
  });
  return sums.map((sum) => sum / 40);
}

test.each([
  ['most rows are cut', 0.3],
  ['few rows are cut', 1.2],
  ['no row is cut', 20],
])('with next to no noise: %s', (_, norm) =>
  withFolder(async (folder) => {
    const privacy = `{ gradients: { norm: ${norm}, noise: 0.000001 } }`;
    const run = await simulateJobFile(await writeSmallJob(folder, { train: step, privacy }));
    const moved = changes(run);
    const first = initialWeights(run.compiled.training!.description, 1);
    const kernel = [...(first.get('dense1/kernel')?.data ?? [])];
    const expected = cutGradient(kernel, 0, norm);
    const ours = [...(moved.get('dense1/kernel') ?? []), ...(moved.get('dense1/bias') ?? [])];
    expect(ours.length).toBe(4);
    expected.forEach((value, i) => expect(Math.abs((ours[i] ?? NaN) - value)).toBeLessThan(2e-3));
  }),
);

test('noise has the deviation that the account takes it to have, and other randomness makes another', () =>
  withFolder(async (folder) => {
    const hidden = 60;
    const job = await writeSmallJob(folder, {
      train: step,
      model: `{ template: mlp, hidden: [${hidden}] }`,
      privacy: '{ gradients: { norm: 0.05, noise: 20 } }',
    });
    const runs = [await simulateJobFile(job), await simulateJobFile(job, undefined, 8)].map((run) =>
      [...changes(run).values()].flat(),
    );
    const count = 3 * hidden + hidden + hidden + 1;
    for (const moved of runs) {
      expect(moved.length).toBe(count);
      // Sums of 40 rows get noise of deviation 1; their means a fortieth of it. The gradients themselves are at most 0.05 long.
      const variance = moved.reduce((sum, value) => sum + (value * 40) ** 2, 0) / count;
      expect(variance).toBeGreaterThan(0.6);
      expect(variance).toBeLessThan(1.5);
    }
    expect(runs[0]?.some((value, i) => Math.abs(value - (runs[1]?.[i] ?? 0)) > 1e-3)).toBe(true);
  }));

test('noise on biases has its deviation, however small that is', () =>
  withFolder(async (folder) => {
    const hidden = 60;
    const biases = async (noise: number): Promise<number[]> => {
      const job = await writeSmallJob(folder, {
        train: step,
        model: `{ template: mlp, hidden: [${hidden}] }`,
        privacy: `{ gradients: { norm: 0.005, noise: ${noise} } }`,
      });
      return changes(await simulateJobFile(job)).get('dense1/bias') ?? [];
    };
    const [noisy, without] = [await biases(20), await biases(0.000001)];
    const variance = noisy.reduce((sum, value, i) => sum + ((value - (without[i] ?? 0)) * 40) ** 2, 0) / hidden;
    // Deviation 0.1, and as many draws.
    expect(Math.sqrt(variance)).toBeGreaterThan(0.07);
    expect(Math.sqrt(variance)).toBeLessThan(0.13);
  }));

test('a job says what its noise guarantees', () =>
  withFolder(async (folder) => {
    const { compiled } = await simulateJobFile(
      await writeSmallJob(folder, {
        train: '{ epochs: 3, batch: 10, optimizer: { name: sgd, lr: 0.1 }, test: 0, seed: 1 }',
        privacy: '{ gradients: { norm: 1, noise: 2 } }',
      }),
    );
    // Parties know which of the four batches of an epoch a row is in.
    const known = gaussianEpsilon({ multiplier: 2, sampling: 1, steps: 3 }, 1e-5);
    const hidden = gaussianEpsilon({ multiplier: 2, sampling: 0.25, steps: 12 }, 1e-5);
    expect(known).toBeGreaterThan(hidden);
    const fact = compiled.about.find(([name]) => name === 'privacy of a training row');
    expect(fact?.[1]).toContain(`epsilon ${known.toPrecision(3)} at delta 0.00001`);
    expect(fact?.[1]).toContain(`epsilon ${hidden.toPrecision(3)} against who does not`);
    expect(compiled.privacy).toMatchObject([{ of: 'training row', epsilon: known, delta: 1e-5 }]);
  }));

test('layers whose rows cannot be cut are refused', () =>
  withFolder(async (folder) => {
    const job = await writeSmallJob(folder, {
      model:
        '{ layers: [{ kind: dense, units: 4 }, { kind: layerNorm }, { kind: dense, units: 1 }, { kind: sigmoid }] }',
      privacy: '{ gradients: { norm: 1, noise: 1 } }',
    });
    await expect(simulateJobFile(job)).rejects.toMatchObject({ code: 'privacy-layers' });
  }));

test('flipped labels: as many as agreed, the same for one secret, and the model is that of the true ones nearly', () =>
  withFolder(async (folder) => {
    const truth = Float64Array.from({ length: 4000 }, (_, row) => row % 2);
    const secret = (byte: number): SecretKey => new SecretKey(new Uint8Array(32).fill(byte));
    const told = randomisedLabels(nodeCrypto, secret(1), truth, 0.8);
    const kept = told.filter((label, row) => label === truth[row]).length / truth.length;
    expect(Math.abs(kept - 0.8)).toBeLessThan(0.03);
    expect(randomisedLabels(nodeCrypto, secret(1), truth, 0.8)).toEqual(told);
    expect(randomisedLabels(nodeCrypto, secret(2), truth, 0.8)).not.toEqual(told);

    const columns = Array.from({ length: 600 }, (_, row) => [Math.sin(row * 1.7), Math.cos(row * 2.9), Math.sin(row)]);
    const file = await writeSmallJob(folder, {
      train: '{ epochs: 25, batch: all, optimizer: { name: sgd, lr: 2, momentum: 0.8 }, test: 0.3, seed: 1 }',
      privacy: '{ labels: { keep: 0.8 } }',
    });
    await writeFile(join(folder, 'a.csv'), `x,y\n${columns.map(([x, y]) => `${x},${y}\n`).join('')}`);
    const outcome = ([x = 0, y = 0]: readonly number[]): string => (x + y > 0 ? 'yes' : 'no');
    await writeFile(
      join(folder, 'b.csv'),
      `z,outcome\n${columns.map((row) => `${row[2]},${outcome(row)}\n`).join('')}`,
    );
    const { result, compiled } = await simulateJobFile(file);
    expect(compiled.job.train?.loss).toEqual({ name: 'rappor', keep: 0.8, reduction: 'mean' });
    expect(compiled.about.find(([name]) => name === 'privacy of a label')?.[1]).toContain('epsilon 1.39');
    const model = result.get('a')?.model;
    const right = columns.filter((row) => {
      const { subtract, multiply } = model!.standardisation!;
      const kernel = model!.weights.get('dense1/kernel')!.data;
      const score = row.reduce(
        (sum, value, i) => sum + (value - subtract[i]!) * multiply[i]! * kernel[i]!,
        model!.weights.get('dense1/bias')!.data[0]!,
      );
      return score > 0 === (outcome(row) === 'yes');
    });
    expect(right.length / columns.length).toBeGreaterThan(0.93);
    expect(Math.abs((result.get('a')?.metrics?.accuracy ?? 0) - right.length / columns.length)).toBeLessThan(0.15);
  }));
