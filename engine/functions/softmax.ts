/**
 * Softmax over rows of a few classes, the maximum subtracted first, and the log of its normaliser.
 * 13 rounds after the opening of the logits. Right for any gap between logits inside the declared bound; largest error of a
 * probability and of the log of the normaliser 5e-4.
 * Knows nothing of shares.
 */
import { InputError } from '../../shared/errors.ts';
import { withGradient } from '../autograd/gradients.ts';
import { MAXIMUM_CANDIDATES } from '../protocol/maximum.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expNonPositive, logFromOne, reciprocalFromOne } from './elementary.ts';

/** What softmax and its loss share. All but `maximum` have the classes as first axis. */
export interface SoftmaxParts {
  readonly oneHot: Tensor;
  /** Logits minus the row's maximum, [classes, rows]. */
  readonly gaps: Tensor;
  /** e^gaps. */
  readonly exponentials: Tensor;
  /** Sum of the exponentials, [rows], between 1 and the number of classes. */
  readonly normaliser: Tensor;
  readonly classes: number;
}

/** `logits` is [rows, classes]. */
export function softmaxParts(logits: Tensor): SoftmaxParts {
  const classes = logits.shape[1] ?? 0;
  if (logits.shape.length !== 2 || classes < 2 || classes > MAXIMUM_CANDIDATES) {
    throw new InputError(
      'softmax-classes',
      `A softmax over ${classes} classes is not possible yet: 2 to ${MAXIMUM_CANDIDATES} are.`,
    );
  }
  // Transposed before its truncation, so that comparisons and truncation read one opening.
  const columns = logits.raw.transpose().rescaled(logits.scale);
  const oneHot = columns.oneHotMaximum();
  const maximum = oneHot.select(columns).sum(0);
  const gaps = columns.sub(maximum.reshape([1, ...maximum.shape]));
  const exponentials = expNonPositive(gaps);
  return { oneHot, gaps, exponentials, normaliser: exponentials.sum(0), classes };
}

/** Probabilities [rows, classes]. */
export function softmax(logits: Tensor, parts = softmaxParts(logits)): Tensor {
  const { exponentials, normaliser, classes } = parts;
  // The exponentials are opened under a mask for the product below; the normaliser's opening follows from it.
  const product = exponentials.mul(reciprocalFromOne(normaliser, classes + 0.125).reshape([1, ...normaliser.shape]));
  const p = product.transpose();
  return withGradient(p, (gradient) => {
    const inner = gradient.mul(p);
    const sum = inner.sum(1);
    return [[logits, inner.sub(p.mul(sum.reshape([...sum.shape, 1])))]];
  });
}

/** log of the sum of e^(logit - maximum), [rows]. */
export function logNormaliser(parts: SoftmaxParts): Tensor {
  return logFromOne(parts.normaliser, parts.classes + 0.125);
}
