/**
 * The programs of a split training. Whatever depends on features and weights only is their owner's, who computes it alone and in
 * the clear: the whole forward pass, of any layers, and the gradient of the loss by the scores up to the label, in which it is
 * linear. Labels enter shares there, and backward goes on by products with what the owner knows: no comparison, no table. What is
 * revealed, to the owner alone, is the sum over the batch of each weight's gradient, with noise that nobody knows where the job
 * asks for it.
 */
import { batchSizes } from '../../../shared/schedule.ts';
import { modelWeights } from '../../../shared/model.ts';
import type { ModelWeight } from '../../../shared/model.ts';
import { gradients } from '../../autograd/gradients.ts';
import { softmaxParts } from '../../functions/softmax.ts';
import { Graph } from '../../tensor/graph.ts';
import { concat, constant, indexInput, knownInput, linear, privateInput, stateInput } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { forward, scoreLayers } from '../forward.ts';
import type { TrainingPass, WeightTensors } from '../layers/layer.ts';
import type { Loss } from '../losses/loss.ts';
import { lossOf, trainingLoss } from '../losses/table.ts';
import { graphOptions, storeTable, tableRows, tableShape } from '../table.ts';
import { withNoise } from '../training/gaussian-noise.ts';
import { isEvaluated, metricNames, names, scoreWidth, WEIGHT_MAGNITUDE_BITS } from '../training/spec.ts';
import { addSum, beginTotals, evaluationRows, keepsTotals, metricsGraph } from '../training/totals.ts';
import { FACTOR_SCALE, GAIN_BITS, labelScale, splitNames, TRAINED_BITS } from './spec.ts';
import type { SplitSpec } from './spec.ts';

export function splitGraphs(spec: SplitSpec): Graph[] {
  const steps = [...new Set(batchSizes(spec.trainingRows, spec.batch))].map((rows) => stepGraph(spec, rows));
  const metrics = keepsTotals(spec) ? [metricsGraph(spec)] : [];
  const evaluation = isEvaluated(spec) ? [evaluationGraph(spec), ...metrics] : [];
  return [setupGraph(spec), ...steps, ...evaluation, revealGraph(spec)];
}

/** Features and labels, each masked once for the whole training. */
function setupGraph(spec: SplitSpec): Graph {
  const graph = new Graph(graphOptions(spec, names.setup));
  graph.scope('inputs', 'setup', () => {
    storeTable(graph, spec);
    const [bits, scale] = [spec.labelMagnitudeBits, labelScale(spec)];
    const labels = spec.labels.map(({ owner, rows }, i) =>
      privateInput(graph, `${names.labels}/${i}`, owner, [rows, scoreWidth(spec)], bits, scale),
    );
    concat(labels, 0).store(names.labels, { masked: true });
    if (keepsTotals(spec)) beginTotals(graph, spec);
  });
  return graph;
}

function labelRows(graph: Graph, spec: SplitSpec, index: Tensor): Tensor {
  const [total] = tableShape(spec);
  const scale = labelScale(spec);
  return stateInput(graph, names.labels, [total, scoreWidth(spec)], {
    bound: scale + spec.labelMagnitudeBits,
    scale,
    masked: true,
  }).gatherRows(index);
}

/** The owner's weights: all that it brings of the model. */
export function ownWeights(graph: Graph, spec: SplitSpec): WeightTensors {
  return new Map(
    modelWeights(spec.description).map((weight) => [
      weight.key,
      privateInput(graph, splitNames.weight(weight.key), spec.split.owner, weight.shape, weightBits(weight)),
    ]),
  );
}

/** log2 of the largest magnitude. */
export function weightBits({ role }: ModelWeight): number {
  return role === 'statistic' ? WEIGHT_MAGNITUDE_BITS : TRAINED_BITS;
}

export function trainedKeys({ description }: SplitSpec): string[] {
  return modelWeights(description).flatMap(({ key, role }) => (role === 'statistic' ? [] : [key]));
}

/** Dropout as in other trainings; running statistics are the owner's. */
export function splitPass(graph: Graph, { split }: SplitSpec): TrainingPass {
  return {
    mask: (layer, shape, kept) => knownInput(graph, names.mask(layer), shape, Math.log2(kept) + 0.01),
    update: (key, value) => value.reveal(splitNames.statistic(key), [split.owner]),
  };
}

export interface LinearInLabel {
  /** Of the scores' shape. */
  readonly offset: Tensor;
  readonly slope: Tensor;
}

/** The gradient of the summed loss by the scores is offset + slope * label: from what it is at labels of 0 and of 1. */
export function gradientByLabel(spec: SplitSpec, scores: Tensor): LinearInLabel {
  const loss = splitLoss(spec);
  const at = (label: number): Tensor =>
    loss.seed(scores, constant(scores.graph, filled(scores.size, label), scores.shape));
  const offset = at(0);
  return { offset, slope: at(1).sub(offset) };
}

function splitLoss(spec: SplitSpec): Loss {
  return lossOf(trainingLoss(spec.task, spec.loss), scoreWidth(spec));
}

