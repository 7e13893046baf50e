/**
 * LeNet and CrypTen's three networks as they are, on the middle of MNIST digits: a few steps on shares leave the weights
 * of the same steps in the clear. `tacit bench networks` trains them to the end on whole digits.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDataset, scanColumns } from '../../main/host/datasets/dataset.ts';
import { trainBaseline } from '../../main/host/baseline/train.ts';
import { samplesFolder } from '../../main/paths.ts';
import { initialWeights } from '../../shared/initialise.ts';
import { describeModel } from '../../shared/job-model.ts';
import { networkNames } from '../../shared/layers/networks.ts';
import type { ModelWeights } from '../../shared/model.ts';
import { epochBatches } from '../../shared/schedule.ts';
import { trainOnShares } from '../helpers/simulated-training.ts';

const [WHOLE, SIDE, CLASSES, ROWS, BATCH, EPOCHS, SEED] = [28, 16, 10, 36, 12, 2, 3];
const MARGIN = (WHOLE - SIDE) / 2;
const optimizer = { name: 'sgd', lr: 0.02, momentum: 0.9, dampening: 0, nesterov: false, weightDecay: 0 } as const;

/** The middle cells of the first digits, 0 to 1: twice as many rows as are trained on. */
async function digits(): Promise<{ features: Float64Array; classes: Float64Array }> {
  const rows = 2 * ROWS;
  const cells = Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [y, x] = [Math.floor(i / SIDE) + MARGIN, (i % SIDE) + MARGIN];
    return `x${y * WHOLE + x}`;
  });
  const features = new Float64Array(rows * cells.length);
  const file = (name: string): string => join(samplesFolder, `mnist-training-${name}.gz`);
  await scanColumns(await openDataset([file('images.idx3-ubyte')]), cells, (columns, _wanted, first, count) => {
    for (let row = 0; row < Math.min(count, rows - first); row++)
      columns.forEach((column, i) => (features[(first + row) * cells.length + i] = Number(column[row]) / 256));
  });
  // Digits come in turn.
  return { features, classes: Float64Array.from({ length: rows }, (_, row) => row % CLASSES) };
}

test.each(['lenet', ...networkNames] as const)('%s', async (template) => {
  const image = template === 'network-a' ? [SIDE * SIDE] : [1, SIDE, SIDE];
  const description = describeModel({ template }, image, CLASSES, 'classification');
  const { features, classes } = await digits();
  const trained = { features: features.slice(0, features.length / 2), classes: classes.slice(0, ROWS) };
  const first = initialWeights(description, SEED);
  const own = await trainOnShares({
    ...{ description, initialWeights: first, ...trained, outputs: CLASSES },
    ...{ epochs: EPOCHS, batch: BATCH, seed: SEED, optimizer },
  });
  const train = Uint32Array.from({ length: ROWS }, (_, row) => row);
  const clear = await trainBaseline({
    description,
    initialWeights: first,
    task: 'classification',
    data: { features, labels: classes },
    schedule: Array.from({ length: EPOCHS }, (_, epoch) => epochBatches(train, BATCH, SEED, epoch)).flat(),
    testRows: Uint32Array.from({ length: ROWS }, (_, row) => ROWS + row),
    optimizer,
  });
  const distance = (a: ModelWeights, b: ModelWeights): number =>
    Math.sqrt(
      [...a].reduce(
        (sum, [key, { data }]) => data.reduce((own, v, i) => own + (v - b.get(key)!.data[i]!) ** 2, sum),
        0,
      ),
    );
  const moved = distance(clear.weights, first);
  expect(moved).toBeGreaterThan(0.5);
  expect(distance(own, clear.weights)).toBeLessThan(0.03 * moved);
});
