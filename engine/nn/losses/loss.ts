/**
 * What a loss is to training: its gradient with respect to the scores in closed form, so that nothing is differentiated, and
 * its value for evaluations. Scores stand before the model's last sigmoid or softmax. Knows no loss in particular.
 */
import type { SoftmaxParts } from '../../functions/softmax.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';

export interface Loss {
  /** Loss of each row, [rows, 1]. `parts` are those of the scores' softmax, where they are there anyway. */
  value(scores: Tensor, targets: Tensor, parts?: SoftmaxParts): Tensor;
  /** Gradient of the rows' summed loss by the scores, but for `factor`; of the scores' shape. */
  seed(scores: Tensor, targets: Tensor): Tensor;
  /** Public factor of the gradient, folded into a later truncation. */
  readonly factor: number;
}

/** Sum over outputs. */
export function perRow(values: Tensor): Tensor {
  return values.sum(1).reshape([values.shape[0] ?? 0, 1]);
}

/** Mean over outputs. */
export function meanPerRow(values: Tensor): Tensor {
  const outputs = values.shape[1] ?? 1;
  return outputs === 1 ? values : perRow(values).timesNumber(1 / outputs);
}

/** Factors of the rows by their classes, [rows, 1]: a public linear map of the shared labels. 1 round for several classes. */
export function classFactors(targets: Tensor, weights: readonly number[]): Tensor {
  const { fractionBits } = targets.graph.options;
  const [rows = 0, width = 0] = targets.shape;
  const [none = 1, one = 1] = weights;
  const raw =
    width === 1
      ? targets.timesRaw(one - none, fractionBits).addNumber(none)
      : perRow(targets.mulRaw(constant(targets.graph, weights, [1, width])));
  return raw
    .rescaled(fractionBits)
    .provedBelow(Math.log2(Math.max(...weights, 1)) + 0.01)
    .reshape([rows, 1]);
}
