/**
 * The engine's end of an attempt's transport. It counts what executions put on the links: payload bytes by the session's own
 * counters, rounds by the messages' keys. And it lets the engine compute on while the host takes a message: a send returns at
 * once until UNACCEPTED_BYTES are on their way to the host. Knows nothing of plans; whoever predicts compares.
 */
import type { MessageKey, Transport, TransportCounters } from '../../../engine/runtime/transport.ts';

/** Of one party, over some executions. */
export interface Tally {
  bytesSent: number;
  bytesReceived: number;
  rounds: number;
}

const UNACCEPTED_BYTES = 8 << 20;

export class EngineTransport implements Transport {
  readonly #inner: Transport;
  /** Whose messages count: the dealer's are material. */
  readonly #counted: readonly string[];
  readonly #unaccepted = new Set<Promise<void>>();
  #unacceptedBytes = 0;
  #failure: Error | undefined;
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

  /** The failure of a send that was not waited for comes out of the next one, or of `total`. */
  async send(peer: string, key: MessageKey, payload: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#note(key);
    const { byteLength } = payload;
    this.#unacceptedBytes += byteLength;
    const accepted = this.#inner.send(peer, key, payload, signal);
    const settled = accepted
      .catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => {
        this.#unacceptedBytes -= byteLength;
        this.#unaccepted.delete(settled);
      });
    this.#unaccepted.add(settled);
    if (this.#unacceptedBytes > UNACCEPTED_BYTES) await accepted;
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

  /** All that was counted until now, once every message is accepted. */
  async total(): Promise<Tally> {
    await Promise.all(this.#unaccepted);
    if (this.#failure !== undefined) throw this.#failure;
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
