/** Runs traced functions on shares (two parties, WebAssembly kernels) and compares them with doubles, for tests of operations. */
import { expect } from 'vitest';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { evaluateSecretly } from '../../helpers/simulate.ts';
import type { Evaluation, SecretArgument } from '../../helpers/simulate.ts';

export const UNIT = 2 ** -16;

/** Multiples of one unit from low to high. */
export function grid(low: number, high: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => onUnit(low + ((high - low) * i) / (count - 1)));
}

/** From low to high with constant ratio. */
export function geometric(low: number, high: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => onUnit(low * (high / low) ** (i / (count - 1))));
}

export function onUnit(value: number): number {
  return Math.round(value / UNIT) * UNIT;
}

/** A repeatable sequence in [low, high). */
export function noise(count: number, low: number, high: number, seed = 1): number[] {
  let state = seed * 2654435761;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return onUnit(low + ((high - low) * state) / 2 ** 32);
  });
}

export interface Measured {
  /** Largest absolute error. */
  readonly absolute: number;
  /** Largest error relative to the exact value, beyond one unit. */
  readonly relative: number;
  /** With the opening of the argument, without the reveal. */
  readonly rounds: number;
  readonly values: number[];
}

export async function measure(
  trace: (x: Tensor) => Tensor,
  f: (x: number) => number,
  values: readonly number[],
  magnitudeBits = 12,
): Promise<Measured> {
  const result = await run([{ values, magnitudeBits }], trace);
  return { ...gaps(result.values, values.map(f)), rounds: result.rounds - 1, values: result.values };
}

export function gaps(values: readonly number[], expected: readonly number[]): { absolute: number; relative: number } {
  expect(values.length).toBe(expected.length);
  let [absolute, relative] = [0, 0];
  values.forEach((value, i) => {
    const exact = expected[i] ?? NaN;
    const gap = Math.abs(value - exact);
    absolute = Math.max(absolute, Number.isNaN(gap) ? Infinity : gap);
    relative = Math.max(relative, Math.max(0, gap - UNIT) / Math.abs(exact || 1));
  });
  return { absolute, relative };
}

export function run(
  args: readonly SecretArgument[],
  trace: (...x: Tensor[]) => Tensor,
  parties = 2,
): Promise<Evaluation> {
  return evaluateSecretly(args, trace, { kernels: () => wasmKernels({ threads: 1 }), parties });
}

/** The bar for ported cases: relative 0.01 or absolute 2e-3. */
export function expectClose(values: readonly number[], expected: readonly number[]): void {
  expect(values.length).toBe(expected.length);
  const wrong = values.flatMap((value, i) => {
    const exact = expected[i] ?? NaN;
    return Math.abs(value - exact) <= Math.max(2e-3, 0.01 * Math.abs(exact)) ? [] : [{ i, value, exact }];
  });
  expect(wrong).toEqual([]);
}
