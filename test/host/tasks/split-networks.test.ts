/**
 * Split models of any layers: who has the features computes them in the clear, and gets the model that the same job gives where
 * all of it is computed on shares. What one label changes is bounded for them too, and all of it is counted.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileJob } from '../../../main/host/jobs/compile.ts';
import { openJobFile } from '../../../main/host/jobs/open-job.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { simulateJobFile } from '../../helpers/simulated-job.ts';
import { withFolder } from '../../parties/program.ts';
import { writeSmallJob } from '../../parties/small-job.ts';

const ROWS = 24;
const COLUMNS = 16;
const cells = Array.from({ length: ROWS }, (_, row) =>
  Array.from({ length: COLUMNS }, (_, column) => Math.sin(row * 1.7 + column * 2.3) + Math.cos(row * column)),
);
const classOf = (row: number): string => ((cells[row]?.[0] ?? 0) + (cells[row]?.[5] ?? 0) > 0 ? 'yes' : 'no');

/** Sixteen features at `a`, and a label of them at `b`. */
async function writeSplitJob(
  folder: string,
  model: string,
  changes: Readonly<Record<string, string | undefined>>,
  label: (row: number) => string = classOf,
): Promise<string> {
  const file = await writeSmallJob(folder, {
    features: '{ a: "*", b: [] }',
    privacy: '{ split: { noise: 0 } }',
    train: '{ epochs: 2, batch: 8, optimizer: { name: sgd, lr: 0.2, momentum: 0.5 }, test: 0, seed: 1 }',
    reveal: '{ model: [a] }',
    model,
    ...changes,
  });
  const columns = Array.from({ length: COLUMNS }, (_, column) => `x${column}`);
  await writeFile(join(folder, 'a.csv'), `${columns.join()}\n${cells.map((row) => `${row.join()}\n`).join('')}`);
  await writeFile(join(folder, 'b.csv'), `outcome\n${cells.map((_, row) => `${label(row)}\n`).join('')}`);
  return file;
}

const head = '{ kind: dense, units: 1 }, { kind: sigmoid }';
const networks: Readonly<Record<string, string>> = {
  'convolutions and a pool':
    '{ input: [1, 4, 4], layers: [{ kind: conv2d, filters: 3, kernel: [3, 3], padding: same }, { kind: relu }, ' +
    `{ kind: maxPool2d, kernel: [2, 2], stride: [2, 2] }, { kind: flatten }, ${head}] }`,
  'a graph with two branches':
    '{ layers: [{ kind: dense, units: 6, name: first }, { kind: gelu, name: left }, { kind: tanh, name: right, from: [first] }, ' +
    `{ kind: add, from: [left, right] }, ${head}] }`,
  'normalisation of rows': `{ layers: [{ kind: dense, units: 6 }, { kind: layerNorm }, { kind: silu }, ${head}] }`,
  'normalisation of batches': `{ layers: [{ kind: dense, units: 6 }, { kind: batchNorm }, { kind: relu }, ${head}] }`,
  'a recurrent layer': `{ input: [4, 4], layers: [{ kind: lstm, units: 3 }, ${head}] }`,
  attention: `{ input: [4, 4], layers: [{ kind: multiHeadAttention, heads: 2 }, { kind: flatten }, ${head}] }`,
  dropout: `{ layers: [{ kind: dense, units: 6 }, { kind: tanh }, { kind: dropout, rate: 0.25 }, ${head}] }`,
};

describe('the model is that of training on shares', () => {
  test.each(Object.entries(networks))('%s', (_, model) =>
    withFolder(async (folder) => {
      const split = await simulateJobFile(await writeSplitJob(join(folder, 'split'), model, {}));
      const shared = await simulateJobFile(await writeSplitJob(join(folder, 'shared'), model, { privacy: undefined }));
      const wanted = shared.result.get('a')?.model?.weights;
      const found = split.result.get('a')?.model?.weights;
      expect([...(found?.keys() ?? [])]).toEqual([...(wanted?.keys() ?? [])]);
      const first = initialWeights(split.compiled.training!.description, 1);
      let moved = 0;
      for (const [key, { data }] of found ?? [])
        data.forEach((value, i) => {
          expect(Math.abs(value - (wanted?.get(key)?.data[i] ?? NaN)), key).toBeLessThan(3e-3);
          moved = Math.max(moved, Math.abs(value - (first.get(key)?.data[i] ?? NaN)));
        });
      expect(moved).toBeGreaterThan(0.02);
      expect(split.result.get('b')?.model).toBeUndefined();
    }),
  );
});

