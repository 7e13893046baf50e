/**
 * One peer's part of a session: greets it on every connection, compares what both believe the session to be, and runs the
 * two lanes each way with their acknowledgements. Knows nothing of the session's other peers.
 */
import { Inbox } from '../../../engine/runtime/inbox.ts';
import { LANES, describeMessageKey, laneOf } from '../../../engine/runtime/message-key.ts';
import type { Lane } from '../../../engine/runtime/message-key.ts';
import type { MessageKey, TransportCounters } from '../../../engine/runtime/transport.ts';
import { PeerError } from '../../../shared/errors.ts';
import { FRAME_HEADER_BYTES, writeFrameHeader } from '../../../shared/wire.ts';
import type { FrameHeader, SessionHello } from '../../../shared/wire.ts';
import type { Connection } from './connection.ts';
import { failureToError, violationFailure } from './failure.ts';
import { IncomingLane } from './incoming-lane.ts';
import type { Link, LinkStatus, LinkUser } from './link.ts';
import { sessionTag } from './links.ts';
import type { Links, SessionPort } from './links.ts';
import { OutgoingLane } from './outgoing-lane.ts';
import { AttemptOverError, ROLLBACK_CODES, helloMismatch } from './session-terms.ts';
import type { SessionTerms } from './session-terms.ts';

/** What a session waits for at one peer. */
export interface Waiting {
  readonly party: string;
  /** Without addresses. */
  readonly step: string;
  readonly sinceMs: number;
}

export interface SessionPeerSettings {
  readonly links: Links;
  readonly terms: SessionTerms;
  readonly instance: string;
  /** Name of the peer in the job. */
  readonly party: string;
  readonly fingerprint: string;
  readonly role: string;
  /** Bytes on their way, and bytes unread, per direction and lane. */
  readonly queueBytes: number;
  /** How long the link may be down before the session gives up. */
  readonly patienceMs: number;
  /** The session cannot go on; `tell`: code for the other peers. */
  readonly onFailure: (error: PeerError, tell: string) => void;
  readonly onChange: () => void;
}

/** Acknowledgements ride on data; where none flows, they follow after so long at most. */
const LAZY_ACKNOWLEDGEMENT_MS = 20;

export class SessionPeer implements SessionPort, LinkUser {
  readonly session: string;
  readonly attempt: number;
  readonly counters: TransportCounters = { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 };
  readonly #settings: SessionPeerSettings;
  readonly #tag: number;
  readonly #link: Link;
  readonly #inbox: Inbox;
  readonly #outgoing: Record<Lane, OutgoingLane>;
  readonly #incoming: Record<Lane, IncomingLane>;
  readonly #acknowledged: Record<Lane, number> = { rounds: 0, material: 0 };
  readonly #receivers = new Map<MessageKey, number>();
  #connection: Connection | undefined;
  /** Whether the peer's hello has come on this connection, so that frames may flow. */
  #greeted = false;
  #everGreeted = false;
  #peerInstance: string | undefined;
  #sinceMs = Date.now();
  #patience: NodeJS.Timeout | undefined;
  #lazyAcknowledgement: NodeJS.Timeout | undefined;
  #bytesSinceAcknowledged = 0;
  #over = false;
  #drained: (() => void) | undefined;

