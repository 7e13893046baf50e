/** Tasks that train nothing, between processes over real links: answers and figures lie with their receivers alone. */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readNpy } from '../../engine/models/npy.ts';
import { writeOnnx } from '../../engine/models/onnx/write.ts';
import { readModelFile } from '../../main/host/models/model-files.ts';
import { floats, sampleNode, sampleOnnx } from '../helpers/onnx-models.ts';
import { tacit, withFolder } from './program.ts';
import { writeSmallJob } from './small-job.ts';

interface Closing {
  readonly parties: readonly { readonly bytesSent: number; readonly predictedBytes: number }[];
  readonly tables?: readonly { readonly name: string; readonly rows: readonly (readonly unknown[])[] }[];
}

test('one party’s model answers joined rows; statistics follow over the same files', () =>
  withFolder(async (folder) => {
    const untrained = { label: '{}', train: undefined, features: '{ a: [x, y], b: [z] }' };
    const job = await writeSmallJob(folder, {
      ...untrained,
      task: 'inference',
      model: '{ file: model.onnx, owner: b }',
      reveal: '{ predictions: [a] }',
    });
    await writeFile(
      join(folder, 'model.onnx'),
      writeOnnx({
        description: {
          inputShape: [3],
          layers: [{ kind: 'dense', name: 'sum', inputs: 3, outputs: 1, useBias: false }],
        },
        weights: new Map([['sum/kernel', { shape: [3, 1], data: Float64Array.from([1, 2, 4]) }]]),
      }),
    );
    const answered = await tacit('run', job, '--local', join(folder, 'answered'), '--json');
    expect(answered.code, answered.stderr).toBe(0);
    const answers = readNpy(readFileSync(join(folder, 'answered', 'a', 'results', 'predictions.npy')), 'predictions');
    expect(answers.shape).toEqual([40, 1]);
    answers.data.forEach((answer, row) => {
      const exact = (row % 7) + 2 * ((row * 3) % 11) + 4 * (row % 5);
      expect(Math.abs(Number(answer) - exact)).toBeLessThan(2e-3 + 1e-3 * exact);
    });
    expect(existsSync(join(folder, 'answered', 'b', 'results', 'predictions.npy'))).toBe(false);

    const figures = await writeSmallJob(folder, {
      ...untrained,
      task: 'statistics',
      model: undefined,
      aggregates: '[mean]',
      reveal: '{ aggregates: [b] }',
    });
    const added = await tacit('run', figures, '--local', join(folder, 'added'), '--json');
    expect(added.code, added.stderr).toBe(0);
    const closing = added.json as Closing;
    for (const party of closing.parties) expect(party.bytesSent).toBe(party.predictedBytes);
    expect(closing.tables?.map(({ name }) => name)).toEqual(['aggregates']);
    expect(readFileSync(join(folder, 'added', 'b', 'results', 'aggregates.csv'), 'utf8')).toBe(
      'column,mean\na.x,2.875\na.y,4.875\nb.z,2\n',
    );
    expect(existsSync(join(folder, 'added', 'a', 'results', 'aggregates.csv'))).toBe(false);
  }));

test('a graph of operators that one party owns is trained by all and comes back as ONNX alone', () =>
  withFolder(async (folder) => {
    const job = await writeSmallJob(folder, {
      model: '{ file: model.onnx, owner: b }',
      train: '{ epochs: 4, batch: 10, optimizer: { name: adam, lr: 0.05 }, test: 0.25, seed: 1 }',
    });
    const kernel = floats([3, 3], 0.5, -1, 0.25, 1, 1, -0.5, 0.125, 1, -1);
    await writeFile(
      join(folder, 'model.onnx'),
      sampleOnnx({
        nodes: [
          sampleNode('MatMul', ['x', 'w'], ['product']),
          sampleNode('Erf', ['product'], ['bent']),
          sampleNode('Add', ['bent', 'x'], ['sum']),
          sampleNode('BatchNormalization', ['sum', 'scale', 'bias', 'mean', 'variance'], ['level']),
          sampleNode('MatMul', ['level', 'last'], ['y']),
        ],
        inputs: { x: { shape: ['n', 3] } },
        outputs: { y: { shape: ['n', 1] } },
        constants: {
          w: kernel,
          scale: floats([3], 1, 1, 1),
          bias: floats([3], 0, 0, 0),
          mean: floats([3], 0, 0, 0),
          variance: floats([3], 1, 1, 1),
          last: floats([3, 1], 1, -1, 0.5),
        },
      }),
    );
    const trained = await tacit('run', job, '--local', join(folder, 'trained'), '--json');
    expect(trained.code, trained.stderr).toBe(0);
    const closing = trained.json as Closing & { readonly metrics: { readonly accuracy: number } };
    for (const party of closing.parties) expect(party.bytesSent).toBe(party.predictedBytes);
    expect(closing.metrics.accuracy).toBeGreaterThan(0.5);
    const results = (party: string, name: string): string => join(folder, 'trained', party, 'results', name);
    const model = readModelFile(results('a', 'model.onnx'));
    expect(model.description.layers.map(({ kind }) => kind)).toEqual(['operators', 'sigmoid']);
    expect(model.weights.get('operators/w')?.data.every((value, i) => value === kernel.data[i])).toBe(false);
    expect(model.weights.get('operators/mean')?.data.some((value) => value !== 0)).toBe(true);
    expect(existsSync(results('a', 'model.json'))).toBe(false);
    expect(readFileSync(results('a', 'report.html'), 'utf8')).toMatch(/model as TF.js Layers[^]*not written: /u);
    expect(existsSync(results('b', 'model.onnx'))).toBe(false);
  }));
