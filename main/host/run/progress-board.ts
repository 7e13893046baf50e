/** Who of a run does what since when, as its parties tell it. Knows nothing of where that comes from or goes to. */
import type { PartyProgress } from '../../../shared/api/run-calls.ts';
import type { EpochQuality, PublicJoin, RunProgress } from '../../../shared/progress.ts';

interface Line {
  readonly shown: PartyProgress;
  /** Where the phase stood when it was first heard of: a run that goes on does not begin at 0. */
  readonly first: { readonly done: number; readonly atMs: number };
}

/** A rate over less than this says little. */
const RATE_AFTER_MS = 2_000;

export class ProgressBoard {
  readonly #lines = new Map<string, Line>();
  #quality: readonly EpochQuality[] = [];
  #join: PublicJoin | undefined;

  /** Takes in what a party says, which began `forMs` ago; returns whether it is another phase than before. */
  note(party: string, { quality, join, ...progress }: RunProgress, forMs = 0): boolean {
    if (quality !== undefined) this.#quality = quality;
    if (join !== undefined) this.#join = join;
    const now = Date.now();
    const before = this.#lines.get(party);
    const isNew = before?.shown.phase !== progress.phase;
    const first = isNew ? { done: progress.done ?? 0, atMs: now } : before.first;
    const passedMs = now - first.atMs;
    const perSecond =
      passedMs < RATE_AFTER_MS || progress.done === undefined
        ? undefined
        : Math.max(0, ((progress.done - first.done) / passedMs) * 1000);
    const sinceMs = isNew ? now - forMs : before.shown.sinceMs;
    this.#lines.set(party, { shown: { party, ...progress, perSecond, sinceMs, changedAtMs: now }, first });
    return isNew;
  }

  /** A line per party, in the order in which they were first heard. */
  lines(): PartyProgress[] {
    return [...this.#lines.values()].map(({ shown }) => shown);
  }

  line(party: string): PartyProgress | undefined {
    return this.#lines.get(party)?.shown;
  }

  /** What the join of the rows came to, where there was one. */
  get join(): PublicJoin | undefined {
    return this.#join;
  }

  get quality(): readonly EpochQuality[] {
    return this.#quality;
  }
}
