/** Privacy accounts against published figures and against the divergences themselves. */
import { describe, expect, test } from 'vitest';
import { gaussianEpsilon, randomisedResponseEpsilon, renyiDivergence } from '../../shared/privacy-account.ts';

describe('Gaussian noise on sampled rows', () => {
  // The accountant's standard example (TensorFlow Privacy, compute_dp_sgd_privacy): 60,000 rows, batches of 256, noise 1.1,
  // 60 epochs: epsilon 3.0 at delta 1e-5 by the older conversion; the one used here is a little tighter.
  test('MNIST with noise 1.1 over 60 epochs', () => {
    const epsilon = gaussianEpsilon({ multiplier: 1.1, sampling: 256 / 60_000, steps: (60 * 60_000) / 256 }, 1e-5);
    expect(epsilon).toBeGreaterThan(2.5);
    expect(epsilon).toBeLessThan(3.01);
  });

  // Abadi et al. 2016, section 3.2: q = 0.01, sigma = 4, delta = 1e-5, T = 10,000 gives epsilon 1.26.
  test('the example of Abadi et al.', () => {
    const epsilon = gaussianEpsilon({ multiplier: 4, sampling: 0.01, steps: 10_000 }, 1e-5);
    expect(epsilon).toBeGreaterThan(0.9);
    expect(epsilon).toBeLessThan(1.27);
  });

  test('without sampling it is the divergence of two normal distributions', () => {
    for (const order of [2, 5, 30])
      expect(renyiDivergence(order, { multiplier: 2, sampling: 1, steps: 1 })).toBeCloseTo(order / 8, 12);
  });

  test('at order 2 it is the second moment of the ratio of densities', () => {
    const noise = { multiplier: 1.5, sampling: 0.1, steps: 1 };
    const density = (x: number, centre: number): number =>
      Math.exp(-((x - centre) ** 2) / (2 * 1.5 ** 2)) / (1.5 * Math.sqrt(2 * Math.PI));
    let moment = 0;
    for (let x = -30; x < 30; x += 0.001)
      moment += (0.9 * density(x, 0) + 0.1 * density(x, 1)) ** 2 / density(x, 0) / 1000;
    expect(renyiDivergence(2, noise)).toBeCloseTo(Math.log(moment), 6);
  });

  test('more noise, fewer steps and smaller samples cost less', () => {
    const base = { multiplier: 1, sampling: 0.02, steps: 1000 };
    const epsilon = gaussianEpsilon(base, 1e-5);
    expect(gaussianEpsilon({ ...base, multiplier: 2 }, 1e-5)).toBeLessThan(epsilon);
    expect(gaussianEpsilon({ ...base, steps: 500 }, 1e-5)).toBeLessThan(epsilon);
    expect(gaussianEpsilon({ ...base, sampling: 0.01 }, 1e-5)).toBeLessThan(epsilon);
    expect(gaussianEpsilon({ ...base, multiplier: 0 }, 1e-5)).toBe(Infinity);
  });
});

test('randomised response: three of four kept is log 3', () => {
  expect(randomisedResponseEpsilon(0.75)).toBeCloseTo(Math.log(3), 12);
  expect(randomisedResponseEpsilon(0.5)).toBe(0);
});
