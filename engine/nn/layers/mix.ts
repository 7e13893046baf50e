/** Public weights along one axis after another: what averages over uneven parts and interpolation have in common. */
import { moveAxis } from '../../tensor/shapes.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Rows of weights: entry i of the result along the axis is the sum over j of weights[i][j] times entry j. */
export type Weights = readonly (readonly number[])[];

/** Applies one matrix of weights to each of the last axes. One truncation where all weights are short binary fractions. */
export function mixAxes(x: Tensor, matrices: readonly Weights[]): Tensor {
  const { fractionBits } = x.graph.options;
  const first = x.shape.length - matrices.length;
  return matrices
    .reduce((t, weights, i) => {
      const bits = bitsOf(weights, fractionBits);
      // What is left of the room above the scale serves the weights of this axis; if there is none, truncate before.
      const source = t.scale + bits > 2 * fractionBits ? t.rescaled(fractionBits) : t;
      const matrix = constant(x.graph, weights.flat(), [weights.length, weights[0]?.length ?? 0], bits);
      const moved = moveAxis(source, first + i, x.shape.length - 1);
      return moveAxis(moved.matmulRaw(matrix, { transposeB: true }), x.shape.length - 1, first + i);
    }, x)
    .rescaled(fractionBits);
}

/** Fewest fraction bits at which all weights are exact, or the most allowed. */
function bitsOf(weights: Weights, most: number): number {
  let bits = 0;
  while (bits < most && weights.some((row) => row.some((w) => !Number.isInteger(w * 2 ** bits)))) bits++;
  return bits;
}
