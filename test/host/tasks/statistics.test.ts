/** Tasks that find figures: over private columns, on shares, what the same computation in the clear gives. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { columnOf, simulateJobFile, tableOf } from '../../helpers/simulated-job.ts';
import { writeJob } from '../../helpers/write-job.ts';
import { withFolder } from '../../parties/program.ts';

const ROWS = 60;

/** Numbers between 0 and 1 without structure, the same in every run. */
function noise(row: number, seed: number): number {
  const x = Math.sin((row + 1) * 12.9898 + seed * 78.233) * 43_758.5453;
  return x - Math.floor(x);
}

const age = Array.from({ length: ROWS }, (_, row) => Math.round(20 + 60 * noise(row, 1)));
const weight = age.map((years, row) => Number((0.5 * years + 40 + 20 * noise(row, 2)).toFixed(2)));
const dose = age.map((_, row) => Number((0.01 * noise(row, 3)).toFixed(6)));

async function job(folder: string, changes: Readonly<Record<string, string>>): Promise<string> {
  await writeFile(join(folder, 'a.csv'), `age,dose\n${age.map((years, i) => `${years},${dose[i]}\n`).join('')}`);
  await writeFile(join(folder, 'b.csv'), `weight\n${weight.map((kilos) => `${kilos}\n`).join('')}`);
  return writeJob(folder, {
    name: 'figures',
    parties: '{ a: { data: a.csv }, b: { data: b.csv } }',
    dealer: 'd',
    join: '{ how: rows }',
    ...changes,
  });
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const covariance = (a: readonly number[], b: readonly number[]): number =>
  mean(a.map((value, i) => (value - mean(a)) * ((b[i] ?? 0) - mean(b))));
const correlation = (a: readonly number[], b: readonly number[]): number =>
  covariance(a, b) / Math.sqrt(covariance(a, a) * covariance(b, b));

describe('statistics', () => {
  test('sums, variances and correlations are those in the clear; small counts are hidden', () =>
    withFolder(async (folder) => {
      const edges = [20, 30, 50, 79];
      const file = await job(folder, {
        task: 'statistics',
        aggregates: '[count, sum, mean, variance, correlation, histogram]',
        histogram: `{ age: [${edges.join(', ')}] }`,
        minimumRows: '8',
        reveal: '{ aggregates: [b] }',
      });
      const { result, cost } = await simulateJobFile(file);
      expect(result.get('a')).toEqual({});
      const table = tableOf(result.get('b'), 'aggregates');
      expect(table.rows.map(([column]) => column)).toEqual(['a.age', 'a.dose', 'b.weight']);
      const columns = [age, dose, weight];
      expect(columnOf(table, 'count')).toEqual([ROWS, ROWS, ROWS]);
      columns.forEach((values, i) => {
        const sum = values.reduce((total, value) => total + value, 0);
        // Each cell is a multiple of 2^-16 of its column's power of two.
        expect(Math.abs((columnOf(table, 'sum')[i] ?? NaN) / sum - 1)).toBeLessThan(1e-4);
        expect(Math.abs((columnOf(table, 'mean')[i] ?? NaN) / mean(values) - 1)).toBeLessThan(1e-4);
        expect(Math.abs((columnOf(table, 'variance')[i] ?? NaN) / covariance(values, values) - 1)).toBeLessThan(2e-3);
      });
      const matrix = tableOf(result.get('b'), 'correlations');
      columns.forEach((one, i) =>
        columns.forEach((other, j) =>
          expect(Math.abs(Number(matrix.rows[i]?.[j + 1]) - correlation(one, other))).toBeLessThan(2e-3),
        ),
      );
      const bins = tableOf(result.get('b'), 'histograms');
      const counts = [-Infinity, ...edges].map(
        (from, i) => age.filter((years) => years >= from && years < (edges[i] ?? Infinity)).length,
      );
      expect(counts.some((count) => count > 0 && count < 8)).toBe(true);
      expect(columnOf(bins, 'rows')).toEqual(counts.map((count) => (count < 8 ? 0 : count)));
      expect(cost.training.rounds).toBeLessThan(30);
    }));

  test('sums alone open nothing: one round, one word a column from each party', () =>
    withFolder(async (folder) => {
      const file = await job(folder, { task: 'statistics', aggregates: '[sum]', reveal: '{ aggregates: [a] }' });
      const { cost } = await simulateJobFile(file);
      expect(cost.training.rounds).toBe(1);
      expect(cost.training.bytesSent[0]).toBe(0);
      expect(cost.training.bytesSent[1]).toBeLessThanOrEqual(3 * 8);
    }));

  test('an owner squares and compares its own columns in the clear: one round, a few bytes a figure', () =>
    withFolder(async (folder) => {
      const file = await job(folder, {
        task: 'statistics',
        aggregates: '[mean, variance, histogram]',
        histogram: '{ age: [30, 50], weight: [60, 70] }',
        reveal: '{ aggregates: [a] }',
      });
      const { cost } = await simulateJobFile(file);
      expect(cost.training.rounds).toBe(1);
      // Of its one column: a sum, a variance and three counts.
      expect(cost.training.bytesSent[0]).toBe(0);
      expect(cost.training.bytesSent[1]).toBeLessThanOrEqual(5 * 8);
      expect(cost.training.dealerBytes).toEqual([0, 0]);
    }));

  test('stacked rows: each party adds its own up first, so that only the totals meet', () =>
    withFolder(async (folder) => {
      const file = await job(folder, {
        join: '{ how: stack }',
        task: 'statistics',
        aggregates: '[variance, correlation, histogram]',
        histogram: '{ age: [30, 50, 79] }',
        minimumRows: '8',
        reveal: '{ aggregates: [b] }',
      });
      const half = (party: string, from: number, to: number): Promise<void> =>
        writeFile(
          join(folder, `${party}.csv`),
          `age,dose\n${age
            .slice(from, to)
            .map((years, i) => `${years},${dose[from + i]}\n`)
            .join('')}`,
        );
      await half('a', 0, 20);
      await half('b', 20, ROWS);
      const { result } = await simulateJobFile(file);
      const variances = columnOf(tableOf(result.get('b'), 'aggregates'), 'variance');
      [age, dose].forEach((values, i) =>
        expect(Math.abs((variances[i] ?? NaN) / covariance(values, values) - 1)).toBeLessThan(2e-3),
      );
      const matrix = tableOf(result.get('b'), 'correlations');
      expect(Math.abs(Number(matrix.rows[0]?.[2]) - correlation(age, dose))).toBeLessThan(2e-3);
      const counts = [-Infinity, 30, 50, 79].map(
        (from, i) => age.filter((years) => years >= from && years < ([30, 50, 79][i] ?? Infinity)).length,
      );
      expect(columnOf(tableOf(result.get('b'), 'histograms'), 'rows')).toEqual(
        counts.map((count) => (count < 8 ? 0 : count)),
      );
    }));

  test('a count alone reveals and costs nothing, and too few rows are refused', () =>
    withFolder(async (folder) => {
      const changes = { task: 'statistics', aggregates: '[count]', reveal: '{ aggregates: [a] }' };
      const { result, cost } = await simulateJobFile(await job(folder, changes));
      expect(columnOf(tableOf(result.get('a'), 'aggregates'), 'count')).toEqual([ROWS, ROWS, ROWS]);
      expect(cost.training.bytesSent).toEqual([0, 0]);
      const tooFew = await job(folder, { ...changes, minimumRows: String(ROWS + 1) });
      await expect(simulateJobFile(tooFew)).rejects.toMatchObject({ code: 'statistics-too-few-rows' });
    }));
});

describe('clustering', () => {
  test('centroids and sizes are those of the same iterations in the clear', () =>
    withFolder(async (folder) => {
      const file = await job(folder, {
        task: 'clustering',
        features: '{ a: [age], b: [weight] }',
        clustering: '{ clusters: 3, iterations: 6, seed: 2 }',
        reveal: '{ model: [a] }',
      });
      const { result, compiled } = await simulateJobFile(file);
      const start = [...compiled.script()][0]?.known.get('start') ?? [];
      const expected = lloyd([...start].map(Number), 6);
      const table = tableOf(result.get('a'), 'centroids');
      expect(columnOf(table, 'rows')).toEqual(expected.map(({ size }) => size));
      expected.forEach(({ centroid }, i) => {
        expect(Math.abs((columnOf(table, 'a.age')[i] ?? NaN) - (centroid[0] ?? 0))).toBeLessThan(0.1);
        expect(Math.abs((columnOf(table, 'b.weight')[i] ?? NaN) - (centroid[1] ?? 0))).toBeLessThan(0.1);
      });
      expect(result.get('b')).toEqual({});
    }));
});

/** Lloyd's iterations on standardised columns; centroids in the columns' own units. */
function lloyd(start: readonly number[], iterations: number): { centroid: number[]; size: number }[] {
  const columns = [age, weight].map((values) => {
    const deviation = Math.sqrt(covariance(values, values));
    return { centre: mean(values), deviation, values: values.map((value) => (value - mean(values)) / deviation) };
  });
  const row = (i: number): number[] => columns.map(({ values }) => values[i] ?? 0);
  const all = age.map((_, i) => row(i));
  let centroids = start.map(row);
  let sizes: number[] = [];
  const distance = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, i) => sum + (value - (b[i] ?? 0)) ** 2, 0);
  for (let i = 0; i < iterations; i++) {
    const nearest = all.map((one) => {
      const distances = centroids.map((centroid) => distance(one, centroid));
      return distances.indexOf(Math.min(...distances));
    });
    sizes = centroids.map((_, cluster) => nearest.filter((one) => one === cluster).length);
    centroids = centroids.map((centroid, cluster) => {
      const members = all.filter((_, j) => nearest[j] === cluster);
      return members.length === 0
        ? centroid
        : centroid.map((_, column) => mean(members.map((one) => one[column] ?? 0)));
    });
  }
  return centroids.map((centroid, cluster) => ({
    centroid: centroid.map(
      (value, column) => value * (columns[column]?.deviation ?? 1) + (columns[column]?.centre ?? 0),
    ),
    size: sizes[cluster] ?? 0,
  }));
}

describe('decomposition', () => {
  test('components are the eigenvectors of the correlations, their variances the eigenvalues', () =>
    withFolder(async (folder) => {
      const file = await job(folder, {
        task: 'decomposition',
        decomposition: '{ components: 2, iterations: 25 }',
        reveal: '{ model: [b] }',
      });
      const { result } = await simulateJobFile(file);
      const table = tableOf(result.get('b'), 'components');
      const variances = columnOf(tableOf(result.get('b'), 'variances'), 'variance');
      const columns = [age, dose, weight];
      const matrix = columns.map((one) => columns.map((other) => correlation(one, other)));
      for (const [i, eigenvalue] of variances.entries()) {
        const vector = columnOf(table, `component ${i + 1}`);
        expect(vector.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(1, 6);
        matrix.forEach((line, row) => {
          const product = line.reduce((sum, value, column) => sum + value * (vector[column] ?? 0), 0);
          expect(Math.abs(product - eigenvalue * (vector[row] ?? 0))).toBeLessThan(5e-3);
        });
      }
      expect(variances[0]).toBeGreaterThan(variances[1] ?? NaN);
      expect(Math.abs((columnOf(table, 'subtract')[0] ?? 0) - mean(age))).toBeLessThan(1e-6);
    }));
});
