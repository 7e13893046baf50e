/**
 * Loss and quality of a model's scores against labels in the clear, in float64. Knows nothing of how the scores came about.
 */
import { defaultLoss, plainLoss } from '../../../shared/losses.ts';
import type { LossSpec } from '../../../shared/losses.ts';
import { ratesOf } from '../../../shared/metrics.ts';
import type { ExtraMetric, Scores } from '../../../shared/metrics.ts';
import type { Task } from '../../../shared/model.ts';

/** `loss` is the mean over rows: of the training's own loss (cross-entropy in nats, squared error over outputs). */
export type BaselineMetrics =
  | ({ readonly accuracy: number; readonly loss: number } & Pick<Scores, 'precision' | 'recall' | 'f1' | 'auc'>)
  | ({ readonly rmse: number; readonly loss: number } & Pick<Scores, 'mae'>);

export interface MeasureOptions {
  /** The task's own if not given. */
  readonly loss?: LossSpec | undefined;
  /** What is measured besides. */
  readonly metrics?: readonly ExtraMetric[] | undefined;
}

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
  { loss = defaultLoss(task), metrics = [] }: MeasureOptions = {},
): BaselineMetrics {
  const classes = Math.max(2, outputs);
  const confusion = new Float64Array(classes * classes);
  let [total, squared, absolute, right] = [0, 0, 0, 0];
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
      const errors = own.map((score, j) => score - (target[j] ?? 0));
      squared += errors.reduce((sum, error) => sum + error ** 2, 0);
      absolute += errors.reduce((sum, error) => sum + Math.abs(error), 0);
      continue;
    }
    // One score is the same as two with 0 for the first class.
    const all = outputs === 1 ? [0, own[0] ?? 0] : own;
    const answer = all.indexOf(Math.max(...all));
    if (answer === label) right++;
    confusion[label * classes + answer]! += 1;
  }
  const mean = total / rows.length;
  const cells = rows.length * outputs;
  if (task === 'regression')
    return {
      rmse: Math.sqrt(squared / cells),
      ...(metrics.includes('mae') ? { mae: absolute / cells } : {}),
      loss: mean,
    };
  return {
    accuracy: right / rows.length,
    ...(metrics.includes('confusion') ? ratesOf(confusion) : {}),
    ...(metrics.includes('auc')
      ? {
          auc: areaUnderCurve(
            scores,
            Float64Array.from(rows, (row) => labels[row] ?? 0),
          ),
        }
      : {}),
    loss: mean,
  };
}

/** The chance that a row of class 1 scores above one of class 0, ties half, from ranks; 0 where a class has no row. */
function areaUnderCurve(scores: Float64Array, classes: Float64Array): number {
  const order = [...scores.keys()].sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  let [pairs, below] = [0, 0];
  for (let from = 0; from < order.length;) {
    const score = scores[order[from] ?? 0];
    let to = from;
    let positives = 0;
    for (; to < order.length && scores[order[to] ?? 0] === score; to++) positives += classes[order[to] ?? 0] ?? 0;
    const negatives = to - from - positives;
    pairs += positives * (below + negatives / 2);
    below += negatives;
    from = to;
  }
  const positives = scores.length - below;
  return positives === 0 || below === 0 ? 0 : pairs / (positives * below);
}
