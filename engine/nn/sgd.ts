/**
 * Stochastic gradient descent with momentum and weight decay, one opening and one truncation a weight.
 * The state is u = learning rate x velocity, so that u' = momentum u + lr (gradient + decay w) and w' = w - u': with a constant
 * learning rate the same as v' = momentum v + g, w' = w - lr v'. All public factors (lr, 1/batch, momentum, decay) are integer
 * multipliers folded into the one truncation (corrections M4); rounding is unbiased. Knows nothing of layers.
 */
import { InputError } from '../../shared/errors.ts';
import { linear } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';

export interface SgdOptions {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

export interface Updated {
  readonly weight: Tensor;
  /** New u; undefined without momentum. */
  readonly step: Tensor | undefined;
}

/** Assumed: one update changes no weight by 2^3 or more. */
const UPDATE_MAGNITUDE_BITS = 3;
/** lr / batch is rounded to an integer multiple of a power of two; it may be off by this much at most. */
const FACTOR_TOLERANCE = 0.005;
/** Largest scale at which an update still fits into a 64-bit opening. */
const LARGEST_SCALE = 58;

/**
 * `gradient` is the gradient of the batch's summed loss, its last truncation still pending or not; `factor` is what the sum
 * is multiplied by (1 / batch for a mean).
 */
export function sgdUpdate(
  weight: Tensor,
  step: Tensor | undefined,
  gradient: Tensor,
  factor: number,
  options: SgdOptions,
): Updated {
  const raw = gradient.raw;
  const multiplier = options.lr * factor;
  const extra = fractionBitsOf(multiplier);
  if (raw.scale + extra > LARGEST_SCALE) {
    throw new InputError(
      'learning-rate-range',
      `The learning rate ${options.lr} with a factor of ${factor} cannot be represented at ${raw.scale} fraction bits.`,
      { hint: 'Use a larger rate, smaller batches, or fewer fraction bits.' },
    );
  }
  const scaled = raw.timesRaw(multiplier, extra);
  const terms: [bigint, Tensor][] = [[1n, scaled]];
  const withFactor = (tensor: Tensor, value: number): void => {
    // The tensor's scale plus the factor's bits make the common scale.
    terms.push([1n, tensor.timesRaw(value, scaled.scale - tensor.scale)]);
  };
  if (step !== undefined) withFactor(step, options.momentum);
  if (options.weightDecay > 0) withFactor(weight, options.lr * options.weightDecay);
  const sum = terms.length === 1 ? scaled : linear('update', terms);
  const next = sum.assumeBelow(UPDATE_MAGNITUDE_BITS).rescaled(weight.scale);
  return { weight: weight.sub(next), step: step === undefined ? undefined : next };
}

/** Fewest fraction bits at which a factor is right within the tolerance: every bit makes the dealer's corrections longer. */
function fractionBitsOf(factor: number): number {
  let bits = 0;
  while (Math.abs(Math.round(factor * 2 ** bits) / 2 ** bits - factor) > factor * FACTOR_TOLERANCE) bits++;
  return bits;
}
