/**
 * Adam and AdamW (Kingma, Ba, ICLR 2015; Loshchilov, Hutter, ICLR 2019), RMSprop (Tieleman, Hinton 2012) and Adagrad (Duchi,
 * Hazan, Singer, JMLR 12, 2011) as one update: a step of the rate times a mean gradient m over the square root of a mean square
 * v. They differ in public factors only:
 *   m' = a m + (1 - a) g,  v' = c v + (1 - c) g^2,  w' = w - rate m' / sqrt(v' + floor).
 * Adam's bias correction is in a and c, so that both averages are the corrected ones (a = b (1 - b^t) / (1 - b^(t+1)) at step t
 * from 0). Adagrad's sum of n squares is n times their mean: c = (n - 1) / n, and the rate is divided by sqrt(n).
 *
 * Differences from float implementations: epsilon is inside the root, as epsilon^2, and at least 1e-4 (2^-34 is the unit of v);
 * entries of a mean gradient are multiples of 2^-17, rounded without bias, and below 4, which is assumed. About 17 rounds from
 * the gradient; dealer: 16 comparisons a weight.
 */
import type { AdaptiveSpec } from '../../../../shared/optimizers.ts';
import { inverseSquareRootOf } from '../../../functions/powers.ts';
import { linear } from '../../../tensor/tensor.ts';
import type { Tensor } from '../../../tensor/tensor.ts';
import { GRADIENT_BITS, GRADIENT_SCALE, meanGradient, UPDATE_BITS } from './optimizer.ts';
import type { FactorSpec, Optimizer, StateSpec, UpdateContext } from './optimizer.ts';

const MEAN_SCALE = 20;
const SQUARE_SCALE = 2 * GRADIENT_SCALE;
/** Fraction bits of the factors of an average. */
const AVERAGE_BITS = 16;
/** Scale of rate / sqrt(v), and of a direction before the schedule's factor. */
const ROOT_SCALE = 24;
const DECAY_BITS = 24;

export function adaptive(spec: AdaptiveSpec, isScheduled: boolean): Optimizer {
  const momentum = spec.name === 'rmsprop' ? spec.momentum : 0;
  const averages = spec.name === 'adam' || spec.name === 'adamw';
  const isStepped = isScheduled || spec.name === 'adagrad';
  const average = (name: string): FactorSpec[] => [
    { name: `${name}/keep`, bits: AVERAGE_BITS, largest: 1 },
    { name: `${name}/take`, bits: AVERAGE_BITS, largest: 1 },
  ];
  const states: StateSpec[] = [
    ...(averages ? [{ name: 'mean', scale: MEAN_SCALE, magnitudeBits: GRADIENT_BITS }] : []),
    { name: 'square', scale: SQUARE_SCALE, magnitudeBits: 2 * GRADIENT_BITS },
    ...(momentum > 0 ? [{ name: 'update', magnitudeBits: UPDATE_BITS }] : []),
  ];
  const factors: FactorSpec[] = [
    ...(averages ? average('mean') : []),
    ...average('square'),
    { name: 'floor', bits: SQUARE_SCALE, largest: 2 },
    ...(isStepped ? [{ name: 'rate', bits: AVERAGE_BITS, largest: 1 }] : []),
    ...(spec.name === 'adamw' ? [{ name: 'decay', bits: DECAY_BITS, largest: spec.lr * spec.weightDecay }] : []),
  ];
  return {
    states,
    factors,
    values: (step, rate) => valuesOf(spec, step, rate(step)),
    update(context) {
      const gradient = meanGradient(context, spec.name === 'adamw' ? 0 : spec.weightDecay);
      const mean = averages ? averaged(context, 'mean', gradient, MEAN_SCALE, GRADIENT_BITS) : gradient;
      const square = averaged(context, 'square', gradient.mulRaw(gradient), SQUARE_SCALE, 2 * GRADIENT_BITS);
      const root = inverseSquareRootOf(square.add(context.factor('floor')), {
        scale: ROOT_SCALE,
        least: spec.epsilon ** 2 / 2,
        factor: spec.lr,
      });
      return moved(context, mean.mulRaw(root).assumeBelow(UPDATE_BITS), { isStepped, momentum, spec });
    },
  };
}

function valuesOf(spec: AdaptiveSpec, step: number, rate: number): Record<string, number> {
  const n = step + 1;
  const floor = spec.epsilon ** 2;
  const average = (name: string, keep: number): Record<string, number> => {
    // Both from one rounded number, so that they add up to 1.
    const rounded = Math.round(keep * 2 ** AVERAGE_BITS) / 2 ** AVERAGE_BITS;
    return { [`${name}/keep`]: rounded, [`${name}/take`]: 1 - rounded };
  };
  const corrected = (beta: number): number => (beta * (1 - beta ** step)) / (1 - beta ** n);
  switch (spec.name) {
    case 'adam':
    case 'adamw':
      return {
        ...average('mean', corrected(spec.beta1)),
        ...average('square', corrected(spec.beta2)),
        floor,
        rate,
        decay: spec.lr * spec.weightDecay * rate,
      };
    case 'rmsprop':
      return { ...average('square', spec.decay), floor, rate };
    case 'adagrad':
      return {
        ...average('square', step / n),
        floor: Math.max(floor, (spec.initial + floor) / n),
        rate: rate / Math.sqrt(n),
      };
  }
}

/** The state's public average with a new value, which is kept. 1 round. */
function averaged(context: UpdateContext, name: string, value: Tensor, scale: number, magnitudeBits: number): Tensor {
  const next = linear(name, [
    [1n, context.state(name).mulRaw(context.factor(`${name}/keep`))],
    [1n, value.mulRaw(context.factor(`${name}/take`))],
  ])
    .assumeBelow(magnitudeBits)
    .rescaled(scale);
  context.keep(name, next);
  return next;
}

/** The weight less the step, which a schedule, a momentum or a decay of the weight may change. 1 round, 2 with a schedule. */
function moved(
  { weight, state, factor, keep }: UpdateContext,
  direction: Tensor,
  options: { readonly isStepped: boolean; readonly momentum: number; readonly spec: AdaptiveSpec },
): Tensor {
  const { isStepped, momentum, spec } = options;
  const step = isStepped ? direction.rescaled(ROOT_SCALE).mulRaw(factor('rate')) : direction;
  const terms: [bigint, Tensor][] = [[1n, step]];
  if (spec.name === 'adamw' && spec.weightDecay > 0) terms.push([1n, weight.mulRaw(factor('decay'))]);
  if (momentum > 0) terms.push([1n, state('update').timesRaw(momentum, step.scale - weight.scale)]);
  const sum = terms.length === 1 ? step : linear('update', terms).assumeBelow(UPDATE_BITS);
  const update = sum.rescaled(weight.scale);
  if (momentum > 0) keep('update', update);
  return weight.sub(update);
}
