/** Random numbers on shares: distribution, dependence on every party, dropout; and truncations that never fail. */
import { expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import {
  dropout,
  randomBits,
  randomInputs,
  randomNormal,
  randomUniform,
  sampleByWeights,
} from '../../../engine/functions/randomness.ts';
import type { RandomSource } from '../../../engine/functions/randomness.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { Simulation } from '../../../engine/runtime/simulation.ts';
import { decodeFixed } from '../../../engine/runtime/words.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { constant, privateInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { fixedCrypto } from '../../helpers/fixed-crypto.ts';
import { UNIT, noise, run } from './measure.ts';

const PARTIES = ['a', 'b', 'c'];

/** Draws on shares of three parties, each of which brings `bring(owner)` words, or fresh random ones. */
async function draw(
  trace: (source: RandomSource) => Tensor,
  bring?: (owner: string, length: number) => BigUint64Array,
): Promise<{ values: number[]; rounds: number }> {
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const result = trace({ graph, parties: PARTIES });
  result.reveal('result', ['a']);
  const plan = planJob([lower(graph, { parties: PARTIES })], nodeCrypto.sha256);
  const crypto = fixedCrypto();
  const kernels = (): ReturnType<typeof wasmKernels> => wasmKernels({ threads: 1 });
  const simulation = await Simulation.create({ plan, crypto, kernels });
  const inputs = new Map(PARTIES.map((party) => [party, new Map<string, BigUint64Array>()]));
  for (const { name, owner, length, bits } of randomInputs(graph)) {
    const words = new BigUint64Array(new Uint8Array(crypto.randomBytes(8 * length)).buffer);
    inputs.get(owner)?.set(name, bring?.(owner, length) ?? words.map((word) => BigInt.asUintN(bits, word)));
  }
  const revealed = await simulation.execute('test', { inputs });
  await simulation.close();
  const rounds = (plan.programs.get('test')?.cost.rounds ?? 0) - 1;
  return { values: [...decodeFixed(revealed[0]?.get('result') ?? new BigUint64Array(0), result.scale)], rounds };
}

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((s, v) => s + v, 0) / values.length;
  return { mean, variance: values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length };
}

test('uniform numbers in [0, 1)', async () => {
  const { values, rounds } = await draw((source) => randomUniform(source, [100_000]));
  expect(values.every((v) => v >= 0 && v < 1)).toBe(true);
  const { mean, variance } = moments(values);
  // Five standard deviations.
  expect(Math.abs(mean - 0.5)).toBeLessThan((5 * Math.sqrt(1 / 12)) / Math.sqrt(100_000));
  expect(Math.abs(variance - 1 / 12)).toBeLessThan(1.3e-3);
  expect(rounds).toBe(4);
});

test('a uniform number is the sum modulo 1 of what all parties bring', async () => {
  const words: Record<string, bigint[]> = {
    a: [65_535n, 1n, 65_535n, 0n],
    b: [65_535n, 2n, 1n, 0n],
    c: [65_535n, 3n, 0n, 0n],
  };
  const { values } = await draw(
    (source) => randomUniform(source, [4]),
    (owner) => BigUint64Array.from(words[owner] ?? []),
  );
  expect(values).toEqual([65_533 * UNIT, 6 * UNIT, 0, 0]);
});

test.each([0.25, 0.4, 0.9])('bits that are 1 with probability %d', async (probability) => {
  const { values } = await draw((source) => randomBits(source, [40_000], probability).toNumber());
  expect(values.every((v) => v === 0 || v === 1)).toBe(true);
  expect(Math.abs(moments(values).mean - probability)).toBeLessThan((5 * 0.5) / Math.sqrt(40_000));
});

test('standard normal numbers', async () => {
  const { values } = await draw((source) => randomNormal(source, [8_000]));
  const { mean, variance } = moments(values);
  expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(8_000));
  expect(Math.abs(variance - 1)).toBeLessThan((5 * Math.SQRT2) / Math.sqrt(8_000));
  const within = values.filter((v) => Math.abs(v) < 1).length / values.length;
  expect(Math.abs(within - 0.6827)).toBeLessThan(0.026);
});

test.each([0, 0.2, 0.4, 0.8])('dropout of %d: mask, scale, gradient through the same mask', async (probability) => {
  const count = 20_000;
  const { values } = await draw((source) => {
    // Ones brought by the first party, as the input of the layer.
    const x = privateInput(source.graph, 'random/ones', 'a', [count], 4);
    const y = dropout(x, source, probability);
    const seed = privateInput(source.graph, 'random/seed', 'b', [count], 4);
    const [gradient] = gradients([[y, seed]], [x]);
    return y.add((gradient ?? y).timesInteger(4n));
  }, undefined);
  expect(values.length).toBe(count);
  // Both are zero together, so as many as one mask has; their means stay.
  const zeros = values.filter((v) => v === 0).length / count;
  // Six standard deviations at the largest probability.
  expect(Math.abs(moments(values).mean - 2.5)).toBeLessThan(0.25);
  expect(Math.abs(zeros - probability)).toBeLessThan(0.02);
});

test('an entry drawn by secret weights', async () => {
  const count = 6000;
  const weights = [1, 0, 2.5, 0.5];
  const { values } = await draw((source) => {
    const x = constant(source.graph, weights, [1, 4]).broadcastTo([count, 4]);
    const zero = randomUniform(source, [count, 1]).timesInteger(0n);
    return sampleByWeights(x.add(zero).provedBelow(2), source);
  });
  const frequencies = weights.map((_, i) => values.filter((v, at) => at % 4 === i && v === 1).length / count);
  expect(values.reduce((s, v) => s + v, 0)).toBe(count);
  weights.forEach((weight, i) => expect(Math.abs((frequencies[i] ?? NaN) - weight / 4)).toBeLessThan(0.033));
  expect(frequencies[1]).toBe(0);
});

test('a million truncations of products up to 90,000: none fails', async () => {
  const count = 500_000;
  for (const [low, high] of [
    [99, 101],
    [299, 300],
  ] as const) {
    const [x, y] = [noise(count, low, high, 5), noise(count, -high, -low, 6)];
    const result = await run(
      [x, y].map((values) => ({ values, magnitudeBits: 9 })),
      (...[p, q]) => {
        if (p === undefined || q === undefined) throw new RangeError('two arguments');
        return p.mul(q);
      },
    );
    const wrong = result.values.filter((v, i) => Math.abs(v - (x[i] ?? 0) * (y[i] ?? 0)) > UNIT).length;
    expect(wrong).toBe(0);
  }
});
