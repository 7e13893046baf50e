/**
 * Counts what an attempt's executions put on the links: payload bytes from the session's own counters, rounds by the
 * messages' keys. Knows nothing of plans; whoever predicts compares.
 */
import type { MessageKey, Transport, TransportCounters } from '../../../engine/runtime/transport.ts';

/** Of one party, over some executions. */
export interface Tally {
  bytesSent: number;
  bytesReceived: number;
  rounds: number;
}

export class CountingTransport implements Transport {
  readonly #inner: Transport;
  /** Whose messages count: the dealer's are material. */
  readonly #counted: readonly string[];
  #last = '';
  #rounds = 0;

  constructor(inner: Transport, counted: readonly string[]) {
    this.#inner = inner;
    this.#counted = counted;
  }

  get self(): string {
    return this.#inner.self;
  }

  get peers(): readonly string[] {
    return this.#inner.peers;
  }

  send(peer: string, key: MessageKey, payload: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#note(key);
    return this.#inner.send(peer, key, payload, signal);
  }

  receive(peer: string, key: MessageKey, length: number | undefined, signal?: AbortSignal): Promise<Uint8Array> {
    this.#note(key);
    return this.#inner.receive(peer, key, length, signal);
  }

  counters(peer: string): Readonly<TransportCounters> {
    return this.#inner.counters(peer);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** All that was counted until now. */
  total(): Tally {
    const counters = this.#counted.map((peer) => this.#inner.counters(peer));
    return {
      bytesSent: counters.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
      bytesReceived: counters.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0),
      rounds: this.#rounds,
    };
  }

  /** Rounds follow each other, so a new key is a new round. */
  #note({ execution, round }: MessageKey): void {
    if (round < 0) return;
    const key = `${execution}/${round}`;
    if (key !== this.#last) this.#rounds++;
    this.#last = key;
  }
}
