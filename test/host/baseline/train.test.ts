/** The plaintext baseline: step for step the documented SGD, on real data, and its refusals. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lossAndMetrics } from '../../../main/host/baseline/metrics.ts';
import { predictBaseline, trainBaseline } from '../../../main/host/baseline/train.ts';
import type { BaselineTraining } from '../../../main/host/baseline/train.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { describeLayers } from '../../../shared/job-model.ts';
import { modelLayerSchema } from '../../../shared/job.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import type { ModelWeights } from '../../../shared/model.ts';
import { plainForward } from '../../engine/models/plain-forward.ts';
import { convolutional, mlp, standardisedLogistic } from '../../engine/models/sample-models.ts';

const sgd = { name: 'sgd', lr: 0.1, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 } as const;

const codeOf = (code: string) => expect.objectContaining({ code, kind: 'input' });

function worstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, cell, i) => Math.max(most, Math.abs(cell - b[i]!)), 0);
}

/** 40 rows of 3 features; classes that a plane or a curve separates, or a noisy linear target. */
function toyData(labelOf: (row: readonly number[]) => number): BaselineTraining['data'] {
  const rows = Array.from({ length: 40 }, (_, i) => [Math.sin(i), Math.cos(2.3 * i), Math.sin(0.7 * i + 1)]);
  return { features: Float64Array.from(rows.flat()), labels: Float64Array.from(rows.map(labelOf)) };
}

const schedule = Array.from({ length: 12 }, (_, step) =>
  Uint32Array.from({ length: step % 3 === 2 ? 5 : 12 }, (_, i) => (step * 7 + i * 3) % 32),
);
const testRows = Uint32Array.from({ length: 8 }, (_, i) => 32 + i);

type Loss = (answers: Float64Array, labels: Float64Array, rows: ArrayLike<number>) => number;

/** SGD with momentum on differences of the loss, in float64: obvious, slow, and independent of TensorFlow.js. */
function differenceDescent(training: BaselineTraining, loss: Loss): Map<string, Float64Array> {
  const { description, optimizer, data } = training;
  const weights = new Map([...training.initialWeights].map(([key, tensor]) => [key, tensor.data.slice()]));
  const current = (): ModelWeights =>
    new Map([...training.initialWeights].map(([key, { shape }]) => [key, { shape, data: weights.get(key)! }]));
  const velocities = new Map([...weights].map(([key, values]) => [key, new Float64Array(values.length)]));
  for (const batch of training.schedule) {
    const features = Float64Array.from(
      Array.from(batch).flatMap((row) => [...data.features.subarray(3 * row, 3 * row + 3)]),
    );
    const value = (): number => loss(plainForward({ description, weights: current() }, features), data.labels, batch);
    const gradients = new Map<string, Float64Array>();
    for (const [key, values] of weights) {
      gradients.set(
        key,
        values.map((weight, i) => {
          const h = 1e-5;
          values[i] = weight + h;
          const above = value();
          values[i] = weight - h;
          const below = value();
          values[i] = weight;
          return (above - below) / (2 * h) + optimizer.weightDecay * weight;
        }),
      );
    }
    for (const [key, values] of weights) {
      const velocity = velocities.get(key)!;
      values.forEach((weight, i) => {
        velocity[i] = (optimizer.name === 'sgd' ? optimizer.momentum : 0) * velocity[i]! + gradients.get(key)![i]!;
        values[i] = weight - optimizer.lr * velocity[i];
      });
    }
  }
  return weights;
}

const meanOver = (rows: ArrayLike<number>, of: (row: number, i: number) => number): number =>
  Array.from(rows).reduce((sum, row, i) => sum + of(row, i), 0) / rows.length;
const binary: Loss = (answers, labels, rows) =>
  meanOver(rows, (row, i) => -Math.log(labels[row] === 1 ? answers[i]! : 1 - answers[i]!));
const categorical: Loss = (answers, labels, rows) =>
  meanOver(rows, (row, i) => -Math.log(answers[3 * i + labels[row]!]!));
const squared: Loss = (answers, labels, rows) => meanOver(rows, (row, i) => (answers[i]! - labels[row]!) ** 2);

