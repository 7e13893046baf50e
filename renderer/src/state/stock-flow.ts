/** How fast stock is made and used, from looks at it one after another. Pure functions; knows nothing of the page. */
import type { VaultStock } from '../../../shared/api/record-calls.ts';

/** The stock at one moment, by job and label. */
export interface Look {
  readonly atMs: number;
  readonly lines: ReadonlyMap<string, { readonly made: number; readonly used: number }>;
}

export interface Rate {
  readonly madePerSecond: number;
  readonly usedPerSecond: number;
}

/** Rates are means over this long. */
const WINDOW_MS = 10_000;

const keyOf = (job: string, label: string): string => `${job} ${label}`;

/** The looks with a new one; of those older than the window only the newest is kept, as rates reach back to it. */
export function withLook(looks: readonly Look[], stock: readonly VaultStock[], atMs: number): Look[] {
  const lines = new Map(
    stock.flatMap(({ job, byLabel }) => byLabel.map((line) => [keyOf(job, line.label), line] as const)),
  );
  const recent = looks.filter((_, i) => atMs - (looks[i + 1]?.atMs ?? atMs) < WINDOW_MS);
  return [...recent, { atMs, lines }];
}

/** Of one line; zero until it was looked at twice. */
export function rateOf(looks: readonly Look[], job: string, label: string): Rate {
  const key = keyOf(job, label);
  const [first, last] = [looks.find(({ lines }) => lines.has(key)), looks.at(-1)];
  const [then, now] = [first?.lines.get(key), last?.lines.get(key)];
  const seconds = ((last?.atMs ?? 0) - (first?.atMs ?? 0)) / 1000;
  if (then === undefined || now === undefined || seconds <= 0) return { madePerSecond: 0, usedPerSecond: 0 };
  return { madePerSecond: (now.made - then.made) / seconds, usedPerSecond: (now.used - then.used) / seconds };
}
