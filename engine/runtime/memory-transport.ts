/**
 * Transport between parties of one process, for tests and local simulation, with settable latency and bandwidth.
 * Knows nothing of sockets. Same rules as the links of a host; the compliance suite holds both to them.
 *
 * Cost: one copy and one pass of a 64-bit check per message. Without delay a message is handed over inside `send`.
 */
import { InternalError, PeerError } from '../../shared/errors.ts';
import { Inbox } from './inbox.ts';
import { KeyWindow } from './key-window.ts';
import { LANES, checkMessageKey, laneOf, messageKeyReused } from './message-key.ts';
import type { Lane } from './message-key.ts';
import type { MessageKey, Transport, TransportCounters } from './transport.ts';

export interface MemoryNetworkOptions {
  /** Simulated latency; timers make it at least one millisecond where it is not zero. */
  readonly oneWayDelayMs?: number;
  /** Simulated bandwidth of each direction between two parties. */
  readonly bytesPerSecond?: number;
  /** Unread bytes per direction and lane above which `send` waits. */
  readonly queueBytes?: number;
}

const QUEUE_BYTES = 64 * 1024 * 1024;

/** One transport per party, each reaching all others. */
export function memoryNetwork(parties: readonly string[], options: MemoryNetworkOptions = {}): Map<string, Transport> {
  const network = new Map<string, MemoryTransport>();
  for (const party of parties) {
    const peers = parties.filter((other) => other !== party);
    network.set(party, new MemoryTransport(party, peers, network, options));
  }
  return network;
}

/** One direction between two parties. */
class Direction {
  readonly counters: TransportCounters = { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 };
  readonly inbox: Inbox;
  readonly keys = new KeyWindow();
  readonly #options: MemoryNetworkOptions;
  #inFlight: { key: MessageKey; payload: Uint8Array; arrivesAtMs: number }[] = [];
  #inFlightBytes: Record<Lane, number> = { rounds: 0, material: 0 };
  #lineFreeAtMs = 0;
  #roomWaiters: Record<Lane, (() => void)[]> = { rounds: [], material: [] };
  #endedBy: PeerError | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(from: string, options: MemoryNetworkOptions) {
    this.#options = options;
    this.inbox = new Inbox(from, (key, byteLength) => {
      this.counters.bytesReceived += byteLength;
      this.counters.messagesReceived += 1;
      this.#wake(laneOf(key));
    });
  }

  hasRoom(lane: Lane): boolean {
    const limit = this.#options.queueBytes ?? QUEUE_BYTES;
    return this.inbox.unreadBytes(lane) + this.#inFlightBytes[lane] < limit;
  }

  /** Waits until the lane may have room, the session ends, or the signal aborts; the caller looks again. */
  roomChange(lane: Lane, signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const waiters = this.#roomWaiters[lane];
      const wake = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = () => {
        waiters.splice(waiters.indexOf(wake), 1);
        reject(signal?.reason as unknown);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      waiters.push(wake);
    });
  }

  carry(key: MessageKey, payload: Uint8Array): void {
    this.counters.bytesSent += payload.byteLength;
    this.counters.messagesSent += 1;
    const { oneWayDelayMs = 0, bytesPerSecond = Infinity } = this.#options;
    if (oneWayDelayMs === 0 && bytesPerSecond === Infinity) {
      this.inbox.deliver(key, payload);
      return;
    }
    const transferMs = (payload.byteLength / bytesPerSecond) * 1000;
    this.#lineFreeAtMs = Math.max(this.#lineFreeAtMs, performance.now()) + transferMs;
    this.#inFlight.push({ key, payload, arrivesAtMs: this.#lineFreeAtMs + oneWayDelayMs });
    this.#inFlightBytes[laneOf(key)] += payload.byteLength;
    this.#schedule();
  }

  /** The sending party has left: what is on its way still arrives. */
  end(error: PeerError): void {
    this.#endedBy = error;
    if (this.#inFlight.length === 0) this.inbox.end(error);
    this.#wakeAll();
  }

  /** The receiving party has left. */
  fail(error: PeerError): void {
    this.#endedBy = error;
    this.#inFlight = [];
    this.inbox.fail(error);
    this.#wakeAll();
  }

  #schedule(): void {
    const next = this.#inFlight[0];
    if (next === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#arrive(), Math.max(0, next.arrivesAtMs - performance.now()));
  }

  #arrive(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let next = this.#inFlight[0]; next !== undefined && next.arrivesAtMs <= now; next = this.#inFlight[0]) {
      this.#inFlight.shift();
      this.#inFlightBytes[laneOf(next.key)] -= next.payload.byteLength;
      this.inbox.deliver(next.key, next.payload);
    }
    this.#schedule();
    if (this.#inFlight.length === 0 && this.#endedBy !== undefined) this.inbox.end(this.#endedBy);
  }

  /** Whoever waits for room looks again, finds the session closed, and gives up. */
  #wakeAll(): void {
    for (const lane of LANES) for (const wake of this.#roomWaiters[lane].splice(0)) wake();
  }

  #wake(lane: Lane): void {
    const waiters = this.#roomWaiters[lane];
    if (waiters.length > 0 && this.hasRoom(lane)) for (const wake of waiters.splice(0)) wake();
  }
}

