/**
 * The plaintext baseline: the same model from the same initial weights over the same batches as a joint training, in float32
 * by TensorFlow.js. Answers "what would training in the clear have given?". It sees plaintext rows: only a launcher that
 * holds all files (simulation), or a party over its own rows, may call it. Loaded lazily: TensorFlow.js takes a second to
 * start. Knows nothing of jobs, sessions or files.
 */
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { InputError } from '../../../shared/errors.ts';
import { defaultLoss } from '../../../shared/losses.ts';
import type { LossSpec } from '../../../shared/losses.ts';
import type { ExtraMetric } from '../../../shared/metrics.ts';
import type { ClipSpec, OptimizerSpec } from '../../../shared/optimizers.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { checkModel, modelShapes } from '../../../shared/model.ts';
import type { ModelDescription, ModelWeights, Task, TrainedModel } from '../../../shared/model.ts';
import { baselineBackend } from './backend.ts';
import { batchLoss } from './losses.ts';
import { lossAndMetrics } from './metrics.ts';
import type { BaselineMetrics } from './metrics.ts';
import { PlainOptimizer } from './optimizer.ts';
import { loadNetwork, networkVariables, networkWeights } from './network.ts';

/** Rows in the clear, as the first layer takes them (standardised already, if the job says so). */
export interface PlainRows {
  /** Row-major, rows x cells of the model's input shape. */
  readonly features: Float64Array;
  /** A class index a row, or for a regression the values of all outputs, row-major. */
  readonly labels: Float64Array;
}

export interface BaselineTraining {
  readonly description: ModelDescription;
  readonly initialWeights: ModelWeights;
  readonly task: Task;
  readonly data: PlainRows;
  /** Row numbers of each step's batch, in order, over all epochs. */
  readonly schedule: Iterable<ArrayLike<number>>;
  /** Rows that the metrics are computed on; at least one. */
  readonly testRows: ArrayLike<number>;
  /** Cross-entropy, or the mean squared error over rows and outputs, if not given. */
  readonly loss?: LossSpec | undefined;
  /** Measured besides. */
  readonly metrics?: readonly ExtraMetric[] | undefined;
  readonly optimizer: OptimizerSpec;
  readonly clip?: ClipSpec | undefined;
  /** Multiple of the learning rate at each step, counted from 0; 1 if not given. */
  readonly rate?: (step: number) => number;
}

export interface BaselineResult {
  readonly metrics: BaselineMetrics;
  readonly weights: ModelWeights;
  readonly steps: number;
  /** Training alone, without start and evaluation. */
  readonly seconds: number;
  /** What computed, for people. */
  readonly backend: string;
}

/** Rows that are evaluated at once. */
const evaluationRows = 1024;

/** Longest that other work of the process is kept waiting, besides one step. */
const sliceMs = 50;

/**
 * Trains in the clear.
 * @throws InputError `baseline-model`, `baseline-rows`, `baseline-label`, `baseline-diverged`; whatever the signal aborts with.
 */
export async function trainBaseline(training: BaselineTraining, signal?: AbortSignal): Promise<BaselineResult> {
  const { description, initialWeights, task, data, optimizer } = training;
  const backend = await baselineBackend();
  const scores = withoutHead({ description, weights: initialWeights }, task);
  const columns = elementCount(description.inputShape);
  const outputs = elementCount(modelShapes(scores.description).at(-1) ?? []);
  const rows = checkRows(data, columns, task, outputs);
  if (training.testRows.length === 0) throw new InputError('baseline-rows', 'The plaintext baseline has no test rows.');
  checkRowNumbers(training.testRows, rows);
  const network = await loadNetwork(scores);
  const variables = networkVariables(network);
  const { rate = () => 1, loss = defaultLoss(task) } = training;
  const plain = new PlainOptimizer(optimizer, training.clip, variables);
  try {
    const started = performance.now();
    let sliceEnd = started + sliceMs;
    let steps = 0;
    for (const batch of training.schedule) {
      checkRowNumbers(batch, rows);
      tf.tidy(() => {
        const inputs = batchTensor(data.features, columns, batch, description.inputShape);
        const targets = targetTensor(data.labels, task, outputs, batch);
        const { grads } = tf.variableGrads(
          () => batchLoss(loss, network.apply(inputs, { training: true }) as tf.Tensor2D, targets),
          variables,
        );
        plain.apply(
          variables.map((variable) => grads[variable.name] ?? tf.zerosLike(variable)),
          rate(steps),
        );
      });
      steps++;
      if (performance.now() >= sliceEnd) {
        await setImmediate();
        signal?.throwIfAborted();
        sliceEnd = performance.now() + sliceMs;
      }
    }
    const seconds = (performance.now() - started) / 1000;
    const weights = weightsUnlessDiverged(network, scores.description);
    const answers = await evaluate(network, data.features, training.testRows, description.inputShape, signal);
    const metrics = lossAndMetrics(task, answers, data.labels, training.testRows, outputs, {
      loss,
      metrics: training.metrics,
    });
    return { metrics, weights, steps, seconds, backend: backend.description };
  } finally {
    network.dispose();
    plain.dispose();
  }
}

/**
 * The model's answers for raw rows (its standardisation, if any, is applied), row-major, float32 precision.
 * @param features rows x cells of the input shape.
 */
