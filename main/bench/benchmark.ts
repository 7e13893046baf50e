/**
 * What a benchmark is, and how things are compared: in turn within one run, so that what else the machine does meets both,
 * and by medians. Knows no particular benchmark.
 */

/** What a figure should reach. */
export interface Goal {
  readonly sense: 'at most' | 'at least';
  readonly value: number;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  /** `bytes`, `seconds`, `rounds`, `times` for a ratio, or something a second. */
  readonly unit: string;
  readonly goal?: Goal;
  /** The same on every machine: from the plan, or counted. */
  readonly exact?: true;
}

export interface BenchmarkContext {
  readonly signal: AbortSignal;
  /** What is being measured now. */
  readonly report: (phase: string) => void;
}

export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  /** Ratios first. */
  run(context: BenchmarkContext): Promise<Figure[]>;
}

export function isMet({ value, goal }: Figure): boolean {
  return goal === undefined || (goal.sense === 'at most' ? value <= goal.value : value >= goal.value);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

export interface Compared {
  readonly firstSeconds: number;
  readonly secondSeconds: number;
  /** Median of second / first, pair by pair. */
  readonly ratio: number;
}

/** Times two pieces of work in turn, after one untimed turn of each. */
export async function alternately(
  first: () => Promise<unknown>,
  second: () => Promise<unknown>,
  turns: number,
  signal: AbortSignal,
): Promise<Compared> {
  const firstSeconds: number[] = [];
  const secondSeconds: number[] = [];
  for (let turn = -1; turn < turns; turn++) {
    signal.throwIfAborted();
    const [a, b] = [await seconds(first), await seconds(second)];
    if (turn < 0) continue;
    firstSeconds.push(a);
    secondSeconds.push(b);
  }
  return {
    firstSeconds: median(firstSeconds),
    secondSeconds: median(secondSeconds),
    ratio: median(firstSeconds.map((a, i) => (secondSeconds[i] ?? NaN) / a)),
  };
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1000;
}
