/** Normal noise that nobody knows, added to sums before they are told or used. Knows nothing of what the sums are. */
import { randomNormal } from '../../functions/randomness.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Binary digits of the deviation, at least: it is right to a thousandth. */
const DEVIATION_DIGITS = 10;

/**
 * `sum` plus noise of a public deviation above 0, at the sum's scale or a finer one, but none that leaves sums less room than
 * products have. 18 rounds that need no data; one more for deviations so small that their digits go beyond that scale.
 * @param parties all compute parties, who draw the noise together.
 */
export function withNoise(sum: Tensor, deviation: number, parties: readonly string[]): Tensor {
  const { graph } = sum;
  const drawn = randomNormal({ graph, parties }, sum.shape);
  const digits = DEVIATION_DIGITS + Math.max(0, Math.ceil(-Math.log2(deviation)));
  const noise = drawn.timesRaw(deviation, Math.max(digits, sum.scale - drawn.scale));
  const finest = Math.max(sum.scale, 2 * graph.options.fractionBits);
  return sum.add(noise.scale > finest ? noise.rescaled(finest) : noise);
}
