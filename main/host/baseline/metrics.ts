/**
 * Loss and quality of a model's scores against labels in the clear, in float64. Knows nothing of how the scores came about.
 */
import type { Task } from '../../../shared/model.ts';

/** `loss` is the mean over rows: cross-entropy in nats, or the squared error (over outputs as well). */
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
): BaselineMetrics {
  let loss = 0;
  let right = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] ?? 0;
    const own = scores.subarray(i * outputs, (i + 1) * outputs);
    if (task === 'regression') {
      own.forEach((score, j) => (loss += (score - (labels[row * outputs + j] ?? 0)) ** 2));
      continue;
    }
    const label = labels[row] ?? 0;
    // One score is the same as two with 0 for the first class.
    const all = outputs === 1 ? [0, own[0] ?? 0] : [...own];
    const largest = Math.max(...all);
    loss += largest + Math.log(all.reduce((sum, score) => sum + Math.exp(score - largest), 0)) - (all[label] ?? 0);
    if (all.indexOf(largest) === label) right++;
  }
  if (task === 'classification') return { accuracy: right / rows.length, loss: loss / rows.length };
  const mean = loss / (rows.length * outputs);
  return { rmse: Math.sqrt(mean), loss: mean };
}
