/**
 * What noise guarantees, as (epsilon, delta)-differential privacy: randomised response, and the Gaussian mechanism repeated on
 * random parts of the rows, by Rényi differential privacy (Mironov, CSF 2017), which bounds tighter than the moments accountant
 * (Abadi et al., CCS 2016) that it grew out of. Knows nothing of how noise is made.
 */

/**
 * Epsilon of a truth value that is told as it is with probability `keep` and flipped otherwise: log(keep / (1 - keep)), for one
 * row, with delta 0 (Warner, JASA 60, 1965; Dwork, Roth 2014, section 3.2).
 */
export function randomisedResponseEpsilon(keep: number): number {
  return Math.log(keep / (1 - keep));
}

/** What a job guarantees of one thing, whatever else is known of the others. */
export interface PrivacyClaim {
  readonly of: 'training row' | 'label';
  readonly epsilon: number;
  readonly delta: number;
  /** Where it holds, in words. */
  readonly holds: string;
}

/** What several runs over the same data come to together. */
export interface PrivacySpent extends Pick<PrivacyClaim, 'of' | 'epsilon' | 'delta'> {
  readonly runs: number;
}

export interface GaussianNoise {
  /** Deviation of the noise over the largest effect of one row (its clipped norm). */
  readonly multiplier: number;
  /** Chance of a row to be in a step: each row is drawn by itself (Poisson sampling). */
  readonly sampling: number;
  readonly steps: number;
}

/** Orders at which the Rényi divergence is bounded; the best one counts. */
const ORDERS = [...Array.from({ length: 62 }, (_, i) => i + 2), 72, 80, 96, 128, 192, 256, 512];

/** log(e^a + e^b). */
function logAdd(a: number, b: number): number {
  const [low, high] = a < b ? [a, b] : [b, a];
  return low === -Infinity ? high : high + Math.log1p(Math.exp(low - high));
}

/**
 * Rényi divergence of one step at a whole order, for Poisson sampling: the binomial sum of Mironov, Talwar, Zhang (2019,
 * section 3.3), log sum_k C(order, k) (1 - q)^(order - k) q^k e^(k (k - 1) / (2 sigma^2)) / (order - 1).
 */
export function renyiDivergence(order: number, { multiplier, sampling: q }: GaussianNoise): number {
  if (q >= 1) return order / (2 * multiplier ** 2);
  let sum = -Infinity;
  let logBinomial = 0;
  for (let k = 0; k <= order; k++) {
    const term =
      logBinomial +
      (order - k) * Math.log1p(-q) +
      (k === 0 ? 0 : k * Math.log(q)) +
      (k * (k - 1)) / (2 * multiplier ** 2);
    sum = logAdd(sum, term);
    logBinomial += Math.log(order - k) - Math.log(k + 1);
  }
  return Math.max(0, sum / (order - 1));
}

/**
 * Epsilon at a delta of all steps together. From Rényi divergence r at order a: r + log((a - 1) / a) - (log delta + log a) /
 * (a - 1) (Canonne, Kamath, Steinke, NeurIPS 2020, proposition 12).
 */
export function gaussianEpsilon(noise: GaussianNoise, delta: number): number {
  if (noise.multiplier <= 0) return Infinity;
  const bounds = ORDERS.map((order) => {
    const divergence = noise.steps * renyiDivergence(order, noise);
    return divergence + Math.log((order - 1) / order) - (Math.log(delta) + Math.log(order)) / (order - 1);
  });
  return Math.max(0, Math.min(...bounds));
}
