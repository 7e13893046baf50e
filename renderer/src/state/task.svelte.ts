/** One thing that a person started and waits for: whether it runs, and why it failed. */
import { untrack } from 'svelte';
import type { ApiErrorBody } from '../../../shared/api/call.ts';
import { errorBody } from '../api/carrier.ts';

export class Task {
  isRunning = $state(false);
  error = $state<ApiErrorBody>();

  /** Runs `work`; a failure is kept in `error` and gives undefined. A second start while it runs does nothing. */
  async run<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    // An effect that starts a task does not begin again when the task ends.
    if (untrack(() => this.isRunning)) return undefined;
    this.isRunning = true;
    this.error = undefined;
    try {
      return await work();
    } catch (error) {
      this.error = errorBody(error);
      return undefined;
    } finally {
      this.isRunning = false;
    }
  }
}
