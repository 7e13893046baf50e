/** The engine's losses in the clear, in float32: the mean (or sum) over a batch from scores, to be differentiated. */
import * as tf from '@tensorflow/tfjs-core';
import type { LossSpec } from '../../../shared/losses.ts';

/** @param targets [rows, outputs]: numbers, a class 0 or 1, or one-hot. */
export function batchLoss(loss: LossSpec, scores: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
  const rows = rowLosses(loss, scores, targets);
  return loss.reduction === 'sum' ? tf.sum(rows) : tf.mean(rows);
}

/** Loss of each row. */
export function rowLosses(loss: LossSpec, scores: tf.Tensor2D, targets: tf.Tensor2D): tf.Tensor1D {
  const error = tf.sub(scores, targets);
  const signs = tf.sub(tf.mul(targets, 2), 1);
  const weigh = (values: tf.Tensor): tf.Tensor1D => {
    const weights = 'classWeights' in loss ? loss.classWeights : undefined;
    if (weights === undefined) return values as tf.Tensor1D;
    const [none = 1, one = 1] = weights;
    const factors =
      scores.shape[1] === 1
        ? tf.add(tf.mul(tf.squeeze(targets, [1]), one - none), none)
        : tf.sum(tf.mul(targets, [weights]), 1);
    return tf.mul(values, factors);
  };
  switch (loss.name) {
    case 'mse':
      return tf.mean(tf.square(error), 1);
    case 'l1':
      return tf.mean(tf.abs(error), 1);
    case 'huber': {
      const cut = tf.clipByValue(error, -loss.delta, loss.delta);
      return tf.mean(tf.mul(cut, tf.sub(error, tf.mul(cut, 0.5))), 1);
    }
    case 'crossEntropy': {
      const classes = Math.max(2, scores.shape[1]);
      const smooth = tf.add(tf.mul(targets, 1 - loss.smoothing), loss.smoothing / classes);
      if (scores.shape[1] === 1) return weigh(tf.sum(tf.sub(tf.softplus(scores), tf.mul(scores, smooth)), 1));
      return weigh(tf.neg(tf.sum(tf.mul(smooth, tf.logSoftmax(scores)), 1)));
    }
    case 'hinge':
      return weigh(tf.sum(tf.relu(tf.sub(1, tf.mul(signs, scores))), 1));
    case 'squaredHinge':
      return weigh(tf.sum(tf.square(tf.relu(tf.sub(1, tf.mul(signs, scores)))), 1));
    case 'rappor': {
      const seen = tf.add(tf.mul(tf.sigmoid(scores), 2 * loss.keep - 1), 1 - loss.keep);
      const logs = tf.add(tf.mul(targets, tf.log(seen)), tf.mul(tf.sub(1, targets), tf.log(tf.sub(1, seen))));
      return tf.neg(tf.sum(logs, 1));
    }
  }
}
