/**
 * The link to one peer: at most one connection at a time, made anew whenever it is lost, whoever dials. Sessions attach to
 * it and outlive its connections. Knows nothing of what sessions exchange.
 *
 * Invariant: when both sides dial, both keep the connection that the host with the lower fingerprint dialled.
 */
import { randomInt } from 'node:crypto';
import { parseAddress } from '../../../shared/address.ts';
import type { Control, FrameHeader } from '../../../shared/wire.ts';
import type { Connection } from './connection.ts';
import { dialLink } from './dial-link.ts';
import { LinkError, violationFailure } from './failure.ts';
import type { LinkFailure } from './failure.ts';
import type { Identity } from './identity.ts';

/** awaited: no address is known, so the peer has to dial. */
export type LinkState = 'awaited' | 'connecting' | 'connected' | 'reconnecting' | 'unreachable' | 'refused';

export interface LinkStatus {
  readonly fingerprint: string;
  readonly name: string;
  readonly state: LinkState;
  readonly sinceMs: number;
  /** What is being waited for, in words, with the peer's name; undefined when connected. */
  readonly step: string | undefined;
  /** Why the last attempt failed, while there is no connection. */
  readonly failure: LinkFailure | undefined;
  readonly nextTryAtMs: number | undefined;
  readonly software: string | undefined;
  readonly rttMs: number | undefined;
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  /** When the link was last known to work. */
  readonly lastSeenMs: number | undefined;
}

/** A session's end of the link. Calls come in the order of the connection. */
export interface LinkUser {
  onUp(connection: Connection): void;
  onDown(): void;
  /** The peer broke the protocol; code in kebab case. */
  onViolation(code: string): void;
}

/** What arrives for sessions; the set of links sorts it. */
export interface LinkTraffic {
  onFrame(link: Link, header: FrameHeader, frame: Uint8Array): void;
  onControl(link: Link, control: Control): void;
}

export interface LinkSettings {
  readonly identity: Identity;
  readonly software: string;
  readonly fingerprint: string;
  readonly traffic: LinkTraffic;
  readonly onStatus: (link: Link) => void;
}

/** A connection lost sooner counts as a failed attempt; after QUICK_TRIES of them in a row, tries are spaced out. */
const SHORT_LIFE_MS = 1_000;
const QUICK_TRIES = 4;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 5_000;

export class Link {
  readonly #settings: LinkSettings;
  #name: string;
  #addresses: readonly string[];
  readonly #users = new Set<LinkUser>();
  readonly #closing = new AbortController();
  #connection: Connection | undefined;
  #dial: AbortController | undefined;
  #state: LinkState;
  #sinceMs = Date.now();
  #failure: LinkFailure | undefined;
  #nextTryAtMs: number | undefined;
  #lastSeenMs: number | undefined;
  #failedTries = 0;

  constructor(settings: LinkSettings, name: string, addresses: readonly string[]) {
    this.#settings = settings;
    this.#name = name;
    this.#addresses = addresses;
    this.#state = addresses.length > 0 ? 'connecting' : 'awaited';
  }

  get fingerprint(): string {
    return this.#settings.fingerprint;
  }

  get name(): string {
    return this.#name;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  get status(): LinkStatus {
    const connection = this.#connection;
    return {
      fingerprint: this.fingerprint,
      name: this.name,
      state: this.#state,
      sinceMs: this.#sinceMs,
      step: this.#step,
      failure: this.#failure,
      nextTryAtMs: this.#nextTryAtMs,
      software: connection?.peer.software,
      rttMs: connection?.rttMs,
      bytesInPerSecond: connection?.throughput.inPerSecond ?? 0,
      bytesOutPerSecond: connection?.throughput.outPerSecond ?? 0,
      lastSeenMs: connection === undefined ? this.#lastSeenMs : Date.now(),
    };
  }

