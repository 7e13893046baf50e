/**
 * Loss and quality of a model's scores against labels in the clear, in float64. Knows nothing of how the scores came about.
 */
import { defaultLoss, plainLoss } from '../../../shared/losses.ts';
import type { LossSpec } from '../../../shared/losses.ts';
import type { Task } from '../../../shared/model.ts';

/** `loss` is the mean over rows: of the training's own loss (cross-entropy in nats, squared error over outputs). */
export type BaselineMetrics =
  { readonly accuracy: number; readonly loss: number } | { readonly rmse: number; readonly loss: number };

/**
 * @param scores before sigmoid or softmax; row-major, in the order of `rows`.
 * @param labels of all rows: a class index each, in range, or the values of all outputs.
 * Ties go to the lower class; a score of 0 is class 0.
 */
export function lossAndMetrics(
  task: Task,
  scores: Float64Array,
  labels: Float64Array,
  rows: ArrayLike<number>,
  outputs: number,
  loss: LossSpec = defaultLoss(task),
): BaselineMetrics {
  let total = 0;
  let squared = 0;
  let right = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] ?? 0;
    const own = [...scores.subarray(i * outputs, (i + 1) * outputs)];
    const label = labels[row] ?? 0;
    const target =
      task === 'regression'
        ? own.map((_, j) => labels[row * outputs + j] ?? 0)
        : outputs === 1
          ? [label]
          : own.map((_, j) => (j === label ? 1 : 0));
    total += plainLoss(loss, own, target);
    if (task === 'regression') {
      own.forEach((score, j) => (squared += (score - (target[j] ?? 0)) ** 2));
      continue;
    }
    // One score is the same as two with 0 for the first class.
    const all = outputs === 1 ? [0, own[0] ?? 0] : own;
    if (all.indexOf(Math.max(...all)) === label) right++;
  }
  const mean = total / rows.length;
  if (task === 'classification') return { accuracy: right / rows.length, loss: mean };
  return { rmse: Math.sqrt(squared / (rows.length * outputs)), loss: mean };
}
