/** Split models: who has the features trains in the clear by revealed sums, and gets what training in the clear would give. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { trainBaseline } from '../../../main/host/baseline/train.ts';
import { compileJob } from '../../../main/host/jobs/compile.ts';
import { openJobFile } from '../../../main/host/jobs/open-job.ts';
import { encodeFixed } from '../../../engine/runtime/words.ts';
import { prepareLocal } from '../../../main/host/datasets/prepare.ts';
import { disclosures } from '../../../main/host/results/disclosures.ts';
import { gaussianEpsilon } from '../../../shared/privacy-account.ts';
import { columnPlan } from '../../../shared/resolve-job.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { epochBatches, localTrainingRows } from '../../../shared/schedule.ts';
import { simulateJobFile } from '../../helpers/simulated-job.ts';
import type { SimulatedJob } from '../../helpers/simulated-job.ts';
import { withFolder } from '../../parties/program.ts';
import { writeSmallJob } from '../../parties/small-job.ts';

const ROWS = 60;
const cells = Array.from({ length: ROWS }, (_, row) => [Math.sin(row * 1.7), Math.cos(row * 2.9), Math.sin(row + 1)]);

/** Three features at `a`, and at `b` nothing but a label of them. */
async function writeSplitJob(
  folder: string,
  label: (row: readonly number[]) => string | number,
  changes: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const file = await writeSmallJob(folder, {
    features: '{ a: "*", b: [] }',
    privacy: '{ split: { noise: 0 } }',
    train: '{ epochs: 4, batch: 16, optimizer: { name: sgd, lr: 0.5, momentum: 0.5 }, test: 0.2, seed: 1 }',
    ...changes,
  });
  await writeFile(join(folder, 'a.csv'), `x,y,z\n${cells.map((row) => `${row.join(',')}\n`).join('')}`);
  await writeFile(join(folder, 'b.csv'), `outcome\n${cells.map((row) => `${label(row)}\n`).join('')}`);
  return file;
}

const twoClasses = ([x = 0, y = 0]: readonly number[]): string => (x + y > 0 ? 'yes' : 'no');
const threeClasses = ([x = 0, y = 0]: readonly number[]): string => (x > 0.4 ? 'up' : y > 0 ? 'mid' : 'low');
const target = ([x = 0, y = 0, z = 0]: readonly number[]): number => (x - 0.5 * y + 0.25 * z) / 2;

/** The features as their owner standardises them over training rows. */
function standardised(train: Uint32Array): Float64Array {
  const columns = [0, 1, 2].map((column) => {
    const own = [...train].map((row) => cells[row]?.[column] ?? 0);
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
    const spread = Math.sqrt(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length);
    return { mean, spread };
  });
  return Float64Array.from(
    cells.flatMap((row) => row.map((value, i) => (value - (columns[i]?.mean ?? 0)) / (columns[i]?.spread ?? 1))),
  );
}

/** Training in the clear from the same start, in the same order. */
async function inTheClear({ compiled }: SimulatedJob, labels: readonly number[]) {
  const { job, layout, training } = compiled;
  const { epochs, batch, seed, optimizer } = job.train!;
  return await trainBaseline({
    description: training!.description,
    initialWeights: initialWeights(training!.description, seed),
    task: training!.spec.task,
    data: { features: standardised(layout.train), labels: Float64Array.from(labels) },
    schedule: Array.from({ length: epochs }, (_, epoch) => epochBatches(layout.train, batch, seed, epoch)).flat(),
    testRows: layout.test,
    loss: training!.spec.loss,
    optimizer,
  });
}

describe('without noise it is training in the clear', () => {
  const adam = '{ epochs: 4, batch: 16, optimizer: { name: adam, lr: 0.05 }, test: 0.2, seed: 1 }';
  const hinge = '{ epochs: 4, batch: 16, optimizer: { name: sgd, lr: 0.2 }, loss: squaredHinge, test: 0.2, seed: 1 }';
  test.each([
    ['logistic regression', twoClasses, {}],
    ['a support vector machine', twoClasses, { train: hinge }],
    ['two hidden layers', twoClasses, { model: '{ template: mlp, hidden: [8, 5] }' }],
    ['three classes, Adam', threeClasses, { model: '{ template: mlp, hidden: [6], activation: tanh }', train: adam }],
    ['a regression', target, { task: 'regression', model: '{ template: mlp, hidden: [6] }' }],
  ] as const)('%s', (_, label, changes) =>
    withFolder(async (folder) => {
      const run = await simulateJobFile(await writeSplitJob(folder, label, changes));
      const classes = Object.values(run.compiled.job.classes)[0] ?? [];
      const values = cells.map((row): string | number => label(row));
      const plain = await inTheClear(
        run,
        values.map((value) => (typeof value === 'number' ? value : classes.indexOf(value))),
      );
      const ours = run.result.get('a');
      for (const [key, { data }] of ours?.model?.weights ?? []) {
        const wanted = plain.weights.get(key)?.data ?? [];
        expect(data.length).toBe(wanted.length);
        data.forEach((value, i) => expect(Math.abs(value - (wanted[i] ?? NaN))).toBeLessThan(2e-3));
      }
      const { rmse, accuracy, loss = NaN } = ours?.metrics ?? {};
      expect(Math.abs(loss - plain.metrics.loss)).toBeLessThan(2e-3);
      if ('rmse' in plain.metrics) expect(Math.abs((rmse ?? NaN) - plain.metrics.rmse)).toBeLessThan(2e-3);
      else expect(accuracy).toBeCloseTo(plain.metrics.accuracy, 6);
      expect(run.result.get('b')?.model).toBeUndefined();
      expect(run.result.get('b')?.metrics).toEqual(ours?.metrics);
    }),
  );
});

