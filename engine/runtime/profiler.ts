/**
 * Where the time of executions went: compute by layer, filling, packing, sending, waiting and for whom. The parts of an
 * execution add up to its wall time; what is in none of them is `other`. Knows nothing of what is computed.
 */
import type { InstructionTimer } from '../kernels/kernels.ts';
import type { Tag } from '../plan/program.ts';

export type Activity = 'compute' | 'fill' | 'serialise' | 'send' | 'wait' | 'offline' | 'other';

export interface ExecutionTimes {
  readonly program: string;
  readonly execution: number;
  readonly startedMs: number;
  wallMs: number;
  readonly activityMs: Record<Activity, number>;
  /** Waiting by party. */
  readonly waitMs: Map<string, number>;
  /** Compute by layer and phase, keyed `layer\nphase`. */
  readonly layerMs: Map<string, number>;
}

export class Profiler {
  readonly executions: ExecutionTimes[] = [];
  readonly #now: () => number;
  readonly #keep: number;
  #current: ExecutionTimes | undefined;

  /** Keeps the latest `keep` executions; the caller drains them to its store. */
  constructor(now: () => number = () => performance.now(), keep = 100_000) {
    this.#now = now;
    this.#keep = keep;
  }

  begin(program: string, execution: number): void {
    this.#current = {
      program,
      execution,
      startedMs: this.#now(),
      wallMs: 0,
      activityMs: { compute: 0, fill: 0, serialise: 0, send: 0, wait: 0, offline: 0, other: 0 },
      waitMs: new Map(),
      layerMs: new Map(),
    };
  }

  end(): void {
    const current = this.#current;
    if (current === undefined) return;
    current.wallMs = this.#now() - current.startedMs;
    const parts = Object.values(current.activityMs).reduce((sum, ms) => sum + ms, 0);
    current.activityMs.other = Math.max(0, current.wallMs - parts);
    this.executions.push(current);
    if (this.executions.length > this.#keep) this.executions.shift();
    this.#current = undefined;
  }

  measure<T>(activity: Activity, work: () => T): T {
    const from = this.#now();
    const result = work();
    this.#add(activity, this.#now() - from);
    return result;
  }

  async measuring<T>(activity: Activity, work: () => Promise<T>): Promise<T> {
    const from = this.#now();
    const result = await work();
    this.#add(activity, this.#now() - from);
    return result;
  }

  async waiting<T>(activity: 'send' | 'wait' | 'offline', party: string, work: () => Promise<T>): Promise<T> {
    const from = this.#now();
    const result = await work();
    const ms = this.#now() - from;
    this.#add(activity, ms);
    const waits = this.#current?.waitMs;
    if (activity !== 'send') waits?.set(party, (waits.get(party) ?? 0) + ms);
    return result;
  }

  /** Runs kernels, booking each instruction's time on its layer. */
  async computing(tags: readonly Tag[], run: (timer: InstructionTimer) => Promise<void>): Promise<void> {
    const layers = this.#current?.layerMs;
    const from = this.#now();
    await run((index, ms) => {
      const tag = tags[index];
      if (tag === undefined || layers === undefined) return;
      const key = `${tag.layer}\n${tag.phase}`;
      layers.set(key, (layers.get(key) ?? 0) + ms);
    });
    this.#add('compute', this.#now() - from);
  }

  #add(activity: Activity, ms: number): void {
    if (this.#current !== undefined) this.#current.activityMs[activity] += ms;
  }
}
