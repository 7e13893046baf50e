/** Inference as a job: the model of one party, or of everybody, answers rows whose columns several parties bring. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { plainForward } from '../../engine/models/plain-forward.ts';
import { columnOf, simulateJobFile, tableOf } from '../../helpers/simulated-job.ts';
import { writeJob } from '../../helpers/write-job.ts';
import { withFolder } from '../../parties/program.ts';

const ROWS = 12;
const cells = Array.from({ length: ROWS }, (_, row) => [((row * 37) % 101) / 2, 0.001 * ((row * 29) % 97), row % 5]);

function model(standardised: boolean): TrainedModel {
  const data = (count: number, seed: number): Float64Array =>
    Float64Array.from({ length: count }, (_, i) => Math.sin((i + 1) * seed));
  return {
    description: {
      inputShape: [3],
      layers: [
        { kind: 'dense', name: 'first', inputs: 3, outputs: 4, useBias: true },
        { kind: 'relu', name: 'middle' },
        { kind: 'dense', name: 'last', inputs: 4, outputs: 1, useBias: true },
        { kind: 'sigmoid', name: 'probability' },
      ],
    },
    weights: new Map([
      ['first/kernel', { shape: [3, 4], data: data(12, 1.7) }],
      ['first/bias', { shape: [4], data: data(4, 0.3) }],
      ['last/kernel', { shape: [4, 1], data: data(4, 2.9).map((value) => value / 8) }],
      ['last/bias', { shape: [1], data: data(1, 0.1) }],
    ]),
    ...(standardised
      ? {
          standardisation: {
            subtract: Float64Array.from([25, 0.05, 2]),
            multiply: Float64Array.from([1 / 15, 1 / 0.03, 1 / 1.5]),
          },
        }
      : {}),
  };
}

async function write(
  folder: string,
  trained: TrainedModel,
  changes: Readonly<Record<string, string>>,
): Promise<string> {
  await writeFile(join(folder, 'a.csv'), `x,y\n${cells.map(([x, y]) => `${x},${y}\n`).join('')}`);
  await writeFile(join(folder, 'b.csv'), `z\n${cells.map(([, , z]) => `${z}\n`).join('')}`);
  await writeFile(join(folder, 'model.onnx'), writeOnnx(trained));
  return writeJob(folder, {
    name: 'answers',
    parties: '{ a: { data: a.csv }, b: { data: b.csv }, owner: {} }',
    dealer: 'd',
    join: '{ how: rows }',
    task: 'inference',
    model: '{ file: model.onnx, owner: owner }',
    reveal: '{ predictions: [b] }',
    ...changes,
  });
}

function expected(trained: TrainedModel): number[] {
  return cells.map((row) => plainForward(trained, Float64Array.from(row))[0] ?? NaN);
}

describe.each([
  ['a private model that standardises', true, '{ file: model.onnx, owner: owner }'],
  ['a private model on plain columns', false, '{ file: model.onnx, owner: owner }'],
  ['a public model that standardises', true, '{ file: model.onnx }'],
  ['a public model on plain columns', false, '{ file: model.onnx }'],
])('%s', (_, standardised, spec) => {
  test('answers as in the clear, to the receiver alone', () =>
    withFolder(async (folder) => {
      const trained = model(standardised);
      const file = await write(folder, trained, { model: spec });
      const { result } = await simulateJobFile(file, join(folder, 'model.onnx'));
      expect(result.get('a')).toEqual({});
      expect(result.get('owner')).toEqual({});
      const table = tableOf(result.get('b'), 'predictions');
      expect(columnOf(table, 'row')).toEqual(cells.map((_row, i) => i + 1));
      const answers = columnOf(table, 'answer');
      expected(trained).forEach((answer, i) => expect(Math.abs((answers[i] ?? NaN) - answer)).toBeLessThan(2e-3));
      expect(result.get('b')?.arrays?.['predictions']?.shape).toEqual([ROWS, 1]);
    }));
});

test('public weights cost less than private ones', () =>
  withFolder(async (folder) => {
    const [first, second] = ['private', 'public'].map((name) => join(folder, name));
    const cost = async (spec: string, place: string | undefined): Promise<number[]> => {
      const { mkdir } = await import('node:fs/promises');
      await mkdir(place ?? '', { recursive: true });
      const file = await write(place ?? '', model(false), { model: spec });
      return [...(await simulateJobFile(file, join(place ?? '', 'model.onnx'))).cost.training.bytesSent];
    };
    const ownedBytes = await cost('{ file: model.onnx, owner: owner }', first);
    const publicBytes = await cost('{ file: model.onnx }', second);
    ownedBytes.forEach((bytes, i) => expect(publicBytes[i]).toBeLessThan(bytes));
  }));

test('a model for another number of columns is refused', () =>
  withFolder(async (folder) => {
    const file = await write(folder, model(false), { features: '{ a: [x], b: [z] }' });
    await expect(simulateJobFile(file, join(folder, 'model.onnx'))).rejects.toMatchObject({ code: 'model-inputs' });
  }));
