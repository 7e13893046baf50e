/**
 * Runs traced graphs on shares with simulated parties and keeps what an observer of all links sees: every frame, and every
 * opening put together from the parties' frames. Ring words in, ring words out. Masks can be chosen (chosen-masks.ts).
 */
import type { Kernels } from '../../engine/kernels/kernels.ts';
import { referenceKernels } from '../../engine/kernels/reference/reference.ts';
import { lower } from '../../engine/plan/lower.ts';
import { planJob } from '../../engine/plan/plan.ts';
import type { Plan } from '../../engine/plan/plan.ts';
import type { CryptoPort } from '../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { memoryNetwork } from '../../engine/runtime/memory-transport.ts';
import { Simulation, splitWords } from '../../engine/runtime/simulation.ts';
import type { MessageKey, Transport, TransportCounters } from '../../engine/runtime/transport.ts';
import { unpackWords } from '../../engine/runtime/words.ts';
import type { Graph } from '../../engine/tensor/graph.ts';
import { fixedCrypto } from './fixed-crypto.ts';

const PARTIES = ['a', 'b', 'c', 'd', 'e'];

export interface Frame {
  readonly from: string;
  readonly to: string;
  readonly execution: number;
  readonly round: number;
  readonly payload: Uint8Array;
}

/** One opening of one execution, put together: words mod 2^width, or planes of bits. */
export interface SeenOpening {
  readonly step: number;
  /** Graph node that asked for it first. */
  readonly node: number;
  readonly width: number;
  readonly round: number;
  readonly words: BigUint64Array;
  /** Packed planes; empty for words. */
  readonly planes: Uint8Array;
}

/** A transport that notes what it sends. */
class TappedTransport implements Transport {
  readonly #inner: Transport;
  readonly #frames: Frame[];
  constructor(inner: Transport, frames: Frame[]) {
    this.#inner = inner;
    this.#frames = frames;
  }
  get self(): string {
    return this.#inner.self;
  }
  get peers(): readonly string[] {
    return this.#inner.peers;
  }
  send(peer: string, key: MessageKey, payload: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#frames.push({
      from: this.self,
      to: peer,
      execution: key.execution,
      round: key.round,
      payload: new Uint8Array(payload),
    });
    return this.#inner.send(peer, key, payload, signal);
  }
  receive(peer: string, key: MessageKey, length: number | undefined, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#inner.receive(peer, key, length, signal);
  }
  counters(peer: string): Readonly<TransportCounters> {
    return this.#inner.counters(peer);
  }
  close(): Promise<void> {
    return this.#inner.close();
  }
}

export interface JobOptions {
  readonly parties?: number;
  readonly kernels?: () => Promise<Kernels>;
  /** Receivers that are no compute parties, the dealer for one. */
  readonly outsiders?: readonly string[];
  readonly crypto?: (plan: Plan) => CryptoPort;
}

export interface JobFeeds {
  readonly inputs?: Readonly<Record<string, readonly bigint[] | BigUint64Array>>;
  readonly known?: Readonly<Record<string, readonly bigint[] | BigUint64Array>>;
}

export interface Execution {
  readonly execution: number;
  /** By receiver and name, as signed numbers in 64-bit words. Outsiders are not among them. */
  readonly revealed: ReadonlyMap<string, ReadonlyMap<string, BigUint64Array>>;
  readonly frames: readonly Frame[];
  readonly openings: readonly SeenOpening[];
}

/**
 * All parties of a job and its dealer, in this process, on fixed randomness unless the options bring other. Inputs without an
 * owner are split among the parties.
 */
export class TestJob {
  readonly plan: Plan;
  readonly simulation: Simulation;
  readonly #frames: Frame[];
  readonly #owners: ReadonlyMap<string, string | undefined>;
  #execution = 0;

  private constructor(
    plan: Plan,
    simulation: Simulation,
    frames: Frame[],
    owners: ReadonlyMap<string, string | undefined>,
  ) {
    this.plan = plan;
    this.simulation = simulation;
    this.#frames = frames;
    this.#owners = owners;
  }

