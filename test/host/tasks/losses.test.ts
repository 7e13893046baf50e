/**
 * Losses on shares: gradients and values of scores over their whole range against differences in float64, training against the
 * same training in float32, and the same losses by TensorFlow.js.
 */
import { describe, expect, test } from 'vitest';
import { binaryCrossEntropy, divergence, negativeLogLikelihood } from '../../../engine/nn/losses/answers.ts';
import { lossOf } from '../../../engine/nn/losses/table.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { gradients } from '../../../engine/autograd/gradients.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { constant } from '../../../engine/tensor/tensor.ts';
import { lossSchema, plainLoss } from '../../../shared/losses.ts';
import { evaluateSecretly } from '../../helpers/simulate.ts';
import { simulateJobFile } from '../../helpers/simulated-job.ts';
import { withFolder } from '../../parties/program.ts';
import { writeSmallJob } from '../../parties/small-job.ts';

const kernels = () => wasmKernels({ threads: 1 });
const grid = Array.from({ length: 33 }, (_, i) => (i - 16) * 0.8 + 0.013);

interface Case {
  readonly loss: object;
  readonly scores: readonly (readonly number[])[];
  readonly targets: readonly (readonly number[])[];
}

const binary = { scores: grid.map((z) => [z]), targets: grid.map((_, i) => [i % 2]) };
const numbers = { scores: grid.map((z) => [z, -z / 3]), targets: grid.map((_, i) => [i / 16 - 1, 1 - i / 16]) };
const classes = {
  scores: grid.map((z, i) => [z, 2 - z / 2, Math.sin(i)]),
  targets: grid.map((_, i) => [0, 1, 2].map((k) => Number(k === i % 3))),
};

const cases: Record<string, Case> = {
  mse: { loss: { name: 'mse' }, ...numbers },
  l1: { loss: { name: 'l1' }, ...numbers },
  huber: { loss: { name: 'huber', delta: 1.5 }, ...numbers },
  'cross-entropy of two classes': { loss: { name: 'crossEntropy' }, ...binary },
  'cross-entropy of two classes, smoothed and weighted': {
    loss: { name: 'crossEntropy', smoothing: 0.1, classWeights: [0.5, 2] },
    ...binary,
  },
  'cross-entropy of three classes': { loss: { name: 'crossEntropy' }, ...classes },
  'cross-entropy of three classes, smoothed and weighted': {
    loss: { name: 'crossEntropy', smoothing: 0.1, classWeights: [0.5, 2, 1] },
    ...classes,
  },
  hinge: { loss: { name: 'hinge', classWeights: [1, 3] }, ...binary },
  'squared hinge': { loss: { name: 'squaredHinge' }, ...binary },
  rappor: { loss: { name: 'rappor', keep: 0.75 }, ...binary },
};

/** log2 of magnitudes that all scores stay below. */
const BITS = 5;

describe.each(Object.entries(cases))('%s', (_, { loss: written, scores, targets }) => {
  const spec = lossSchema.parse(written);
  const width = scores[0]?.length ?? 1;
  const shape = [scores.length, width];
  const args = [
    { values: scores.flat(), shape, magnitudeBits: BITS },
    { values: targets.flat(), shape, magnitudeBits: 1 },
  ];
  const loss = lossOf(spec, width);

  test('has the value of its definition', async () => {
    const { values } = await evaluateSecretly(args, (z, y) => loss.value(z, y), { kernels });
    expect(values.length).toBe(scores.length);
    scores.forEach((row, i) => {
      const exact = plainLoss(spec, row, targets[i] ?? []);
      expect(Math.abs((values[i] ?? NaN) - exact), `at ${row.join()}`).toBeLessThan(Math.max(3e-3, 0.01 * exact));
    });
  });

  test('has the gradient of its definition', async () => {
    const { values } = await evaluateSecretly(args, (z, y) => loss.seed(z, y), { kernels });
    const h = 1e-5;
    scores.forEach((row, i) =>
      row.forEach((score, j) => {
        const at = (change: number): number =>
          plainLoss(
            spec,
            row.map((value, k) => (k === j ? score + change : value)),
            targets[i] ?? [],
          );
        const slope = (at(h) - at(-h)) / (2 * h);
        const ours = (values[i * width + j] ?? NaN) * loss.factor;
        expect(Math.abs(ours - slope), `at ${row.join()}`).toBeLessThan(Math.max(2e-3, 0.01 * Math.abs(slope)));
      }),
    );
  });
});

