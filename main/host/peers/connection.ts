/**
 * One authenticated connection to a peer, whichever side dialled it: frames and control messages both ways, in order, until
 * it ends. Knows nothing of reconnecting or of sessions; a link outlives its connections.
 *
 * Cost: a frame is one WebSocket message, handed to TLS at once. Sends are not awaited: sessions bound what is on its way.
 */
import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import { FRAME_HEADER_BYTES, controlSchemas, readFrameHeader, writeFrameHeader } from '../../../shared/wire.ts';
import type { Control, ControlName, FrameHeader } from '../../../shared/wire.ts';
import { CONTROL_EVENT, FRAME_EVENT } from './packets.ts';
import { RateLimit } from './rate-limit.ts';

/** What a socket of socket.io's server and of its client have in common. */
export interface EventSocket {
  emit(event: string, argument: unknown): unknown;
  on(event: string, listener: (argument: unknown) => void): unknown;
  disconnect(close?: boolean): unknown;
}

export interface ConnectionListener {
  /** `frame` holds the header too; its memory belongs to the network and may be reused by nobody else. */
  onFrame(header: FrameHeader, frame: Uint8Array): void;
  onControl(control: Control): void;
  /** Called once. `violation`: the peer sent something that no correct host sends. */
  onEnd(violation: string | undefined): void;
}

/** Where the peer's hello was checked. */
export interface ConnectionPeer {
  readonly fingerprint: string;
  readonly software: string;
  /** Whether this host dialled. */
  readonly dialled: boolean;
}

const PING_INTERVAL_MS = 5_000;
/** A peer from which not a byte came for so long is taken for lost, although the network has not said so. */
const SILENCE_LIMIT_MS = 20_000;
const PROBE_LIMIT_MS = 2_000;
/**
 * Pings, and control messages but for talk (link-talk.ts counts that), which a peer may send a minute: each is answered, and a
 * peer that does not read would let the answers pile up.
 */
const ANSWERED_PER_MINUTE = 3_000;

const controlNameSchema = z.object({
  name: z.enum(Object.keys(controlSchemas) as ControlName[]),
  body: z.unknown(),
});

export class Connection {
  readonly peer: ConnectionPeer;
  readonly openedAtMs = Date.now();
  readonly #socket: EventSocket;
  readonly #tls: TLSSocket;
  #listener: ConnectionListener | undefined;
  #early: ((listener: ConnectionListener) => void)[] = [];
  readonly #answered = new RateLimit(ANSWERED_PER_MINUTE, 60_000);
  #ended = false;
  #violation: string | undefined;
  #pingTimer: NodeJS.Timeout | undefined;
  #pings = 0;
  #pingSentAtMs = 0;
  #rttMs: number | undefined;
  #seenBytes = 0;
  #seenAtMs = performance.now();
  #rate = { atMs: performance.now(), read: 0, written: 0, inPerSecond: 0, outPerSecond: 0 };