test('forward costs nothing; backward through convolution, rectifier and pool takes these rounds', () =>
  withFolder(async (folder) => {
    const { job, schemas } = await openJobFile(
      await writeSplitJob(folder, networks['convolutions and a pool'] ?? '', {}),
    );
    const cost = compileJob(job, schemas).plan.programs.get('step-8')?.cost;
    // The dense layer's four of a model without hidden layers; two each to pass back through the pool and the rectifier.
    expect(cost?.rounds).toBe(8);
    // Where only the owner multiplies; for both parties.
    const none = [0, 0];
    const forward = cost?.layers.filter(({ phase, layer }) => phase === 'forward' && layer !== 'loss') ?? [];
    expect(forward.map(({ layer }) => layer)).toEqual(['conv2d1', 'dense1']);
    for (const { layer, bytesSent, rounds, dealerBytes } of forward)
      expect({ layer, bytesSent, rounds, dealerBytes }).toEqual({
        layer,
        bytesSent: none,
        rounds: none,
        dealerBytes: none,
      });
  }));

const once = '{ epochs: 1, batch: all, optimizer: { name: sgd, lr: 1 }, test: 0, seed: 1 }';
const three = (row: number): string =>
  (cells[row]?.[0] ?? 0) > 0.5 ? 'up' : (cells[row]?.[5] ?? 0) > 0 ? 'mid' : 'low';

test.each([
  ['convolutions, two classes', networks['convolutions and a pool'] ?? '', ['yes', 'no'], classOf],
  ['a recurrent layer, two classes', networks['a recurrent layer'] ?? '', ['yes', 'no'], classOf],
  [
    'normalised branches and dropout, three classes',
    '{ layers: [{ kind: dense, units: 5, name: first }, { kind: layerNorm }, { kind: dropout, rate: 0.25, name: left }, ' +
      '{ kind: add, from: [left, first] }, { kind: dense, units: 3 }, { kind: softmax }] }',
    ['low', 'mid', 'up'],
    three,
  ],
] as const)('another label changes the sum by no more than the norm: %s', (_, model, classes, label) =>
  withFolder(async (folder) => {
    const privacy = '{ split: { norm: 0.25, noise: 0 } }';
    /** Sums of all weights' gradients where a row's label is changed to another. */
    const sums = async (row: number, to: string): Promise<number[]> => {
      const { compiled, result } = await simulateJobFile(
        await writeSplitJob(folder, model, { train: once, privacy }, (at) => (at === row ? to : label(at))),
      );
      const first = initialWeights(compiled.training!.description, 1);
      return [...(result.get('a')?.model?.weights ?? [])].flatMap(([key, { data }]) =>
        [...data].map((value, i) => ((first.get(key)?.data[i] ?? 0) - value) * ROWS),
      );
    };
    const distances: number[] = [];
    for (const row of [0, 7]) {
      const all: number[][] = [];
      for (const to of classes) all.push(await sums(row, to));
      all.forEach((one, i) => {
        for (const other of all.slice(i + 1))
          distances.push(Math.hypot(...one.map((value, at) => value - (other[at] ?? 0))));
      });
    }
    // To what rounded weights tell of sums.
    expect(Math.max(...distances)).toBeLessThan(0.253);
    // The bound is met where a row is cut.
    expect(Math.max(...distances)).toBeGreaterThan(0.24);
  }),
);

test('noise on biases has its deviation, however small that is', () =>
  withFolder(async (folder) => {
    const units = 64;
    const model = `{ layers: [{ kind: dense, units: ${units} }, { kind: tanh }, { kind: dense, units: 1, bias: false }, { kind: sigmoid }] }`;
    const privacy = (noise: number): string => `{ split: { norm: 0.001, noise: ${noise} } }`;
    const biases = async (noise: number): Promise<number[]> => {
      const file = await writeSplitJob(folder, model, { train: once, privacy: privacy(noise) });
      const weights = (await simulateJobFile(file)).result.get('a')?.model?.weights;
      return [...(weights?.get('dense1/bias')?.data ?? [])].map((value) => value * ROWS);
    };
    const [without, noisy] = [await biases(0), await biases(20)];
    const variance = noisy.reduce((sum, value, i) => sum + (value - (without[i] ?? 0)) ** 2, 0) / units;
    // Deviation 0.02; five of its own deviations for as many draws, and what rounded weights tell.
    expect(Math.sqrt(variance)).toBeGreaterThan(0.011);
    expect(Math.sqrt(variance)).toBeLessThan(0.029);
  }));
