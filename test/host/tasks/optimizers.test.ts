/**
 * Every optimizer, schedule and limit on shares against the same training in float32, weight by weight over 24 steps; and that
 * against TensorFlow.js's own optimizers where it has them.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { names } from '../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../engine/nn/training/spec.ts';
import { trainingGraphs } from '../../../engine/nn/training/graphs.ts';
import { trainingScript } from '../../../engine/nn/training/script.ts';
import { decodeFixed, encodeFixed } from '../../../engine/runtime/words.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { baselineBackend } from '../../../main/host/baseline/backend.ts';
import { PlainOptimizer } from '../../../main/host/baseline/optimizer.ts';
import { trainBaseline } from '../../../main/host/baseline/train.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { rateAt, scheduleSchema } from '../../../shared/learning-rate.ts';
import type { ModelDescription } from '../../../shared/model.ts';
import { clipSchema, optimizerSchema } from '../../../shared/optimizers.ts';
import { epochBatches } from '../../../shared/schedule.ts';
import { TestJob } from '../../helpers/run-job.ts';

const ROWS = 24;
const BATCH = 8;
const EPOCHS = 8;
const STEPS = (EPOCHS * ROWS) / BATCH;

const description: ModelDescription = {
  inputShape: [4],
  layers: [
    { kind: 'dense', name: 'first', inputs: 4, outputs: 3, useBias: true },
    { kind: 'tanh', name: 'middle' },
    { kind: 'dense', name: 'last', inputs: 3, outputs: 1, useBias: true },
    { kind: 'sigmoid', name: 'probability' },
  ],
};

/** Numbers between -1 and 1 without structure, the same in every run. */
function noise(count: number, seed: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43_758.5453;
    return Math.round((2 * (x - Math.floor(x)) - 1) * 4096) / 4096;
  });
}

const features = noise(ROWS * 4, 1);
const labels = Float64Array.from({ length: ROWS }, (_, row) =>
  (features[row * 4] ?? 0) + (features[row * 4 + 1] ?? 0) > 0 ? 1 : 0,
);
const rows = Uint32Array.from({ length: ROWS }, (_, row) => row);

interface Case {
  readonly optimizer: object;
  readonly schedule?: object;
  readonly clip?: object;
}

const cases: Record<string, Case> = {
  'sgd with momentum': { optimizer: { name: 'sgd', lr: 0.2, momentum: 0.9, weightDecay: 0.01 } },
  'sgd with dampening': { optimizer: { name: 'sgd', lr: 0.5, momentum: 0.9, dampening: 0.5 } },
  'sgd, Nesterov': { optimizer: { name: 'sgd', lr: 0.3, momentum: 0.8, nesterov: true } },
  'sgd by steps': {
    optimizer: { name: 'sgd', lr: 0.5, momentum: 0.9, weightDecay: 0.01 },
    schedule: { name: 'step', epochs: 3, factor: 0.5, warmup: 3 },
  },
  'sgd in one cycle, Nesterov': {
    optimizer: { name: 'sgd', lr: 0.3, momentum: 0.8, nesterov: true },
    schedule: { name: 'oneCycle' },
  },
  'sgd, entries limited': { optimizer: { name: 'sgd', lr: 1 }, clip: { value: 0.05 } },
  'sgd, length limited': { optimizer: { name: 'sgd', lr: 1, momentum: 0.5 }, clip: { norm: 0.1 } },
  adam: { optimizer: { name: 'adam', lr: 0.05 } },
  'adam by half a cosine, with decay': {
    optimizer: { name: 'adam', lr: 0.02, weightDecay: 0.01 },
    schedule: { name: 'cosine', end: 0.1 },
  },
  adamw: { optimizer: { name: 'adamw', lr: 0.05, weightDecay: 0.1 } },
  'adam, length limited': { optimizer: { name: 'adam', lr: 0.05 }, clip: { norm: 0.1 } },
  rmsprop: { optimizer: { name: 'rmsprop', lr: 0.02 } },
  'rmsprop with momentum, exponential': {
    optimizer: { name: 'rmsprop', lr: 0.01, momentum: 0.5 },
    schedule: { name: 'exponential', factor: 0.9 },
  },
  adagrad: { optimizer: { name: 'adagrad', lr: 0.2 } },
};