  constructor(peer: ConnectionPeer, socket: EventSocket, tls: TLSSocket) {
    this.peer = peer;
    this.#socket = socket;
    this.#tls = tls;
    socket.on(FRAME_EVENT, (frame) => this.#onFrame(frame));
    socket.on(CONTROL_EVENT, (message) => this.#onControl(message));
    socket.on('disconnect', () => this.#end());
  }

  /** Begins to deliver, with what came before first. */
  start(listener: ConnectionListener): void {
    this.#listener = listener;
    for (const event of this.#early.splice(0)) event(listener);
    if (this.#ended) {
      listener.onEnd(this.#violation);
      return;
    }
    this.#ping();
    this.#pingTimer = setInterval(() => this.#watch(), PING_INTERVAL_MS);
    this.#pingTimer.unref();
  }

  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** Bytes per second each way, TLS included, over the last interval between pings. */
  get throughput(): { readonly inPerSecond: number; readonly outPerSecond: number } {
    return { inPerSecond: this.#rate.inPerSecond, outPerSecond: this.#rate.outPerSecond };
  }

  send(frame: Uint8Array): void {
    if (!this.#ended) this.#socket.emit(FRAME_EVENT, frame);
  }

  control(control: Control): void {
    if (!this.#ended) this.#socket.emit(CONTROL_EVENT, control);
  }

  /** Ends the connection because of what the peer sent. */
  refuse(violation: string): void {
    this.#violation ??= violation;
    this.close();
  }

  /** Resolves when the network has taken the last word and the socket is gone. */
  get gone(): Promise<void> {
    if (this.#tls.destroyed) return Promise.resolve();
    return new Promise((resolve) => this.#tls.once('close', () => resolve()));
  }

  /** What was sent before still leaves. */
  close(): void {
    if (this.#ended) return;
    this.#socket.disconnect(true);
    this.#end();
  }

  /** Ends the connection unless the peer answers soon; for when there is reason to doubt it. */
  probe(): void {
    const readBefore = this.#tls.bytesRead;
    this.#ping();
    setTimeout(() => {
      if (this.#tls.bytesRead === readBefore) this.#drop();
    }, PROBE_LIMIT_MS).unref();
  }

  /** Without waiting for the other end, which is taken for lost. */
  #drop(): void {
    this.#tls.destroy();
    this.close();
  }

  #watch(): void {
    const now = performance.now();
    const { bytesRead, bytesWritten } = this.#tls;
    const seconds = (now - this.#rate.atMs) / 1000;
    this.#rate = {
      atMs: now,
      read: bytesRead,
      written: bytesWritten,
      inPerSecond: (bytesRead - this.#rate.read) / seconds,
      outPerSecond: (bytesWritten - this.#rate.written) / seconds,
    };
    if (bytesRead !== this.#seenBytes) {
      this.#seenBytes = bytesRead;
      this.#seenAtMs = now;
    } else if (now - this.#seenAtMs > SILENCE_LIMIT_MS) {
      this.#drop();
      return;
    }
    this.#ping();
  }

  #ping(): void {
    this.#pings += 1;
    this.#pingSentAtMs = performance.now();
    this.send(linkFrame('ping', this.#pings));
  }

  #onFrame(frame: unknown): void {
    if (this.#ended) return;
    if (!(frame instanceof Uint8Array)) return this.refuse('frame-malformed');
    let header: FrameHeader;
    try {
      header = readFrameHeader(frame);
    } catch {
      return this.refuse('frame-malformed');
    }
    if (header.type === 'ping') {
      return this.#answered.take('') ? this.send(linkFrame('pong', header.sequence)) : this.refuse('too-many-messages');
    }
    if (header.type === 'pong') {
      if (header.sequence === this.#pings) this.#rttMs = performance.now() - this.#pingSentAtMs;
      return;
    }
    if (this.#listener !== undefined) this.#listener.onFrame(header, frame);
    else this.#early.push((listener) => listener.onFrame(header, frame));
  }

  #onControl(message: unknown): void {
    if (this.#ended) return;
    const named = controlNameSchema.safeParse(message);
    const body = named.success ? controlSchemas[named.data.name].safeParse(named.data.body) : undefined;
    if (!named.success || body?.success !== true) return this.refuse('control-malformed');
    const control = { name: named.data.name, body: body.data } as Control;
    if (control.name !== 'talk' && !this.#answered.take('')) return this.refuse('too-many-messages');
    if (this.#listener !== undefined) this.#listener.onControl(control);
    else this.#early.push((listener) => listener.onControl(control));
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#pingTimer);
    this.#listener?.onEnd(this.#violation);
  }
}

function linkFrame(type: 'ping' | 'pong', number: number): Uint8Array {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  writeFrameHeader(frame, {
    type,
    lane: 'rounds',
    sessionTag: 0,
    sequence: number,
    acknowledged: 0,
    attempt: 0,
    execution: 0,
    round: 0,
    chunk: 0,
    chunks: 0,
    totalBytes: 0,
  });
  return frame;
}
