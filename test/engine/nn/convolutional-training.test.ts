/** Convolutional nets train on shares as in the clear: windows, pooling and their gradients, against TensorFlow.js. */
import { expect, test } from 'vitest';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { names, trainingGraphs } from '../../../engine/nn/training.ts';
import type { TrainingSpec } from '../../../engine/nn/training.ts';
import { trainingScript } from '../../../engine/nn/script.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { Simulation } from '../../../engine/runtime/simulation.ts';
import { decodeFixed, encodeFixed } from '../../../engine/runtime/words.ts';
import { trainBaseline } from '../../../main/host/baseline/train.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import type { Layer } from '../../../shared/model.ts';

const [ROWS, CLASSES, SIDE] = [12, 3, 6];
const conv: Layer = {
  kind: 'conv2d',
  name: 'conv',
  channels: 1,
  filters: 3,
  kernel: [3, 3],
  stride: [1, 1],
  dilation: [1, 1],
  padding: [1, 1, 1, 1],
  groups: 1,
  useBias: true,
};
const tail = (inputs: number): Layer[] => [
  { kind: 'flatten', name: 'flatten' },
  { kind: 'dense', name: 'dense', inputs, outputs: CLASSES, useBias: true },
  { kind: 'softmax', name: 'softmax' },
];
const zero: [number, number, number, number] = [0, 0, 0, 0];
const maximum: Layer = {
  kind: 'maxPool2d',
  name: 'pool',
  kernel: [2, 2],
  stride: [2, 2],
  dilation: [1, 1],
  padding: zero,
};
const large: Layer = {
  kind: 'maxPool2d',
  name: 'pool',
  kernel: [4, 4],
  stride: [2, 2],
  dilation: [1, 1],
  padding: zero,
};
const mean: Layer = {
  kind: 'averagePool2d',
  name: 'pool',
  kernel: [3, 3],
  stride: [3, 3],
  padding: zero,
  countPadding: true,
};

test.each<[string, Layer[]]>([
  ['rectified, then the largest of 4', [conv, { kind: 'relu', name: 'relu' }, maximum, ...tail(27)]],
  ['the largest of 16, in two stages', [conv, large, { kind: 'tanh', name: 'tanh' }, ...tail(12)]],
  ['rectified, then the mean of 9', [conv, { kind: 'relu', name: 'relu' }, mean, ...tail(12)]],
])('%s', async (_, layers) => {
  const description = { inputShape: [1, SIDE, SIDE], layers };
  const cells = Float64Array.from({ length: ROWS * SIDE * SIDE }, (_cell, i) => Math.sin(1 + i * i));
  const classes = Float64Array.from({ length: ROWS }, (_row, i) => i % CLASSES);
  const oneHot = Float64Array.from({ length: ROWS * CLASSES }, (_cell, i) =>
    i % CLASSES === Math.floor(i / CLASSES) % CLASSES ? 1 : 0,
  );
  const first = initialWeights(description, 5);
  const optimizer = { lr: 0.2, momentum: 0.5, weightDecay: 0 };
  const rows = Uint32Array.from({ length: ROWS }, (_row, i) => i);
  const epochs = 5;
  const spec: TrainingSpec = {
    features: [{ owner: 'a', rows: ROWS, columns: SIDE * SIDE }],
    arrangement: 'columns',
    labels: [{ owner: 'b', rows: ROWS }],
    description,
    task: 'classification',
    trainingRows: ROWS,
    testRows: 0,
    batch: 'all',
    optimizer,
    reveal: { model: ['a'], metrics: [] },
    fractionBits: 16,
    assumedBound: 54,
    featureMagnitudeBits: 1,
    labelMagnitudeBits: 1,
    standardise: undefined,
  };
  const plan = planJob(
    trainingGraphs(spec).map((graph) => lower(graph, { parties: ['a', 'b'] })),
    nodeCrypto.sha256,
  );
  const simulation = await Simulation.create({ plan, crypto: nodeCrypto, kernels: () => wasmKernels({ threads: 1 }) });
  const encode = (values: Float64Array): BigUint64Array => encodeFixed(values, 16, 1, (i) => `Cell ${i}`);
  const inputs = new Map([
    ['a', new Map([[`${names.features}/0`, encode(cells)]])],
    ['b', new Map([[`${names.labels}/0`, encode(oneHot)]])],
  ]);
  let revealed = new Map<string, BigUint64Array>();
  const script = {
    spec,
    seed: 0,
    epochs,
    train: rows,
    test: new Uint32Array(0),
    initialWeights: first,
    metricsEvery: undefined,
  };
  for (const { program, known } of trainingScript(script))
    revealed = (await simulation.execute(program, { inputs, known }))[0]!;
  await simulation.close();

  const clear = await trainBaseline({
    description,
    initialWeights: first,
    task: 'classification',
    data: { features: cells, labels: classes },
    schedule: Array.from({ length: epochs }, () => rows),
    testRows: rows,
    optimizer,
  });
  for (const [key, { data }] of clear.weights) {
    const ours = decodeFixed(revealed.get(names.weight(key)) ?? new BigUint64Array(0), 16);
    expect(ours.length).toBe(data.length);
    const moved = Math.max(...data.map((value, i) => Math.abs(value - first.get(key)!.data[i]!)));
    expect(moved).toBeGreaterThan(0.01);
    data.forEach((value, i) =>
      expect(Math.abs(value - ours[i]!), `${key} ${i}`).toBeLessThan(0.01 * Math.max(1, moved)),
    );
  }
});
