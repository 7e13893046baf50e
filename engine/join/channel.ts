/**
 * The messages of a join on the transport port: a list of items (points, tags, positions) travels in chunks whose number and
 * lengths follow from the list's public length. Knows nothing of what the items are.
 */
import { InternalError } from '../../shared/errors.ts';
import type { MessageKey, Transport } from '../runtime/transport.ts';
import { BATCH_POINTS } from './curve.ts';
import type { JoinTerms } from './terms.ts';

const CHUNK_BITS = 20;
const CHUNK_ITEMS = BATCH_POINTS;

export class JoinChannel {
  readonly #transport: Transport;
  readonly #terms: JoinTerms;
  readonly #end = new AbortController();
  /** Of everything that is done for the join. */
  readonly signal: AbortSignal;

  constructor(transport: Transport, terms: JoinTerms, signal: AbortSignal | undefined) {
    this.#transport = transport;
    this.#terms = terms;
    this.signal = signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal]);
  }

  /** Nothing is sent, received or computed from now on. */
  end(reason: unknown): void {
    this.#end.abort(reason);
  }

  send(peer: string, phase: number, payload: Uint8Array, chunk = 0): Promise<void> {
    return this.#transport.send(peer, this.#key(phase, chunk), payload, this.signal);
  }

  receive(peer: string, phase: number, length: number, chunk = 0): Promise<Uint8Array> {
    return this.#transport.receive(peer, this.#key(phase, chunk), length, this.signal);
  }

  /** Sends all items of `list`, `width` bytes each. */
  async sendList(peer: string, phase: number, list: Uint8Array, width: number): Promise<void> {
    const count = list.length / width;
    for (let chunk = 0; chunk < chunksOf(count); chunk++) {
      const { from, to } = chunkRange(count, chunk);
      await this.send(peer, phase, list.slice(from * width, to * width), chunk);
    }
  }

  /** Receives `count` items of `width` bytes. */
  async receiveList(peer: string, phase: number, count: number, width: number): Promise<Uint8Array> {
    const list = new Uint8Array(count * width);
    for (let chunk = 0; chunk < chunksOf(count); chunk++) {
      const { from, to } = chunkRange(count, chunk);
      list.set(await this.receive(peer, phase, (to - from) * width, chunk), from * width);
    }
    return list;
  }

  #key(phase: number, chunk: number): MessageKey {
    if (chunk >= 2 ** CHUNK_BITS) throw new InternalError('join-chunk', `A join has no chunk ${chunk}.`);
    const { attempt, execution } = this.#terms;
    return { attempt, execution, round: phase * 2 ** CHUNK_BITS + chunk };
  }
}

export function chunksOf(items: number): number {
  return Math.ceil(items / CHUNK_ITEMS);
}

export function chunkRange(items: number, chunk: number): { from: number; to: number } {
  return { from: chunk * CHUNK_ITEMS, to: Math.min(items, (chunk + 1) * CHUNK_ITEMS) };
}

/** Makes values 0 .. count - 1 with at most `ahead` under way, and hands them over in order. The first failure ends it. */
export async function inOrder<T>(
  count: number,
  ahead: number,
  make: (index: number) => Promise<T>,
  take: (value: T, index: number) => void | Promise<void>,
): Promise<void> {
  const underWay: Promise<T>[] = [];
  for (let index = 0; index < count + ahead; index++) {
    if (index < count) {
      const value = make(index);
      // its failure is met when its turn comes; a failure before that must not leave it unhandled
      value.catch(() => undefined);
      underWay.push(value);
    }
    if (index >= ahead) await take(await underWay.shift()!, index - ahead);
  }
}
