/**
 * Where the time of executions went: compute by layer, filling, packing, sending, waiting and for whom. The parts of an
 * execution add up to its wall time; what is in none of them is `other`. The first and latest executions of every program are
 * kept moment by moment, round by round. Knows nothing of what is computed.
 */
import type { DeviceTimes, InstructionTimer } from '../kernels/kernels.ts';
import type { Tag } from '../plan/program.ts';

/** `upload` and `readback` are of a graphics card: unpacking what was written, and waiting for what leaves it. */
export type Activity = 'compute' | 'upload' | 'readback' | 'fill' | 'serialise' | 'send' | 'wait' | 'offline' | 'other';

/** One stretch of an execution. Those of a party follow each other; a `send` and the peer's `wait` of one round are a message. */
export interface Moment {
  /** Counted from 0 within the execution. */
  readonly round: number;
  readonly activity: Activity;
  /** Of sending and waiting. */
  readonly peer?: string;
  /** Payload, of sending and waiting. */
  readonly bytes?: number;
  /** Of computing: `layer · phase`. */
  readonly layer?: string;
  /** Since the start of the execution. */
  readonly startMs: number;
  ms: number;
}

/** What went to and came from one party over all executions, the dealer's material apart. */
export interface LinkTotal {
  bytesSent: number;
  bytesReceived: number;
  messagesSent: number;
  messagesReceived: number;
  sendMs: number;
  waitMs: number;
}

export interface ExecutionTimes {
  readonly program: string;
  readonly execution: number;
  readonly startedMs: number;
  wallMs: number;
  readonly activityMs: Record<Activity, number>;
  /** Waiting by party. */
  readonly waitMs: Map<string, number>;
  /** Compute by layer and phase, keyed `layer\nphase`. */
  readonly layerMs: Map<string, number>;
  /** Of the first and the latest executions of a program only. */
  moments?: Moment[];
}

/** Executions of a program that keep their moments, at either end: enough to compare a cold one with warm ones. */
const DETAILED_EXECUTIONS = 3;
/** Shorter stretches are left out of the moments. */
const LEAST_MOMENT_MS = 0.001;

export class Profiler {
  readonly executions: ExecutionTimes[] = [];
  /** By peer. */
  readonly links = new Map<string, LinkTotal>();
  /** Executions with moments by program, the first ones not among them. */
  readonly #detailed = new Map<string, ExecutionTimes[]>();
  readonly #counts = new Map<string, number>();
  #round = 0;
  readonly #now: () => number;
  readonly #keep: number;
  #current: ExecutionTimes | undefined;
  #layer: string | undefined;
  /** Where the next instructions' moment begins. */
  #computeFrom = 0;
  #latest: Moment | undefined;

  /** Keeps the latest `keep` executions; the caller drains them to its store. */
  constructor(now: () => number = () => performance.now(), keep = 100_000) {
    this.#now = now;
    this.#keep = keep;
  }

  /** Whose instruction ran last; undefined where it belonged to none. */
  get layer(): string | undefined {
    return this.#layer;
  }

