/**
 * The programs of a training job as traced graphs: set-up (inputs masked once, first weights), one step for each batch size,
 * evaluation on the test rows, and the reveal of the model. Knows nothing of job files, processes or data formats.
 */
import { InputError } from '../../shared/errors.ts';
import { modelShapes, weightShapes } from '../../shared/model.ts';
import type { InputStandardisation, ModelDescription } from '../../shared/model.ts';
import { batchSizes } from '../../shared/schedule.ts';
import { gradients } from '../autograd/gradients.ts';
import { sigmoid, softplus } from '../functions/elementary.ts';
import { logNormaliser, softmax, softmaxParts } from '../functions/softmax.ts';
import { inverseSquareRoot } from '../functions/inverse-square-root.ts';
import { Graph } from '../tensor/graph.ts';
import type { GraphOptions } from '../tensor/graph.ts';
import { sizeOf } from '../tensor/shape.ts';
import { concat, constant, indexInput, knownInput, linear, privateInput, stateInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { decodeFixed } from '../runtime/words.ts';
import { forward, scoreLayers } from './forward.ts';
import type { WeightTensors } from './forward.ts';
import { sgdUpdate } from './sgd.ts';
import type { SgdOptions } from './sgd.ts';

/** One party's part of the features: some columns of all rows, or all columns of some rows. */
export interface FeatureBlock {
  readonly owner: string;
  readonly rows: number;
  readonly columns: number;
}

export interface TrainingSpec {
  readonly features: readonly FeatureBlock[];
  /** How feature blocks make up the table: side by side or one below the other. */
  readonly arrangement: 'columns' | 'rows';
  /** Label blocks, one below the other. */
  readonly labels: readonly { readonly owner: string; readonly rows: number }[];
  readonly description: ModelDescription;
  readonly task: 'classification' | 'regression';
  readonly trainingRows: number;
  readonly testRows: number;
  readonly batch: number | 'all';
  readonly optimizer: SgdOptions;
  readonly reveal: { readonly model: readonly string[]; readonly metrics: readonly string[] };
  readonly fractionBits: number;
  readonly assumedBound: number;
  /** log2 of the largest magnitude of a feature; inputs beyond are refused before they are shared. */
  readonly featureMagnitudeBits: number;
  readonly labelMagnitudeBits: number;
  /** Columns to standardise on shares, by statistics over the training rows of all parties; undefined for none. */
  readonly standardise: readonly boolean[] | undefined;
}

/** Names of programs, states, inputs and reveals, for whoever drives the executions. */
export const names = {
  setup: 'setup',
  step: (rows: number): string => `step-${rows}`,
  evaluate: 'evaluate',
  reveal: 'reveal',
  features: 'features',
  labels: 'labels',
  rowNumbers: 'rows',
  trainingRows: 'training-rows',
  rowWeights: 'row-weights',
  mean: 'standardise/mean',
  inverseDeviation: 'standardise/inverse-deviation',
  correct: 'correct',
  loss: 'loss',
  squaredError: 'squared-error',
  weight: (key: string): string => `weight/${key}`,
  update: (key: string): string => `update/${key}`,
} as const;

/** Rows evaluated in one execution, at most. */
const EVALUATION_ROWS = 4096;
const WEIGHT_MAGNITUDE_BITS = 22;
const UPDATE_MAGNITUDE_BITS = 3;
/** Fraction bits of means, of variances, and of the factor that makes them from sums. */
const MEAN_SCALE = 24;
const VARIANCE_SCALE = 30;
const AVERAGE_BITS = 20;
const INVERSE_DEVIATION_BITS = 15;
/** Assumed: standardised values stay below 2^7. */
const STANDARDISED_BITS = 7;

export function trainingGraphs(spec: TrainingSpec): Graph[] {
  const steps = [...new Set(batchSizes(spec.trainingRows, spec.batch))].map((rows) => stepGraph(spec, rows));
  const evaluation = spec.testRows > 0 && spec.reveal.metrics.length > 0 ? [evaluationGraph(spec)] : [];
  const reveal = spec.reveal.model.length > 0 ? [revealGraph(spec)] : [];
  return [setupGraph(spec), ...steps, ...evaluation, ...reveal];
}

/** Width of the model's scores. */
function scoreWidth(spec: TrainingSpec): number {
  return sizeOf(modelShapes({ ...spec.description, layers: scoreLayers(spec.description) }).at(-1) ?? [1]);
}

function options(spec: TrainingSpec, name: string): GraphOptions {
  return { name, fractionBits: spec.fractionBits, assumedBound: spec.assumedBound, wordBits: 64 };
}

/** Mean and inverse deviation of the columns from their revealed words. */
export function revealedStandardisation(
  spec: TrainingSpec,
  revealed: ReadonlyMap<string, BigUint64Array>,
): InputStandardisation | undefined {
  const [mean, inverse] = [revealed.get(names.mean), revealed.get(names.inverseDeviation)];
  if (mean === undefined || inverse === undefined) return undefined;
  return { subtract: decodeFixed(mean, MEAN_SCALE), multiply: decodeFixed(inverse, spec.fractionBits) };
}

function tableShape(spec: TrainingSpec): [number, number] {
  const sum = (pick: (block: FeatureBlock) => number): number =>
    spec.features.reduce((total, block) => total + pick(block), 0);
  const first = spec.features[0];
  if (first === undefined) throw new InputError('no-features', 'No party brings features.');
  return spec.arrangement === 'columns' ? [first.rows, sum((b) => b.columns)] : [sum((b) => b.rows), first.columns];
}

function setupGraph(spec: TrainingSpec): Graph {
  const graph = new Graph(options(spec, names.setup));
  const width = scoreWidth(spec);
  graph.scope('inputs', 'setup', () => {
    const blocks = spec.features.map((block, i) =>
      privateInput(
        graph,
        `${names.features}/${i}`,
        block.owner,
        [block.rows, block.columns],
        spec.featureMagnitudeBits,
      ),
    );
    const table = concat(blocks, spec.arrangement === 'columns' ? 1 : 0);
    (spec.standardise === undefined ? table : standardised(graph, spec, table, spec.standardise)).store(
      names.features,
      {
        masked: true,
      },
    );
    const labels = spec.labels.map((block, i) =>
      privateInput(graph, `${names.labels}/${i}`, block.owner, [block.rows, width], spec.labelMagnitudeBits),
    );
    concat(labels, 0).store(names.labels);
  });
  graph.scope('weights', 'setup', () => {
    for (const [key, shape] of weightShapes(spec.description)) {
      knownInput(graph, names.weight(key), shape, WEIGHT_MAGNITUDE_BITS).store(names.weight(key));
      if (spec.optimizer.momentum > 0) {
        // The first update is zero: the difference of a public value and itself.
        const zero = knownInput(graph, names.weight(key), shape, WEIGHT_MAGNITUDE_BITS);
        linear('zero', [[0n, zero]]).store(names.update(key));
      }
    }
  });
  return graph;
}

/**
 * (x - mean) / deviation of columns, by training rows of all parties; columns not marked stay as they are. Features are
 * scaled to |x| <= 1 beforehand, so that sums of squares fit (corrections M3). Mean and inverse deviation are kept as states,
 * for the receivers of the model.
 */
function standardised(graph: Graph, spec: TrainingSpec, table: Tensor, columns: readonly boolean[]): Tensor {
  const rows = spec.trainingRows;
  const width = columns.length;
  const training = table.gatherRows(indexInput(graph, names.trainingRows, rows));
  // First by the power of two below the number of rows, which is exact, then by the rest: the factor keeps all its bits.
  const halvings = Math.floor(Math.log2(rows));
  const average = (sum: Tensor, scale: number): Tensor =>
    sum
      .timesRaw(2 ** -halvings, halvings)
      .rescaled(scale)
      .timesRaw(2 ** halvings / rows, AVERAGE_BITS)
      .rescaled(scale);
  const mean = average(training.sum(0), MEAN_SCALE);
  const square = average(training.mulRaw(training).sum(0), VARIANCE_SCALE);
  const variance = square.sub(mean.mulRaw(mean).rescaled(VARIANCE_SCALE)).assumeBelow(0.01);
  const marked = constant(graph, columns.map(Number), [width], 0);
  const unmarked = constant(
    graph,
    columns.map((column) => Number(!column)),
    [width],
  );
  const subtract = mean.mulRaw(marked);
  const multiply = inverseSquareRoot(variance).mulRaw(marked).add(unmarked).assumeBelow(INVERSE_DEVIATION_BITS);
  subtract.store(names.mean);
  multiply.store(names.inverseDeviation);
  // x's mask serves the product, so the table is not opened again before its truncation.
  const shift = subtract.mulRaw(multiply).rescaled(2 * spec.fractionBits);
  return table.mulRaw(multiply).sub(shift).assumeBelow(STANDARDISED_BITS).rescaled(spec.fractionBits);
}

function weightStates(graph: Graph, spec: TrainingSpec): Map<string, Tensor> {
  const bound = spec.fractionBits + WEIGHT_MAGNITUDE_BITS;
  return new Map(
    [...weightShapes(spec.description)].map(([key, shape]) => [
      key,
      stateInput(graph, names.weight(key), shape, { bound }),
    ]),
  );
}

/** Features and labels of the rows given by public numbers. */
function batchInputs(graph: Graph, spec: TrainingSpec, rows: number): { x: Tensor; y: Tensor } {
  const [total, columns] = tableShape(spec);
  const width = scoreWidth(spec);
  const index = indexInput(graph, names.rowNumbers, rows);
  const features = stateInput(graph, names.features, [total, columns], {
    bound: spec.fractionBits + (spec.standardise === undefined ? spec.featureMagnitudeBits : STANDARDISED_BITS),
    masked: true,
  });
  const labels = stateInput(graph, names.labels, [total, width], {
    bound: spec.fractionBits + spec.labelMagnitudeBits,
  });
  return {
    x: features.gatherRows(index).reshape([rows, ...spec.description.inputShape]),
    y: labels.gatherRows(index),
  };
}

function stepGraph(spec: TrainingSpec, rows: number): Graph {
  const graph = new Graph(options(spec, names.step(rows)));
  const { x, y } = graph.scope('batch', 'forward', () => batchInputs(graph, spec, rows));
  const weights = weightStates(graph, spec);
  const scores = forward(scoreLayers(spec.description), weights, x);
  const seed = graph.scope('loss', 'forward', () => predictions(spec, scores).sub(y));
  const keys = [...weights.keys()];
  const derivatives = gradients([[scores, seed]], [...weights.values()]);
  const factor = (spec.task === 'regression' ? 2 / scoreWidth(spec) : 1) / rows;
  keys.forEach((key, i) => {
    const [weight, gradient] = [weights.get(key), derivatives[i]];
    if (weight === undefined || gradient === undefined) return;
    graph.scope(key.split('/')[0] ?? key, 'update', () => {
      const step =
        spec.optimizer.momentum > 0
          ? stateInput(graph, names.update(key), weight.shape, { bound: spec.fractionBits + UPDATE_MAGNITUDE_BITS })
          : undefined;
      const updated = sgdUpdate(weight, step, gradient, factor, spec.optimizer);
      updated.weight.store(names.weight(key));
      updated.step?.store(names.update(key));
    });
  });
  return graph;
}

/** The model's answers from its scores: probabilities, or the scores themselves. */
function predictions(spec: TrainingSpec, scores: Tensor): Tensor {
  if (spec.task === 'regression') return scores;
  return scoreWidth(spec) === 1 ? sigmoid(scores) : softmax(scores);
}

/**
 * Sums over test rows, so that a mean is formed in the clear: the number of right answers and the loss, or the squared error.
 * Rows beyond the last are left out by giving them a weight of zero.
 */
function evaluationGraph(spec: TrainingSpec): Graph {
  const rows = evaluationRows(spec);
  const graph = new Graph(options(spec, names.evaluate));
  const { x, y } = batchInputs(graph, spec, rows);
  const weights: WeightTensors = weightStates(graph, spec);
  const scores = forward(scoreLayers(spec.description), weights, x);
  graph.scope('metrics', 'evaluate', () => {
    const weight = knownInput(graph, names.rowWeights, [rows, 1], 0.01);
    const total = (perRow: Tensor): Tensor => perRow.mulRaw(weight).reshape([rows]).sum(0);
    if (spec.task === 'regression') {
      const error = scores.sub(y);
      const squared = error.mul(error);
      total(squared.sum(1).reshape([rows, 1])).reveal(names.squaredError, spec.reveal.metrics);
      return;
    }
    if (scoreWidth(spec) === 1) {
      // Right where the predicted bit equals the label: 1 - b - y + 2 b y.
      const bit = scores.atLeast(0);
      const right = linear('right', [
        [-1n, bit.toNumber()],
        [-1n, y],
        [2n, bit.select(y)],
      ]).addNumber(1);
      total(right).reveal(names.correct, spec.reveal.metrics);
      // Cross-entropy of a logit: log(1 + e^z) - y z.
      total(softplus(scores).sub(scores.mul(y))).reveal(names.loss, spec.reveal.metrics);
      return;
    }
    const parts = softmaxParts(scores);
    const labels = y.transpose();
    total(parts.oneHot.select(labels).sum(0).reshape([rows, 1])).reveal(names.correct, spec.reveal.metrics);
    const labelGap = parts.gaps.mul(labels).sum(0);
    total(logNormaliser(parts).sub(labelGap).reshape([rows, 1])).reveal(names.loss, spec.reveal.metrics);
  });
  return graph;
}

export function evaluationRows(spec: TrainingSpec): number {
  return Math.min(spec.testRows, EVALUATION_ROWS);
}

function revealGraph(spec: TrainingSpec): Graph {
  const graph = new Graph(options(spec, names.reveal));
  graph.scope('model', 'reveal', () => {
    for (const [key, tensor] of weightStates(graph, spec)) tensor.reveal(names.weight(key), spec.reveal.model);
    if (spec.standardise !== undefined) {
      const shape = [spec.standardise.length];
      const state = (name: string, scale: number, magnitudeBits: number): Tensor =>
        stateInput(graph, name, shape, { scale, bound: scale + magnitudeBits });
      state(names.mean, MEAN_SCALE, 1).reveal(names.mean, spec.reveal.model);
      state(names.inverseDeviation, spec.fractionBits, INVERSE_DEVIATION_BITS).reveal(
        names.inverseDeviation,
        spec.reveal.model,
      );
    }
  });
  return graph;
}
