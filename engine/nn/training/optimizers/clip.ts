/** Limits on mean gradients before an optimizer takes them. Knows no optimizer. */
import type { ClipSpec } from '../../../../shared/optimizers.ts';
import { inverseSquareRootOf } from '../../../functions/powers.ts';
import { clamp, where } from '../../../tensor/comparisons.ts';
import type { Graph } from '../../../tensor/graph.ts';
import { constant, linear } from '../../../tensor/tensor.ts';
import type { Tensor } from '../../../tensor/tensor.ts';
import { GRADIENT_SCALE } from './optimizer.ts';

/** Assumed: all tensors together are shorter than 2^8. */
const LENGTH_BITS = 8;
const FACTOR_SCALE = 24;

/**
 * Gradients at GRADIENT_SCALE, each entry between -value and value (4 rounds), or all scaled so that their common length is at
 * most `norm` (12 rounds). Relative error of a common factor 4e-4.
 */
export function clipped(gradients: readonly Tensor[], clip: ClipSpec): Tensor[] {
  if ('value' in clip) return gradients.map((gradient) => clamp(gradient, -clip.value, clip.value));
  const [first] = gradients;
  if (first === undefined) return [];
  const limited = lengthFactor(first.graph, gradients, clip.norm);
  return gradients.map((gradient) => gradient.mulRaw(limited).rescaled(GRADIENT_SCALE));
}

/** norm / length of all tensors together where they are longer than `norm`, else 1. 11 rounds. */
export function lengthFactor(graph: Graph, tensors: readonly Tensor[], norm: number): Tensor {
  const squares = tensors.map((tensor) => {
    const flat = tensor.reshape([tensor.size]);
    return [1n, flat.mulRaw(flat).sum(0)] as const;
  });
  const square = linear('length', squares).assumeBelow(2 * LENGTH_BITS);
  const factor = inverseSquareRootOf(square, { scale: FACTOR_SCALE, least: norm ** 2 / 2, factor: norm });
  const one = constant(graph, [1], [], FACTOR_SCALE);
  return where(square.atLeast(norm ** 2), factor, one).provedBelow(0.01);
}
