/**
 * Transfers that wait for their submission, put together into few dispatches: jobs of one kernel that touch different slots share
 * one; a job that touches what an earlier one has written comes in a later one. Knows nothing of devices.
 */
import { slotBytes } from '../kernels.ts';
import type { Slot } from '../kernels.ts';
import type { Kernel } from './kernel.ts';
import { GROUP_THREADS, JOB_ARGUMENTS, spread } from './kernel.ts';
import type { Step } from './step.ts';

/** Bytes of arguments that a dispatch has at most, and that are bound. */
export const BATCH_BYTES = 16 * 1024;
const JOBS_OF_BATCH = Math.floor((BATCH_BYTES / 4 - 2) / JOB_ARGUMENTS);

export interface Batch {
  readonly kernel: Kernel;
  readonly jobs: readonly Step[];
  readonly groups: readonly [x: number, y: number];
}

interface Written {
  readonly from: number;
  readonly to: number;
  readonly level: number;
}

export class TransferQueue {
  /** Jobs by level; those of one level do not depend on each other. */
  #levels: Step[][] = [];
  #written: Written[] = [];

  /** A job that depends on no other. */
  first(step: Step): void {
    this.#add(step, 0);
  }

  /** A job that writes a slot, after all that wrote there and after those of `first`. */
  write(step: Step, slot: Slot): void {
    const [from, to] = [slot.offset, slot.offset + slotBytes(slot)];
    let level = 1;
    for (const earlier of this.#written) {
      if (from < earlier.to && earlier.from < to) level = Math.max(level, earlier.level + 1);
    }
    this.#written.push({ from, to, level });
    this.#add(step, level);
  }

  /** Jobs after all that wait, which do not depend on each other. */
  last(steps: readonly Step[]): void {
    const level = Math.max(1, this.#levels.length);
    for (const step of steps) this.#add(step, level);
  }

  /** All that waited, in order; the queue is empty then. */
  drain(): Batch[] {
    const levels = this.#levels;
    this.#levels = [];
    this.#written = [];
    return levels.flatMap((steps) => {
      const kernels = Map.groupBy(steps, ({ kernel }) => kernel);
      return [...kernels].flatMap(([kernel, jobs]) => batches(kernel, jobs));
    });
  }

  #add(step: Step, level: number): void {
    if (step.args[0] === 0) return;
    while (this.#levels.length <= level) this.#levels.push([]);
    this.#levels[level]!.push(step);
  }
}

function batches(kernel: Kernel, jobs: readonly Step[]): Batch[] {
  const result: Batch[] = [];
  for (let from = 0; from < jobs.length; from += JOBS_OF_BATCH) {
    const some = jobs.slice(from, from + JOBS_OF_BATCH);
    const threads = some.reduce((sum, { args }) => sum + args[0]!, 0);
    result.push({ kernel, jobs: some, groups: spread(Math.ceil(threads / GROUP_THREADS)) });
  }
  return result;
}

/** Words that a batch's arguments take. */
export function batchWords(batch: Batch): number {
  return 2 + batch.jobs.length * JOB_ARGUMENTS;
}

/** Writes a batch's arguments: all threads, jobs, then of each job its first thread and its arguments but the first. */
export function writeBatch({ jobs }: Batch, to: Uint32Array): void {
  let threads = 0;
  jobs.forEach(({ args }, job) => {
    to.set(args, 2 + job * JOB_ARGUMENTS);
    to[2 + job * JOB_ARGUMENTS] = threads;
    threads += args[0]!;
  });
  to[0] = threads;
  to[1] = jobs.length;
}
