/** Jobs whose layers are listed, run with all parties in this process: every family is reachable from a job file. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { predictBaseline } from '../../../main/host/baseline/train.ts';
import { readOnnx } from '../../../engine/models/onnx/read.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { simulateJobFile } from '../../helpers/simulated-job.ts';
import { plainForward } from '../../engine/models/plain-forward.ts';

const ROWS = 32;

/** Twelve columns at a, four at b with the label: whether the first half of a row is larger than the second. */
async function writeJob(model: string, task = 'classification'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tacit-layers-'));
  const cells = Array.from({ length: ROWS }, (_, row) =>
    Array.from({ length: 16 }, (_unused, i) => ((row * 7 + i * i * 5 + row * i) % 17) / 8 - 1),
  );
  const names = cells[0]!.map((_, i) => `x${i}`);
  const outcome = cells.map((row) => row.reduce((sum, v, i) => sum + (i < 8 ? v : -v), 0));
  const label = (v: number): string => (task === 'regression' ? String(v / 8) : v > 0 ? 'yes' : 'no');
  const csv = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
    [head, ...rows].map((row) => `${row.join(',')}\n`).join('');
  await writeFile(
    join(folder, 'a.csv'),
    csv(
      names.slice(0, 12),
      cells.map((row) => row.slice(0, 12)),
    ),
  );
  await writeFile(
    join(folder, 'b.csv'),
    csv(
      [...names.slice(12), 'outcome'],
      cells.map((row, i) => [...row.slice(12), label(outcome[i]!)]),
    ),
  );
  const file = join(folder, 'job.yaml');
  await writeFile(
    file,
    `name: layers
parties: { a: { data: a.csv }, b: { data: b.csv } }
dealer: d
join: { how: rows }
label: { b: outcome }
task: ${task}
model: ${model}
train: { epochs: 2, batch: 12, optimizer: { name: sgd, lr: 0.1, momentum: 0.5 }, test: 0.25, seed: 3 }
reveal: { model: [a], metrics: [a, b] }
`,
  );
  return file;
}

const models = {
  'convolutions with batch normalisation, a branch and dropout': `
  input: [1, 4, 4]
  layers:
    - { kind: conv2d, filters: 2, kernel: 3, padding: same, bias: false }
    - { kind: batchNorm, name: norm }
    - { kind: relu, name: on }
    - { kind: conv2d, filters: 2, kernel: 1, name: again }
    - { kind: add, from: [again, on] }
    - { kind: globalAveragePool }
    - { kind: dropout, rate: 0.25 }
    - { kind: dense, units: 1 }
    - { kind: sigmoid }`,
  'attention over a sequence': `
  input: [4, 4]
  layers:
    - { kind: transformerEncoder, heads: 2, feedForward: 4 }
    - { kind: flatten }
    - { kind: dense, units: 1, init: heNormal }
    - { kind: sigmoid }`,
  'an LSTM over a sequence': `
  input: [4, 4]
  layers: [{ kind: lstm, units: 3 }, { kind: dense, units: 1 }, { kind: sigmoid }]`,
};

describe('jobs with listed layers', () => {
  test.each(Object.entries(models))(
    '%s: runs at the predicted cost, and the model answers as written',
    async (_, model) => {
      const run = await simulateJobFile(await writeJob(model));
      const outcome = run.result.get('a');
      expect(outcome?.metrics).toMatchObject({ accuracy: expect.any(Number) });
      const trained = outcome?.model;
      expect(trained).toBeDefined();
      if (trained === undefined) return;
      expect(readOnnx(writeOnnx(trained), 'model.onnx').description).toEqual(trained.description);
      const rows = Float64Array.from({ length: 32 }, (_unused, i) => Math.sin(i));
      const answers = plainForward(trained, rows);
      expect(answers.every((p) => p > 0 && p < 1)).toBe(true);
      const statistics = trained.weights.get('norm/variance');
      if (statistics !== undefined) {
        // They have followed the batches from their start at 1, and serve TensorFlow.js too.
        expect(statistics.data.every((v) => v > 0 && v !== 1)).toBe(true);
        expect([...(await predictBaseline(trained, rows))].every((p, i) => Math.abs(p - answers[i]!) < 1e-4)).toBe(
          true,
        );
      }
    },
  );

  test('a regression gives its label unit back in a last dense layer, or is refused', async () => {
    const model = (tail: string) => `{ layers: [{ kind: layerNorm }, { kind: dense, units: 1 }${tail}] }`;
    const { result } = await simulateJobFile(await writeJob(model(''), 'regression'));
    expect(result.get('a')?.metrics).toMatchObject({ rmse: expect.any(Number) });
    await expect(async () => simulateJobFile(await writeJob(model(', { kind: tanh }'), 'regression'))).rejects.toThrow(
      expect.objectContaining({ code: 'job-model-last-layer' }),
    );
  });

  test.each([
    ['{ input: [4, 5], layers: [{ kind: dense, units: 1 }] }', 'job-model-input'],
    ['{ layers: [{ kind: conv2d, filters: 2, kernel: 3 }] }', 'model-shape-mismatch'],
    ['{ layers: [{ kind: add, from: [input, other] }] }', 'model-unknown-input'],
    [
      '{ layers: [{ kind: dense, units: 2, name: a }, { kind: dense, units: 1, from: [input] }] }',
      'model-layer-unused',
    ],
    ['{ layers: [{ kind: add }] }', 'model-inputs-count'],
    ['{ layers: [{ kind: dense, units: 3 }] }', 'job-model-outputs'],
    ['{ layers: [{ kind: dense, units: 2 }, { kind: sigmoid }] }', 'job-model-last-layer'],
  ])('%s is refused', async (model, code) => {
    const file = await writeJob(model);
    await expect(simulateJobFile(file)).rejects.toThrow(expect.objectContaining({ code }));
  });
});
