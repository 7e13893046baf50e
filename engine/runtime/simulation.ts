/**
 * All compute parties and the dealer of a job in one process, over the in-memory transport: for tests, scripts and private
 * inference with simulated parties. One process holds every secret, so it protects nothing; it runs the same plans, kernels
 * and messages as parties on machines of their own.
 */
import { Dealer } from '../dealer/dealer.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { Plan } from '../plan/plan.ts';
import { SecretKey } from '../random/crypto-port.ts';
import type { CryptoPort } from '../random/crypto-port.ts';
import { PartyStreams } from '../random/streams.ts';
import { PartyExecutor } from './executor.ts';
import type { MaskGuard } from './ports.ts';
import { InternalError } from '../../shared/errors.ts';
import { memoryNetwork } from './memory-transport.ts';
import type { MemoryNetworkOptions } from './memory-transport.ts';
import { Profiler } from './profiler.ts';
import { bytesToWords } from './words.ts';
import type { Transport } from './transport.ts';

export interface SimulationOptions {
  readonly plan: Plan;
  readonly crypto: CryptoPort;
  readonly kernels: () => Promise<Kernels>;
  readonly network?: MemoryNetworkOptions;
  /** Transports to use instead of the in-memory network, one a compute party in order. */
  readonly transports?: readonly Transport[];
}

export interface SimulationFeeds {
  /** Plaintext inputs by party and name. */
  readonly inputs?: ReadonlyMap<string, ReadonlyMap<string, BigUint64Array>>;
  readonly known?: ReadonlyMap<string, BigUint64Array>;
}

/** Fresh shares of ring words, one a party, for inputs that every party brings its share of. */
export function splitWords(
  crypto: CryptoPort,
  words: BigUint64Array,
  parties: number,
  wordBits = 64,
): BigUint64Array[] {
  const shares = Array.from({ length: parties - 1 }, () =>
    bytesToWords(crypto.randomBytes(words.length * 8)).map((word) => BigInt.asUintN(wordBits, word)),
  );
  const last = words.map((word, i) =>
    shares.reduce((rest, share) => BigInt.asUintN(wordBits, rest - (share[i] ?? 0n)), word),
  );
  return [...shares, last];
}

/** Refuses a second message under a key, and a second use of an execution; forgets everything with the process. */
export class MemoryGuard implements MaskGuard {
  readonly #begun = new Set<number>();
  readonly #digests = new Map<string, string>();
  begin(execution: number): Promise<void> {
    if (this.#begun.has(execution)) throw new InternalError('mask-reused', `Execution ${execution} was begun before.`);
    this.#begun.add(execution);
    return Promise.resolve();
  }
  record(execution: number, round: number, digest: Uint8Array): void {
    const key = `${execution}:${round}`;
    const text = digest.join(',');
    if ((this.#digests.get(key) ?? text) !== text)
      throw new InternalError('mask-reused', `Round ${round} of execution ${execution} changed.`);
    this.#digests.set(key, text);
  }
  finish(execution: number): void {
    for (const key of this.#digests.keys()) if (key.startsWith(`${execution}:`)) this.#digests.delete(key);
  }
}

export class Simulation {
  readonly plan: Plan;
  readonly parties: readonly PartyExecutor[];
  readonly profilers: readonly Profiler[];
  readonly transports: readonly Transport[];
  readonly #dealer: Dealer;
  readonly #records: Map<number, Uint8Array>[];
  readonly #kernels: readonly Kernels[];
  #execution = 0;

  private constructor(
    plan: Plan,
    parties: readonly PartyExecutor[],
    profilers: readonly Profiler[],
    transports: readonly Transport[],
    dealer: Dealer,
    records: Map<number, Uint8Array>[],
    kernels: readonly Kernels[],
  ) {
    this.plan = plan;
    this.parties = parties;
    this.profilers = profilers;
    this.transports = transports;
    this.#dealer = dealer;
    this.#records = records;
    this.#kernels = kernels;
  }

  static async create(options: SimulationOptions): Promise<Simulation> {
    const { plan, crypto } = options;
    const names = plan.parties;
    const key = (): SecretKey => new SecretKey(crypto.randomBytes(32));
    const seeds = names.map(key);
    const streams = seeds.map((seed) => new PartyStreams(crypto, seed));
    const pairKeys = new Map<string, SecretKey>();
    names.forEach((a, i) => names.slice(i + 1).forEach((b) => pairKeys.set(`${a}|${b}`, key())));
    const network = options.transports ?? [...memoryNetwork(names, options.network).values()];
    const kernels = await Promise.all([...names, 'dealer'].map(() => options.kernels()));
    const records = names.map(() => new Map<number, Uint8Array>());
    const profilers = names.map(() => new Profiler());
    const parties = await Promise.all(
      names.map((name, index) =>
        PartyExecutor.create({
          plan,
          index,
          attempt: 0,
          kernels: required(kernels[index]),
          transport: required(network[index]),
          crypto,
          streams: required(streams[index]),
          zeroKeys: new Map(
            names
              .filter((peer) => peer !== name)
              .map((peer) => [peer, required(pairKeys.get(`${name}|${peer}`) ?? pairKeys.get(`${peer}|${name}`))]),
          ),
          records: {
            take: (execution) => {
              const record = required(records[index]?.get(execution));
              records[index]?.delete(execution);
              return Promise.resolve(record);
            },
          },
          guard: new MemoryGuard(),
          profiler: required(profilers[index]),
        }),
      ),
    );
    const dealer = await Dealer.create({ plan, kernels: required(kernels[names.length]), streams });
    return new Simulation(plan, parties, profilers, network, dealer, records, kernels);
  }

  /** Runs a program once at all parties; returns what is revealed to each, in order of parties. */
  async execute(program: string, feeds: SimulationFeeds = {}): Promise<Map<string, BigUint64Array>[]> {
    const execution = this.#execution++;
    const known = feeds.known ?? new Map<string, BigUint64Array>();
    const dealt = await this.#dealer.deal(program, execution, known);
    dealt.forEach((record, index) => this.#records[index]?.set(execution, record));
    return await Promise.all(
      this.parties.map((party, index) =>
        party.execute(program, execution, {
          inputs: feeds.inputs?.get(this.plan.parties[index] ?? '') ?? new Map<string, BigUint64Array>(),
          known,
        }),
      ),
    );
  }

  async close(): Promise<void> {
    for (const party of this.parties) party.dispose();
    this.#dealer.dispose();
    await Promise.all(this.transports.map((transport) => transport.close()));
    await Promise.all(this.#kernels.map((kernels) => kernels.dispose()));
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new InternalError('simulation', 'A part of the simulation is missing.');
  return value;
}
