/**
 * A value that is read from the host, and read again whenever it may have changed: the latest answer counts. What could not
 * be read is read again once the host is back. Made while a component is.
 */
import { untrack } from 'svelte';
import type { ApiErrorBody } from '../../../shared/api/call.ts';
import type { ConnectionState } from '../api/carrier.ts';
import { errorBody } from '../api/carrier.ts';

export class Loader<Value> {
  value = $state.raw<Value>();
  error = $state<ApiErrorBody>();
  sinceMs = $state(Date.now());
  #latest = 0;
  #work: (() => Promise<Value>) | undefined;

  constructor(connection: () => ConnectionState) {
    $effect(() => {
      if (connection() === 'connected' && untrack(() => this.error) !== undefined) void untrack(() => this.#read());
    });
  }

  /** `keeps`: the old value stays until the new one is there. */
  async load(work: () => Promise<Value>, keeps = true): Promise<void> {
    this.#work = work;
    if (!keeps) this.value = undefined;
    await this.#read();
  }

  async #read(): Promise<void> {
    const own = ++this.#latest;
    this.sinceMs = Date.now();
    try {
      const value = await this.#work?.();
      if (own !== this.#latest) return;
      this.value = value;
      this.error = undefined;
    } catch (error) {
      if (own === this.#latest) this.error = errorBody(error);
    }
  }
}
