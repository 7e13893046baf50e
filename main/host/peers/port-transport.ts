/**
 * A Transport across a MessagePort, so that the engine's worker uses the sessions of the host's main thread. Knows nothing
 * of what carries the messages there.
 *
 * Cost: one copy of what is sent (the engine's memory is shared and stays where it is), none of what is received: buffers
 * are transferred. Waking the other thread is what takes time, so what is asked in one turn crosses as one message.
 */
import type { MessagePort } from 'node:worker_threads';
import { checkMessageKey } from '../../../engine/runtime/message-key.ts';
import type { MessageKey, Transport, TransportCounters } from '../../../engine/runtime/transport.ts';
import { InputError, InternalError, MachineError, PeerError, TacitError } from '../../../shared/errors.ts';
import type { ErrorKind } from '../../../shared/errors.ts';

interface CallTo {
  readonly call: number;
  readonly peer: string;
  readonly key: MessageKey;
}

type Request =
  | ({ readonly kind: 'send'; readonly payload: Uint8Array<ArrayBuffer> } & CallTo)
  | ({ readonly kind: 'receive'; readonly length: number | undefined } & CallTo)
  | { readonly kind: 'cancel'; readonly call: number }
  | { readonly kind: 'close'; readonly call: number };

interface Reply {
  readonly call: number;
  readonly payload?: Uint8Array;
  readonly counters?: Readonly<TransportCounters>;
  readonly error?: PlainError;
}

/** An error as structured clone carries it. */
interface PlainError {
  readonly kind: ErrorKind | undefined;
  readonly code: string;
  readonly party: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** Gathers what is posted in one turn into one message. */
class Outbox<Message> {
  readonly #port: MessagePort;
  #messages: Message[] = [];
  #transfer: ArrayBuffer[] = [];
  #flushing = false;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  post(message: Message, transfer: readonly ArrayBuffer[] = []): void {
    this.#messages.push(message);
    this.#transfer.push(...transfer);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    this.#port.postMessage(this.#messages, this.#transfer);
    this.#messages = [];
    this.#transfer = [];
  }
}

/** Serves `transport` to whoever holds the other end of `port`; ends with the port. Errors of calls go to the caller. */
export function serveTransport(transport: Transport, port: MessagePort): void {
  const running = new Map<number, AbortController>();

  const outbox = new Outbox<Reply>(port);

  const answer = (reply: Reply) => {
    const { payload } = reply;
    if (payload === undefined) return outbox.post(reply);
    const whole = payload.byteLength === payload.buffer.byteLength && payload.buffer instanceof ArrayBuffer;
    const own = whole ? (payload as Uint8Array<ArrayBuffer>) : new Uint8Array(payload);
    outbox.post({ ...reply, payload: own }, [own.buffer]);
  };

  const run = async (request: Exclude<Request, { kind: 'cancel' }>, signal: AbortSignal): Promise<Reply> => {
    const { call } = request;
    switch (request.kind) {
      case 'send':
        await transport.send(request.peer, request.key, request.payload, signal);
        return { call, counters: transport.counters(request.peer) };
      case 'receive': {
        const payload = await transport.receive(request.peer, request.key, request.length, signal);
        return { call, payload, counters: transport.counters(request.peer) };
      }
      case 'close':
        await transport.close();
        return { call };
    }
  };

  const take = (request: Request) => {
    if (request.kind === 'cancel') return running.get(request.call)?.abort();
    const abort = new AbortController();
    running.set(request.call, abort);
    run(request, abort.signal)
      .then(answer, (error: unknown) => answer({ call: request.call, error: toPlain(error) }))
      .finally(() => running.delete(request.call));
  };

  port.on('message', (requests: Request[]) => requests.forEach(take));
  port.on('close', () => {
    for (const abort of running.values()) abort.abort();
  });
}

/**
 * The worker's end. `self` and `peers` are those of the transport that is served; `counters` what that has counted already,
 * if anything.
 */
export function portTransport(
  port: MessagePort,
  self: string,
  peers: readonly string[],
  counters: ReadonlyMap<string, Readonly<TransportCounters>> = new Map(),
): Transport {
  return new PortTransport(port, self, peers, counters);
}

interface Call {
  readonly peer: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (payload: Uint8Array | undefined) => void;
  readonly reject: (error: unknown) => void;
}