export async function predictBaseline(
  model: TrainedModel,
  features: Float64Array,
  signal?: AbortSignal,
): Promise<Float64Array> {
  checkModel(model);
  await baselineBackend();
  const { description, weights, standardisation } = model;
  const columns = elementCount(description.inputShape);
  const rows = features.length / columns;
  if (!Number.isInteger(rows)) throw wrongWidth(features.length, columns);
  const standardised =
    standardisation === undefined
      ? features
      : features.map((value, i) => {
          const column = i % columns;
          return (value - (standardisation.subtract[column] ?? 0)) * (standardisation.multiply[column] ?? 1);
        });
  const network = await loadNetwork({ description, weights });
  try {
    const all = Array.from({ length: rows }, (_, row) => row);
    return await evaluate(network, standardised, all, description.inputShape, signal);
  } finally {
    network.dispose();
  }
}

/** The model up to its scores: losses take scores, which is exact where probabilities round to 0 or 1. */
function withoutHead(model: TrainedModel, task: Task): TrainedModel {
  const { description, weights } = model;
  if (task === 'regression') return model;
  const last = description.layers.at(-1);
  const outputs = elementCount(modelShapes(description).at(-1) ?? []);
  if (last?.kind !== (outputs === 1 ? 'sigmoid' : 'softmax') || description.layers.length < 2) {
    throw new InputError(
      'baseline-model',
      `A classification with ${outputs} outputs ends in ${outputs === 1 ? 'a sigmoid' : 'a softmax'}, this model in ${last?.name}.`,
    );
  }
  return { description: { ...description, layers: description.layers.slice(0, -1) }, weights };
}

function batchTensor(
  features: Float64Array,
  columns: number,
  rows: ArrayLike<number>,
  inputShape: readonly number[],
): tf.Tensor {
  const cells = new Float32Array(rows.length * columns);
  for (let i = 0; i < rows.length; i++) {
    const start = (rows[i] ?? 0) * columns;
    cells.set(features.subarray(start, start + columns), i * columns);
  }
  return tf.tensor(cells, [rows.length, ...inputShape]);
}

function targetTensor(labels: Float64Array, task: Task, outputs: number, rows: ArrayLike<number>): tf.Tensor2D {
  const targets = new Float32Array(rows.length * outputs);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] ?? 0;
    if (task === 'regression') targets.set(labels.subarray(row * outputs, (row + 1) * outputs), i * outputs);
    else if (outputs === 1) targets[i] = labels[row] ?? 0;
    else targets[i * outputs + (labels[row] ?? 0)] = 1;
  }
  return tf.tensor2d(targets, [rows.length, outputs]);
}

async function evaluate(
  network: LayersModel,
  features: Float64Array,
  rows: ArrayLike<number>,
  inputShape: readonly number[],
  signal?: AbortSignal,
): Promise<Float64Array> {
  const columns = elementCount(inputShape);
  const parts: Float64Array[] = [];
  for (let start = 0; start < rows.length; start += evaluationRows) {
    const some = Array.prototype.slice.call(rows, start, start + evaluationRows) as number[];
    const answers = tf.tidy(() => network.predict(batchTensor(features, columns, some, inputShape)) as tf.Tensor);
    parts.push(Float64Array.from(answers.dataSync()));
    answers.dispose();
    await setImmediate();
    signal?.throwIfAborted();
  }
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

function weightsUnlessDiverged(network: LayersModel, description: ModelDescription): ModelWeights {
  try {
    return networkWeights(network, description);
  } catch (error) {
    if (!(error instanceof InputError) || error.code !== 'not-finite') throw error;
    throw new InputError('baseline-diverged', 'Training in the clear diverged: its weights are no longer finite.', {
      hint: 'Lower train.optimizer.lr, or standardise the features.',
      cause: error,
    });
  }
}

function wrongWidth(cells: number, columns: number): InputError {
  return new InputError(
    'baseline-rows',
    `${cells} cells do not make whole rows of ${columns}, as the model takes them.`,
  );
}

/** Number of rows, once features and labels are found to make whole rows and every class to exist. */
function checkRows(data: PlainRows, columns: number, task: Task, outputs: number): number {
  const { features, labels } = data;
  const rows = features.length / columns;
  if (!Number.isInteger(rows)) throw wrongWidth(features.length, columns);
  const labelsPerRow = task === 'regression' ? outputs : 1;
  if (labels.length !== rows * labelsPerRow) {
    throw new InputError(
      'baseline-rows',
      `${rows} rows come with ${labels.length} labels, ${labelsPerRow} a row are needed.`,
    );
  }
  const classes = Math.max(outputs, 2);
  const wrong =
    task === 'regression' ? -1 : labels.findIndex((label) => !Number.isInteger(label) || label < 0 || label >= classes);
  if (wrong >= 0) {
    throw new InputError(
      'baseline-label',
      `Row ${wrong} has the label ${labels[wrong]}; the model has ${classes} classes, counted from 0.`,
    );
  }
  return rows;
}

function checkRowNumbers(numbers: ArrayLike<number>, rows: number): void {
  for (let i = 0; i < numbers.length; i++) {
    const row = numbers[i] ?? -1;
    if (!Number.isInteger(row) || row < 0 || row >= rows) {
      throw new InputError('baseline-rows', `The schedule names row ${row}; there are ${rows}, counted from 0.`);
    }
  }
}
