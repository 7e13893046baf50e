/**
 * A line of tries that cannot succeed yet: each is tried again when room may have grown, in order of arrival. The first in the
 * line may use any room; those behind it may only succeed without (`isFirst` false). Knows nothing of what is tried.
 */

interface Entry {
  /** False: not yet. */
  readonly attempt: (isFirst: boolean) => boolean;
  readonly reject: (reason: Error) => void;
}

export class WaitingLine {
  readonly #entries = new Set<Entry>();
  #busy = false;
  #again = false;

  /** Resolves with what `attempt` returns once that is not undefined; rejects when it throws, on abort, and when emptied. */
  wait<T>(attempt: (isFirst: boolean) => T | undefined, signal: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal.throwIfAborted();
      const leave = (): void => signal.removeEventListener('abort', abort);
      const entry: Entry = {
        attempt: (isFirst) => {
          const result = attempt(isFirst);
          if (result === undefined) return false;
          leave();
          resolve(result);
          return true;
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      };
      const abort = (): void => {
        this.#entries.delete(entry);
        entry.reject(signal.reason as Error);
        this.retry(); // the one behind may be first now
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#entries.add(entry);
      this.retry();
    });
  }

  /** Tries again. A try may itself cause another retry: that one follows when this one is through. */
  retry(): void {
    this.#again = true;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#again) {
      this.#again = false;
      this.#pass();
    }
    this.#busy = false;
  }

  /** Rejects all that wait. */
  empty(reason: Error): void {
    const entries = [...this.#entries];
    this.#entries.clear();
    for (const { reject } of entries) reject(reason);
  }

  #pass(): void {
    let isFirst = true;
    for (const entry of this.#entries) {
      try {
        if (entry.attempt(isFirst)) this.#entries.delete(entry);
        else isFirst = false;
      } catch (error) {
        this.#entries.delete(entry);
        entry.reject(error as Error);
      }
    }
  }
}
