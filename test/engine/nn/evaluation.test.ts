/** Test rows are evaluated in parts that fit into memory, and nobody learns how the model does on a single part. */
import { describe, expect, test } from 'vitest';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { trainingGraphs } from '../../../engine/nn/training/graphs.ts';
import { evaluationRows, keepsTotals, metricSums } from '../../../engine/nn/training/totals.ts';
import { names } from '../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../engine/nn/training/spec.ts';
import { trainingScript } from '../../../engine/nn/training/script.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { Simulation } from '../../../engine/runtime/simulation.ts';
import { encodeFixed } from '../../../engine/runtime/words.ts';
import { trainBaseline } from '../../../main/host/baseline/train.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { describeModel } from '../../../shared/job-model.ts';
import { ratesOf } from '../../../shared/metrics.ts';
import { epochBatches } from '../../../shared/schedule.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import { fixedCrypto } from '../../helpers/fixed-crypto.ts';

const [TRAINING, COLUMNS, EPOCHS, SEED] = [64, 2, 2, 3];

const optimizer = { name: 'sgd', lr: 0.5, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 } as const;

function specOf(task: TrainingSpec['task'], testRows: number, metrics: TrainingSpec['metrics'] = []): TrainingSpec {
  const rows = TRAINING + testRows;
  return {
    features: [{ owner: 'a', rows, columns: COLUMNS }],
    arrangement: 'columns',
    labels: [{ owner: 'b', rows }],
    description: expandTemplate({ template: task === 'regression' ? 'linear' : 'logistic' }, [COLUMNS], 1, task),
    task,
    trainingRows: TRAINING,
    testRows,
    batch: 'all',
    optimizer,
    reveal: { model: [], metrics: ['a'] },
    metrics,
    fractionBits: 16,
    assumedBound: 54,
    featureMagnitudeBits: 1,
    labelMagnitudeBits: 1,
    standardise: undefined,
  };
}

const evaluations = [
  { task: 'classification', metric: 'confusion', count: 9000, parts: 3 },
  { task: 'classification', metric: 'auc', count: 400, parts: 1 },
  { task: 'regression', metric: 'mae', count: 9000, parts: 3 },
] as const;

test.each(evaluations)('$task, $metric: sums of $parts parts, after every epoch', async (evaluation) => {
  const { task, metric, count, parts } = evaluation;
  const metrics = [metric];
  const spec = specOf(task, count, metrics);
  expect(evaluationRows(spec)).toBe(count / parts);
  const { description } = spec;
  const rows = TRAINING + count;
  const features = Float64Array.from({ length: rows * COLUMNS }, (_, i) => Math.sin(1 + i * i));
  const labels = Float64Array.from({ length: rows }, (_, row) => {
    const score = features[row * COLUMNS]! - features[row * COLUMNS + 1]! / 2;
    return task === 'regression' ? score / 2 : Number(score > 0);
  });
  const train = Uint32Array.from({ length: TRAINING }, (_, row) => row);
  const testRows = Uint32Array.from({ length: count }, (_, row) => TRAINING + row);
  const first = initialWeights(description, SEED);
  const plan = planJob(
    trainingGraphs(spec).map((graph) => lower(graph, { parties: ['a', 'b'] })),
    nodeCrypto.sha256,
  );
  const simulation = await Simulation.create({
    plan,
    crypto: fixedCrypto(),
    kernels: () => wasmKernels({ threads: 1 }),
  });
  const encode = (values: Float64Array): BigUint64Array => encodeFixed(values, 16, 1, (i) => `cell ${i}`);
  const inputs = new Map([
    ['a', new Map([[`${names.features}/0`, encode(features)]])],
    ['b', new Map([[`${names.labels}/0`, encode(labels)]])],
  ]);
  const script = { spec, seed: SEED, epochs: EPOCHS, train, test: testRows, initialWeights: first, metricsEvery: 1 };
  const programs: string[] = [];
  const found: Record<string, Float64Array>[] = [];
  for (const { program, known } of trainingScript(script)) {
    programs.push(program);
    const [own, others] = await simulation.execute(program, { inputs, known });
    expect(others?.size).toBe(0);
    if (program !== names.metrics) expect(own?.size, program).toBe(0);
    else found.push(Object.fromEntries([...own!].map(([name, words]) => [name, metricSums(spec, name, words)])));
  }
  await simulation.close();
  const epoch = [names.step(TRAINING), ...new Array<string>(parts).fill(names.evaluate), names.metrics];
  expect(programs).toEqual([names.setup, ...epoch, ...epoch]);

  for (const [index, sums] of found.entries()) {
    const mean = (name: string): number => sums[name]![0]! / count;
    const clear = await trainBaseline({
      description,
      initialWeights: first,
      task,
      data: { features, labels },
      schedule: Array.from({ length: index + 1 }, (_, e) => epochBatches(train, 'all', SEED, e)[0]!),
      testRows,
      metrics,
      optimizer,
    });
    const { loss } = clear.metrics;
    if ('rmse' in clear.metrics) {
      expect(Math.abs(mean(names.squaredError) - loss)).toBeLessThan(1e-3);
      expect(Math.abs(mean(names.absoluteError) - clear.metrics.mae!)).toBeLessThan(1e-3);
    } else {
      expect(Math.abs(mean(names.loss) - loss)).toBeLessThan(1e-3);
      // Of rows on the border a few may go the other way.
      expect(Math.abs(mean(names.correct) - clear.metrics.accuracy)).toBeLessThan(2e-3);
      // Binned scores.
      if (metric === 'auc') expect(Math.abs(sums[names.auc]![0]! - clear.metrics.auc!)).toBeLessThan(3e-3);
      if (metric !== 'confusion') continue;
      const confusion = sums[names.confusion]!;
      expect(confusion.reduce((all, some) => all + some, 0)).toBe(count);
      expect(confusion[2]! + confusion[3]!).toBe(labels.subarray(TRAINING).reduce((all, label) => all + label, 0));
      expect((confusion[0]! + confusion[3]!) / count).toBeCloseTo(mean(names.correct), 12);
      const rates = ratesOf(confusion);
      for (const name of ['precision', 'recall', 'f1'] as const)
        expect(Math.abs(rates[name] - clear.metrics[name]!), name).toBeLessThan(4e-3);
    }
  }
  expect(found).toHaveLength(EPOCHS);
});

describe('rows of a part', () => {
  const evaluated = (template: 'network-a' | 'network-b' | 'lenet', testRows: number, batch: number): number => {
    const description = describeModel(
      { template },
      template === 'network-a' ? [784] : [1, 28, 28],
      10,
      'classification',
    );
    return evaluationRows({ ...specOf('classification', testRows), description, batch });
  };

  test('as many as fit', () => {
    expect(keepsTotals(specOf('classification', 4096))).toBe(false);
    expect(keepsTotals(specOf('classification', 4097))).toBe(true);
    expect(evaluated('network-a', 2000, 128)).toBe(2000);
    expect(evaluated('lenet', 100, 128)).toBe(100);
  });

  test('of large models fewer, but as many as a step has', () => {
    expect(evaluated('lenet', 2000, 128)).toBeLessThan(300);
    expect(evaluated('network-b', 2000, 64)).toBeLessThan(150);
    expect(evaluated('network-b', 2000, 1000)).toBe(1000);
    expect(evaluated('network-b', 2000, 999)).toBe(667);
  });
});
