/** A value that is read from the host, and read again whenever it may have changed: the latest answer counts. */
import type { ApiErrorBody } from '../../../shared/api/call.ts';
import { errorBody } from '../api/carrier.ts';

export class Loader<Value> {
  value = $state.raw<Value>();
  error = $state<ApiErrorBody>();
  sinceMs = $state(Date.now());
  #latest = 0;

  /** `keeps`: the old value stays until the new one is there. */
  async load(work: () => Promise<Value>, keeps = true): Promise<void> {
    const own = ++this.#latest;
    this.sinceMs = Date.now();
    if (!keeps) this.value = undefined;
    try {
      const value = await work();
      if (own !== this.#latest) return;
      this.value = value;
      this.error = undefined;
    } catch (error) {
      if (own === this.#latest) this.error = errorBody(error);
    }
  }
}
