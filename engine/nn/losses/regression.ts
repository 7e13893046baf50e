/** Losses of numbers: squared, absolute, and Huber's (Annals of Mathematical Statistics 35(1), 1964). Means over outputs. */
import { absolute, clamp, sign } from '../../tensor/comparisons.ts';
import { meanPerRow } from './loss.ts';
import type { Loss } from './loss.ts';

/** (z - y)^2. Seed: local. */
export function squaredError(outputs: number): Loss {
  return {
    factor: 2 / outputs,
    seed: (scores, targets) => scores.sub(targets),
    value: (scores, targets) => {
      const error = scores.sub(targets);
      return meanPerRow(error.mul(error));
    },
  };
}

/** |z - y|. Seed: the sign of the error, 4 rounds. */
export function absoluteError(outputs: number): Loss {
  return {
    factor: 1 / outputs,
    seed: (scores, targets) => {
      const { fractionBits } = scores.graph.options;
      return sign(scores.sub(targets)).rescaled(fractionBits);
    },
    value: (scores, targets) => meanPerRow(absolute(scores.sub(targets))),
  };
}

/** e^2 / 2 up to delta, delta (|e| - delta / 2) beyond. Seed: the error cut at delta, 4 rounds. */
export function huber(outputs: number, delta: number): Loss {
  return {
    factor: 1 / outputs,
    seed: (scores, targets) => clamp(scores.sub(targets), -delta, delta),
    value: (scores, targets) => {
      const error = scores.sub(targets);
      const cut = clamp(error, -delta, delta);
      // c (e - c / 2), with c the error cut at delta.
      return meanPerRow(cut.mul(error.sub(cut.timesNumber(0.5))));
    },
  };
}
