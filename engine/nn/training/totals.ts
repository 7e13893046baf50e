/**
 * Metrics summed over the test rows, which are evaluated in as many parts as memory asks for. One part reveals its sums; with
 * several, or where the number of rows is hidden, sums stay shared until all parts are done. Knows nothing of what is summed.
 */
import { modelShapes } from '../../../shared/model.ts';
import { decodeFixed } from '../../runtime/words.ts';
import { Graph } from '../../tensor/graph.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { constant, stateInput } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { addToTotal, beginTotal, hasMembership, revealMean } from '../membership.ts';
import { graphOptions } from '../table.ts';
import { isEvaluated, metricNames, names } from './spec.ts';
import type { TrainingSpec } from './spec.ts';

/** Rows evaluated in one execution, at most. */
const MOST_ROWS = 4096;
/** Outputs of layers in one execution, about: 200 bytes of memory each at a party and at the dealer. A step's batch fits anyway. */
const MOST_CELLS = 2 ** 22;
/** Fraction bits of a share of rows where their number is hidden: more would tell out of how many. */
const SHARE_BITS = 10;
/** Assumed: means of what is added up over test rows stay below 2^6. */
const MEAN_BITS = 6;

const totalState = (metric: string): string => `total/${metric}`;

/** Rows of one part; the last one may have a few less. */
export function evaluationRows({ description, testRows, trainingRows, batch }: TrainingSpec): number {
  const cells = modelShapes(description).reduce((sum, shape) => sum + sizeOf(shape), 0);
  const batchRows = batch === 'all' ? trainingRows : batch;
  const most = Math.min(MOST_ROWS, Math.max(batchRows, Math.floor(MOST_CELLS / cells)));
  return Math.ceil(testRows / Math.ceil(testRows / most));
}

/** Whether sums stay shared until the program `metrics` has run. */
export function keepsTotals(spec: TrainingSpec): boolean {
  return isEvaluated(spec) && (hasMembership(spec) || spec.testRows > evaluationRows(spec));
}

/** Begins the sums of the first evaluation. */
export function beginTotals(graph: Graph, spec: TrainingSpec): void {
  for (const metric of metricNames(spec)) begin(graph, spec, metric);
}

function begin(graph: Graph, spec: TrainingSpec, metric: string): void {
  if (hasMembership(spec)) beginTotal(graph, metric);
  else constant(graph, [0], [1]).store(totalState(metric));
}

/** Sums are exact, at twice the scale of what is summed: products with a row's weight are never truncated. */
function total(graph: Graph, spec: TrainingSpec, metric: string): Tensor {
  const scale = 2 * spec.fractionBits;
  return stateInput(graph, totalState(metric), [1], { scale, bound: scale + Math.log2(spec.testRows) + MEAN_BITS });
}

/** Adds the rows of a part, [rows, 1], whose numbers are `index`; `weight` is 0 for those that only fill it up. */
export function addRows(spec: TrainingSpec, metric: string, perRow: Tensor, index: Tensor, weight: Tensor): void {
  if (hasMembership(spec)) {
    addToTotal(spec, metric, perRow, index, weight);
    return;
  }
  addSum(spec, metric, perRow.mulRaw(weight).sum(0).reshape([1]));
}

/** Adds a part's sum, [1] at twice the graph's scale. */
export function addSum(spec: TrainingSpec, metric: string, sum: Tensor): void {
  if (!keepsTotals(spec)) {
    sum.reveal(metric, spec.reveal.metrics);
    return;
  }
  total(sum.graph, spec, metric)
    .add(sum)
    .assumeBelow(Math.log2(spec.testRows) + MEAN_BITS)
    .store(totalState(metric));
}

/** Reveals the metrics of all parts, sums or where the number of rows is hidden means, and begins anew. */
export function metricsGraph(spec: TrainingSpec): Graph {
  const graph = new Graph(graphOptions(spec, names.metrics));
  graph.scope('metrics', 'evaluate', () => {
    for (const metric of metricNames(spec)) {
      if (hasMembership(spec)) {
        revealMean(graph, spec, metric, meanBits(spec, metric), spec.reveal.metrics);
        continue;
      }
      total(graph, spec, metric).reveal(metric, spec.reveal.metrics);
      begin(graph, spec, metric);
    }
  });
  return graph;
}

function meanBits(spec: TrainingSpec, metric: string): number {
  return metric === names.correct ? SHARE_BITS : spec.fractionBits;
}

/** What a revealed metric says of its sum over all test rows. */
export function metricSum(spec: TrainingSpec, metric: string, words: BigUint64Array): number {
  if (hasMembership(spec)) return (decodeFixed(words, meanBits(spec, metric))[0] ?? 0) * spec.testRows;
  return decodeFixed(words, 2 * spec.fractionBits)[0] ?? 0;
}
