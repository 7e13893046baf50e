/**
 * Correction records by way of the vault: all that the dealer sends is stored as it comes, ahead of the executions that take
 * it, within the vault's quota. Beyond it the session's bounded queue fills, and the dealer waits. Knows nothing of what is
 * computed.
 */
import type { RecordSource } from '../../../engine/runtime/ports.ts';
import type { PartyStreams } from '../../../engine/random/streams.ts';
import type { Transport } from '../../../engine/runtime/transport.ts';
import { MachineError } from '../../../shared/errors.ts';
import type { VaultCursor } from '../store/vault.ts';
import { recordContext } from './vault-ports.ts';

/** An execution that needs a record, and what it runs, for the stock's display. */
export interface Need {
  readonly number: number;
  readonly program: string;
}

export interface VaultRecordsOptions {
  readonly transport: Transport;
  readonly dealer: string;
  readonly session: string;
  readonly attempt: number;
  readonly party: string;
  readonly streams: PartyStreams;
  readonly cursor: VaultCursor;
  /** In the order in which they run. */
  readonly needs: readonly Need[];
  /** Told of each record that is stored. */
  readonly onStored: (stored: number) => void;
}

/** An execution has one record. */
const RECORD = 0;

export class VaultRecords implements RecordSource {
  /** All records are stored, or as many as the quota lets in: nothing more is gained by waiting. */
  readonly stocked: Promise<void>;
  readonly #options: VaultRecordsOptions;
  readonly #stop = new AbortController();
  readonly #stocked = Promise.withResolvers<void>();

  constructor(options: VaultRecordsOptions) {
    this.#options = options;
    this.stocked = this.#stocked.promise;
    // Whoever waits for the stock or for a record meets the error.
    this.stocked.catch(() => {});
    this.#storeAll().then(this.#stocked.resolve, (error: unknown) => {
      this.#stocked.reject(error);
      this.#stop.abort(error);
    });
  }

  async take(execution: number, signal?: AbortSignal): Promise<Uint8Array> {
    const { session, attempt, party, streams, cursor } = this.#options;
    const ended = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    const sealed = await cursor.takeWhenStored(execution, RECORD, ended);
    return streams.open(recordContext(session, attempt, execution, party), execution, sealed);
  }

  async #storeAll(): Promise<void> {
    const { transport, dealer, attempt, cursor, needs, onStored } = this.#options;
    let stored = 0;
    for (const { number, program } of needs) {
      const key = { attempt, execution: number, round: -1 };
      const sealed = await transport.receive(dealer, key, undefined, this.#stop.signal);
      const record = { execution: number, number: RECORD, label: program, sealed };
      try {
        cursor.append(record);
      } catch (error) {
        if (!(error instanceof MachineError) || error.code !== 'vault-full') throw error;
        this.#stocked.resolve();
        await cursor.appendWhenRoom(record, this.#stop.signal);
      }
      onStored(++stored);
    }
  }
}
