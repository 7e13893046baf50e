/**
 * What an optimizer is: states that it keeps for each weight, public factors that it is given at each step, and the update of
 * one weight as traced nodes. One plan serves all steps, as whatever changes from step to step is a public input.
 * Knows no optimizer in particular.
 */
import { InputError } from '../../../../shared/errors.ts';
import { linear } from '../../../tensor/tensor.ts';
import type { Tensor } from '../../../tensor/tensor.ts';

export interface StateSpec {
  readonly name: string;
  /** The weights' own if not given. */
  readonly scale?: number;
  readonly magnitudeBits: number;
}

/** A public number between 0 and `largest`, at a scale of its own. */
export interface FactorSpec {
  readonly name: string;
  readonly bits: number;
  readonly largest: number;
}

export interface UpdateContext {
  readonly weight: Tensor;
  /** Of the batch's summed loss, its last truncation still pending or not. */
  readonly gradient: Tensor;
  /** What the sum is multiplied by: 1 / batch for a mean. */
  readonly perRow: number;
  state(name: string): Tensor;
  /** A public factor, [1]. */
  factor(name: string): Tensor;
  keep(name: string, value: Tensor): void;
}

export interface Optimizer {
  /** Of each weight; zero before the first step. */
  readonly states: readonly StateSpec[];
  readonly factors: readonly FactorSpec[];
  /**
   * Values of the factors at a step.
   * @param step counted from 0.
   * @param rate the schedule's multiple of the learning rate, at any step.
   */
  values(step: number, rate: (step: number) => number): Readonly<Record<string, number>>;
  /** The weight after the step. */
  update(context: UpdateContext): Tensor;
}

/** Scale of a mean gradient, so that its square fits: entries below 2^-17 are rounded at random, without bias. */
export const GRADIENT_SCALE = 17;
/** Assumed: no entry of a mean gradient reaches 2^2. */
export const GRADIENT_BITS = 2;
/** Assumed: one update changes no weight by 2^3 or more. */
export const UPDATE_BITS = 3;
/** A factor is rounded to an integer multiple of a power of two; it may be off by this much at most. */
const FACTOR_TOLERANCE = 0.005;
/** Largest scale at which a sum still fits into a 64-bit opening. */
const LARGEST_SCALE = 58;

/** The gradient times a public constant, untruncated, with as few more fraction bits as the constant needs. */
export function timesConstant(gradient: Tensor, factor: number): Tensor {
  const raw = gradient.raw;
  const extra = fractionBitsOf(factor);
  if (raw.scale + extra > LARGEST_SCALE) {
    throw new InputError(
      'learning-rate-range',
      `A gradient times ${factor} (learning rate and mean over the batch) cannot be represented at ${raw.scale} fraction bits.`,
      { hint: 'Use a larger rate, smaller batches, or fewer fraction bits.' },
    );
  }
  return raw.timesRaw(factor, extra);
}

/** Fewest fraction bits at which a factor is right within the tolerance: every bit makes the dealer's corrections longer. */
function fractionBitsOf(factor: number): number {
  let bits = 0;
  while (Math.abs(Math.round(factor * 2 ** bits) / 2 ** bits - factor) > Math.abs(factor) * FACTOR_TOLERANCE) bits++;
  return bits;
}

/** Mean gradient of the batch at GRADIENT_SCALE, with the decay of the weight added to it. 1 round. */
export function meanGradient(
  { weight, gradient, perRow }: Pick<UpdateContext, 'weight' | 'gradient' | 'perRow'>,
  weightDecay = 0,
): Tensor {
  const mean = timesConstant(gradient, perRow);
  const terms: [bigint, Tensor][] = [[1n, mean]];
  if (weightDecay > 0) terms.push([1n, weight.timesRaw(weightDecay, Math.max(0, mean.scale - weight.scale))]);
  const sum = terms.length === 1 ? mean : linear('decay', terms);
  return sum.assumeBelow(GRADIENT_BITS).rescaled(GRADIENT_SCALE);
}
