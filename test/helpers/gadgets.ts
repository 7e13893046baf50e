/**
 * Truncation, comparison and their fusions on one opened value, checked element by element against their ideal
 * functionalities fed with the public dither. For any ring width, kernel set and number of parties.
 */
import { expect } from 'vitest';
import type { Kernels } from '../../engine/kernels/kernels.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { Graph } from '../../engine/tensor/graph.ts';
import { sharedInput, stateInput } from '../../engine/tensor/tensor.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import { chosenMasks } from './chosen-masks.ts';
import { TestJob } from './run-job.ts';
import type { SeenOpening } from './run-job.ts';

export interface Ring {
  readonly wordBits: number;
  readonly parties: number;
  readonly kernels?: () => Promise<Kernels>;
}

/** The ideal truncation (corrections M5): floor((x + 2^shift - 1 - d) / 2^shift) with the public dither d. */
export function idealTruncation(x: bigint, shift: number, dither: bigint): bigint {
  const unit = 1n << BigInt(shift);
  return (x + unit - 1n - dither) >> BigInt(shift);
}

/** All x from -2^bound to 2^bound - 1, each with every one of `masks`, side by side. */
export function allPairs(bound: number, masks: readonly bigint[]): { xs: bigint[]; mask: (element: number) => bigint } {
  const half = 2 ** bound;
  const xs = Array.from({ length: 2 * half * masks.length }, (_, e) => BigInt(Math.floor(e / masks.length) - half));
  return { xs, mask: (e) => masks[e % masks.length] ?? 0n };
}

/** Uniform numbers from -2^bound to 2^bound - 1, both ends among them. */
export function randomNumbers(count: number, bound: number): BigInt64Array {
  const bytes = new Uint8Array(nodeCrypto.randomBytes(count * 8));
  const words = new BigInt64Array(bytes.buffer);
  for (let i = 0; i < count; i++) words[i] = BigInt.asIntN(bound + 1, words[i] ?? 0n);
  words.set([-(1n << BigInt(bound)), (1n << BigInt(bound)) - 1n, 0n, -1n]);
  return words;
}

/** An output to check: how it is traced, and what it must be. */
export interface Output {
  readonly name: string;
  readonly trace: (x: Tensor) => Tensor;
  readonly ideal: (x: bigint, c: bigint) => bigint;
  /** Where it is right, of numbers from -2^bound to 2^bound - 1; everywhere unless said. */
  readonly holds?: (x: bigint, bound: number) => boolean;
}

export function truncations(shifts: readonly number[]): Output[] {
  return shifts.map((shift) => ({
    name: `truncated by ${shift}`,
    trace: (x) => x.rescaled(x.scale - shift),
    ideal: (x, c) => idealTruncation(x, shift, c & ((1n << BigInt(shift)) - 1n)),
  }));
}

export function comparisons(thresholds: readonly bigint[]): Output[] {
  return thresholds.map((threshold) => ({
    name: `at least ${threshold}`,
    trace: (x) => x.atLeast(Number(threshold) / 2 ** x.scale).toNumber(),
    ideal: (x) => (x >= threshold ? 1n : 0n),
  }));
}

export function bitsOf(positions: readonly number[]): Output[] {
  return positions.map((position) => ({
    name: `bit ${position}`,
    trace: (x) => x.bitOf(position).toNumber(),
    ideal: (x) => (x >> BigInt(position)) & 1n,
  }));
}

export function equalities(values: readonly bigint[]): Output[] {
  return values.map((value) => ({
    name: `equal to ${value}`,
    trace: (x) => x.equalsNumber(Number(value) / 2 ** x.scale).toNumber(),
    ideal: (x) => (x === value ? 1n : 0n),
  }));
}

export function rectified(shifts: readonly number[]): Output[] {
  return shifts.map((shift) => ({
    name: `rectified, truncated by ${shift}`,
    trace: (x) => x.rescaled(x.scale - shift).relu(),
    ideal: (x, c) => (x < 0n ? 0n : idealTruncation(x, shift, c & ((1n << BigInt(shift)) - 1n))),
    // Above zero is what 2^-scale less leaves at zero or above: magnitudes stay below the bound.
    holds: (x, bound) => x > -(1n << BigInt(bound)),
  }));
}

/**
 * Checks every output for every x. Elements are ring numbers of magnitude up to 2^bound; masks(e) is the mask word that hides
 * element e, undefined for a random one.
 */
export async function checkOutputs(
  ring: Ring,
  bound: number,
  xs: ArrayLike<bigint>,
  outputs: readonly Output[],
  masks: (element: number) => bigint | undefined = () => undefined,
): Promise<void> {
  const { wordBits } = ring;
  const size = xs.length;
  // Everything at the input's scale, so that the shift of a truncation may be anything up to the bound.
  const scale = Math.min(bound, 24);
  const options = { fractionBits: scale, assumedBound: wordBits - 2, wordBits };
  const graph = new Graph({ ...options, name: 'test' });
  const x = sharedInput(graph, 'x', [size], bound - scale);
  const check = new Graph({ ...options, name: 'check' });
  outputs.forEach(({ trace }, i) => {
    const y = trace(x);
    y.store(`y${i}`);
    // Never executed: it only makes all bits of the state needed.
    stateInput(check, `y${i}`, [size], { bound: wordBits - 2, scale: 0 }).reveal(`y${i}`, ['a']);
  });
  const job = await TestJob.start([graph, check], {
    parties: ring.parties,
    ...(ring.kernels === undefined ? {} : { kernels: ring.kernels }),
    crypto: (plan) => chosenMasks(plan, 'test', (_, element) => masks(element)),
  });
  try {
    const words = new BigUint64Array(size);
    for (let e = 0; e < size; e++) words[e] = BigInt.asUintN(wordBits, xs[e] ?? 0n);
    const { openings } = await job.execute('test', { inputs: { x: words } });
    const opening = onlyWords(openings);
    for (const [i, { name, ideal, holds = () => true }] of outputs.entries()) {
      const sum = await sharesOf(job, `y${i}`, wordBits);
      let wrong = 0;
      for (let e = 0; e < size; e++) {
        const c = opening.words[e] ?? 0n;
        const value = xs[e] ?? 0n;
        if (holds(value, bound) && BigInt.asIntN(wordBits, sum[e] ?? 0n) !== ideal(value, c)) wrong++;
      }
      expect(wrong, `${name}: wrong elements of ${size}`).toBe(0);
    }
  } finally {
    await job.close();
  }
}

/** The only opening of words. */
function onlyWords(openings: readonly SeenOpening[]): SeenOpening {
  const words = openings.filter((opening) => opening.words.length > 0);
  const [first] = words;
  if (words.length !== 1 || first === undefined) throw new RangeError(`${words.length} openings of words`);
  return first;
}

/** Sum of all parties' shares of a state. */
async function sharesOf(job: TestJob, state: string, wordBits: number): Promise<BigUint64Array> {
  const [first, ...rest] = await Promise.all(
    job.simulation.parties.map(async (party) => {
      const bytes = new Uint8Array(await party.readState(state));
      return new BigUint64Array(bytes.buffer);
    }),
  );
  const sum = first ?? new BigUint64Array(0);
  for (const words of rest)
    for (let e = 0; e < sum.length; e++) sum[e] = BigInt.asUintN(wordBits, (sum[e] ?? 0n) + (words[e] ?? 0n));
  return sum;
}
