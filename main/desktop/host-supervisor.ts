/**
 * Main's hold on the host's process: starts it, tells it which folder to open, hands ports to it, and starts it again where it
 * dies, later each time. Knows nothing of windows, nor of how a process is made.
 */
import type { ApiErrorBody } from '../../shared/api/call.ts';
import type { Address } from '../../shared/address.ts';
import { fromHostSchema, gpuRequestSchema } from './host-messages.ts';
import type { FromHost, GpuRequest, ToHost, ToParty } from './host-messages.ts';

/** A process that was forked; Port is whatever kind of port it is sent. */
export interface Child<Port> {
  send(message: unknown, ports?: readonly Port[]): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Told once. */
  onExit(listener: (code: number) => void): void;
  kill(): void;
}

export type HostState =
  | { readonly state: 'starting' | 'ready' | 'stopped' }
  /** It died; the next start follows by itself. */
  | { readonly state: 'restarting'; readonly inMs: number }
  /** It says that it cannot open its folder, or died too often. */
  | { readonly state: 'failed'; readonly error: ApiErrorBody };

export interface SupervisorPorts<Port> {
  readonly forkHost: () => Child<Port>;
  /** A party of a run on this machine. */
  readonly forkParty: (start: Extract<FromHost, { type: 'start-party' }>) => Child<Port>;
  readonly channel: () => { readonly near: Port; readonly far: Port };
  /** The graphics card, for every process that was forked. */
  readonly gpu: {
    onMessage(child: Child<Port>, message: GpuRequest): void;
    /** The process ended. */
    forget(child: Child<Port>): void;
  };
  readonly onState: (state: HostState) => void;
}

export interface HostPlace {
  readonly folder: string;
  readonly listen: Address;
  readonly guardKey: Uint8Array;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** A host that has lived that long starts anew with the first delay. */
const HEALTHY_AFTER_MS = 60_000;
const MAX_DEATHS = 6;
const STOP_WITHIN_MS = 10_000;

export class HostSupervisor<Port> {
  readonly #ports: SupervisorPorts<Port>;
  readonly #place: HostPlace;
  readonly #parties = new Map<number, Child<Port>>();
  #child: Child<Port> | undefined;
  #isReady = false;
  #isStopping = false;
  #deaths = 0;
  #restart: NodeJS.Timeout | undefined;
  #healthy: NodeJS.Timeout | undefined;
  #exited: Promise<void> = Promise.resolve();

  constructor(place: HostPlace, ports: SupervisorPorts<Port>) {
    this.#place = place;
    this.#ports = ports;
  }

  start(): void {
    this.#ports.onState({ state: 'starting' });
    const exited = Promise.withResolvers<void>();
    const child = this.#ports.forkHost();
    this.#child = child;
    this.#exited = exited.promise;
    let refusal: ApiErrorBody | undefined;
    child.onMessage((value) => {
      const message = fromHostSchema.parse(value);
      switch (message.type) {
        case 'ready':
          this.#isReady = true;
          this.#healthy = setTimeout(() => (this.#deaths = 0), HEALTHY_AFTER_MS);
          return this.#ports.onState({ state: 'ready' });
        case 'failed':
          refusal = message.error;
          return child.kill();
        case 'start-party':
          return this.#startParty(child, message);
        case 'end-party':
          return this.#parties.get(message.id)?.kill();
        case 'start-gpu':
        case 'end-gpu':
          return this.#ports.gpu.onMessage(child, message);
      }
    });
    child.onExit((code) => {
      this.#ports.gpu.forget(child);
      exited.resolve();
      this.#onExit(code, refusal);
    });
    this.#tell(child, { type: 'open', ...this.#place });
  }

  /** Joins a window to the host. False while there is none that is ready. */
  connect(port: Port): boolean {
    if (this.#child === undefined || !this.#isReady) return false;
    this.#tell(this.#child, { type: 'client' }, port);
    return true;
  }

  /** Lets the host close its folder; ends it where it does not. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child === undefined) return;
    this.#tell(child, { type: 'stop' });
    const timer = setTimeout(() => child.kill(), STOP_WITHIN_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  #tell(child: Child<Port>, message: ToHost, port?: Port): void {
    child.send(message, port === undefined ? [] : [port]);
  }

  #startParty(host: Child<Port>, message: Extract<FromHost, { type: 'start-party' }>): void {
    const { id } = message;
    const party = this.#ports.forkParty(message);
    const { near, far } = this.#ports.channel();
    this.#parties.set(id, party);
    party.send({ type: 'supervisor' } satisfies ToParty, [far]);
    this.#tell(host, { type: 'party-started', id }, near);
    party.onMessage((value) => this.#ports.gpu.onMessage(party, gpuRequestSchema.parse(value)));
    party.onExit((code) => {
      this.#ports.gpu.forget(party);
      this.#parties.delete(id);
      if (this.#child === host) this.#tell(host, { type: 'party-ended', id, code });
    });
  }

  #onExit(code: number, refusal: ApiErrorBody | undefined): void {
    this.#child = undefined;
    this.#isReady = false;
    clearTimeout(this.#healthy);
    // Parties that it supervised see their port close, and end by themselves.
    if (this.#isStopping) return this.#ports.onState({ state: 'stopped' });
    if (refusal !== undefined) return this.#ports.onState({ state: 'failed', error: refusal });
    this.#deaths++;
    if (this.#deaths >= MAX_DEATHS) {
      return this.#ports.onState({
        state: 'failed',
        error: {
          kind: 'machine',
          code: 'host-dies',
          message: `The host ended ${this.#deaths} times, the last time with code ${code}.`,
          hint: 'Close other programs, then start Tacit again; what it says in its log helps to find the cause.',
        },
      });
    }
    const inMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#deaths - 1));
    this.#ports.onState({ state: 'restarting', inMs });
    this.#restart = setTimeout(() => this.start(), inMs);
  }
}
