/**
 * How well a model does on the test rows: what is revealed in any case, what a job may ask for besides, and how rates follow from
 * a confusion matrix. Knows neither shares nor models.
 */
import { z } from 'zod';

/** What a job may ask for under `train.metrics`. */
export const extraMetrics = ['mae', 'auc', 'confusion'] as const;
export type ExtraMetric = (typeof extraMetrics)[number];

export const regressionMetrics: readonly ExtraMetric[] = ['mae'];

/**
 * Scores of a model. `accuracy` or `rmse`, by the task, and `loss` are there in any case; `precision`, `recall` and `f1` follow from
 * the confusion matrix.
 */
export const scoresSchema = z.object({
  accuracy: z.number().optional(),
  precision: z.number().optional(),
  recall: z.number().optional(),
  f1: z.number().optional(),
  auc: z.number().optional(),
  rmse: z.number().optional(),
  mae: z.number().optional(),
  loss: z.number().optional(),
});
export type Scores = { readonly [Name in keyof z.infer<typeof scoresSchema>]: number | undefined };
export type ScoreName = keyof Scores;

/** In the order in which people read them. */
export const scoreNames = Object.keys(scoresSchema.shape) as ScoreName[];
/** Scores between 0 and 1 that are shares of rows. */
const percentages: readonly ScoreName[] = ['accuracy', 'precision', 'recall', 'f1'];

export function isPercentage(name: ScoreName): boolean {
  return percentages.includes(name);
}

/**
 * Precision, recall and F1 of the second of two classes; of more classes the means over all. A rate of nothing is 0.
 * @param confusion rows (or their share) by true class and then by predicted class.
 */
export function ratesOf(confusion: ArrayLike<number>): { precision: number; recall: number; f1: number } {
  const classes = Math.round(Math.sqrt(confusion.length));
  const at = (truth: number, answer: number): number => confusion[truth * classes + answer] ?? 0;
  const every = Array.from({ length: classes }, (_, i) => i);
  const total = (pick: (other: number) => number): number => every.reduce((sum, other) => sum + pick(other), 0);
  const rate = (part: number, whole: number): number => (whole > 0 ? part / whole : 0);
  const rates = (classes === 2 ? [1] : every).map((own) => {
    const right = at(own, own);
    const [answered, true_] = [total((truth) => at(truth, own)), total((answer) => at(own, answer))];
    return {
      precision: rate(right, answered),
      recall: rate(right, true_),
      f1: rate(2 * right, answered + true_),
    };
  });
  const mean = (name: 'precision' | 'recall' | 'f1'): number =>
    rates.reduce((sum, each) => sum + each[name], 0) / rates.length;
  return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
}
