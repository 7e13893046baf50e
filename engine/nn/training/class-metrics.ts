/**
 * Metrics of classifications that are made of counts of rows: the confusion matrix, and the area under the ROC curve from a
 * histogram of the scores. Counts are whole numbers at scale 0, so they are exact. Knows nothing of where sums are kept.
 */
import { halvingsOf, inverseCount, REFINED_BITS } from '../../functions/inverse-count.ts';
import { concat, linear } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Rows of an evaluation, [rows, 1] at scale 0: 0 for those that do not count. */
export type RowWeights = Tensor;

/** Rows by true and by predicted class, [classes * classes]; answers and labels are one-hot, [rows, classes] at scale 0. */
export function confusion(answers: Tensor, labels: Tensor, weights: RowWeights): Tensor {
  const counts = labels.mulRaw(weights).matmulRaw(answers, { transposeA: true });
  return counts.reshape([counts.size]);
}

/** Answers or labels of two classes, [rows, 1] at scale 0, as one-hot ones. */
export function oneHotOfTwo(second: Tensor): Tensor {
  return concat([linear('first', [[-1n, second]]).addNumber(1), second], 1);
}

/** Width of the bins around a score of 0, and how much wider each next one is, about. */
const [NARROWEST, GROWTH] = [0.01, 0.15];
const EDGES_A_SIDE = 47;

/** Ascending edges between bins of scores: 0.01 wide around 0, 15 % of the score far from it, the last ones at -38 and 38. */
export const scoreEdges: readonly number[] = Array.from(
  { length: 2 * EDGES_A_SIDE + 1 },
  (_, i) => (NARROWEST / GROWTH) * Math.sinh(GROWTH * (i - EDGES_A_SIDE)),
);

/** Numbers that `rowsAbove` counts: two for each edge, and two for all rows. */
export const AREA_COUNTS = 2 * (scoreEdges.length + 1);

/**
 * How many rows have a score at or above each edge, and how many of these are of the second class, [AREA_COUNTS]: all rows first,
 * then by ascending edge. One comparison a row and edge, all of one opening.
 * @param second 1 for rows of the second class, at scale 0.
 */
export function rowsAbove(scores: Tensor, second: Tensor, weights: RowWeights): Tensor {
  const bits = scoreEdges.map((edge) => scores.atLeast(edge));
  const above = (each: Tensor): Tensor[] => [each, ...bits.map((bit) => bit.select(each))].map((some) => some.sum(0));
  const [rows = 0] = scores.shape;
  return concat([...above(weights), ...above(second.mulRaw(weights))], 0).provedBelow(Math.log2(rows + 1));
}

/** Fraction bits of a revealed area: more would tell how many rows there are of each class. */
export const AREA_BITS = 12;

/**
 * The area under the ROC curve (the chance that a row of the second class scores above one of the first; Hanley, McNeil, Radiology
 * 143, 1982) from the counts of `rowsAbove` over at most `rows` rows, [1] at AREA_BITS. Scores in one bin are ties, which count
 * half. 0 where a class has no row. About 20 rounds, for one number.
 */
export function areaUnderCurve(counts: Tensor, rows: number): Tensor {
  const bins = counts.size / 2;
  const part = (from: number, length: number): Tensor => counts.slice([from], [length]);
  const positives = part(bins, bins);
  const negatives = part(0, bins).sub(positives);
  const next = (above: Tensor): Tensor => above.slice([1], [bins - 1]).embed([0], [bins]);
  // Twice the pairs that are in order, ties once: trapezoids under the curve.
  const pairs = negatives
    .sub(next(negatives))
    .mulRaw(positives.add(next(positives)))
    .sum(0)
    .reshape([1]);
  const inverse = (class_: Tensor): Tensor => inverseCount(class_.slice([0], [1]), rows);
  const halvings = halvingsOf(rows);
  return pairs
    .provedBelow(2 * Math.log2(rows))
    .timesPowerOfTwo(-2 * halvings - 1)
    .rescaled(REFINED_BITS)
    .mulRaw(inverse(positives))
    .provedBelow(1.1)
    .rescaled(REFINED_BITS)
    .mulRaw(inverse(negatives))
    .provedBelow(0.1)
    .rescaled(AREA_BITS);
}
