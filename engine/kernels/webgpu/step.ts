/** One dispatch: a kernel, its arguments, its workgroups. Knows nothing of devices. */
import type { BitSlot, WordSlot } from '../kernels.ts';
import { planeBytes } from '../kernels.ts';
import type { Kernel } from './kernel.ts';
import { GROUP_THREADS, spread } from './kernel.ts';

export interface Step {
  readonly kernel: Kernel;
  /** Arguments, unsigned or two's complement 32-bit numbers. */
  readonly args: readonly number[];
  readonly groups: readonly [x: number, y: number];
}

/** A step of an element kernel: its first argument is the number of threads. */
export function elementStep(kernel: Kernel, threads: number, ...args: readonly number[]): Step {
  return { kernel, args: [threads, ...args], groups: spread(Math.ceil(threads / GROUP_THREADS)) };
}

/** Index of a slot's first word. */
export function wordIndex(slot: WordSlot | BitSlot): number {
  return slot.offset / 8;
}

/** Index of a slot's first half. */
export function halfIndex(slot: BitSlot): number {
  return slot.offset / 4;
}

/** Halves of one plane in a memory. */
export function planeHalves(length: number): number {
  return planeBytes(length) / 4;
}

/** Halves of one plane that hold bits. */
export function usedHalves(length: number): number {
  return Math.ceil(length / 32);
}

export function low32(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}

export function high32(value: bigint): number {
  return Number(BigInt.asUintN(64, value) >> 32n);
}
