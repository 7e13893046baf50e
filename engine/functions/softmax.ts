/**
 * Softmax, its logarithm and logsumexp, for any number of classes: the maximum is subtracted first, so gaps of any size inside
 * the declared bound are right. Up to 12 classes: 14 rounds with the opening of the logits (corrections H1).
 * Knows nothing of shares.
 */
import { InputError } from '../../shared/errors.ts';
import { withGradient } from '../autograd/gradients.ts';
import { MAXIMUM_CANDIDATES } from '../protocol/maximum.ts';
import { Tournament } from '../tensor/extremes.ts';
import { normaliseAxis, sizeOf } from '../tensor/shape.ts';
import { moveAxis } from '../tensor/shapes.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expNonPositive, logFromOne, reciprocalFromOne } from './elementary.ts';
import { logarithm, reciprocal } from './powers.ts';

/** What softmax and its loss share. All but `maximum` and `normaliser` have the classes as first axis. */
export interface SoftmaxParts {
  /** Bits. */
  readonly oneHot: Tensor;
  /** Largest logit of each row, [rows]. */
  readonly maximum: Tensor;
  /** Logits minus the row's maximum, [classes, rows]. */
  readonly gaps: Tensor;
  /** e^gaps. */
  readonly exponentials: Tensor;
  /** Sum of the exponentials, [rows], between 1 and the number of classes. */
  readonly normaliser: Tensor;
  readonly classes: number;
}

/** Scale of tabulated exponentials where many small ones are added up: their errors must not. */
const LONG_SUM_SCALE = 56;

/** `logits` is [rows, classes]. */
export function softmaxParts(logits: Tensor): SoftmaxParts {
  const classes = logits.shape[1] ?? 0;
  if (logits.shape.length !== 2 || classes < 1) {
    throw new InputError(
      'softmax-classes',
      `A softmax over ${classes} classes is not possible: rows of at least one are needed.`,
    );
  }
  // Transposed before its truncation, so that comparisons and truncation read one opening.
  const columns = logits.raw.transpose().rescaled(logits.scale);
  const isShort = classes > 1 && classes <= MAXIMUM_CANDIDATES;
  let oneHot: Tensor;
  let maximum: Tensor;
  if (isShort) {
    oneHot = columns.oneHotMaximum();
    maximum = oneHot.select(columns).sum(0);
  } else {
    const tournament = new Tournament(columns);
    // Made only where it is used.
    oneHot = tournament.oneHot().atLeast(1);
    maximum = tournament.value;
  }
  const gaps = columns.sub(maximum.reshape([1, ...maximum.shape]));
  const exponentials = isShort ? expNonPositive(gaps) : expNonPositive(gaps, LONG_SUM_SCALE);
  const normaliser = exponentials.sum(0).provedBelow(Math.log2(classes) + 0.1);
  return { oneHot, maximum, gaps, exponentials, normaliser, classes };
}

/** Probabilities [rows, classes]. Largest error 5e-4. */
export function softmax(logits: Tensor, parts = softmaxParts(logits)): Tensor {
  const { exponentials, normaliser, classes } = parts;
  const { fractionBits } = logits.graph.options;
  // The exponentials are opened under a mask for the product below; the normaliser's opening follows from it.
  const inverse =
    classes <= MAXIMUM_CANDIDATES
      ? reciprocalFromOne(normaliser, classes + 0.125)
      : reciprocal(normaliser, { least: LEAST_NORMALISER, scale: fractionBits + Math.ceil(Math.log2(classes)) });
  const product = exponentials.mulRaw(inverse.reshape([1, ...normaliser.shape])).rescaled(fractionBits);
  const p = product.transpose();
  return withGradient(p, (gradient) => {
    const inner = gradient.mul(p);
    const sum = inner.sum(1);
    return [[logits, inner.sub(p.mul(sum.reshape([...sum.shape, 1])))]];
  });
}

/** Below what a normaliser can come out at, with all its errors. */
const LEAST_NORMALISER = 0.5;

/** log of the sum of e^(logit - maximum), [rows]. */
export function logNormaliser(parts: SoftmaxParts): Tensor {
  return parts.classes <= MAXIMUM_CANDIDATES
    ? logFromOne(parts.normaliser, parts.classes + 0.125)
    : logarithm(parts.normaliser, { least: LEAST_NORMALISER });
}

/** Logarithms of the probabilities [rows, classes]. Largest error 6e-4. 12 rounds with the opening of up to 12 logits. */
export function logSoftmax(logits: Tensor, parts = softmaxParts(logits)): Tensor {
  const y = parts.gaps.sub(logNormaliser(parts).reshape([1, ...parts.normaliser.shape])).transpose();
  return withGradient(y, (gradient) => {
    const sum = gradient.sum(1);
    return [[logits, gradient.sub(softmax(logits, parts).mul(sum.reshape([...sum.shape, 1])))]];
  });
}

/** log of the sum of e^logit over each row, [rows]. Largest error 6e-4. */
export function logSumExp(logits: Tensor, parts = softmaxParts(logits)): Tensor {
  const y = parts.maximum.add(logNormaliser(parts));
  return withGradient(y, (gradient) => [
    [logits, softmax(logits, parts).mul(gradient.reshape([...gradient.shape, 1]))],
  ]);
}

/** One of the functions above along any axis of any shape. */
export function alongAxis(x: Tensor, axis: number, f: (rows: Tensor) => Tensor): Tensor {
  const normal = normaliseAxis('softmax', axis, x.shape);
  const moved = moveAxis(x.raw, normal, x.shape.length - 1);
  const classes = x.shape[normal] ?? 1;
  const rows = moved.reshape([sizeOf(moved.shape.slice(0, -1)), classes]).rescaled(x.scale);
  const result = f(rows);
  if (result.shape.length === 1) return result.reshape(moved.shape.slice(0, -1));
  return moveAxis(result.reshape(moved.shape), x.shape.length - 1, normal);
}
