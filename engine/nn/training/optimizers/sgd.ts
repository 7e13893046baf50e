/**
 * Stochastic gradient descent with momentum, dampening, Nesterov's step and weight decay.
 * The state is u = learning rate x velocity, so that u' = m r u + lr ((1 - d) (gradient + decay w)) and w' = w - u', where r is
 * the rate over that of the step before: the same as v' = m v + (1 - d) g, w' = w - lr v'. Nesterov: w' = w - m u' - lr g.
 * With a constant rate all public factors (lr, 1/batch, momentum, decay) are integer multipliers folded into the one truncation
 * of the update (corrections M4); rounding is unbiased. With a schedule the mean gradient is rounded first: one round more.
 */
import type { SgdSpec } from '../../../../shared/optimizers.ts';
import { linear } from '../../../tensor/tensor.ts';
import type { Tensor } from '../../../tensor/tensor.ts';
import { GRADIENT_SCALE, meanGradient, timesConstant, UPDATE_BITS } from './optimizer.ts';
import type { FactorSpec, Optimizer, UpdateContext } from './optimizer.ts';

/** Scale of the sum of gradient, velocity and decay where factors come step by step. */
const SUM_SCALE = 41;
const MOMENTUM_BITS = 16;
/** A rate of a warm-up grows by this much at most from one step to the next; a schedule only falls otherwise. */
const LARGEST_GROWTH = 64;

export function sgd(spec: SgdSpec, isScheduled: boolean): Optimizer {
  const { lr, momentum, dampening, weightDecay } = spec;
  const hasVelocity = momentum > 0;
  const states = hasVelocity ? [{ name: 'update', magnitudeBits: UPDATE_BITS }] : [];
  if (!isScheduled && dampening === 0) {
    return {
      states,
      factors: [],
      values: () => ({}),
      update(context) {
        const { weight, gradient, perRow } = context;
        const step = timesConstant(gradient, lr * perRow);
        const decay = weightDecay > 0 ? [weight.timesRaw(lr * weightDecay, step.scale - weight.scale)] : [];
        const scaled = (velocity: Tensor): Tensor => velocity.timesRaw(momentum, step.scale - velocity.scale);
        return descend(context, [step, ...decay], scaled, spec);
      },
    };
  }
  const bits = SUM_SCALE - GRADIENT_SCALE;
  const factors: FactorSpec[] = [{ name: 'rate', bits, largest: lr }];
  if (hasVelocity) factors.push({ name: 'momentum', bits: MOMENTUM_BITS, largest: LARGEST_GROWTH });
  if (weightDecay > 0) factors.push({ name: 'decay', bits: 25, largest: lr * weightDecay });
  return {
    states,
    factors,
    values(step, rate) {
      const now = lr * rate(step) * (step === 0 ? 1 : 1 - dampening);
      const growth = step === 0 ? 1 : Math.min(LARGEST_GROWTH, rate(step) / Math.max(rate(step - 1), 1e-9));
      return { rate: now, momentum: momentum * growth, decay: now * weightDecay };
    },
    update(context) {
      const terms = [meanGradient(context).mulRaw(context.factor('rate'))];
      if (weightDecay > 0) terms.push(context.weight.mulRaw(context.factor('decay')));
      return descend(context, terms, (velocity) => velocity.mulRaw(context.factor('momentum')), spec);
    },
  };
}

/**
 * w - u', or Nesterov's step.
 * @param step terms of lr (gradient + decay w).
 * @param scaled the velocity times momentum, at this step's rate.
 */
function descend(
  { weight, state, keep }: UpdateContext,
  step: readonly Tensor[],
  scaled: (velocity: Tensor) => Tensor,
  { momentum, nesterov }: SgdSpec,
): Tensor {
  const velocity = momentum > 0 ? state('update') : undefined;
  const sumOf = (terms: readonly (readonly [bigint, Tensor])[]): Tensor =>
    (terms.length === 1 && terms[0] !== undefined && terms[0][0] === 1n ? terms[0][1] : linear('update', terms))
      .assumeBelow(UPDATE_BITS)
      .rescaled(weight.scale);
  const once = step.map((term) => [1n, term] as const);
  if (velocity === undefined) return weight.sub(sumOf(once));
  const next = sumOf([...once, [1n, scaled(velocity)]]);
  keep('update', next);
  if (!nesterov) return weight.sub(next);
  // The velocity is at this step's rate already.
  return weight.sub(sumOf([...once, [1n, next.timesRaw(momentum, MOMENTUM_BITS)]]));
}
