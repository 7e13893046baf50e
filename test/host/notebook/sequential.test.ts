/** The programming interface for scripts: trains, scores and answers on shares, and says what is wrong with what it is given. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readOnnxModel } from '../../../engine/models/onnx/read.ts';
import { loadModel, sequential } from '../../../main/notebook/sequential.ts';
import { plainForward } from '../../engine/models/plain-forward.ts';

const root = join(import.meta.dirname, '../../..');
const example = readFileSync(join(import.meta.dirname, 'example.ts'), 'utf8');

test('the example of the documentation runs as it stands there', () => {
  const shown = example.replace("'../../../main/", "'./main/");
  expect(readFileSync(join(root, 'docs/typescript-api.md'), 'utf8')).toContain(`\`\`\`ts\n${shown}\`\`\``);
  const folder = mkdtempSync(join(tmpdir(), 'tacit-notebook-'));
  try {
    const file = join(folder, 'model.onnx');
    const printed = execFileSync(process.execPath, [join(import.meta.dirname, 'example.ts'), file], {
      encoding: 'utf8',
    });
    expect(printed).toMatch(/accuracy/);
    expect(readOnnxModel(readFileSync(file), 'model.onnx').kind).toBe('layers');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const noise = (i: number): number => Math.sin(i * 12.9898) - Math.cos(i * 78.233);
const rows = Array.from({ length: 60 }, (_, i) => [noise(i), noise(i + 500)]);
const columns = ['a', 'b'].map((owner, column) => ({ owner, rows: rows.map((row) => [row[column] ?? 0]) }));

describe('a linear regression', () => {
  const values = rows.map(([a = 0, b = 0]) => 2 * a - b + 0.5);
  const fitted = sequential([{ kind: 'dense', units: 1 }], { inputShape: [2] }).compile({
    optimizer: { name: 'sgd', lr: 0.2 },
    task: 'regression',
  });

  test('finds the plane, goes on where it was, and is scored on rows that it has not seen', async () => {
    const labels = { owner: 'b', values };
    const first = await fitted.fit(columns, labels, { epochs: 4, batchSize: 16, validationSplit: 0.25 });
    const second = await fitted.fit(columns, labels, { epochs: 6, batchSize: 16, validationSplit: 0.25 });
    expect(first.history).toHaveLength(4);
    expect(second.history.at(-1)!.rmse!).toBeLessThan(first.history[0]!.rmse!);
    expect(second.history.at(-1)!.rmse!).toBeLessThan(0.05);
    const [a = NaN, b = NaN] = fitted.trained.weights.get('dense1/kernel')?.data ?? [];
    expect([a, b].map((weight) => Math.round(weight * 10) / 10)).toEqual([2, -1]);
  });

  test('answers privately what the model says in the clear', async () => {
    const few = rows.slice(0, 5);
    const answers = await fitted.predict({ owner: 'c', rows: few });
    const exact = plainForward(fitted.trained, Float64Array.from(few.flat()));
    answers.forEach(([answer = NaN], row) => expect(Math.abs(answer - exact[row]!)).toBeLessThan(2e-3));
    const score = await fitted.evaluate({ owner: 'c', rows: few }, values.slice(0, 5));
    expect(score.rmse!).toBeLessThan(0.05);
  });
});

test('what cannot be is refused by name', async () => {
  const model = sequential([{ kind: 'dense', units: 3 }, { kind: 'softmax' }], { inputShape: [2] });
  const labels = { owner: 'b', values: rows.map(() => 1) };
  const code = (expected: string): object => expect.objectContaining({ code: expected }) as object;
  await expect(model.fit(columns, labels, { epochs: 1 })).rejects.toThrow(code('model-not-compiled'));
  expect(() => model.trained).toThrow(code('model-untrained'));
  model.compile({ optimizer: { name: 'sgd', lr: 0.1 } });
  const short = { ...labels, values: [1] };
  await expect(model.fit(columns, short, { epochs: 1 })).rejects.toThrow(code('rows-differ'));
  const stray = { ...labels, values: rows.map(() => 3) };
  await expect(model.fit(columns, stray, { epochs: 1 })).rejects.toThrow(code('label-not-a-class'));
  const ragged = [{ owner: 'a', rows: [[1], [1, 2]] }, columns[1]!];
  await expect(model.fit(ragged, labels, { epochs: 1 })).rejects.toThrow(code('rows-ragged'));
  await expect(model.fit(columns.slice(1), labels, { epochs: 1 })).rejects.toThrow(code('party-alone'));
  const broken = [{ owner: 'a', rows: rows.map(() => [NaN]) }, columns[1]!];
  await expect(model.fit(broken, labels, { epochs: 1 })).rejects.toThrow(code('not-finite'));
});

test('rows of their own for validation, weights of classes, a call after each epoch, and a file that goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tacit-notebook-'));
  try {
    const values = rows.map(([a = 0, b = 0]) => Number(a + b > 1.2));
    const layers = [{ kind: 'dense', units: 1 }, { kind: 'sigmoid' }];
    const fresh = () => sequential(layers, { inputShape: [2] }).compile({ optimizer: { name: 'sgd', lr: 0.5 } });
    const part = (from: number, to: number) => ({
      x: columns.map(({ owner, rows: own }) => ({ owner, rows: own.slice(from, to) })),
      y: { owner: 'b', values: values.slice(from, to) },
    });
    const [training, validationData] = [part(0, 40), part(40, 60)];
    const seen: [number, unknown][] = [];
    const plain = fresh();
    const { history } = await plain.fit(training.x, training.y, {
      ...{ epochs: 3, batchSize: 20, validationData, seed: 2 },
      callbacks: { onEpochEnd: (epoch, score) => void seen.push([epoch, score]) },
    });
    expect(seen).toEqual(history.map((score, epoch) => [epoch, score]));
    expect(seen).toHaveLength(3);
    const weighted = fresh();
    await weighted.fit(training.x, training.y, { epochs: 3, batchSize: 20, classWeight: { 1: 8 }, seed: 2 });
    // The rare class counts more: its side of the border grows.
    const bias = (model: typeof plain): number => model.trained.weights.get('dense1/bias')?.data[0] ?? NaN;
    expect(bias(weighted)).toBeGreaterThan(bias(plain) + 0.2);
    const again = [];
    for (const name of ['model.onnx', 'model.json']) {
      await plain.save(join(folder, name));
      const loaded = loadModel(join(folder, name)).compile({ optimizer: { name: 'sgd', lr: 0.5 } });
      expect(loaded.trained.weights.get('dense1/kernel')?.data).toEqual(
        plain.trained.weights.get('dense1/kernel')?.data,
      );
      await loaded.fit(training.x, training.y, { epochs: 1, batchSize: 20, seed: 2 });
      again.push(bias(loaded));
    }
    await plain.fit(training.x, training.y, { epochs: 1, batchSize: 20, seed: 2 });
    for (const value of again) expect(Math.abs(value - bias(plain))).toBeLessThan(1e-3);
    const code = (expected: string): object => expect.objectContaining({ code: expected }) as object;
    await expect(plain.save(join(folder, 'model.txt'))).rejects.toThrow(code('model-file-type'));
    const fit = (options: object) => plain.fit(training.x, training.y, { epochs: 1, ...options });
    await expect(fit({ classWeight: { 2: 1 } })).rejects.toThrow(code('class-weight'));
    await expect(fit({ validationData: { ...validationData, x: columns.slice(1) } })).rejects.toThrow(
      code('rows-differ'),
    );
    const swapped = { ...validationData, x: validationData.x.toReversed() };
    await expect(fit({ validationData: swapped })).rejects.toThrow(code('validation-owners'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
