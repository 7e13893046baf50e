/** Training that goes on from a model file: imported graphs of operators and our own layers, private and public, as in the clear. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { input, layers, model as tfjsModel } from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { readOnnx } from '../../../engine/models/onnx/read.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { readTfjsLayers } from '../../../engine/models/tfjs-layers/read.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import { trainBaseline } from '../../../main/host/baseline/train.ts';
import { describeLayers } from '../../../shared/job-model.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import type { ModelWeights, TrainedModel } from '../../../shared/model.ts';
import { modelLayerSchema } from '../../../shared/job.ts';
import { epochBatches } from '../../../shared/schedule.ts';
import { plainForward } from '../../engine/models/plain-forward.ts';
import { asOperators, withoutMetadata } from '../../helpers/onnx-models.ts';
import { simulateJobFile } from '../../helpers/simulated-job.ts';
import { drawnConstant, graphModel, graphNode, stringList } from '../../helpers/tfjs-graphs.ts';
import { modelJsonOf, savedModel, withDrawnWeights } from '../../helpers/tfjs-models.ts';
import { withFolder } from '../../parties/program.ts';

const [ROWS, SIDE, EPOCHS] = [24, 4, 4];
const cells = Array.from({ length: ROWS }, (_row, row) =>
  Array.from({ length: SIDE * SIDE }, (_cell, i) => Math.round(100 * Math.sin(1 + row * 31 + i * i)) / 100),
);
const classOf = (row: number): number => Number((cells[row] ?? []).slice(0, 8).reduce((sum, x) => sum + x, 0) > 0);

const amountOf = (row: number): number => 200 * (cells[row]?.[3] ?? 0) + 40;

/** Two convolutions with batch normalisation and a shortcut, which is no chain. */
function network(outputs: readonly Record<string, unknown>[]): TrainedModel {
  const description = describeLayers(
    [
      { kind: 'conv2d', name: 'first', filters: 3, kernel: 3, padding: 'same', bias: false },
      { kind: 'batchNorm', name: 'norm' },
      { kind: 'relu', name: 'relu' },
      { kind: 'conv2d', name: 'second', filters: 3, kernel: 3, padding: 'same' },
      { kind: 'add', name: 'sum', from: ['second', 'relu'] },
      { kind: 'averagePool2d', name: 'pool', kernel: 2 },
      { kind: 'flatten', name: 'flat' },
      ...outputs,
    ].map((layer) => modelLayerSchema.parse(layer)),
    [1, SIDE, SIDE],
  );
  return { description, weights: initialWeights(description, 3) };
}

const classifier = network([{ kind: 'dense', name: 'scores', units: 1 }]);
const probabilities = network([
  { kind: 'dense', name: 'scores', units: 1 },
  { kind: 'sigmoid', name: 'sigmoid' },
]);

/** A job over square images at a, labels at b. */
async function writeJob(folder: string, model: Uint8Array, changes: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(folder, { recursive: true });
  const heading = Array.from({ length: SIDE * SIDE }, (_, i) => `p${i}`).join(',');
  await writeFile(join(folder, 'a.csv'), `${heading}\n${cells.map((row) => `${row.join(',')}\n`).join('')}`);
  const label = (row: number): string => `${classOf(row)},${amountOf(row)}`;
  await writeFile(join(folder, 'b.csv'), `class,amount\n${cells.map((_, row) => `${label(row)}\n`).join('')}`);
  await writeFile(join(folder, 'model.onnx'), model);
  const lines: Record<string, string> = {
    name: 'continued',
    parties: '{ a: { data: a.csv }, b: { data: b.csv } }',
    dealer: 'd',
    join: '{ how: rows }',
    features: '{ a: "*", b: [] }',
    label: '{ b: class }',
    task: 'classification',
    model: '{ file: model.onnx, owner: a }',
    train: `{ epochs: ${EPOCHS}, batch: 8, optimizer: { name: sgd, lr: 0.2, momentum: 0.5 }, standardise: false, scale: 0 }`,
    reveal: '{ model: [b], metrics: [b] }',
    ...changes,
  };
  const file = join(folder, 'job.yaml');
  await writeFile(
    file,
    Object.entries(lines)
      .flatMap(([key, value]) => [`${key}: ${value}\n`])
      .join(''),
  );
  return file;
}

