/** What the executor needs from its host besides kernels and transport; the host's store implements it, tests in memory. */

/** Correction records of this party, each consumed once. */
export interface RecordSource {
  /** Opened (authenticated, decrypted) bytes for an execution; waits for the dealer. */
  take(execution: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/**
 * Keeps a mask from ever hiding two values (corrections C3). An execution must be reserved durably before its first message;
 * the digest of every message is recorded before it leaves, and another message under the same key is refused.
 */
export interface MaskGuard {
  /** Returns once the execution is reserved durably; refuses one that was used or burnt. */
  begin(execution: number): Promise<void>;
  /** Throws `mask-reused` if another digest was recorded for this round. */
  record(execution: number, round: number, digest: Uint8Array): void;
  finish(execution: number): void;
}
