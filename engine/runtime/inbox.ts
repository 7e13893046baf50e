/**
 * Where messages from one peer wait for their receiver, or receivers for their message. Knows nothing of how messages come.
 * Invariant: a key is either waited for, or arrived and unread, never both; a message is handed over once.
 */
import { InternalError } from '../../shared/errors.ts';
import type { TacitError } from '../../shared/errors.ts';
import { describeMessageKey, laneOf, messageKeyId, messageLengthError } from './message-key.ts';
import type { Lane } from './message-key.ts';
import type { MessageKey } from './transport.ts';

/** What a message takes beside its bytes, roughly: without it, empty ones would cost nothing. */
const MESSAGE_COST_BYTES = 256;

interface Waiter {
  readonly length: number | undefined;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

export class Inbox {
  readonly #peer: string;
  readonly #handedOver: (key: MessageKey, byteLength: number) => void;
  #arrived = new Map<string, Uint8Array>();
  #waiters = new Map<string, Waiter>();
  #unreadBytes: Record<Lane, number> = { rounds: 0, material: 0 };
  #ended: TacitError | undefined;

  /** `handedOver` is called each time a receiver has got its message. */
  constructor(peer: string, handedOver: (key: MessageKey, byteLength: number) => void) {
    this.#peer = peer;
    this.#handedOver = handedOver;
  }

  /** Bytes that whole messages take which nobody has asked for yet. */
  unreadBytes(lane: Lane): number {
    return this.#unreadBytes[lane];
  }

  /** Takes in a whole message; the array belongs to the receiver from now on. */
  deliver(key: MessageKey, payload: Uint8Array): void {
    const id = messageKeyId(key);
    const waiter = this.#waiters.get(id);
    if (waiter === undefined) {
      this.#arrived.set(id, payload);
      this.#unreadBytes[laneOf(key)] += payload.byteLength + MESSAGE_COST_BYTES;
      return;
    }
    this.#waiters.delete(id);
    this.#handOver(key, payload, waiter);
  }

  /** See Transport.receive. */
  receive(key: MessageKey, length: number | undefined, signal?: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = messageKeyId(key);
      const arrived = this.#arrived.get(id);
      if (arrived !== undefined) {
        this.#arrived.delete(id);
        this.#unreadBytes[laneOf(key)] -= arrived.byteLength + MESSAGE_COST_BYTES;
        this.#handOver(key, arrived, { length, resolve, reject });
        return;
      }
      if (this.#ended !== undefined) throw this.#ended;
      if (this.#waiters.has(id)) {
        throw new InternalError(
          'message-awaited-twice',
          `Two receivers wait for ${describeMessageKey(key)} of ${this.#peer}.`,
        );
      }
      if (signal === undefined) {
        this.#waiters.set(id, { length, resolve, reject });
        return;
      }
      const onAbort = () => {
        this.#waiters.delete(id);
        reject(signal.reason as unknown);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.set(id, {
        length,
        resolve: (payload) => {
          signal.removeEventListener('abort', onAbort);
          resolve(payload);
        },
        reject: (error) => {
          signal.removeEventListener('abort', onAbort);
          reject(error);
        },
      });
    });
  }

  /** No further message will come: whoever waits, and whoever asks later for one that has not arrived, gets the error. */
  end(error: TacitError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(error);
  }

  /** As `end`, and what has arrived is dropped too. */
  fail(error: TacitError): void {
    this.#arrived.clear();
    this.#unreadBytes = { rounds: 0, material: 0 };
    this.end(error);
  }

  #handOver(key: MessageKey, payload: Uint8Array, waiter: Waiter): void {
    if (waiter.length !== undefined && waiter.length !== payload.byteLength) {
      waiter.reject(messageLengthError(this.#peer, key, waiter.length, payload.byteLength));
      return;
    }
    this.#handedOver(key, payload.byteLength);
    waiter.resolve(payload);
  }
}
