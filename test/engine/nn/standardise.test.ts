/** Standardising stacked rows on shares: statistics of all parties' training rows, and training on the result. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { trainingScript } from '../../../engine/nn/training/script.ts';
import { revealedStandardisation } from '../../../engine/nn/table.ts';
import { trainingGraphs } from '../../../engine/nn/training/graphs.ts';
import { names } from '../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../engine/nn/training/spec.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { Simulation } from '../../../engine/runtime/simulation.ts';
import { decodeFixed, encodeFixed } from '../../../engine/runtime/words.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import { splitRows } from '../../../shared/schedule.ts';
import { fixedCrypto } from '../../helpers/fixed-crypto.ts';

const parties = ['a', 'b', 'c'];

test('mean and deviation of stacked rows are those of all parties, and training uses them', async () => {
  const cells = readFileSync('assets/samples/wdbc.csv', 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number));
  const width = 30;
  const rows = cells.length;
  const powers = Array.from(
    { length: width },
    (_, j) => 2 ** Math.ceil(Math.log2(Math.max(...cells.map((r) => r[j]!)))),
  );
  const scaled = cells.map((row) => row.slice(0, width).map((v, j) => v / powers[j]!));
  const labels = cells.map((row) => row[width]!);
  const { train, test: testRows } = splitRows(rows, 0.2, 7);
  const blocks = [200, 150, rows - 350];
  const spec: TrainingSpec = {
    features: parties.map((owner, i) => ({ owner, rows: blocks[i]!, columns: width })),
    arrangement: 'rows',
    labels: parties.map((owner, i) => ({ owner, rows: blocks[i]! })),
    description: expandTemplate({ template: 'logistic' }, [width], 1, 'classification'),
    task: 'classification',
    trainingRows: train.length,
    testRows: testRows.length,
    batch: 'all',
    optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9, dampening: 0, nesterov: false, weightDecay: 0 },
    reveal: { model: ['a'], metrics: ['a'] },
    fractionBits: 16,
    assumedBound: 54,
    featureMagnitudeBits: 0.01,
    labelMagnitudeBits: 0.01,
    standardise: new Array<boolean>(width).fill(true),
  };
  const plan = planJob(
    trainingGraphs(spec).map((graph) => lower(graph, { parties })),
    nodeCrypto.sha256,
  );
  const simulation = await Simulation.create({
    plan,
    crypto: fixedCrypto(),
    kernels: () => wasmKernels({ threads: 1 }),
  });
  const encode = (values: number[]): BigUint64Array => encodeFixed(values, 16, 0.01, (i) => `cell ${i}`);
  const inputs = new Map(
    parties.map((party, i) => {
      const from = blocks.slice(0, i).reduce((sum, n) => sum + n, 0);
      const to = from + blocks[i]!;
      return [
        party,
        new Map([
          [`${names.features}/${i}`, encode(scaled.slice(from, to).flat())],
          [`${names.labels}/${i}`, encode(labels.slice(from, to))],
        ]),
      ] as const;
    }),
  );
  const revealed = new Map<string, BigUint64Array>();
  const script = trainingScript({
    spec,
    seed: 7,
    epochs: 50,
    train,
    test: testRows,
    initialWeights: initialWeights(spec.description, 7),
    metricsEvery: undefined,
  });
  for (const execution of script) {
    const [first] = await simulation.execute(execution.program, { inputs, known: execution.known });
    for (const [name, words] of first ?? []) revealed.set(name, words);
  }
  await simulation.close();

  const found = revealedStandardisation(spec, revealed)!;
  for (let j = 0; j < width; j++) {
    const values = [...train].map((row) => scaled[row]![j]!);
    const mean = values.reduce((a, b) => a + b) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    expect(Math.abs(found.subtract[j]! - mean)).toBeLessThan(1e-5);
    expect(Math.abs(found.multiply[j]! * deviation - 1)).toBeLessThan(5e-3);
  }
  expect(decodeFixed(revealed.get(names.correct)!, 32)[0]! / testRows.length).toBeGreaterThan(0.94);
});