describe('losses of answers', () => {
  const p = Array.from({ length: 20 }, (_, i) => (i + 0.5) / 20);
  const y = p.map((_, i) => i % 2);
  const both = (f: (a: Tensor, b: Tensor) => Tensor, a: readonly number[], b: readonly number[]) =>
    evaluateSecretly(
      [
        { values: a, shape: [a.length, 1], magnitudeBits: 3 },
        { values: b, shape: [b.length, 1], magnitudeBits: 1 },
      ],
      (x, other) => f(x, other),
      { kernels },
    );

  test('binary cross-entropy, and its gradient on the tape', async () => {
    const { values } = await both(binaryCrossEntropy, p, y);
    p.forEach((value, i) => {
      const exact = -Math.log(y[i] === 1 ? value : 1 - value);
      expect(Math.abs((values[i] ?? NaN) - exact)).toBeLessThan(3e-3);
    });
    const slopes = await both(
      (a, b) => {
        const ones = constant(a.graph, new Array<number>(p.length).fill(1), [p.length, 1]);
        const [slope] = gradients([[binaryCrossEntropy(a, b), ones]], [a]);
        return slope ?? a;
      },
      p,
      y,
    );
    p.forEach((value, i) => {
      const exact = y[i] === 1 ? -1 / value : 1 / (1 - value);
      expect(Math.abs((slopes.values[i] ?? NaN) - exact)).toBeLessThan(Math.max(2e-3, 0.01 * Math.abs(exact)));
    });
  });

  test('negative log-likelihood and divergence from logarithms', async () => {
    const logs = p.map(Math.log);
    const likelihood = await both(negativeLogLikelihood, logs, y);
    logs.forEach((log, i) => expect(Math.abs((likelihood.values[i] ?? NaN) + log * (y[i] ?? 0))).toBeLessThan(2e-3));
    const q = p.map((value) => 1 - value / 2);
    const divergences = await both(divergence, logs, q);
    logs.forEach((log, i) => {
      const exact = (q[i] ?? 0) * (Math.log(q[i] ?? 1) - log);
      expect(Math.abs((divergences.values[i] ?? NaN) - exact)).toBeLessThan(3e-3);
    });
  });
});

test('a linear support vector machine as a job separates what can be separated', () =>
  withFolder(async (folder) => {
    const file = await writeSmallJob(folder, {
      train:
        '{ epochs: 60, batch: all, loss: { name: hinge }, optimizer: { name: sgd, lr: 0.5, weightDecay: 0.001 }, test: 0.25, seed: 1 }',
    });
    const { result } = await simulateJobFile(file);
    expect(result.get('a')?.metrics?.accuracy).toBeGreaterThanOrEqual(0.9);
    expect(result.get('a')?.metrics?.loss).toBeLessThan(0.4);
    expect(result.get('a')?.model?.weights.size).toBe(2);
    expect(result.get('b')?.model).toBeUndefined();
  }));

test('a loss that is not for the task, and one that nobody knows, are refused by name', () =>
  withFolder(async (folder) => {
    const train = (loss: string): string => `{ epochs: 1, batch: all, loss: ${loss}, optimizer: { name: sgd, lr: 1 } }`;
    await expect(simulateJobFile(await writeSmallJob(folder, { train: train('mse') }))).rejects.toMatchObject({
      code: 'job-loss-misfit',
    });
    await expect(simulateJobFile(await writeSmallJob(folder, { train: train('hing') }))).rejects.toThrow(/hinge/);
    const optimizer = '{ epochs: 1, batch: all, optimizer: { name: adan, lr: 1 } }';
    await expect(simulateJobFile(await writeSmallJob(folder, { train: optimizer }))).rejects.toThrow(/adam/);
  }));