function close(ours: ModelWeights, clear: ModelWeights, first: ModelWeights): void {
  for (const [key, { data }] of clear) {
    const own = [...ours].find(([name]) => name.endsWith(key.replace('/', '_')) || name === key)?.[1].data;
    const before = first.get(key)?.data ?? [];
    const moved = Math.max(...data.map((value, i) => Math.abs(value - (before[i] ?? 0))));
    expect(moved, key).toBeGreaterThan(1e-3);
    data.forEach((value, i) => expect(Math.abs(value - (own?.[i] ?? NaN)), `${key} ${i}`).toBeLessThan(0.01));
  }
}

describe('an imported graph with a shortcut and batch normalisation, ending in scores', () => {
  const operators = ['operators', 'sigmoid'];
  const layers = probabilities.description.layers.map(({ kind }) => kind);
  test.each([
    ['of one party, read as operators', '{ file: model.onnx, owner: a }', asOperators, operators],
    ['with public weights, read as operators', '{ file: model.onnx }', asOperators, operators],
    ['of one party, read as layers', '{ file: model.onnx, owner: a }', withoutMetadata, layers],
  ])('%s, trains as in the clear, and comes back as ONNX', (_, model, foreign, kinds) =>
    withFolder(async (folder) => {
      const file = await writeJob(folder, foreign(writeOnnx(classifier)), { model });
      const { compiled, result } = await simulateJobFile(file, join(folder, 'model.onnx'));
      const trained = result.get('b')?.model;
      if (trained === undefined) throw new Error('b has no model');
      expect(trained.description.layers.map(({ kind }) => kind)).toEqual(kinds);
      expect(result.get('a')).toMatchObject({ model: undefined, metrics: undefined });
      const { layout, job } = compiled;
      const clear = await trainBaseline({
        ...probabilities,
        initialWeights: probabilities.weights,
        task: 'classification',
        data: {
          features: Float64Array.from(cells.flat()),
          labels: Float64Array.from(cells, (_row, row) => classOf(row)),
        },
        schedule: Array.from({ length: EPOCHS }, (_epoch, epoch) => [
          ...epochBatches(layout.train, 8, job.train?.seed ?? 0, epoch),
        ]).flat(),
        testRows: layout.test,
        optimizer: { name: 'sgd', lr: 0.2, momentum: 0.5, dampening: 0, nesterov: false, weightDecay: 0 },
      });
      close(trained.weights, clear.weights, probabilities.weights);
      const { metrics } = result.get('b') ?? {};
      expect(metrics).toMatchObject({ accuracy: (clear.metrics as { accuracy: number }).accuracy });
      const again = readOnnx(writeOnnx(trained), 'model.onnx');
      expect(again.description).toEqual(trained.description);
    }),
  );
});

