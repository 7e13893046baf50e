/** The demonstration as a user runs it: processes, links, results, figures, exit code. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { predictBaseline } from '../../main/host/baseline/train.ts';
import { openDataset, scanColumns } from '../../main/host/datasets/dataset.ts';
import { splitSample } from '../../main/host/datasets/samples.ts';
import { readModelFile } from '../../main/host/models/model-files.ts';
import { samplesFolder } from '../../main/paths.ts';
import { splitRows } from '../../shared/schedule.ts';
import { tacit, withFolder } from './program.ts';

interface Figures {
  readonly parties: readonly {
    readonly id: string;
    readonly bytesSent: number;
    readonly bytesReceived: number;
    readonly rounds: number;
    readonly predictedBytes: number;
    readonly predictedRounds: number;
  }[];
  readonly evalRounds: number;
  readonly evalBytes: number;
  readonly dealerBytes: number;
  readonly seconds: { readonly setup: number; readonly offline: number; readonly online: number };
  readonly metrics: {
    readonly accuracy: number;
    readonly loss: number;
    readonly baseline: { readonly accuracy: number };
  };
  readonly testRows: number;
  readonly attempt: number;
}

async function rawRows(): Promise<{ features: Float64Array; labels: number[]; columns: number }> {
  const sample = await openDataset([join(samplesFolder, 'wdbc.csv')]);
  const names = sample.columns.map((column) => column.name).filter((name) => name !== 'malignant');
  const features = new Float64Array(sample.rows * names.length);
  const labels: number[] = [];
  await scanColumns(sample, [...names, 'malignant'], (cells, wanted, firstRow, rows) => {
    cells.forEach((column, index) => {
      const position = wanted[index]!;
      for (let row = 0; row < rows; row++) {
        const value = Number(column[row]);
        if (position === names.length) labels[firstRow + row] = value;
        else features[(firstRow + row) * names.length + position] = value;
      }
    });
  });
  return { features, labels, columns: names.length };
}

test('three organisations and a dealer reach what plaintext training reaches, at the predicted cost', async () => {
  await withFolder(async (folder) => {
    const { code, json, stderr } = await tacit('demo', '--json', '--folder', folder);
    expect(stderr).not.toContain('rror');
    expect(code).toBe(0);
    const figures = json as Figures;
    expect(figures.parties.map(({ id }) => id)).toEqual(['clinic-a', 'clinic-b', 'lab']);
    for (const party of figures.parties) {
      expect(party.bytesSent).toBe(party.predictedBytes);
      expect(party.rounds).toBe(party.predictedRounds);
      expect(party.rounds).toBeLessThanOrEqual(500);
      expect(party.bytesReceived).toBeGreaterThan(0);
    }
    expect(figures.evalRounds).toBeGreaterThan(0);
    expect(figures.dealerBytes).toBeGreaterThan(0);
    expect(Object.keys(figures.seconds)).toEqual(expect.arrayContaining(['setup', 'offline', 'online']));
    expect(figures.attempt).toBe(1);
    const oneRow = 1 / figures.testRows + 1e-9;
    expect(Math.abs(figures.metrics.accuracy - figures.metrics.baseline.accuracy)).toBeLessThanOrEqual(oneRow);

    // What each party may see lies in its own folder, and its vault lets nothing more run.
    for (const party of ['clinic-a', 'clinic-b', 'lab']) {
      const results = join(folder, 'parties', party, 'results');
      const names = ['metrics.json', 'model.json', 'model.onnx', 'report.html', 'timings.json', 'weights.bin'];
      expect(readdirSync(results)).toEqual(expect.arrayContaining(names));
      expect(JSON.parse(readFileSync(join(results, 'metrics.json'), 'utf8'))).toMatchObject({
        accuracy: figures.metrics.accuracy,
      });
    }
    expect(existsSync(join(folder, 'parties', 'registry', 'results'))).toBe(false);

    // The exported models take raw features and answer as the shares did.
    const { features, labels, columns } = await rawRows();
    const rows = [...splitRows(labels.length, 0.2, 7).test];
    const tested = Float64Array.from(rows.flatMap((row) => [...features.subarray(row * columns, (row + 1) * columns)]));
    for (const name of ['model.onnx', 'model.json']) {
      const answers = await predictBaseline(readModelFile(join(folder, 'parties', 'lab', 'results', name)), tested);
      const right = rows.filter((row, index) => (answers[index]! > 0.5 ? 1 : 0) === labels[row]).length;
      expect(Math.abs(right / rows.length - figures.metrics.accuracy)).toBeLessThanOrEqual(oneRow);
    }
  });
});

test('stacked rows are standardised on shares, and the model takes raw rows all the same', async () => {
  await withFolder(async (folder) => {
    const sample = await openDataset([join(samplesFolder, 'wdbc.csv')]);
    const columns = sample.columns.map(({ name }) => ({ from: name, name }));
    const parts = ['a', 'b'].map((party, index) => ({
      path: join(folder, `${party}.csv`),
      columns,
      takes: (row: number) => row % 2 === index,
    }));
    await splitSample(sample, parts);
    const file = join(folder, 'job.yaml');
    const lines = [
      'name: stacked',
      'parties: { a: { data: a.csv }, b: { data: b.csv } }',
      'dealer: d',
      'join: { how: stack }',
      'label: malignant',
      'classes: ["0", "1"]',
      'task: classification',
      'model: { template: logistic }',
      'train: { epochs: 30, batch: all, optimizer: { name: sgd, lr: 0.1, momentum: 0.9 }, test: 0.2, seed: 7 }',
      'reveal: { model: [a], metrics: [a, b] }',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const { code, json } = await tacit('run', file, '--local', join(folder, 'parties'), '--json');
    expect(code).toBe(0);
    const { metrics, testRows } = json as Figures;
    expect(Math.abs(metrics.accuracy - metrics.baseline.accuracy)).toBeLessThanOrEqual(1 / testRows + 1e-9);
    const { features, labels } = await rawRows();
    const model = readModelFile(join(folder, 'parties', 'a', 'results', 'model.onnx'));
    const answers = await predictBaseline(model, features);
    const right = labels.filter((label, row) => (answers[row]! > 0.5 ? 1 : 0) === label).length;
    expect(right / labels.length).toBeGreaterThan(0.95);
  });
});
