/**
 * Losses of what a model answers rather than of its scores, as functions that the tape differentiates: for models that end in
 * their own sigmoid, logarithm or distribution. Each is a loss a row, [rows, 1].
 */
import { logarithm } from '../../functions/powers.ts';
import { clamp } from '../../tensor/comparisons.ts';
import { linear } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { perRow } from './loss.ts';

/** Probabilities are taken to be this far from 0 and 1 at least. */
const MARGIN = 2 ** -10;

function logOf(p: Tensor): Tensor {
  return logarithm(clamp(p, MARGIN, 1), { least: MARGIN / 2 });
}

/** -y log p - (1 - y) log(1 - p). */
export function binaryCrossEntropy(p: Tensor, y: Tensor): Tensor {
  const [hit, miss] = [logOf(p), logOf(p.neg().addNumber(1))];
  return perRow(
    linear('loss', [
      [-1n, miss],
      [-1n, hit.sub(miss).mul(y)],
    ]),
  );
}

/** -sum y log p from logarithms. */
export function negativeLogLikelihood(logP: Tensor, y: Tensor): Tensor {
  return perRow(logP.mul(y)).neg();
}

/** sum q (log q - log p) of a distribution q against logarithms of p; q log q is 0 at 0. */
export function divergence(logP: Tensor, q: Tensor): Tensor {
  return perRow(q.mul(logOf(q).sub(logP)));
}
