/** Peaks of cards against what their maker publishes, and shares of them. */
import { expect, test } from 'vitest';
import { cardPeaks, peakShare } from '../../main/bench/gpu-cards.ts';

/** Published tera operations a second: 32-bit integer, and 8-bit on matrix units without sparsity; a multiply-add is two. */
const PUBLISHED: readonly (readonly [description: string, name: string, int32: number, int8: number])[] = [
  ['NVIDIA H200, nvidia, hopper', 'NVIDIA H200', 33.5, 1978.9],
  ['NVIDIA H100 80GB HBM3, nvidia', 'NVIDIA H100 SXM', 33.5, 1978.9],
  ['NVIDIA H100 PCIe, nvidia', 'NVIDIA H100 PCIe', 25.6, 1513],
  ['NVIDIA A100-SXM4-40GB, nvidia', 'NVIDIA A100', 19.5, 624],
  ['NVIDIA L40S, nvidia', 'NVIDIA L40S', 45.8, 733],
  ['NVIDIA GeForce RTX 4090, nvidia', 'NVIDIA GeForce RTX 4090', 41.3, 660.6],
];

test.each(PUBLISHED)('%s has the peaks of the table', (description, name, int32, int8) => {
  const peaks = cardPeaks(description)!;
  expect(peaks.name).toBe(name);
  expect((2 * peaks.integerPerSecond) / 1e12).toBeCloseTo(int32, 0);
  expect((2 * peaks.matrixPerSecond) / 1e12).toBeCloseTo(int8, 0);
});

test('a variant is measured by the units that it computes on', () => {
  const peaks = { name: 'a card', integerPerSecond: 18e12, matrixPerSecond: 360e12 };
  expect(peakShare(peaks, 'imad9_4x4', 1e12)).toEqual({ units: 'integer units', share: 0.5 });
  expect(peakShare(peaks, 'hyb6_4x2', 1e12)).toEqual({ units: 'integer units', share: 1 / 3 });
  expect(peakShare(peaks, 'matrix36_1x2', 5e12)).toEqual({ units: 'matrix units', share: 0.5 });
  expect(peakShare(peaks, 'naive16', 1e12)).toBeUndefined();
  expect(cardPeaks('some other card')).toBeUndefined();
});
