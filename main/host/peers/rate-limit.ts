/** Counts events per name in fixed windows of time. Knows nothing of what is counted. Memory: the names of one window. */

export class RateLimit {
  readonly #limit: number;
  readonly #windowMs: number;
  #counts = new Map<string, number>();
  #windowEndsAtMs = 0;

  constructor(limit: number, windowMs: number) {
    this.#limit = limit;
    this.#windowMs = windowMs;
  }

  /** Counts one event; false when there were too many in this window. */
  take(name: string): boolean {
    const now = performance.now();
    if (now >= this.#windowEndsAtMs) {
      this.#counts = new Map();
      this.#windowEndsAtMs = now + this.#windowMs;
    }
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return count <= this.#limit;
  }
}