describe('files of TensorFlow.js', () => {
  const tfjs = async (folder: string, json: string, data: Uint8Array): Promise<string> => {
    const file = await writeJob(folder, new Uint8Array(0), { model: '{ file: model.json, owner: a }' });
    await writeFile(join(folder, 'model.json'), json);
    await writeFile(join(folder, 'group1-shard1of1.bin'), data);
    return file;
  };
  const inTheClear = (start: TrainedModel, { layout, job }: Awaited<ReturnType<typeof simulateJobFile>>['compiled']) =>
    trainBaseline({
      ...start,
      initialWeights: start.weights,
      task: 'classification',
      data: {
        features: Float64Array.from(cells.flat()),
        labels: Float64Array.from(cells, (_row, row) => classOf(row)),
      },
      schedule: Array.from({ length: EPOCHS }, (_epoch, epoch) => [
        ...epochBatches(layout.train, 8, job.train?.seed ?? 0, epoch),
      ]).flat(),
      testRows: layout.test,
      optimizer: { name: 'sgd', lr: 0.2, momentum: 0.5, dampening: 0, nesterov: false, weightDecay: 0 },
    });

  test('a graph of layers, channels last, trains as in the clear and goes back into both formats', () =>
    withFolder(async (folder) => {
      const x = input({ shape: [SIDE, SIDE, 1] });
      const conv = (from: unknown, useBias: boolean) =>
        layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', useBias }).apply(from as SymbolicTensor);
      const norm = layers.batchNormalization({ momentum: 0.9 }).apply(conv(x, false));
      const relu = layers.activation({ activation: 'relu' }).apply(norm) as SymbolicTensor;
      const sum = layers.add().apply([conv(relu, true) as SymbolicTensor, relu]);
      const pool = layers.averagePooling2d({ poolSize: 2 }).apply(sum);
      const flat = layers.flatten().apply(pool) as SymbolicTensor;
      const outputs = layers.dense({ units: 1, activation: 'sigmoid' }).apply(flat) as SymbolicTensor;
      const saved = await savedModel(withDrawnWeights(tfjsModel({ inputs: x, outputs }), 0.3));
      const json = modelJsonOf(saved);
      const start = readTfjsLayers(json, () => saved.data, 'model.json');
      const { compiled, result } = await simulateJobFile(
        await tfjs(folder, json, saved.data),
        join(folder, 'model.json'),
      );
      const trained = result.get('b')?.model;
      if (trained === undefined) throw new Error('b has no model');
      expect(trained.description).toEqual(start.description);
      close(trained.weights, (await inTheClear(start, compiled)).weights, start.weights);
      expect(readOnnx(writeOnnx(trained), 'model.onnx').description).toEqual(trained.description);
      const files = writeTfjsLayers(trained);
      expect(readTfjsLayers(files.modelJson, () => files.weights, 'model.json').description).toEqual(
        trained.description,
      );
    }));

  // What is no layer of ours, twice over, is nothing.
  const twice = [graphNode('minus', 'Neg', ['hidden']), graphNode('plus', 'Neg', ['minus'])];

  test.each([
    ['layers', [graphNode('plus', 'StopGradient', ['hidden'])], ['dense', 'tanh', 'dense', 'sigmoid']],
    ['operators', twice, ['operators', 'sigmoid']],
  ])('a graph of what becomes %s trains as the same layers do', (_, between, kinds) =>
    withFolder(async (folder) => {
      const constants = {
        w: drawnConstant(1, 16, 4),
        b: drawnConstant(2, 4),
        v: drawnConstant(3, 4, 1),
        c: drawnConstant(4, 1),
      };
      const { json, data } = graphModel({
        input: [SIDE * SIDE],
        constants,
        nodes: [
          graphNode('hidden', '_FusedMatMul', ['x', 'w', 'b'], { fused_ops: stringList('BiasAdd', 'Tanh') }),
          ...between,
          graphNode('product', 'MatMul', ['plus', 'v']),
          graphNode('scores', 'BiasAdd', ['product', 'c']),
          graphNode('probability', 'Sigmoid', ['scores']),
          graphNode('Identity', 'Identity', ['probability']),
        ],
      });
      const description = describeLayers(
        [
          { kind: 'dense', name: 'hidden', units: 4 },
          { kind: 'tanh', name: 'tanh' },
          { kind: 'dense', name: 'scores', units: 1 },
          { kind: 'sigmoid', name: 'sigmoid' },
        ].map((layer) => modelLayerSchema.parse(layer)),
        [SIDE * SIDE],
      );
      const places = { w: 'hidden/kernel', b: 'hidden/bias', v: 'scores/kernel', c: 'scores/bias' };
      const weights = Object.entries(constants).map(
        ([name, { shape, values }]) => [name, { shape, data: Float64Array.from(values) }] as const,
      );
      const start: TrainedModel = {
        description,
        weights: new Map(weights.map(([name, tensor]) => [places[name as keyof typeof places], tensor])),
      };
      const { compiled, result } = await simulateJobFile(await tfjs(folder, json, data), join(folder, 'model.json'));
      const trained = result.get('b')?.model;
      if (trained === undefined) throw new Error('b has no model');
      expect(trained.description.layers.map(({ kind }) => kind)).toEqual(kinds);
      // The last sigmoid stands apart, not in the graph as well.
      expect(JSON.stringify(trained.description.layers[0])).not.toContain('Sigmoid');
      const clear = await inTheClear(start, compiled);
      // All differ in shape.
      const named = new Map(
        [...start.weights].map(([key, { shape }]) => {
          const own = [...trained.weights.values()].find((weight) => weight.shape.join() === shape.join());
          if (own === undefined) throw new Error(`no weight like ${key}`);
          return [key, own];
        }),
      );
      close(named, clear.weights, start.weights);
    }),
  );
});

/** Answers in the label's unit: the last weights are large. */
const regressor: TrainedModel = {
  ...classifier,
  weights: new Map(
    [...classifier.weights].map(([key, { shape, data }]) => [
      key,
      { shape, data: key.startsWith('scores/') ? data.map((value) => value * 200) : data },
    ]),
  ),
};

