/** Losses of classes that nobody may know: a class is a one-hot row, so one that is out of range, or ignored, weighs nothing. */
import { divide } from '../../functions/powers.ts';
import { alongAxis, logSoftmax } from '../../functions/softmax.ts';
import { range } from '../../tensor/rearrange.ts';
import { sum } from '../../tensor/reductions.ts';
import { oneHot } from '../../tensor/secret-index.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { secretTensor } from './value.ts';
import type { TensorValue } from './value.ts';

/** Of log-probabilities [batch, classes, ...cells], classes [batch, ...cells] and perhaps weights [classes]. */
function negativeLogLikelihood(call: OperatorCall, logarithms: Tensor): TensorValue {
  const { fractionBits } = logarithms.graph.options;
  const [, classes = 1] = logarithms.shape;
  const rank = logarithms.shape.length;
  const ignored = call.attribute('ignore_index', 'int');
  const reduction = call.choice('reduction', ['mean', 'sum', 'none']);
  // [batch, ...cells, classes] at scale 0.
  const hot = oneHot(call.numbers(1), classes);
  const kept = range(classes).map((c) => (c === ignored ? 0 : 1));
  const mask = constant(hot.graph, kept, [classes], 0);
  const weights = call.isGiven(2) ? call.numbers(2).mulRaw(mask) : mask;
  const chosen = kept.every((one) => one === 1) && !call.isGiven(2) ? hot : hot.mulRaw(weights);
  const last = rank - 1;
  const classesLast = logarithms.transpose([0, ...range(rank).slice(2), 1]);
  const losses = chosen.mulRaw(classesLast).sum(last).neg().rescaled(fractionBits);
  if (reduction === 'none') return secretTensor(call.type(0), losses);
  const total = sum(losses);
  if (reduction === 'sum') return secretTensor(call.type(0), total);
  // Where every class counts as one, the divisor is the number of cells.
  if (ignored === undefined && !call.isGiven(2)) {
    return secretTensor(call.type(0), total.timesNumber(1 / Math.max(1, losses.size)));
  }
  return secretTensor(call.type(0), divide(total, sum(chosen).rescaled(fractionBits)));
}

export const losses: OperatorFamily = {
  NegativeLogLikelihoodLoss: {
    attributes: ['ignore_index', 'reduction'],
    run: (call) => negativeLogLikelihood(call, call.numbers(0)),
  },
  SoftmaxCrossEntropyLoss: {
    attributes: ['ignore_index', 'reduction'],
    run: (call) => {
      const logarithms = alongAxis(call.numbers(0), 1, (rows) => logSoftmax(rows));
      return [negativeLogLikelihood(call, logarithms), secretTensor(call.type(0), logarithms)];
    },
  },
};