test('a step of a chain with ReLU opens these bytes, in 2 rounds a layer and two more', () =>
  withFolder(async (folder) => {
    const [rows, inputs, hidden] = [16, 3, 5];
    const train = `{ epochs: 1, batch: ${rows}, optimizer: { name: sgd, lr: 0.5 }, test: 0.2, seed: 1 }`;
    const file = await writeSplitJob(folder, twoClasses, { model: `{ template: mlp, hidden: [${hidden}] }`, train });
    const { job, schemas } = await openJobFile(file);
    const cost = compileJob(job, schemas).plan.programs.get(`step-${rows}`)?.cost;
    expect(cost?.rounds).toBe(2 * 2 + 2);
    const packed = (count: number, bits: number): number => Math.ceil((count * bits) / 8);
    const cells = rows * hidden;
    // Gradients by the scores and by what the ReLU takes, under masks; by what it gives out, to round, and its bits.
    const deltas = packed(rows, 56) + packed(cells, 56) + packed(cells, 56) + packed(cells, 1);
    const sums = packed(hidden, 56) + packed(inputs * hidden, 56);
    // Only their owner opens what it knows: slopes, the hidden layer's outputs, the kernel behind.
    const own = packed(rows, 56) + packed(cells, 56) + packed(hidden, 56);
    expect(cost?.bytesOpened).toEqual([deltas + sums + own, deltas + sums]);
    // The other party's shares of what is revealed: kernels and biases.
    const revealed = (cost?.bytesSent[1] ?? 0) - (cost?.bytesOpened[1] ?? 0);
    expect(cost?.bytesSent).toEqual([deltas + sums + own, deltas + sums + revealed]);
    expect(revealed).toBe(149);
  }));

test('another label changes the sum of a cut row by no more than the norm', () =>
  withFolder(async (folder) => {
    const train = '{ epochs: 1, batch: all, optimizer: { name: sgd, lr: 1 }, test: 0, seed: 1 }';
    const privacy = '{ split: { norm: 0.25, noise: 0 } }';
    const model = '{ template: mlp, hidden: [6] }';
    for (const [classes, labels] of [
      [['yes', 'no'], twoClasses],
      [['low', 'mid', 'up'], threeClasses],
    ] as const) {
      /** Sums of all weights' gradients where a row's label is changed to another. */
      const sums = async (row: number, to: string | undefined): Promise<number[]> => {
        let at = 0;
        const label = (values: readonly number[]): string => (at++ === row && to !== undefined ? to : labels(values));
        const { compiled, result } = await simulateJobFile(
          await writeSplitJob(folder, label, { train, privacy, model, reveal: '{ model: [a] }' }),
        );
        const first = initialWeights(compiled.training!.description, 1);
        return [...(result.get('a')?.model?.weights ?? [])].flatMap(([key, { data }]) =>
          [...data].map((value, i) => ((first.get(key)?.data[i] ?? 0) - value) * ROWS),
        );
      };
      const before = await sums(-1, undefined);
      const distances: number[] = [];
      for (const row of [0, 1, 2]) {
        for (const to of classes) {
          const after = await sums(row, to);
          distances.push(Math.hypot(...after.map((value, i) => value - (before[i] ?? 0))));
        }
      }
      // To what rounded weights tell of sums.
      expect(Math.max(...distances)).toBeLessThan(0.253);
      // The bound is met where a row is cut.
      expect(Math.max(...distances)).toBeGreaterThan(0.15);
    }
  }));

test('noise has the deviation that the account takes it to have', () =>
  withFolder(async (folder) => {
    const hidden = 60;
    const file = await writeSplitJob(folder, twoClasses, {
      train: '{ epochs: 1, batch: all, optimizer: { name: sgd, lr: 1 }, test: 0, seed: 1 }',
      model: `{ template: mlp, hidden: [${hidden}] }`,
      privacy: '{ split: { norm: 0.05, noise: 20 } }',
      reveal: '{ model: [a] }',
    });
    const { compiled, result } = await simulateJobFile(file);
    const first = initialWeights(compiled.training!.description, 1);
    const moved = [...(result.get('a')?.model?.weights ?? [])].flatMap(([key, { data }]) =>
      [...data].map((value, i) => ((first.get(key)?.data[i] ?? 0) - value) * ROWS),
    );
    // Deviation 1; the sum of sixty rows without noise is at most 6 long, over all weights together.
    const variance = moved.reduce((sum, value) => sum + value ** 2, 0) / moved.length;
    expect(variance).toBeGreaterThan(0.6);
    expect(variance).toBeLessThan(1.6);
  }));