test.each([
  ['a graph', asOperators(writeOnnx(regressor)), 'operators'],
  ['our own layers', writeOnnx(regressor), 'dense'],
])('a regression by %s starts from the answers of the file, in the label’s unit', (_, model, last) =>
  withFolder(async (folder) => {
    const train =
      '{ epochs: 1, batch: all, optimizer: { name: sgd, lr: 0.0001 }, standardise: false, scale: { amount: 8 } }';
    const file = await writeJob(folder, model, {
      task: 'regression',
      label: '{ b: amount }',
      train: train.replace('{ amount: 8 }', `{ amount: 8, ${cells[0]?.map((_cell, i) => `p${i}: 0`).join(', ')} }`),
    });
    const { compiled, result } = await simulateJobFile(file, join(folder, 'model.onnx'));
    const { model: trained, metrics } = result.get('b') ?? {};
    expect(trained?.description.layers.at(-1)?.kind).toBe(last);
    const squares = [...compiled.layout.test].map((row) => {
      const [answer = NaN] = plainForward(regressor, Float64Array.from(cells[row] ?? []));
      return (answer - amountOf(row)) ** 2;
    });
    const rmse = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
    // One step too small to change much; by running statistics, which the step moves by a tenth.
    expect(Math.abs((metrics as { rmse: number }).rmse / rmse - 1)).toBeLessThan(0.1);
    const kernel = [...(trained?.weights ?? [])].find(([key]) => /scores.kernel/u.test(key))?.[1].data ?? [];
    const before = regressor.weights.get('scores/kernel')?.data ?? [];
    expect(kernel.length).toBe(before.length);
    before.forEach((value, i) => expect(Math.abs(value - (kernel[i] ?? NaN))).toBeLessThan(2));
  }),
);

/** Two classes with a score each, as PyTorch's classifiers have them. */
const pair = network([{ kind: 'dense', name: 'scores', units: 2 }]);
const pairProbabilities = network([
  { kind: 'dense', name: 'scores', units: 2 },
  { kind: 'softmax', name: 'softmax' },
]);

test.each([
  ['read as layers', withoutMetadata],
  ['read as operators', asOperators],
])('two scores for two classes, %s: trains and is judged as in the clear', (_, foreign) =>
  withFolder(async (folder) => {
    const file = await writeJob(folder, foreign(writeOnnx(pair)), {});
    const { compiled, result } = await simulateJobFile(file, join(folder, 'model.onnx'));
    const { model: trained, metrics } = result.get('b') ?? {};
    expect(trained?.description.layers.at(-1)?.kind).toBe('softmax');
    const { layout, job } = compiled;
    const clear = await trainBaseline({
      ...pairProbabilities,
      initialWeights: pairProbabilities.weights,
      task: 'classification',
      data: {
        features: Float64Array.from(cells.flat()),
        labels: Float64Array.from(cells, (_row, row) => classOf(row)),
      },
      schedule: Array.from({ length: EPOCHS }, (_epoch, epoch) => [
        ...epochBatches(layout.train, 8, job.train?.seed ?? 0, epoch),
      ]).flat(),
      testRows: layout.test,
      optimizer: { name: 'sgd', lr: 0.2, momentum: 0.5, dampening: 0, nesterov: false, weightDecay: 0 },
    });
    close(trained?.weights ?? new Map(), clear.weights, pairProbabilities.weights);
    expect(metrics).toMatchObject({ accuracy: (clear.metrics as { accuracy: number }).accuracy });
    expect(Math.abs((metrics as { loss: number }).loss - clear.metrics.loss)).toBeLessThan(0.01);
  }),
);

test('a loss of one score is refused for two', () =>
  withFolder(async (folder) => {
    const train = '{ epochs: 1, batch: 8, loss: { name: hinge }, optimizer: { name: sgd, lr: 0.1 }, scale: 0 }';
    const file = await writeJob(folder, writeOnnx(pair), { train });
    await expect(simulateJobFile(file, join(folder, 'model.onnx'))).rejects.toMatchObject({ code: 'job-loss-outputs' });
  }));

test.each([
  ['of another width', { features: '{ a: [p0, p1], b: [] }' }, 'job-model-input'],
  ['with too few answers', { classes: '{ class: ["0", "1", "2"] }' }, 'job-model-outputs'],
])('a file %s is refused before anything runs', (_, changes, code) =>
  withFolder(async (folder) => {
    const file = await writeJob(folder, writeOnnx(probabilities), changes);
    await expect(simulateJobFile(file, join(folder, 'model.onnx'))).rejects.toMatchObject({ code });
  }),
);

test('a file that standardises its inputs needs a job that does', () =>
  withFolder(async (folder) => {
    const standardisation = { subtract: new Float64Array(16), multiply: new Float64Array(16).fill(2) };
    const file = await writeJob(folder, writeOnnx({ ...probabilities, standardisation }), {});
    await expect(simulateJobFile(file, join(folder, 'model.onnx'))).rejects.toMatchObject({
      code: 'job-model-standardises',
    });
  }));
