/**
 * The engine's ports to the store and the dealer: a mask guard on the vault's cursor, and correction records that come as
 * sealed messages. Knows nothing of what is computed.
 */
import type { MaskGuard, RecordSource } from '../../../engine/runtime/ports.ts';
import type { PartyStreams } from '../../../engine/random/streams.ts';
import type { Transport } from '../../../engine/runtime/transport.ts';
import { InternalError } from '../../../shared/errors.ts';
import type { VaultCursor } from '../store/vault.ts';

/** Executions leased at once: one fsync for so many, and so many burnt by a crash at most. */
const LEASE_EXECUTIONS = 16;
/** Records asked for ahead; what comes beyond waits in the session's bounded queue, and the dealer with it. */
const RECORDS_AHEAD = 3;

export class CursorGuard implements MaskGuard {
  readonly #cursor: VaultCursor;
  /** Executions below this one are leased. */
  #leasedBelow = 0;

  readonly #resumes: boolean;

  /** `resumes`: execution 0 is followed by a later one than 1; the executions of a lease run one after the other. */
  constructor(cursor: VaultCursor, resumes: boolean) {
    this.#cursor = cursor;
    this.#resumes = resumes;
  }

  begin(execution: number): Promise<void> {
    if (execution >= this.#leasedBelow) {
      const from = Math.max(execution, this.#cursor.next);
      if (from !== execution) {
        throw new InternalError('mask-burnt', `Execution ${execution} was leased before, the cursor is at ${from}.`);
      }
      const count = this.#resumes && execution === 0 ? 1 : LEASE_EXECUTIONS;
      this.#cursor.lease(from, count);
      this.#leasedBelow = from + count;
    }
    return Promise.resolve();
  }

  record(execution: number, round: number, digest: Uint8Array): void {
    this.#cursor.record(execution, `round ${round}`, digest);
  }

  finish(execution: number): void {
    this.#cursor.finish(execution);
  }
}

/** Text that binds a sealed record to its place; the execution is in the nonce. */
export function recordContext(session: string, attempt: number, execution: number, party: string): string {
  return JSON.stringify(['tacit/v1/record', session, attempt, execution, party]);
}

export interface RecordStreamOptions {
  readonly transport: Transport;
  readonly dealer: string;
  readonly session: string;
  readonly attempt: number;
  readonly party: string;
  readonly streams: PartyStreams;
  /** Executions that need a record, in the order in which they run, from the next one on. */
  readonly executions: Iterator<number>;
}

/** Correction records from the dealer, a few asked for ahead. */
export class RecordStream implements RecordSource {
  readonly #options: RecordStreamOptions;
  readonly #asked = new Map<number, Promise<Uint8Array>>();

  constructor(options: RecordStreamOptions) {
    this.#options = options;
    for (let i = 0; i < RECORDS_AHEAD; i++) this.#askNext();
  }

  async take(execution: number): Promise<Uint8Array> {
    const { session, attempt, party, streams } = this.#options;
    const asked = this.#asked.get(execution);
    if (asked === undefined)
      throw new InternalError('record-order', `No record of execution ${execution} was asked for.`);
    const sealed = await asked;
    this.#asked.delete(execution);
    this.#askNext();
    return streams.open(recordContext(session, attempt, execution, party), execution, sealed);
  }

  #askNext(): void {
    const { transport, dealer, attempt, executions } = this.#options;
    const next = executions.next();
    if (next.done === true) return;
    const asked = transport.receive(dealer, { attempt, execution: next.value, round: -1 }, undefined);
    // Whoever takes it meets the error.
    asked.catch(() => {});
    this.#asked.set(next.value, asked);
  }
}