describe.each(Object.entries(cases))('%s', (_, { optimizer: written, schedule: scheduled, clip: limit }) => {
  test('ends with the weights of training in the clear', async () => {
    const optimizer = optimizerSchema.parse(written);
    const schedule = scheduleSchema.parse(scheduled ?? { name: 'constant' });
    const clip = limit === undefined ? undefined : clipSchema.parse(limit);
    const spec: TrainingSpec = {
      features: [
        { owner: 'a', rows: ROWS, columns: 2 },
        { owner: 'b', rows: ROWS, columns: 2 },
      ],
      arrangement: 'columns',
      labels: [{ owner: 'b', rows: ROWS }],
      description,
      task: 'classification',
      trainingRows: ROWS,
      testRows: 0,
      batch: BATCH,
      optimizer,
      schedule,
      clip,
      reveal: { model: ['a'], metrics: [] },
      fractionBits: 16,
      assumedBound: 54,
      featureMagnitudeBits: 1,
      labelMagnitudeBits: 0.01,
      standardise: undefined,
    };
    const first = initialWeights(description, 3);
    const job = await TestJob.start(trainingGraphs(spec), { kernels: () => wasmKernels({ threads: 1 }) });
    const half = (from: number): Float64Array =>
      Float64Array.from({ length: ROWS * 2 }, (_, i) => features[Math.floor(i / 2) * 4 + from + (i % 2)] ?? 0);
    const words = (values: Float64Array): BigUint64Array => encodeFixed(values, 16, 2, () => 'a cell');
    const inputs = { 'features/0': words(half(0)), 'features/1': words(half(2)), 'labels/0': words(labels) };
    const revealed = new Map<string, BigUint64Array>();
    let steps = 0;
    for (const { program, known, kind } of trainingScript({
      spec,
      seed: 5,
      epochs: EPOCHS,
      train: rows,
      test: new Uint32Array(0),
      initialWeights: first,
      metricsEvery: undefined,
    })) {
      if (kind === 'step') steps++;
      const seen = await job.execute(program, { inputs, known: Object.fromEntries(known) });
      for (const [name, value] of seen.revealed.get('a') ?? []) revealed.set(name, value);
    }
    await job.close();
    expect(steps).toBe(STEPS);
    const length = { steps: STEPS, stepsPerEpoch: ROWS / BATCH };
    const clear = await trainBaseline({
      description,
      initialWeights: first,
      task: 'classification',
      data: { features, labels },
      schedule: Array.from({ length: EPOCHS }, (_, epoch) => epochBatches(rows, BATCH, 5, epoch)).flat(),
      testRows: rows,
      optimizer,
      clip,
      rate: (step) => rateAt(schedule, step, length),
    });
    let moved = 0;
    for (const [key, { data }] of clear.weights) {
      const ours = decodeFixed(revealed.get(names.weight(key)) ?? new BigUint64Array(0), 16);
      expect(ours.length).toBe(data.length);
      data.forEach((value, i) => {
        moved = Math.max(moved, Math.abs(value - (first.get(key)?.data[i] ?? 0)));
        const error = Math.abs((ours[i] ?? NaN) - value);
        expect(error, `${key}[${i}] ${ours[i]} ${value}`).toBeLessThan(Math.max(2e-3, 0.01 * Math.abs(value)));
      });
    }
    expect(moved).toBeGreaterThan(0.1);
  });
});

describe('in the clear', () => {
  test.each<[string, object, () => tf.Optimizer]>([
    ['sgd', { name: 'sgd', lr: 0.1 }, () => tf.train.sgd(0.1)],
    ['momentum', { name: 'sgd', lr: 0.1, momentum: 0.9 }, () => tf.train.momentum(0.1, 0.9)],
    ['Nesterov', { name: 'sgd', lr: 0.1, momentum: 0.9, nesterov: true }, () => tf.train.momentum(0.1, 0.9, true)],
    ['adam', { name: 'adam', lr: 0.1 }, () => tf.train.adam(0.1)],
    ['rmsprop', { name: 'rmsprop', lr: 0.05, momentum: 0.5 }, () => tf.train.rmsprop(0.05, 0.9, 0.5)],
    ['adagrad', { name: 'adagrad', lr: 0.5 }, () => tf.train.adagrad(0.5)],
  ])('%s takes the steps of TensorFlow.js', async (_, written, theirs) => {
    await baselineBackend();
    const start = [0.5, -1, 2];
    // A bowl of different steepness along each axis.
    const loss = (w: tf.Tensor): tf.Scalar => tf.sum(tf.mul([0.5, 1, 0.05], tf.square(tf.sub(w, 1))));
    const [ours, other] = [tf.variable(tf.tensor1d(start)), tf.variable(tf.tensor1d(start))];
    const plain = new PlainOptimizer(optimizerSchema.parse(written), undefined, [ours]);
    const optimizer = theirs();
    for (let step = 0; step < 20; step++) {
      tf.tidy(() => plain.apply([tf.grad((w) => loss(w))(ours)], 1));
      optimizer.minimize(() => loss(other), false, [other]);
    }
    const [a, b] = [await ours.data(), await other.data()];
    a.forEach((value, i) => expect(Math.abs(value - (b[i] ?? NaN))).toBeLessThan(1e-3));
    plain.dispose();
    tf.dispose([ours, other]);
  });
});