function trainingOf(
  template: Parameters<typeof expandTemplate>[0],
  outputs: number,
  task: BaselineTraining['task'],
  labelOf: (row: readonly number[]) => number,
): BaselineTraining {
  const description = expandTemplate(template, [3], outputs, task);
  const optimizer = { ...sgd, lr: 0.25, momentum: 0.75, weightDecay: 0.01 };
  const data = toyData(labelOf);
  return { description, initialWeights: initialWeights(description, 5), task, data, schedule, testRows, optimizer };
}

describe('every step is the documented one', () => {
  test.each<[string, BaselineTraining, Loss]>([
    ['logistic', trainingOf({ template: 'logistic' }, 1, 'classification', ([a, b]) => (a! > b! ? 1 : 0)), binary],
    ['linear', trainingOf({ template: 'linear' }, 1, 'regression', ([a, b, c]) => a! - 2 * b! + 0.5 * c!), squared],
    [
      'mlp, three classes',
      trainingOf({ template: 'mlp', hidden: [4], activation: 'tanh' }, 3, 'classification', ([a, b]) =>
        a! > 0.3 ? 2 : b! > 0 ? 1 : 0,
      ),
      categorical,
    ],
    [
      'mlp, ReLU and regression',
      trainingOf({ template: 'mlp', hidden: [4], activation: 'relu' }, 1, 'regression', ([a, b]) => a! * b!),
      squared,
    ],
  ])('%s', async (_, training, loss) => {
    const result = await trainBaseline(training);
    expect(result.steps).toBe(schedule.length);
    const expected = differenceDescent(training, loss);
    for (const [key, values] of expected)
      expect(worstDifference(result.weights.get(key)!.data, values), key).toBeLessThan(2e-5);
    // The reported loss is that of the final weights on the test rows.
    const rows = Float64Array.from(
      Array.from(testRows).flatMap((row) => [...training.data.features.subarray(3 * row, 3 * row + 3)]),
    );
    const answers = await predictBaseline({ description: training.description, weights: result.weights }, rows);
    expect(result.metrics.loss).toBeCloseTo(loss(answers, training.data.labels, testRows), 5);
  });
});

test('logistic regression on the breast cancer data reaches what it should', async () => {
  const text = readFileSync(join(import.meta.dirname, '../../../assets/samples/wdbc.csv'), 'utf8');
  const table = text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number));
  const columns = 30;
  const train = Uint32Array.from({ length: 455 }, (_, i) => i);
  const moments = Array.from({ length: columns }, (_, c) => {
    const mean = meanOver(train, (row) => table[row]![c]!);
    return { mean, deviation: Math.sqrt(meanOver(train, (row) => (table[row]![c]! - mean) ** 2)) };
  });
  const features = Float64Array.from(
    table.flatMap((row) => moments.map(({ mean, deviation }, c) => (row[c]! - mean) / deviation)),
  );
  const description = expandTemplate({ template: 'logistic' }, [columns], 1, 'classification');
  const result = await trainBaseline({
    description,
    initialWeights: initialWeights(description, 7),
    task: 'classification',
    data: { features, labels: Float64Array.from(table.map((row) => row[columns]!)) },
    schedule: Array.from({ length: 50 }, () => train),
    testRows: Uint32Array.from({ length: 114 }, (_, i) => 455 + i),
    optimizer: { ...sgd, lr: 0.1, momentum: 0.9 },
  });
  expect('accuracy' in result.metrics && result.metrics.accuracy).toBeGreaterThan(0.94);
  expect(result.metrics.loss).toBeLessThan(0.15);
  expect(result.backend).toMatch(/TensorFlow/u);
});

describe('prediction', () => {
  test.each([
    ['a perceptron', mlp],
    ['a standardised model', standardisedLogistic],
    ['a convolutional network', convolutional],
  ])('%s answers as its description means', async (_, model) => {
    const width = model.description.inputShape.reduce((a, b) => a * b, 1);
    const inputs = Float64Array.from({ length: 3 * width }, (_, i) => ((i * 37) % 64) / 32 - 1);
    expect(worstDifference(await predictBaseline(model, inputs), plainForward(model, inputs))).toBeLessThan(1e-5);
    expect(await predictBaseline(model, new Float64Array(0))).toHaveLength(0);
  });
});