function filled(length: number, value: number): number[] {
  return new Array<number>(length).fill(value);
}

function stepGraph(spec: SplitSpec, rows: number): Graph {
  const { split, description } = spec;
  const graph = new Graph(graphOptions(spec, names.step(rows)));
  const index = indexInput(graph, names.rowNumbers, rows);
  const weights = ownWeights(graph, spec);
  const x = tableRows(graph, spec, index).reshape([rows, ...description.inputShape]);
  const scores = forward(scoreLayers(description), weights, x, splitPass(graph, spec));
  const seed = graph.scope('loss', 'forward', () => {
    const scale = spec.fractionBits + GAIN_BITS;
    const cut = (values: Tensor): Tensor =>
      (split.norm === undefined
        ? values
        : values.mulRaw(privateInput(graph, splitNames.factor, split.owner, [rows, 1], 0.01, FACTOR_SCALE))
      ).rescaled(scale);
    const { offset, slope } = gradientByLabel(spec, scores);
    const gradient = linear('gradient', [
      [1n, cut(slope).mulRaw(labelRows(graph, spec, index))],
      [1n, cut(offset)],
    ]);
    return gradient.rescaled(scale).timesPowerOfTwo(GAIN_BITS);
  });
  const keys = trainedKeys(spec);
  const sums = gradients(
    [[scores, seed]],
    keys.flatMap((key) => weights.get(key) ?? []),
  );
  keys.forEach((key, i) => {
    const sum = sums[i];
    if (sum !== undefined) graph.scope('privacy', 'reveal', () => reveal(spec, key, sum));
  });
  return graph;
}

/** With normal noise, rounded to the graph's scale together with it: finer digits would pass beside the noise. */
function reveal({ split, fractionBits }: SplitSpec, key: string, sum: Tensor): void {
  const { deviation, parties, owner } = split;
  const noisy = deviation === 0 ? sum : withNoise(sum.raw, deviation * 2 ** GAIN_BITS, parties);
  noisy.rescaled(fractionBits).reveal(splitNames.gradient(key), [owner]);
}

/** Sums over test rows, of what the owner knows each metric to be for a label. */
function evaluationGraph(spec: SplitSpec): Graph {
  const rows = evaluationRows(spec);
  const { description } = spec;
  const graph = new Graph(graphOptions(spec, names.evaluate));
  const index = indexInput(graph, names.rowNumbers, rows);
  const x = tableRows(graph, spec, index).reshape([rows, ...description.inputShape]);
  const scores = forward(scoreLayers(description), ownWeights(graph, spec), x);
  graph.scope('metrics', 'evaluate', () => {
    const y = labelRows(graph, spec, index);
    const weight = knownInput(graph, names.rowWeights, [rows, 1], 0.01);
    const total = (perRow: Tensor): Tensor => perRow.sum(1).sum(0).reshape([1]);
    for (const metric of metricNames(spec)) {
      const { offset, slope } = metricByLabel(spec, metric, scores);
      const terms = [offset.mulRaw(weight), slope.mul(weight).mulRaw(y)];
      // (z - y)^2 has a part that the labels alone make.
      if (metric === names.squaredError) terms.push(y.mul(y).mulRaw(weight));
      const sum = linear(
        metric,
        terms.map((term) => [1n, total(term)] as const),
      );
      addSum(spec, metric, sum.rescaled(2 * spec.fractionBits));
    }
  });
  return graph;
}

/** A metric of a row is offset [rows, 1] + sum of slope [rows, outputs] * label. */
function metricByLabel(spec: SplitSpec, metric: string, scores: Tensor): LinearInLabel {
  const { graph } = scores;
  const [rows = 0, outputs = 1] = scores.shape;
  if (metric === names.squaredError) return { offset: scores.mul(scores), slope: scores.timesInteger(-2n) };
  if (metric === names.correct) {
    if (outputs > 1)
      return {
        offset: constant(graph, filled(rows, 0), [rows, 1]),
        slope: softmaxParts(scores).oneHot.toNumber().transpose(),
      };
    const bit = scores.atLeast(0).toNumber();
    return { offset: bit.neg().addNumber(1), slope: bit.timesInteger(2n).addNumber(-1) };
  }
  const loss = splitLoss(spec);
  const none = loss.value(scores, constant(graph, filled(scores.size, 0), scores.shape));
  const ofClass = (k: number): Tensor =>
    loss.value(
      scores,
      constant(
        graph,
        filled(scores.size, 0).map((_, i) => Number(i % outputs === k)),
        scores.shape,
      ),
    );
  return {
    offset: none,
    slope: concat(
      filled(outputs, 0).map((_, k) => ofClass(k).sub(none)),
      1,
    ),
  };
}

/** The owner's weights, to whoever receives the model. */
function revealGraph(spec: SplitSpec): Graph {
  const graph = new Graph(graphOptions(spec, names.reveal));
  graph.scope('model', 'reveal', () => {
    for (const [key, weight] of ownWeights(graph, spec)) weight.reveal(names.weight(key), spec.reveal.model);
  });
  return graph;
}
