/**
 * Losses of classes, from scores: cross-entropy (with the sigmoid or softmax in it), hinges of support vector machines (Cortes,
 * Vapnik, Machine Learning 20, 1995), and cross-entropy corrected for labels of randomised response (Erlingsson, Pihur,
 * Korolova: RAPPOR, CCS 2014).
 */
import { sigmoid, softplus } from '../../functions/elementary.ts';
import { saturating } from '../../functions/saturating.ts';
import { logNormaliser, softmax, softmaxParts } from '../../functions/softmax.ts';
import { linear } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { classFactors, perRow } from './loss.ts';
import type { Loss } from './loss.ts';

/**
 * -sum y log p with p = sigmoid or softmax of the scores; seed p - y. Labels may be smoothed, rows weighted by class (each one
 * round more).
 */
export function crossEntropy(smoothing: number, classWeights: readonly number[] | undefined): Loss {
  const smooth = (targets: Tensor): Tensor => {
    if (smoothing === 0) return targets;
    const { fractionBits } = targets.graph.options;
    const classes = Math.max(2, targets.shape[1] ?? 1);
    return targets
      .timesRaw(1 - smoothing, fractionBits)
      .addNumber(smoothing / classes)
      .rescaled(fractionBits)
      .provedBelow(0.01);
  };
  const weigh = (perElement: Tensor, targets: Tensor): Tensor =>
    classWeights === undefined ? perElement : perElement.mul(classFactors(targets, classWeights));
  return {
    factor: 1,
    seed: (scores, targets) => {
      const answers = scores.shape[1] === 1 ? sigmoid(scores) : softmax(scores);
      return weigh(answers.sub(smooth(targets)), targets);
    },
    value: (scores, targets, given) => {
      const wanted = smooth(targets);
      if (scores.shape[1] === 1) return weigh(softplus(scores).sub(scores.mul(wanted)), targets);
      const parts = given ?? softmaxParts(scores);
      const gap = parts.gaps.mul(wanted.transpose()).sum(0);
      return weigh(
        logNormaliser(parts)
          .sub(gap)
          .reshape([scores.shape[0] ?? 0, 1]),
        targets,
      );
    },
  };
}

/** Labels 0 and 1 as -1 and 1. */
const signed = (targets: Tensor): Tensor => targets.timesInteger(2n).addNumber(-1);

/** max(0, 1 - s z), or its square. Seed: -s where the margin is missed, or -2 s (1 - s z); 6 rounds. */
export function hinge(isSquared: boolean, classWeights: readonly number[] | undefined): Loss {
  const missing = (scores: Tensor, targets: Tensor): Tensor => signed(targets).mul(scores).neg().addNumber(1);
  const weigh = (values: Tensor, targets: Tensor): Tensor =>
    classWeights === undefined ? values : values.mul(classFactors(targets, classWeights));
  return {
    factor: isSquared ? 2 : 1,
    seed: (scores, targets) => {
      const gap = missing(scores, targets);
      const away = signed(targets).neg();
      // A gap of exactly 0 has no slope.
      const isMissed = gap.atLeast(2 ** -gap.scale);
      return weigh(isSquared ? away.mul(isMissed.select(gap)) : isMissed.select(away), targets);
    },
    value: (scores, targets) => {
      const gap = missing(scores, targets).relu();
      return weigh(isSquared ? gap.mul(gap) : gap, targets);
    },
  };
}

const logistic = (z: number): number => 1 / (1 + Math.exp(-z));

/**
 * -y log r - (1 - y) log(1 - r) with r = keep p + (1 - keep)(1 - p), the chance of seeing a 1. From two tables of the score:
 * seed a(z) - y (a(z) + a(-z)) with a = r' / (1 - r). Largest error of a table 4e-4. 5 rounds.
 */
export function rappor(keep: number): Loss {
  const seen = (z: number): number => 1 - keep + (2 * keep - 1) * logistic(z);
  const slope = (z: number): number => (2 * keep - 1) * logistic(z) * (1 - logistic(z));
  const wrong = (z: number): number => slope(z) / (1 - seen(z));
  const curve = { low: -11.875, widthBits: -2, intervals: 95, degree: 3, offsetBits: 14, resultScale: 46 } as const;
  const at = (x: Tensor, f: (z: number) => number, limits: { below: number; above: number }): Tensor =>
    saturating(x, f, { ...curve, magnitudeBits: Math.log2(Math.abs(Math.log(1 - keep)) + 1) + 0.5, ...limits });
  const ends = (f: (z: number) => number): { below: number; above: number } => ({
    below: Math.round(f(-40) * 2 ** 16) / 2 ** 16,
    above: Math.round(f(40) * 2 ** 16) / 2 ** 16,
  });
  /** Losses where 0 is seen, and where 1 is. */
  const zero = (z: number): number => -Math.log(1 - seen(z));
  const one = (z: number): number => -Math.log(seen(z));
  return {
    factor: 1,
    seed: (scores, targets) => {
      const both = at(scores, (z) => wrong(z) + wrong(-z), { below: 0, above: 0 });
      return at(scores, wrong, { below: 0, above: 0 }).sub(both.mul(targets));
    },
    value: (scores, targets) => {
      const difference = (z: number): number => one(z) - zero(z);
      const base = at(scores, zero, ends(zero));
      return perRow(
        linear('loss', [
          [1n, base],
          [1n, at(scores, difference, ends(difference)).mul(targets)],
        ]),
      );
    },
  };
}
