/** Cosine of the angle between vectors along an axis. Knows nothing of shares. */
import { sum } from '../tensor/reductions.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { inverseSquareRootOf } from './powers.ts';

/**
 * x . y / (|x| |y|). Error 1e-3 for vectors of length 1/16 and more; vectors shorter than one unit count as such.
 * 13 rounds with the openings. The axis disappears.
 */
export function cosineSimilarity(x: Tensor, y: Tensor, axis = -1): Tensor {
  const inner = sum(x.mulRaw(y), { axes: [axis] });
  const { fractionBits } = x.graph.options;
  const scaled = (a: Tensor): Tensor =>
    inverseSquareRootOf(sum(a.mulRaw(a), { axes: [axis] }), { scale: fractionBits });
  // One vector at a time, so that no product leaves the ring.
  return inner.rescaled(fractionBits).mul(scaled(x)).mul(scaled(y)).provedBelow(0.1);
}
