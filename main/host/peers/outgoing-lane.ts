/**
 * The sending half of one lane of a session with one peer: a bounded queue of messages, cut into numbered frames that are
 * kept until the peer has acknowledged them and sent again on the next connection. Knows nothing of sockets.
 *
 * Invariants: frames leave in order of their numbers; a frame never changes but for its acknowledgement field.
 * Cost: one copy and one SHA-256 of each message.
 */
import { hash } from 'node:crypto';
import { KeyWindow } from '../../../engine/runtime/key-window.ts';
import { messageKeyReused } from '../../../engine/runtime/message-key.ts';
import type { Lane } from '../../../engine/runtime/message-key.ts';
import type { MessageKey } from '../../../engine/runtime/transport.ts';
import {
  CHUNK_BYTES,
  FRAME_HEADER_BYTES,
  MAX_FRAMES_IN_FLIGHT,
  chunksOf,
  writeAcknowledged,
  writeFrameHeader,
} from '../../../shared/wire.ts';

export interface OutgoingLaneSettings {
  readonly peer: string;
  readonly lane: Lane;
  readonly sessionTag: number;
  /** Bytes on their way above which messages wait; at most MAX_BYTES_IN_FLIGHT. */
  readonly windowBytes: number;
  /** Hands a frame to the connection; does nothing while there is none. */
  readonly emit: (frame: Uint8Array) => void;
  /** What to acknowledge of the other direction with a frame that leaves now. */
  readonly acknowledge: () => number;
  /** A message has been accepted whole. */
  readonly accepted: (byteLength: number) => void;
}

interface Pending {
  readonly key: MessageKey;
  readonly payload: Uint8Array;
  nextChunk: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class OutgoingLane {
  readonly #settings: OutgoingLaneSettings;
  readonly #keys = new KeyWindow();
  #pending: Pending[] = [];
  /** Frames #acknowledged ... #next - 1, in order. */
  #unacknowledged: Uint8Array[] = [];
  #unacknowledgedBytes = 0;
  #acknowledged = 0;
  #next = 0;
  #ending = false;

  constructor(settings: OutgoingLaneSettings) {
    this.#settings = settings;
  }

  get isDrained(): boolean {
    return this.#pending.length === 0 && this.#unacknowledged.length === 0;
  }

  /** See Transport.send. */
  send(key: MessageKey, payload: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal === undefined) {
        this.#pending.push({ key, payload, nextChunk: 0, resolve, reject });
        this.#pump();
        return;
      }
      const pending: Pending = {
        key,
        payload,
        nextChunk: 0,
        resolve: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
        reject: (error) => {
          signal.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      const onAbort = () => {
        // A message that has begun to leave goes on; the receiver could not tell its beginning from a whole one.
        if (pending.nextChunk === 0) this.#pending.splice(this.#pending.indexOf(pending), 1);
        reject(signal.reason as unknown);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#pending.push(pending);
      this.#pump();
    });
  }

  /** Sends the last frame of the lane after what is pending. */
  end(): void {
    this.#ending = true;
    this.#pump();
  }

  /** All frames below `position` have arrived. False when the peer cannot have received so many. */
  acknowledgedBelow(position: number): boolean {
    if (position > this.#next) return false;
    const count = position - this.#acknowledged;
    if (count <= 0) return true;
    for (const frame of this.#unacknowledged.splice(0, count)) this.#unacknowledgedBytes -= frame.byteLength;
    this.#acknowledged = position;
    this.#pump();
    return true;
  }

  /** On a new connection: sends again whatever has not arrived. */
  resend(): void {
    const acknowledged = this.#settings.acknowledge();
    for (const frame of this.#unacknowledged) {
      writeAcknowledged(frame, acknowledged);
      this.#settings.emit(frame);
    }
  }

  /** Nothing more will leave. */
  fail(error: unknown): void {
    for (const pending of this.#pending.splice(0)) pending.reject(error);
    this.#unacknowledged = [];
    this.#unacknowledgedBytes = 0;
  }

  get #hasRoom(): boolean {
    const { length } = this.#unacknowledged;
    return length === 0 || (length < MAX_FRAMES_IN_FLIGHT && this.#unacknowledgedBytes < this.#settings.windowBytes);
  }

  #pump(): void {
    for (let head = this.#pending[0]; head !== undefined && this.#hasRoom; head = this.#pending[0]) {
      const { key, payload } = head;
      if (head.nextChunk === 0 && !this.#begin(head)) {
        this.#pending.shift();
        continue;
      }
      this.#emitChunk(key, payload, head.nextChunk);
      head.nextChunk += 1;
      if (head.nextChunk === chunksOf(payload.byteLength)) {
        this.#pending.shift();
        this.#settings.accepted(payload.byteLength);
        head.resolve();
      }
    }
    if (this.#ending && this.#pending.length === 0) {
      this.#ending = false;
      this.#emit(this.#frame('end', { attempt: 0, execution: 0, round: 0 }, 0, 0, 0, 0));
    }
  }

  /** Whether the message is new; a resend is done with, a reused key refused. */
  #begin({ key, payload, resolve, reject }: Pending): boolean {
    const outcome = this.#keys.record(key, hash('sha256', payload, 'base64'));
    if (outcome === 'repeated') resolve();
    if (outcome === 'reused') reject(messageKeyReused(this.#settings.peer, key));
    return outcome === 'new';
  }

  #emitChunk(key: MessageKey, payload: Uint8Array, chunk: number): void {
    const chunks = chunksOf(payload.byteLength);
    const part = payload.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
    const frame = this.#frame('data', key, chunk, chunks, payload.byteLength, part.byteLength);
    frame.set(part, FRAME_HEADER_BYTES);
    this.#emit(frame);
  }

  #frame(
    type: 'data' | 'end',
    key: MessageKey,
    chunk: number,
    chunks: number,
    totalBytes: number,
    payloadBytes: number,
  ): Uint8Array {
    const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payloadBytes);
    const { lane, sessionTag } = this.#settings;
    const { attempt, execution, round } = key;
    const acknowledged = this.#settings.acknowledge();
    const sequence = this.#next;
    writeFrameHeader(frame, {
      type,
      lane,
      sessionTag,
      sequence,
      acknowledged,
      attempt,
      execution,
      round,
      chunk,
      chunks,
      totalBytes,
    });
    return frame;
  }

  #emit(frame: Uint8Array): void {
    this.#next += 1;
    this.#unacknowledged.push(frame);
    this.#unacknowledgedBytes += frame.byteLength;
    this.#settings.emit(frame);
  }
}
