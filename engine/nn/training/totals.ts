/**
 * Metrics summed over the test rows, which are evaluated in as many parts as memory asks for. One part reveals its sums; with
 * several, where the number of rows is hidden, or where only what follows from sums is told, sums stay shared until all parts are
 * done. Knows nothing of what is summed.
 */
import { modelShapes } from '../../../shared/model.ts';
import { decodeFixed } from '../../runtime/words.ts';
import { Graph } from '../../tensor/graph.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { constant, stateInput } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { counted, hasMembership, presenceOf, SHARE_BITS, testMean } from '../membership.ts';
import { graphOptions } from '../table.ts';
import { AREA_BITS, AREA_COUNTS, areaUnderCurve } from './class-metrics.ts';
import type { RowWeights } from './class-metrics.ts';
import { classCount, isEvaluated, metricNames, names } from './spec.ts';
import type { TrainingSpec } from './spec.ts';

/** Rows evaluated in one execution, at most. */
const MOST_ROWS = 4096;
/** Outputs of layers in one execution, about: 200 bytes of memory each at a party and at the dealer. A step's batch fits anyway. */
const MOST_CELLS = 2 ** 22;
/** Assumed: means of what is added up over test rows stay below 2^6. */
const MEAN_BITS = 6;

const totalState = (metric: string): string => `total/${metric}`;

/** Rows of one part; the last one may have a few less. */
export function evaluationRows(spec: TrainingSpec): number {
  const { description, testRows, trainingRows, batch } = spec;
  const compared = metricNames(spec).includes(names.auc) ? AREA_COUNTS : 0;
  const cells = modelShapes(description).reduce((sum, shape) => sum + sizeOf(shape), compared);
  const batchRows = batch === 'all' ? trainingRows : batch;
  const most = Math.min(MOST_ROWS, Math.max(batchRows, Math.floor(MOST_CELLS / cells)));
  return Math.ceil(testRows / Math.ceil(testRows / most));
}

/** Whether sums stay shared until the program `metrics` has run. */
export function keepsTotals(spec: TrainingSpec): boolean {
  if (!isEvaluated(spec)) return false;
  return hasMembership(spec) || metricNames(spec).includes(names.auc) || spec.testRows > evaluationRows(spec);
}

/** Begins the sums of the first evaluation. */
export function beginTotals(graph: Graph, spec: TrainingSpec): void {
  for (const metric of metricNames(spec)) begin(graph, spec, metric);
}

/** Numbers that a metric sums; whole ones at scale 0 where it counts rows. */
function shapeOf(spec: TrainingSpec, metric: string): { size: number; isCount: boolean } {
  if (metric === names.confusion) return { size: classCount(spec) ** 2, isCount: true };
  if (metric === names.auc) return { size: AREA_COUNTS, isCount: true };
  return { size: 1, isCount: false };
}

function begin(graph: Graph, spec: TrainingSpec, metric: string): void {
  const { size } = shapeOf(spec, metric);
  constant(graph, new Array<number>(size).fill(0), [size], totalScale(spec, metric)).store(totalState(metric));
}

/** Sums are exact: of counts, and at twice the scale of what is summed, as products with a row's weight are never truncated. */
function totalScale(spec: TrainingSpec, metric: string): number {
  if (shapeOf(spec, metric).isCount) return 0;
  return hasMembership(spec) ? spec.fractionBits : 2 * spec.fractionBits;
}

function totalBits(spec: TrainingSpec, metric: string): number {
  return Math.log2(spec.testRows) + (shapeOf(spec, metric).isCount ? 0.1 : MEAN_BITS);
}

function total(graph: Graph, spec: TrainingSpec, metric: string): Tensor {
  const scale = totalScale(spec, metric);
  const bound = scale + totalBits(spec, metric);
  return stateInput(graph, totalState(metric), [shapeOf(spec, metric).size], { scale, bound });
}

/** Adds the rows of a part, [rows, 1], whose numbers are `index`; `weight` is 0 for those that only fill it up. */
export function addRows(spec: TrainingSpec, metric: string, perRow: Tensor, index: Tensor, weight: Tensor): void {
  const rows = hasMembership(spec) ? counted(spec, perRow, index) : perRow;
  const sum = rows.mulRaw(weight).sum(0).reshape([1]);
  addSum(spec, metric, hasMembership(spec) ? sum.rescaled(spec.fractionBits) : sum);
}

/** What rows are multiplied by to be counted. */
export function countWeights(spec: TrainingSpec, index: Tensor, weight: Tensor): RowWeights {
  const whole = weight.rescaled(0).provedBelow(0.01);
  return hasMembership(spec) ? presenceOf(weight.graph, spec, index).mulRaw(whole).provedBelow(0.01) : whole;
}

/** Adds a part's sums, at `totalScale`. */
export function addSum(spec: TrainingSpec, metric: string, sum: Tensor): void {
  if (!keepsTotals(spec)) {
    sum.reveal(metric, spec.reveal.metrics);
    return;
  }
  const all = total(sum.graph, spec, metric).add(sum);
  const bits = totalBits(spec, metric);
  const bounded = shapeOf(spec, metric).isCount ? all.provedBelow(bits) : all.assumeBelow(bits);
  bounded.store(totalState(metric));
}

/** Reveals the metrics of all parts, sums or where the number of rows is hidden means, and begins anew. */
export function metricsGraph(spec: TrainingSpec): Graph {
  const graph = new Graph(graphOptions(spec, names.metrics));
  graph.scope('metrics', 'evaluate', () => {
    for (const metric of metricNames(spec)) {
      told(spec, metric, total(graph, spec, metric)).reveal(metric, spec.reveal.metrics);
      begin(graph, spec, metric);
    }
  });
  return graph;
}

/** What of a metric's sums is revealed. Sums over rows of hidden number stay shared: they would tell how many count. */
function told(spec: TrainingSpec, metric: string, sums: Tensor): Tensor {
  if (metric === names.auc) return areaUnderCurve(sums, spec.testRows);
  return hasMembership(spec) ? testMean(spec, sums, MEAN_BITS, meanBits(spec, metric)) : sums;
}

function meanBits(spec: TrainingSpec, metric: string): number {
  return metric === names.correct || shapeOf(spec, metric).isCount ? SHARE_BITS : spec.fractionBits;
}

/** What a revealed metric says of its sums over all test rows; of `auc` the area itself. */
export function metricSums(spec: TrainingSpec, metric: string, words: BigUint64Array): Float64Array {
  if (metric === names.auc) return decodeFixed(words, AREA_BITS);
  if (hasMembership(spec)) return decodeFixed(words, meanBits(spec, metric)).map((mean) => mean * spec.testRows);
  return decodeFixed(words, totalScale(spec, metric));
}

export function metricSum(spec: TrainingSpec, metric: string, words: BigUint64Array): number {
  return metricSums(spec, metric, words)[0] ?? 0;
}
