/** How well the model does on some test rows, as a traced graph. Knows nothing of training, nor where sums over rows go. */
import { softmaxParts } from '../../functions/softmax.ts';
import { Graph } from '../../tensor/graph.ts';
import { knownInput, linear } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { forward, scoreLayers } from '../forward.ts';
import { absoluteError, squaredError } from '../losses/regression.ts';
import { lossOf, trainingLoss } from '../losses/table.ts';
import { graphOptions } from '../table.ts';
import { confusion, oneHotOfTwo, rowsAbove } from './class-metrics.ts';
import { isSquared, metricNames, names, scoreWidth } from './spec.ts';
import type { TrainingSpec } from './spec.ts';
import { batchInputs, weightStates } from './states.ts';
import { addRows, addSum, countWeights, evaluationRows } from './totals.ts';

/**
 * The number of right answers and the loss, or the squared error, summed over rows, and what else the job asks for. Rows beyond
 * the last are left out by giving them a weight of zero.
 */
export function evaluationGraph(spec: TrainingSpec): Graph {
  const rows = evaluationRows(spec);
  const graph = new Graph(graphOptions(spec, names.evaluate));
  const { x, y, index } = batchInputs(graph, spec, rows);
  const scores = forward(scoreLayers(spec.description), weightStates(graph, spec), x);
  graph.scope('metrics', 'evaluate', () => {
    const metrics = metricNames(spec);
    const weight = knownInput(graph, names.rowWeights, [rows, 1], 0.01);
    const report = (metric: string, perRow: Tensor): void => addRows(spec, metric, perRow, index, weight);
    const loss = lossOf(trainingLoss(spec.task, spec.loss), scoreWidth(spec));
    if (spec.task === 'regression') {
      report(names.squaredError, squaredError(scoreWidth(spec)).value(scores, y));
      if (!isSquared(spec)) report(names.loss, loss.value(scores, y));
      if (metrics.includes(names.absoluteError))
        report(names.absoluteError, absoluteError(scoreWidth(spec)).value(scores, y));
      return;
    }
    const weights = countWeights(spec, index, weight);
    const count = (metric: string, make: () => Tensor): void => {
      if (metrics.includes(metric)) addSum(spec, metric, make());
    };
    if (scoreWidth(spec) === 1) {
      // Right where the predicted bit equals the label: 1 - b - y + 2 b y.
      const bit = scores.atLeast(0);
      const right = linear('right', [
        [-1n, bit.toNumber()],
        [-1n, y],
        [2n, bit.select(y)],
      ]).addNumber(1);
      report(names.correct, right);
      report(names.loss, loss.value(scores, y));
      const second = wholeLabels(y);
      count(names.confusion, () => confusion(oneHotOfTwo(bit.toNumber()), oneHotOfTwo(second), weights));
      count(names.auc, () => rowsAbove(scores, second, weights));
      return;
    }
    const parts = softmaxParts(scores);
    const labels = y.transpose();
    report(names.correct, parts.oneHot.select(labels).sum(0).reshape([rows, 1]));
    report(names.loss, loss.value(scores, y, parts));
    count(names.confusion, () => confusion(parts.oneHot.toNumber().transpose(), wholeLabels(y), weights));
  });
  return graph;
}

/** Labels of 0 and 1 at scale 0. */
function wholeLabels(y: Tensor): Tensor {
  return y.rescaled(0).provedBelow(0.01);
}