class PortTransport implements Transport {
  readonly self: string;
  readonly peers: readonly string[];
  readonly #outbox: Outbox<Request>;
  readonly #calls = new Map<number, Call>();
  readonly #counters: Map<string, Readonly<TransportCounters>>;
  #nextCall = 0;
  #closing: Promise<void> | undefined;
  #detached = false;

  constructor(
    port: MessagePort,
    self: string,
    peers: readonly string[],
    counters: ReadonlyMap<string, Readonly<TransportCounters>>,
  ) {
    this.#outbox = new Outbox(port);
    this.self = self;
    this.peers = peers;
    const none = { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 };
    this.#counters = new Map(peers.map((peer) => [peer, counters.get(peer) ?? none]));
    port.on('message', (replies: Reply[]) => {
      for (const reply of replies) this.#onReply(reply);
    });
    port.on('close', () => this.#onClose());
  }

  async send(peer: string, key: MessageKey, payload: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkMessageKey(key);
    this.#checkPeer(peer);
    // Also takes the bytes out of shared memory, which can be neither transferred nor left to change.
    const own = new Uint8Array(payload);
    await this.#ask((call) => ({ kind: 'send', call, peer, key, payload: own }), peer, signal, [own.buffer]);
  }

  async receive(peer: string, key: MessageKey, length: number | undefined, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    this.#checkPeer(peer);
    const payload = await this.#ask((call) => ({ kind: 'receive', call, peer, key, length }), peer, signal);
    return payload!;
  }

  counters(peer: string): Readonly<TransportCounters> {
    this.#checkPeer(peer);
    return this.#counters.get(peer)!;
  }

  close(): Promise<void> {
    this.#closing ??= this.#ask((call) => ({ kind: 'close', call }), undefined, undefined).then(() => {});
    return this.#closing;
  }

  /** An abort ends the call when the host has answered it, so that a message which came first is handed over, not lost. */
  #ask(
    request: (call: number) => Request,
    peer: string | undefined,
    signal: AbortSignal | undefined,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Uint8Array | undefined> {
    if (this.#detached) return Promise.reject(detached());
    const call = this.#nextCall;
    this.#nextCall += 1;
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#outbox.post({ kind: 'cancel', call });
      const settle =
        <Value>(then: (value: Value) => void) =>
        (value: Value) => {
          signal?.removeEventListener('abort', onAbort);
          then(value);
        };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#calls.set(call, { peer, signal, resolve: settle(resolve), reject: settle(reject) });
      this.#outbox.post(request(call), transfer);
    });
  }

  #onReply({ call: number, payload, counters, error }: Reply): void {
    const call = this.#calls.get(number);
    if (call === undefined) return;
    this.#calls.delete(number);
    if (counters !== undefined && call.peer !== undefined) this.#counters.set(call.peer, counters);
    if (error === undefined) call.resolve(payload);
    else if (error.kind === undefined && call.signal?.aborted === true) call.reject(call.signal.reason);
    else call.reject(fromPlain(error));
  }

  #onClose(): void {
    this.#detached = true;
    for (const call of this.#calls.values()) call.reject(detached());
    this.#calls.clear();
  }

  #checkPeer(peer: string): void {
    if (!this.peers.includes(peer)) {
      throw new InternalError('transport-peer-unknown', `${this.self} has no transport to ${peer}.`);
    }
  }
}

function detached(): MachineError {
  return new MachineError('transport-detached', 'The engine lost its host.', { hint: 'Start the job again.' });
}

function toPlain(error: unknown): PlainError {
  if (!(error instanceof TacitError)) {
    return { kind: undefined, code: '', party: '', message: String(error), hint: undefined };
  }
  const { kind, code, message, hint } = error;
  return { kind, code, party: error instanceof PeerError ? error.party : '', message, hint };
}

function fromPlain({ kind, code, party, message, hint }: PlainError): Error {
  const detail = hint === undefined ? {} : { hint };
  switch (kind) {
    case 'peer':
      return new PeerError(code, party, message, detail);
    case 'input':
      return new InputError(code, message, detail);
    case 'machine':
      return new MachineError(code, message, detail);
    case 'internal':
      return new InternalError(code, message, detail);
    case undefined:
      return new Error(message);
  }
}