  constructor(settings: SessionPeerSettings) {
    const { links, terms, party, fingerprint, queueBytes } = settings;
    this.#settings = settings;
    this.session = terms.session;
    this.attempt = terms.attempt;
    this.#tag = sessionTag(terms.session, terms.attempt);
    this.#inbox = new Inbox(party, (key, byteLength) => {
      this.counters.bytesReceived += byteLength;
      this.counters.messagesReceived += 1;
      this.#acknowledgeLazily(laneOf(key));
    });
    const outgoing = (lane: Lane) =>
      new OutgoingLane({
        peer: party,
        lane,
        sessionTag: this.#tag,
        windowBytes: queueBytes,
        emit: (frame) => {
          if (this.#greeted) this.#connection?.send(frame);
        },
        acknowledge: () => this.#noteAcknowledged(lane),
        accepted: (byteLength) => {
          this.counters.bytesSent += byteLength;
          this.counters.messagesSent += 1;
        },
      });
    this.#outgoing = { rounds: outgoing('rounds'), material: outgoing('material') };
    this.#incoming = {
      rounds: new IncomingLane('rounds', this.#inbox, queueBytes),
      material: new IncomingLane('material', this.#inbox, queueBytes),
    };
    this.#link = links.attach(fingerprint, this);
  }

  /** Begins; separate from the constructor so that no event comes before the session knows all its peers. */
  start(): void {
    this.#loseConnection();
    this.#link.attach(this);
  }

  get isOpen(): boolean {
    return this.#greeted;
  }

  get linkStatus(): LinkStatus {
    return this.#link.status;
  }

  send(key: MessageKey, payload: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    return this.#outgoing[laneOf(key)].send(key, payload, signal);
  }

  async receive(key: MessageKey, length: number | undefined, signal: AbortSignal | undefined): Promise<Uint8Array> {
    this.#receivers.set(key, Date.now());
    try {
      return await this.#inbox.receive(key, length, signal);
    } finally {
      this.#receivers.delete(key);
    }
  }

  /** What keeps this peer's part from going on now, the gravest first. */
  waiting(): Waiting | undefined {
    const { party } = this.#settings;
    if (this.#over) return undefined;
    const link = this.#link.status;
    if (link.step !== undefined) {
      const { state, failure, sinceMs } = link;
      // Other members are told of it: a failure's own words name an address.
      const isFailed = failure !== undefined && (state === 'unreachable' || state === 'refused');
      return { party, step: isFailed ? `waiting for ${party}: ${failure.code}` : link.step, sinceMs };
    }
    if (!this.#greeted) {
      return { party, step: `waiting for ${party} to open the session`, sinceMs: this.#sinceMs };
    }
    for (const [key, sinceMs] of this.#receivers) {
      return { party, step: `waiting for ${party}: ${describeMessageKey(key)}`, sinceMs };
    }
    return undefined;
  }

  /** Ends both lanes after what is pending; resolves when the peer has everything, or wants nothing any more. */
  drain(): Promise<void> {
    if (this.#over) return Promise.resolve();
    for (const lane of LANES) this.#outgoing[lane].end();
    return new Promise((resolve) => {
      this.#drained = resolve;
      this.#resolveWhenDrained();
    });
  }

  /** Nothing more goes either way; waiting calls get the error, the peer is told the code. */
  stop(error: PeerError, code: string): void {
    if (this.#over) return;
    const { links, fingerprint } = this.#settings;
    const { session, attempt } = this;
    this.#over = true;
    this.#connection?.control({ name: 'session-end', body: { session, attempt, code } });
    this.#inbox.fail(error);
    for (const lane of LANES) this.#outgoing[lane].fail(error);
    clearTimeout(this.#patience);
    clearTimeout(this.#lazyAcknowledgement);
    this.#link.detach(this);
    links.detach(fingerprint, this, code);
    this.#drained?.();
  }

  onUp(connection: Connection): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#connection = connection;
    this.#greeted = false;
    this.#sinceMs = Date.now();
    this.#greet(false);
    this.#settings.onChange();
  }

  onDown(): void {
    this.#loseConnection();
    this.#settings.onChange();
  }

  onViolation(code: string): void {
    const { party, onFailure } = this.#settings;
    onFailure(failureToError(party, violationFailure(party, code)), code);
  }

  onHello(hello: SessionHello): void {
    const { terms, party, role, onChange } = this.#settings;
    const mismatch = helloMismatch(terms, { party, role }, hello);
    if (mismatch !== undefined) return this.#settings.onFailure(mismatch, mismatch.code);
    // The peer is behind: it learns so from our answer, and follows.
    if (hello.attempt < this.attempt) return hello.answer ? undefined : this.#greet(true);
    if (hello.attempt > this.attempt) {
      return this.#endAttempt(hello.attempt, `${party} is at attempt ${hello.attempt}, this party at ${this.attempt}.`);
    }
    if (this.#peerInstance !== undefined && this.#peerInstance !== hello.instance) {
      return this.#endAttempt(
        this.attempt + 1,
        `${party} lost its state of attempt ${this.attempt} and opened it anew.`,
      );
    }
    this.#peerInstance = hello.instance;
    const first = !this.#greeted;
    if (!hello.answer) this.#greet(true);
    this.#greeted = true;
    this.#everGreeted = true;
    for (const lane of LANES) {
      if (!this.#outgoing[lane].acknowledgedBelow(hello.received[lane]))
        return this.onViolation('acknowledged-too-much');
    }
    if (first) {
      for (const lane of LANES) this.#outgoing[lane].resend();
      onChange();
    }
    this.#resolveWhenDrained();
  }

  onAbsent(): void {
    if (this.#everGreeted) {
      const { party } = this.#settings;
      this.#endAttempt(this.attempt + 1, `${party} no longer has session ${this.session}, attempt ${this.attempt}.`);
    }
  }

  onEnd(code: string): void {
    const { party } = this.#settings;
    if (this.#drained !== undefined) return this.#drained();
    if (ROLLBACK_CODES.includes(code)) this.#endAttempt(this.attempt + 1, `${party} has left attempt ${this.attempt}.`);
    else if (code === 'closed')
      this.#fail('peer-closed', `${party} has closed the session.`, `Ask ${party} why, then start the job again.`);
    else this.#fail('peer-aborted', `${party} ended the session: ${code}.`, `Ask ${party} to look into its log.`);
  }

  onHostClosed(): void {
    const { party, onFailure } = this.#settings;
    onFailure(new PeerError('host-closed', party, `This host has closed its link to ${party}.`), 'host-closed');
  }

  onFrame(header: FrameHeader, frame: Uint8Array): void {
    // Left over from an earlier opening: a peer of this one sends its hello first.
    if (!this.#greeted) return;
    const { lane } = header;
    if (!this.#outgoing[lane].acknowledgedBelow(header.acknowledged)) return this.onViolation('acknowledged-too-much');
    if (header.type !== 'ack') {
      const violation = this.#incoming[lane].take(header, frame);
      if (violation !== undefined) return this.onViolation(violation);
      this.#bytesSinceAcknowledged += frame.byteLength;
      if (header.type === 'end') this.#peerEnded();
      else if (this.#bytesSinceAcknowledged > this.#settings.queueBytes / 4) this.#acknowledgeNow(lane);
      else this.#acknowledgeLazily(lane);
    }
    this.#resolveWhenDrained();
  }

  #greet(answer: boolean): void {
    const { terms, instance } = this.#settings;
    const { session, attempt, jobDigest, planDigest, party, role } = terms;
    const received = { rounds: this.#incoming.rounds.received, material: this.#incoming.material.received };
    this.#connection?.control({
      name: 'session-hello',
      body: { session, attempt, instance, party, role, jobDigest, planDigest, received, answer },
    });
  }

  #loseConnection(): void {
    this.#connection = undefined;
    this.#greeted = false;
    this.#sinceMs = Date.now();
    this.#patience ??= setTimeout(() => this.#giveUp(), this.#settings.patienceMs);
  }

  #giveUp(): void {
    const { party, patienceMs, onFailure } = this.#settings;
    const { failure } = this.#link.status;
    const error =
      failure === undefined
        ? new PeerError(
            'peer-unreachable',
            party,
            `${party} has not connected for ${Math.round(patienceMs / 1000)} s.`,
            {
              hint: `Check that Tacit runs at ${party} and that this host can be reached from there.`,
            },
          )
        : failureToError(party, failure);
    onFailure(error, 'peer-lost');
  }

  /** Ends the wait at once where only a person could mend the link. */
  onLinkStatus(status: LinkStatus): void {
    if (!this.#over && this.#connection === undefined && status.failure?.final === true) this.#giveUp();
  }

  /** A peer that has ended its lanes takes nothing any more; what it sent before is still to be read. */
  #peerEnded(): void {
    const { party } = this.#settings;
    for (const lane of LANES) this.#acknowledgeNow(lane);
    if (!LANES.every((lane) => this.#incoming[lane].ended)) return;
    this.#inbox.end(
      new PeerError('peer-closed', party, `${party} has closed the session.`, {
        hint: `Ask ${party} why, then start the job again.`,
      }),
    );
    this.#drained?.();
  }

  /** This attempt is over at a peer; a later one may go on. */
  #endAttempt(next: number, message: string): void {
    this.#settings.onFailure(new AttemptOverError(this.#settings.party, next, message), ROLLBACK_CODES[0]!);
  }

  #fail(code: string, message: string, hint: string): void {
    this.#settings.onFailure(new PeerError(code, this.#settings.party, message, { hint }), code);
  }

  #noteAcknowledged(lane: Lane): number {
    this.#bytesSinceAcknowledged = 0;
    return (this.#acknowledged[lane] = this.#incoming[lane].acknowledgeable);
  }

  #acknowledgeLazily(lane: Lane): void {
    if (this.#over || this.#incoming[lane].acknowledgeable === this.#acknowledged[lane]) return;
    this.#lazyAcknowledgement ??= setTimeout(() => {
      this.#lazyAcknowledgement = undefined;
      for (const each of LANES) this.#acknowledgeNow(each);
    }, LAZY_ACKNOWLEDGEMENT_MS);
  }

  #acknowledgeNow(lane: Lane): void {
    if (!this.#greeted || this.#incoming[lane].acknowledgeable === this.#acknowledged[lane]) return;
    const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
    writeFrameHeader(frame, {
      type: 'ack',
      lane,
      sessionTag: this.#tag,
      sequence: 0,
      acknowledged: this.#noteAcknowledged(lane),
      attempt: 0,
      execution: 0,
      round: 0,
      chunk: 0,
      chunks: 0,
      totalBytes: 0,
    });
    this.#connection?.send(frame);
  }

  #resolveWhenDrained(): void {
    if (this.#drained !== undefined && LANES.every((lane) => this.#outgoing[lane].isDrained)) this.#drained();
  }
}
