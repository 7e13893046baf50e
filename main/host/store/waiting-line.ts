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
  #entries: Entry[] = [];

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
        this.#entries = this.#entries.filter((other) => other !== entry);
        entry.reject(signal.reason as Error);
        this.retry(); // the one behind may be first now
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#entries.push(entry);
      this.retry();
    });
  }

  /** Tries again. */
  retry(): void {
    const still: Entry[] = [];
    for (const entry of this.#entries) {
      try {
        if (!entry.attempt(still.length === 0)) still.push(entry);
      } catch (error) {
        entry.reject(error as Error);
      }
    }
    this.#entries = still;
  }

  /** Rejects all that wait. */
  empty(reason: Error): void {
    const entries = this.#entries;
    this.#entries = [];
    for (const entry of entries) entry.reject(reason);
  }
}
