/**
 * A session of a job over the links of this host: the engine's Transport. Several sessions may share a link. Knows nothing
 * of what messages mean.
 *
 * A session is one attempt of one job: when any peer fails it, the whole of it ends, every waiting call gets an error that
 * names that peer, and the other peers are told one code.
 */
import { randomBytes } from 'node:crypto';
import { checkMessageKey } from '../../../engine/runtime/message-key.ts';
import type { MessageKey, Transport, TransportCounters } from '../../../engine/runtime/transport.ts';
import { InternalError, PeerError } from '../../../shared/errors.ts';
import { MAX_BYTES_IN_FLIGHT } from '../../../shared/wire.ts';
import type { LinkStatus } from './link.ts';
import type { Links } from './links.ts';
import { SessionPeer } from './session-peer.ts';
import type { Waiting } from './session-peer.ts';

export interface SessionMember {
  readonly fingerprint: string;
  readonly role: string;
}

export interface SessionOptions {
  readonly session: string;
  readonly attempt: number;
  /** SHA-256, lower-case hex. */
  readonly jobDigest: string;
  readonly planDigest: string;
  /** Name of this party in the job. */
  readonly self: string;
  /** All parties of the session by their names in the job, this one included. */
  readonly members: Readonly<Record<string, SessionMember>>;
  /** Ends the session with the code `cancelled`. */
  readonly signal?: AbortSignal;
  /** Bytes on their way, and bytes unread, per peer, direction and lane, above which senders wait; MAX_BYTES_IN_FLIGHT by default. */
  readonly queueBytes?: number;
  /** How long a link may be down before the session gives up; a minute by default. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 60_000;
/** How long `close` waits for peers to take what was sent. */
const CLOSE_WAIT_MS = 10_000;

/** InputErrors: `peer-not-pinned`, `session-open`. */
export function openSession(links: Links, options: SessionOptions): Session {
  return new Session(links, options);
}

export class Session implements Transport {
  readonly self: string;
  readonly peers: readonly string[];
  readonly #peers = new Map<string, SessionPeer>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #unwatch: () => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.abort('cancelled');
  #failure: PeerError | undefined;
  #closing: Promise<void> | undefined;

  /** Use openSession. */
  constructor(links: Links, options: SessionOptions) {
    const { self, members, session, attempt, jobDigest, planDigest } = options;
    this.self = self;
    this.peers = Object.keys(members).filter((name) => name !== self);
    const own = members[self];
    if (own === undefined || own.fingerprint !== links.identity.fingerprint) {
      throw new InternalError('session-self-wrong', `${self} is not this host's party of session ${session}.`);
    }
    const terms = { session, attempt, jobDigest, planDigest, party: self, role: own.role };
    const instance = randomBytes(16).toString('hex');
    this.#ready.promise.catch(() => {});
    try {
      for (const party of this.peers) {
        const { fingerprint, role } = members[party]!;
        const peer = new SessionPeer({
          links,
          terms,
          instance,
          party,
          fingerprint,
          role,
          queueBytes: Math.min(options.queueBytes ?? MAX_BYTES_IN_FLIGHT, MAX_BYTES_IN_FLIGHT),
          patienceMs: options.patienceMs ?? PATIENCE_MS,
          onFailure: (error, tell) => this.#fail(error, tell),
          onChange: () => this.#lookWhetherReady(),
        });
        this.#peers.set(party, peer);
      }
    } catch (error) {
      const reason = new PeerError('session-closed', self, 'The session could not be opened.');
      for (const peer of this.#peers.values()) peer.stop(reason, 'not-opened');
      throw error;
    }
    this.#signal = options.signal;
    this.#unwatch = links.watch((status) => this.#onLinkStatus(status));
    for (const peer of [...this.#peers.values()]) peer.start();
    for (const peer of this.#peers.values()) peer.onLinkStatus(peer.linkStatus);
    if (this.#signal?.aborted === true) this.abort('cancelled');
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#lookWhetherReady();
  }

  /** Resolves when every peer has opened the session with the same terms. `send` and `receive` need not wait for it. */
  async ready(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (signal === undefined) return this.#ready.promise;
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#ready.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Every peer is connected and has opened the session. */
  get isReady(): boolean {
    return this.peers.every((party) => this.#peers.get(party)?.isOpen === true);
  }

  /** What the session waits for now, a line per peer. */
  waiting(): Waiting[] {
    return [...this.#peers.values()].flatMap((peer) => peer.waiting() ?? []);
  }

  async send(party: string, key: MessageKey, payload: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkMessageKey(key);
    const peer = this.#peer(party);
    this.#refuseWhenOver(party);
    await peer.send(key, payload, signal);
  }

  receive(party: string, key: MessageKey, length: number | undefined, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#peer(party).receive(key, length, signal);
  }

  counters(party: string): Readonly<TransportCounters> {
    return { ...this.#peer(party).counters };
  }

  /** Ends the session on purpose; peers get a PeerError (`peer-aborted`) that names this party and the code. */
  abort(code: string): void {
    this.#stop(new PeerError('session-aborted', this.self, `This party ended the session: ${code}.`), code);
  }

  /** Ends the session when all peers have taken what was sent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#failure !== undefined) return;
    const deadline = Promise.withResolvers<void>();
    const timer = setTimeout(deadline.resolve, CLOSE_WAIT_MS);
    const drained = Promise.all([...this.#peers.values()].map((peer) => peer.drain()));
    await Promise.race([drained, deadline.promise]);
    clearTimeout(timer);
    this.#stop(new PeerError('session-closed', this.self, `${this.self} has closed the session.`), 'closed');
  }

  #fail(error: PeerError, tell: string): void {
    this.#stop(error, tell);
  }

  #stop(error: PeerError, code: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#unwatch();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    for (const peer of this.#peers.values()) peer.stop(error, code);
    this.#ready.reject(error);
  }

  #onLinkStatus(status: LinkStatus): void {
    for (const peer of [...this.#peers.values()]) {
      if (peer.linkStatus.fingerprint === status.fingerprint) peer.onLinkStatus(status);
    }
  }

  #lookWhetherReady(): void {
    if (this.isReady) this.#ready.resolve();
  }

  #refuseWhenOver(party: string): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) {
      throw new PeerError('session-closed', party, `${this.self} is closing its session with ${party}.`);
    }
  }

  #peer(party: string): SessionPeer {
    const peer = this.#peers.get(party);
    if (peer === undefined)
      throw new InternalError('transport-peer-unknown', `${this.self} has no transport to ${party}.`);
    return peer;
  }
}
