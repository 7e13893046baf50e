/** The sample jobs run, and find what is known of the breast cancer data. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { samplesFolder } from '../../../main/paths.ts';
import { columnOf, simulateJobFile, tableOf } from '../../helpers/simulated-job.ts';

const job = (name: string): string => join(samplesFolder, 'jobs', `${name}.yaml`);

test('support vectors tell malignant from benign', async () => {
  const { result } = await simulateJobFile(job('svm'));
  const metrics = result.get('clinic-a')?.metrics;
  expect(metrics?.accuracy).toBeGreaterThan(0.94);
  expect(metrics?.loss).toBeLessThan(0.25);
});

test('two groups differ in size, and their radii do', async () => {
  const { result } = await simulateJobFile(job('k-means'));
  const table = tableOf(result.get('clinic-b'), 'centroids');
  expect(columnOf(table, 'rows').reduce((sum, rows) => sum + rows, 0)).toBe(569);
  expect(Math.min(...columnOf(table, 'rows'))).toBeGreaterThan(150);
  const radii = columnOf(table, 'clinic-a.mean_radius').sort((a, b) => a - b);
  expect(radii[0]).toBeLessThan(14);
  expect(radii[1]).toBeGreaterThan(16);
});

test('the first component is size', async () => {
  const { result } = await simulateJobFile(job('components'));
  const [first = 0, second = 0] = columnOf(tableOf(result.get('clinic-a'), 'variances'), 'variance');
  expect(first).toBeGreaterThan(5);
  expect(second).toBeLessThan(first / 2);
  const component = columnOf(tableOf(result.get('clinic-a'), 'components'), 'component 1');
  // All sizes point one way.
  for (const at of [0, 2, 3, 6, 8, 9]) expect(component[at]).toBeGreaterThan(0.25);
});

test('a model trained by noisy sums of gradients still tells malignant from benign', async () => {
  const { result } = await simulateJobFile(job('split'));
  expect(result.get('clinic-b')?.metrics?.accuracy).toBeGreaterThan(0.85);
  expect(result.get('clinic-b')?.model).toBeUndefined();
  expect(result.get('clinic-a')?.model?.weights.size).toBe(2);
});