  begin(program: string, execution: number): void {
    this.#current = {
      program,
      execution,
      startedMs: this.#now(),
      wallMs: 0,
      activityMs: { compute: 0, upload: 0, readback: 0, fill: 0, serialise: 0, send: 0, wait: 0, offline: 0, other: 0 },
      waitMs: new Map(),
      layerMs: new Map(),
      moments: [],
    };
    this.#round = 0;
  }

  /** What follows belongs to this round of the execution. */
  round(number: number): void {
    this.#round = number;
  }

  end(): void {
    const current = this.#current;
    if (current === undefined) return;
    current.wallMs = this.#now() - current.startedMs;
    const parts = Object.values(current.activityMs).reduce((sum, ms) => sum + ms, 0);
    current.activityMs.other = Math.max(0, current.wallMs - parts);
    this.executions.push(current);
    if (this.executions.length > this.#keep) this.executions.shift();
    this.#current = undefined;
    this.#thinOut(current);
  }

  /** Takes the moments of executions in the middle away again. */
  #thinOut(latest: ExecutionTimes): void {
    const count = (this.#counts.get(latest.program) ?? 0) + 1;
    this.#counts.set(latest.program, count);
    if (count <= DETAILED_EXECUTIONS) return;
    const detailed = this.#detailed.get(latest.program) ?? [];
    this.#detailed.set(latest.program, detailed);
    detailed.push(latest);
    if (detailed.length > DETAILED_EXECUTIONS) delete detailed.shift()?.moments;
  }

  measure<T>(activity: Activity, work: () => T): T {
    const from = this.#now();
    const result = work();
    this.#add(activity, from);
    return result;
  }

  async measuring<T>(activity: Activity, work: () => Promise<T>): Promise<T> {
    const from = this.#now();
    const result = await work();
    this.#add(activity, from);
    return result;
  }

  /** The dealer's record of an execution. */
  async receiving<T>(dealer: string, work: () => Promise<T>): Promise<T> {
    const from = this.#now();
    const result = await work();
    this.#addWait(dealer, this.#add('offline', from));
    return result;
  }

  async sending(peer: string, bytes: number, work: () => Promise<void>): Promise<void> {
    const from = this.#now();
    await work();
    const link = this.#link(peer);
    link.sendMs += this.#add('send', from, { peer, bytes });
    link.bytesSent += bytes;
    link.messagesSent++;
  }

  async waiting(peer: string, bytes: number, work: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const from = this.#now();
    const payload = await work();
    const ms = this.#add('wait', from, { peer, bytes });
    this.#addWait(peer, ms);
    const link = this.#link(peer);
    link.waitMs += ms;
    link.bytesReceived += bytes;
    link.messagesReceived++;
    return payload;
  }

  /**
   * Runs kernels, booking each instruction's time on its layer. Instructions run one after the other; what a graphics card does
   * is told, and booked, while its results are packed.
   */
  async computing(tags: readonly Tag[], run: (timer: InstructionTimer) => Promise<void>): Promise<void> {
    const current = this.#current;
    const from = this.#now();
    this.#computeFrom = from;
    this.#latest = undefined;
    await run({ groups: groupsOf(tags), tell: (index, ms) => this.#tell(tags[index], ms) });
    if (current === undefined) return;
    const ms = this.#now() - from;
    current.activityMs.compute += ms;
    this.#moment('compute', this.#computeFrom, from + ms - this.#computeFrom);
  }

  /** Packs what leaves a memory; the wait for a device is divided by what the device says that it did. */
  async packing(work: () => Promise<Uint8Array>, device: (() => DeviceTimes) | undefined): Promise<Uint8Array> {
    if (device === undefined) return await this.measuring('serialise', work);
    const from = this.#now();
    this.#computeFrom = from;
    this.#latest = undefined;
    const packed = await work();
    const ms = this.#now() - from;
    const current = this.#current;
    if (current === undefined) return packed;
    const { uploadMs, kernelMs } = device();
    // A device that worked while the host did something else was not waited for all that time.
    const compute = Math.min(kernelMs, ms);
    const upload = Math.min(uploadMs, ms - compute);
    const readback = ms - compute - upload;
    current.activityMs.compute += compute;
    current.activityMs.upload += upload;
    current.activityMs.readback += readback;
    this.#moment('upload', from + compute, upload);
    this.#moment('readback', from + compute + upload, readback);
    return packed;
  }

  #tell(tag: Tag | undefined, ms: number): void {
    const current = this.#current;
    if (tag === undefined || current === undefined) return;
    const key = `${tag.layer}\n${tag.phase}`;
    current.layerMs.set(key, (current.layerMs.get(key) ?? 0) + ms);
    this.#layer = tag.layer === '' ? undefined : tag.layer;
    const layer = `${tag.layer} · ${tag.phase}`;
    if (this.#latest?.layer === layer) this.#latest.ms += ms;
    else {
      const startMs = this.#computeFrom - current.startedMs;
      this.#latest = { round: this.#round, activity: 'compute', layer, startMs, ms };
      current.moments?.push(this.#latest);
    }
    this.#computeFrom += ms;
  }

  #moment(activity: Activity, from: number, ms: number): void {
    const current = this.#current;
    if (current === undefined || ms < LEAST_MOMENT_MS) return;
    current.moments?.push({ round: this.#round, activity, startMs: from - current.startedMs, ms });
  }

  /** Books the time since `from`, and returns it. */
  #add(activity: Activity, from: number, message?: { readonly peer: string; readonly bytes: number }): number {
    const ms = this.#now() - from;
    const current = this.#current;
    if (current === undefined) return ms;
    current.activityMs[activity] += ms;
    // A message is kept however short its stretch is: it has its other end at another party.
    if (ms >= LEAST_MOMENT_MS || message !== undefined)
      current.moments?.push({ round: this.#round, activity, ...message, startMs: from - current.startedMs, ms });
    return ms;
  }

  #addWait(party: string, ms: number): void {
    const waits = this.#current?.waitMs;
    waits?.set(party, (waits.get(party) ?? 0) + ms);
  }

  #link(peer: string): LinkTotal {
    let link = this.links.get(peer);
    if (link === undefined) {
      link = { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0, sendMs: 0, waitMs: 0 };
      this.links.set(peer, link);
    }
    return link;
  }
}

const knownGroups = new WeakMap<readonly Tag[], readonly number[]>();

/** Where instructions of another layer or phase begin. */
function groupsOf(tags: readonly Tag[]): readonly number[] {
  const known = knownGroups.get(tags);
  if (known !== undefined) return known;
  // Instructions without tags are one group.
  const groups = [0];
  tags.forEach(({ layer, phase }, index) => {
    const before = tags[index - 1];
    if (before !== undefined && (before.layer !== layer || before.phase !== phase)) groups.push(index);
  });
  knownGroups.set(tags, groups);
  return groups;
}