test('metrics: accuracy with ties to the lower class, losses of extreme scores, rmse', () => {
  const labels = Float64Array.of(1, 0, 1);
  expect(lossAndMetrics('classification', Float64Array.of(0, 0, 800), labels, [0, 1, 2], 1)).toEqual({
    accuracy: 2 / 3,
    loss: (2 * Math.LN2) / 3,
  });
  const many = lossAndMetrics('classification', Float64Array.of(1000, 0, 0, 5, 5, 0), labels, [0, 1], 3);
  expect(many).toEqual({ accuracy: 0.5, loss: (1000 + Math.log(2 + Math.exp(-5))) / 2 });
  expect(lossAndMetrics('regression', Float64Array.of(1, 2, 3, 4), Float64Array.of(1, 2, 0, 0), [0, 1], 2)).toEqual({
    rmse: 2.5,
    loss: 6.25,
  });
});

describe('other layers', () => {
  const listed = (layers: readonly Record<string, unknown>[], inputShape: readonly number[]) => {
    const specs = layers.map((layer) => modelLayerSchema.parse(layer));
    const description = describeLayers(specs, inputShape);
    return { description, initialWeights: initialWeights(description, 2) };
  };
  const head = [{ kind: 'dense', units: 1 }, { kind: 'sigmoid' }];
  const base = trainingOf({ template: 'logistic' }, 1, 'classification', ([a]) => Number(a! > 0));

  test('running statistics follow the batches, and dropout is for training only', async () => {
    const changed = listed([{ kind: 'batchNorm', momentum: 0.5 }, { kind: 'dropout', rate: 0.25 }, ...head], [3]);
    const { weights, metrics } = await trainBaseline({ ...base, ...changed });
    expect(weights.get('batchNorm1/variance')!.data.every((v) => v > 0 && v !== 1)).toBe(true);
    expect(weights.get('batchNorm1/scale')!.data.every((v) => v !== 1)).toBe(true);
    expect(metrics.loss).toBeLessThan(Math.LN2);
  });

  test('a layer that TensorFlow.js has not is named', async () => {
    const changed = listed([{ kind: 'rmsNorm' }, ...head], [3]);
    await expect(trainBaseline({ ...base, ...changed })).rejects.toThrow(
      'cannot express layer rmsNorm1 (rmsNorm): it has no such layer',
    );
  });
});

describe('refusals', () => {
  const training = trainingOf({ template: 'logistic' }, 1, 'classification', ([a]) => (a! > 0 ? 1 : 0));
  test.each<[string, string, Partial<BaselineTraining>]>([
    ['a row that does not exist', 'baseline-rows', { schedule: [[0, 40]] }],
    ['no test rows', 'baseline-rows', { testRows: [] }],
    ['a cell too many', 'baseline-rows', { data: { ...training.data, features: new Float64Array(121) } }],
    ['a label too few', 'baseline-rows', { data: { ...training.data, labels: new Float64Array(39) } }],
    [
      'a label that is no class',
      'baseline-label',
      { data: { ...training.data, labels: new Float64Array(40).fill(2) } },
    ],
    [
      'a model without a head',
      'baseline-model',
      { description: expandTemplate({ template: 'linear' }, [3], 1, 'regression') },
    ],
    [
      'a learning rate beyond reason',
      'baseline-diverged',
      { optimizer: { ...sgd, lr: 1e38, momentum: 0.9, weightDecay: 1e38 } },
    ],
  ])('%s', async (_, code, change) => {
    await expect(trainBaseline({ ...training, ...change })).rejects.toEqual(codeOf(code));
  });

  test('stops when asked to', async () => {
    const endless = function* (): Generator<Uint32Array> {
      for (;;) yield testRows;
    };
    const stop = new AbortController();
    const running = trainBaseline({ ...training, schedule: endless() }, stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 20);
    await expect(running).rejects.toThrow('enough');
  });
});