  /** Takes effect with the next attempt, which is now where there is no connection. */
  update(name: string, addresses: readonly string[]): void {
    this.#name = name;
    this.#addresses = addresses;
    if (this.#connection !== undefined) return;
    if (this.#dial === undefined) this.start();
    else this.#dial.abort();
  }

  /** Begins to dial, where an address is known. */
  start(): void {
    if (this.#addresses.length > 0) void this.#dialAgainAndAgain();
  }

  attach(user: LinkUser): void {
    this.#users.add(user);
    if (this.#connection !== undefined) user.onUp(this.#connection);
  }

  detach(user: LinkUser): void {
    this.#users.delete(user);
  }

  /** Code with which a connection that the peer dials now is refused, or undefined. */
  refusalOfDialled(): 'link-exists' | undefined {
    if (this.#connection?.peer.dialled !== true || !this.#ownDialWins) return undefined;
    // The peer would not dial if it knew of this connection: it may be dead.
    this.#connection.probe();
    return 'link-exists';
  }

  /** Takes a connection that either side dialled, in place of one that there may be. */
  adopt(connection: Connection): void {
    if (this.#closing.signal.aborted) return connection.close();
    const earlier = this.#connection;
    if (earlier !== undefined) {
      this.#connection = undefined;
      for (const user of this.#users) user.onDown();
      earlier.close();
    }
    if (!connection.peer.dialled && !this.#ownDialWins) this.#dial?.abort();
    this.#connection = connection;
    this.#failure = undefined;
    this.#nextTryAtMs = undefined;
    this.#enter('connected');
    connection.start({
      onFrame: (header, frame) => {
        if (this.#connection === connection) this.#settings.traffic.onFrame(this, header, frame);
      },
      onControl: (control) => {
        if (this.#connection === connection) this.#settings.traffic.onControl(this, control);
      },
      onEnd: (violation) => this.#lost(connection, violation),
    });
    if (this.#connection === connection) for (const user of this.#users) user.onUp(connection);
  }

  /** Resolves when nothing is left of the connection; what was sent before still leaves. */
  async close(): Promise<void> {
    this.#closing.abort();
    const connection = this.#connection;
    connection?.close();
    await connection?.gone;
  }

  get #ownDialWins(): boolean {
    return this.#settings.identity.fingerprint < this.fingerprint;
  }

  get #step(): string | undefined {
    switch (this.#state) {
      case 'connected':
        return undefined;
      case 'awaited':
        return `waiting for ${this.name} to connect`;
      case 'connecting':
        return `connecting to ${this.name}`;
      case 'reconnecting':
        return `reconnecting to ${this.name}`;
      case 'unreachable':
      case 'refused':
        return this.#failure?.message;
    }
  }

  #enter(state: LinkState): void {
    if (this.#state !== state) {
      this.#state = state;
      this.#sinceMs = Date.now();
    }
    this.#settings.onStatus(this);
  }

  #lost(connection: Connection, violation: string | undefined): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#lastSeenMs = Date.now();
    this.#failedTries = this.#lastSeenMs - connection.openedAtMs < SHORT_LIFE_MS ? this.#failedTries + 1 : 0;
    if (violation !== undefined) this.#failure = violationFailure(this.#name, violation);
    this.#enter('reconnecting');
    for (const user of [...this.#users]) {
      if (violation !== undefined) user.onViolation(violation);
      user.onDown();
    }
    if (!this.#closing.signal.aborted && this.#dial === undefined) this.start();
  }

  async #dialAgainAndAgain(): Promise<void> {
    const dial = new AbortController();
    this.#dial = dial;
    const signal = AbortSignal.any([dial.signal, this.#closing.signal]);
    try {
      if (this.#failedTries > QUICK_TRIES) await this.#pause(signal);
      while (this.#connection === undefined) {
        const connection = await this.#dialOnce(signal);
        if (connection === undefined) {
          this.#failedTries += 1;
          await this.#pause(signal);
          continue;
        }
        if (signal.aborted || (this.#connection !== undefined && !this.#ownDialWins)) connection.close();
        else this.adopt(connection);
        return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#dial = undefined;
      // Lost again while this was unwinding, or given up for a connection that is gone.
      if (this.#connection === undefined && !this.#closing.signal.aborted) setImmediate(() => this.#redial());
    }
  }

  #redial(): void {
    if (this.#connection === undefined && this.#dial === undefined && !this.#closing.signal.aborted) this.start();
  }

  async #dialOnce(signal: AbortSignal): Promise<Connection | undefined> {
    const { identity, software, fingerprint } = this.#settings;
    for (const text of this.#addresses) {
      try {
        return await dialLink(
          { name: this.#name, address: parseAddress(text), fingerprint },
          identity,
          software,
          signal,
        );
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof LinkError)) throw error;
        if (this.#connection !== undefined || error.failure.code === 'link-exists') return undefined;
        this.#failure = error.failure;
      }
    }
    if (this.#failure !== undefined) {
      const turnedAway = ['key', 'version', 'refused'].includes(this.#failure.hop);
      this.#enter(turnedAway ? 'refused' : this.#state === 'reconnecting' ? 'reconnecting' : 'unreachable');
    }
    return undefined;
  }

  /** Exponential, with jitter, so that two hosts that dial each other do not do so in step. */
  async #pause(signal: AbortSignal): Promise<void> {
    const longestMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failedTries);
    const waitMs = randomInt(Math.ceil(longestMs / 2), longestMs + 1);
    this.#nextTryAtMs = Date.now() + waitMs;
    this.#settings.onStatus(this);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      }, waitMs);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal.reason as unknown);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
    this.#nextTryAtMs = undefined;
  }
}