test('a job says who learns the sums and what the noise guarantees', () =>
  withFolder(async (folder) => {
    const write = async (privacy: string) => {
      const { job, schemas } = await openJobFile(await writeSplitJob(folder, twoClasses, { privacy }));
      const learns = (party: string): string =>
        (disclosures(job).find((each) => each.party === party)?.learns ?? []).join('; ');
      return { claims: compileJob(job, schemas).privacy, a: learns('a'), b: learns('b') };
    };
    const bare = await write('{ split: { noise: 0 } }');
    expect(bare.claims).toEqual([]);
    expect(bare.a).toContain('the labels of the training rows can be computed from them');
    expect(bare.b).not.toContain('sum of the gradients');
    const noisy = await write('{ split: { norm: 1, noise: 3 }, labels: { keep: 0.9 } }');
    expect(noisy.a).toContain('with noise that nobody knows');
    expect(noisy.a).toContain('of a single label no more than epsilon 2.20 lets through, against everybody');
    expect(noisy.b).not.toContain('of a single label');
    expect(noisy.claims).toMatchObject([
      { of: 'label', epsilon: Math.log(9), delta: 0 },
      { of: 'label', epsilon: gaussianEpsilon({ multiplier: 3, sampling: 1, steps: 4 }, 1e-5), delta: 1e-5 },
    ]);
  }));

test.each([
  ['features at two parties', 'split-owner', { features: '{ a: "*", b: [other] }' }],
  ['a receiver that is not who has the features', 'split-receiver', { reveal: '{ model: [b] }' }],
  [
    'a loss that is not linear in the label',
    'split-loss',
    { task: 'regression', model: '{ template: linear }', loss: 'l1' },
  ],
  [
    'a bound where rows depend on each other',
    'split-batch-statistics',
    {
      privacy: '{ split: { norm: 1, noise: 1 } }',
      model:
        '{ layers: [{ kind: dense, units: 2 }, { kind: batchNorm }, { kind: dense, units: 1 }, { kind: sigmoid }] }',
    },
  ],
  ['noise without a bound', 'job-split-unbounded', { privacy: '{ split: { noise: 1 } }' }],
  [
    'noise on gradients besides',
    'job-split-gradients',
    { privacy: '{ split: { noise: 0 }, gradients: { norm: 1, noise: 1 } }' },
  ],
  ['a join that hides rows', 'job-split-join', { join: '{ how: hidden, on: x }' }],
  ['a model for nobody', 'job-split-model', { reveal: '{ metrics: [a] }' }],
] as const)('refused: %s', (_, code, changes) =>
  withFolder(async (folder) => {
    const { loss, ...rest } = { loss: undefined, ...changes };
    const train = `{ epochs: 1, batch: 16, optimizer: { name: sgd, lr: 1 }, ${loss === undefined ? '' : `loss: ${loss}, `}test: 0 }`;
    const label = loss === undefined ? twoClasses : target;
    const file = await writeSplitJob(folder, label, { train, ...rest });
    await writeFile(join(folder, 'b.csv'), `outcome,other\n${cells.map((row, i) => `${label(row)},${i}\n`).join('')}`);
    const compiled = async () => {
      const { job, schemas } = await openJobFile(file);
      return compileJob(job, schemas);
    };
    await expect(compiled()).rejects.toMatchObject({ code });
  }),
);

test('work in the clear goes on from where it was saved', () =>
  withFolder(async (folder) => {
    const train = '{ epochs: 1, batch: 16, optimizer: { name: adam, lr: 0.1 }, test: 0, seed: 1 }';
    const { job, schemas, data } = await openJobFile(await writeSplitJob(folder, twoClasses, { train }));
    const compiled = compileJob(job, schemas);
    const training = localTrainingRows(compiled.layout, 'a');
    const rows = await prepareLocal(data.get('a')!.data, undefined, columnPlan(job, 'a', schemas), training);
    const steps = [...compiled.script()].filter(({ kind }) => kind === 'step');
    const [first, second] = [await compiled.clearWork!('a', { rows }), await compiled.clearWork!('a', { rows })];
    const sums = (step: number) =>
      new Map([
        ['gradient/dense1/kernel', encodeFixed([1, -step, 3], 16, 22, String)],
        ['gradient/dense1/bias', encodeFixed([step / 2], 16, 22, String)],
      ]);
    steps.slice(0, 2).forEach((execution, i) => first!.learn(execution, sums(i)));
    second!.restore(first!.save());
    for (const work of [first, second]) work!.learn(steps[2]!, sums(2));
    expect(await second!.inputs(steps[3]!)).toEqual(await first!.inputs(steps[3]!));
    for (const work of [first, second]) await work!.dispose();
  }));