class MemoryTransport implements Transport {
  readonly self: string;
  readonly peers: readonly string[];
  readonly #network: ReadonlyMap<string, MemoryTransport>;
  /** What each peer has sent here. */
  readonly incoming: ReadonlyMap<string, Direction>;
  closed = false;

  constructor(
    self: string,
    peers: readonly string[],
    network: ReadonlyMap<string, MemoryTransport>,
    options: MemoryNetworkOptions,
  ) {
    this.self = self;
    this.peers = peers;
    this.#network = network;
    this.incoming = new Map(peers.map((peer) => [peer, new Direction(peer, options)]));
  }

  async send(peer: string, key: MessageKey, payload: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkMessageKey(key);
    const direction = this.#outgoing(peer);
    this.#refuseWhenClosed(peer);
    const lane = laneOf(key);
    while (!direction.hasRoom(lane)) {
      await direction.roomChange(lane, signal);
      signal?.throwIfAborted();
      this.#refuseWhenClosed(peer);
    }
    // Not slice(), which is only a view where the payload is a Buffer.
    const copy = new Uint8Array(payload);
    const outcome = direction.keys.record(key, checkOf(copy));
    if (outcome === 'reused') throw messageKeyReused(peer, key);
    if (outcome === 'new') direction.carry(key, copy);
  }

  receive(peer: string, key: MessageKey, length: number | undefined, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#from(peer).inbox.receive(key, length, signal);
  }

  counters(peer: string): Readonly<TransportCounters> {
    const { bytesReceived, messagesReceived } = this.#from(peer).counters;
    const { bytesSent, messagesSent } = this.#outgoing(peer).counters;
    return { bytesSent, bytesReceived, messagesSent, messagesReceived };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const peer of this.peers) {
      this.#from(peer).fail(closedError(this.self, peer));
      this.#outgoing(peer).end(leftError(this.self));
    }
  }

  #refuseWhenClosed(peer: string): void {
    if (this.closed) throw closedError(this.self, peer);
    if (this.#network.get(peer)?.closed === true) throw leftError(peer);
  }

  #from(peer: string): Direction {
    return this.incoming.get(peer) ?? unknownPeer(this.self, peer);
  }

  #outgoing(peer: string): Direction {
    return this.#network.get(peer)?.incoming.get(this.self) ?? unknownPeer(this.self, peer);
  }
}

function unknownPeer(self: string, peer: string): never {
  throw new InternalError('transport-peer-unknown', `${self} has no transport to ${peer}.`);
}

function closedError(self: string, peer: string): PeerError {
  return new PeerError('session-closed', peer, `${self} has closed its session with ${peer}.`);
}

function leftError(peer: string): PeerError {
  return new PeerError('peer-closed', peer, `${peer} has closed the session.`, {
    hint: `Ask ${peer} why, then start the job again.`,
  });
}

/** 64-bit check of the bytes (FNV-1a over 32-bit words in two strides); both ends are this process, so no attacker. */
function checkOf(bytes: Uint8Array): string {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  let even = 0x811c9dc5 | 0;
  let odd = 0x9e3779b9 | 0;
  let index = 0;
  for (; index + 1 < words.length; index += 2) {
    even = Math.imul(even ^ words[index]!, 0x01000193);
    even ^= even >>> 15;
    odd = Math.imul(odd ^ words[index + 1]!, 0x85ebca6b);
    odd ^= odd >>> 13;
  }
  if (index < words.length) even = Math.imul(even ^ words[index]!, 0x01000193);
  for (let byte = words.length * 4; byte < bytes.byteLength; byte += 1) odd = Math.imul(odd ^ bytes[byte]!, 0x85ebca6b);
  return `${bytes.byteLength}:${even}:${odd}`;
}