  static async start(graphs: readonly Graph[], options: JobOptions = {}): Promise<TestJob> {
    const parties = PARTIES.slice(0, options.parties ?? 2);
    const wordBits = graphs[0]?.options.wordBits ?? 64;
    const plan = planJob(
      graphs.map((graph) => lower(graph, { parties })),
      nodeCrypto.sha256,
    );
    const frames: Frame[] = [];
    const network = memoryNetwork([...parties, ...(options.outsiders ?? [])]);
    const transports = parties.flatMap((party) => {
      const inner = network.get(party);
      return inner === undefined ? [] : [new TappedTransport(inner, frames)];
    });
    const simulation = await Simulation.create({
      plan,
      crypto: options.crypto?.(plan) ?? fixedCrypto(),
      kernels: options.kernels ?? (() => Promise.resolve(referenceKernels(wordBits))),
      transports,
    });
    const owners = new Map(
      graphs.flatMap((graph) =>
        graph.nodes.flatMap(({ operation }) =>
          operation.op === 'input' ? [[operation.name, operation.owner] as const] : [],
        ),
      ),
    );
    return new TestJob(plan, simulation, frames, owners);
  }

  async execute(program: string, feeds: JobFeeds = {}): Promise<Execution> {
    const execution = this.#execution++;
    const from = this.#frames.length;
    const inputs = new Map(this.plan.parties.map((party) => [party, new Map<string, BigUint64Array>()]));
    const { parties, programs } = this.plan;
    for (const [name, words] of Object.entries(feeds.inputs ?? {})) {
      const owner = this.#owners.get(name);
      if (owner !== undefined) inputs.get(owner)?.set(name, BigUint64Array.from(words));
      else if (this.#owners.has(name)) {
        const { wordBits } = programs.get(program)?.program ?? {};
        const shares = splitWords(fixedCrypto(8), BigUint64Array.from(words), parties.length, wordBits);
        shares.forEach((share, i) => inputs.get(parties[i] ?? '')?.set(name, share));
      }
    }
    const known = new Map(
      Object.entries(feeds.known ?? {}).map(([name, words]) => [name, BigUint64Array.from(words)] as const),
    );
    const revealed = await this.simulation.execute(program, { inputs, known });
    const frames = this.#frames.slice(from);
    return {
      execution,
      revealed: new Map(this.plan.parties.map((party, i) => [party, revealed[i] ?? new Map()])),
      frames,
      openings: seenOpenings(this.plan, program, frames),
    };
  }

  async close(): Promise<void> {
    await this.simulation.close();
  }
}

/** Puts the openings of one execution together from the frames of all parties. */
function seenOpenings(plan: Plan, name: string, frames: readonly Frame[]): SeenOpening[] {
  const planned = plan.programs.get(name);
  if (planned === undefined) throw new RangeError(`no program ${name}`);
  const { wordBits, steps } = planned.program;
  const seen = new Map<number, SeenOpening>();
  planned.parties.forEach((party, index) => {
    party.rounds.forEach((round, number) => {
      const frame = frames.find(
        (f) => f.from === plan.parties[index] && plan.parties.includes(f.to) && f.round === number,
      );
      let at = 0;
      for (const opening of round.openings) {
        const isMine = opening.sender === undefined || opening.sender === index;
        const known = seen.get(opening.step) ?? {
          step: opening.step,
          node: steps[opening.step]?.node ?? -1,
          width: opening.width,
          round: number,
          words: new BigUint64Array(opening.opened.kind === 'words' ? opening.opened.length : 0),
          planes: new Uint8Array(opening.opened.kind === 'bits' ? opening.bytes : 0),
        };
        seen.set(opening.step, known);
        if (!isMine || frame === undefined) continue;
        const part = frame.payload.subarray(at, at + opening.bytes);
        at += opening.bytes;
        if (opening.opened.kind === 'bits')
          part.forEach((byte, i) => (known.planes[i] = (known.planes[i] ?? 0) ^ byte));
        else
          unpackWords(part, opening.width).forEach((word, i) => {
            known.words[i] = BigInt.asUintN(Math.min(opening.width, wordBits), (known.words[i] ?? 0n) + word);
          });
      }
    });
  });
  return [...seen.values()].sort((a, b) => a.step - b.step);
}

/** Signed meaning of a ring word of `bits` bits. */
export function signed(word: bigint, bits: number): bigint {
  return BigInt.asIntN(bits, word);
}
