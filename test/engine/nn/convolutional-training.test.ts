/** Convolutional nets train on shares as in the clear: windows, pooling and their gradients, against TensorFlow.js. */
import { expect, test } from 'vitest';
import { trainBaseline } from '../../../main/host/baseline/train.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import { trainOnShares } from '../../helpers/simulated-training.ts';

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
  const first = initialWeights(description, 5);
  const optimizer = {
    name: 'sgd',
    lr: 0.2,
    momentum: 0.5,
    dampening: 0,
    nesterov: false,
    weightDecay: 0,
  } as const;
  const rows = Uint32Array.from({ length: ROWS }, (_row, i) => i);
  const epochs = 5;
  const weights = await trainOnShares({
    ...{ description, initialWeights: first, features: cells, classes, outputs: CLASSES },
    ...{ epochs, batch: 'all', seed: 0, optimizer },
  });
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
    const ours = weights.get(key)!.data;
    expect(ours.length).toBe(data.length);
    const moved = Math.max(...data.map((value, i) => Math.abs(value - first.get(key)!.data[i]!)));
    expect(moved).toBeGreaterThan(0.01);
    data.forEach((value, i) =>
      expect(Math.abs(value - ours[i]!), `${key} ${i}`).toBeLessThan(0.01 * Math.max(1, moved)),
    );
  }
});
