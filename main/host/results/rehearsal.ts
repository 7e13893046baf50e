/**
 * Predicts the time of a job on this machine by rehearsing it: every program of the plan is run once by one party and once
 * by the dealer, on zeros and with throw-away keys, with nobody at the other end. What is measured is exactly what a run
 * does, but for the links; those are added from a latency and a bandwidth. Protocols are oblivious, so zeros take as long
 * as data. Knows no data and touches no store.
 */
import { Dealer } from '../../../engine/dealer/dealer.ts';
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import type { Plan, PlannedProgram } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { PartyStreams } from '../../../engine/random/streams.ts';
import { PartyExecutor } from '../../../engine/runtime/executor.ts';
import { Profiler } from '../../../engine/runtime/profiler.ts';
import type { Activity } from '../../../engine/runtime/profiler.ts';
import type { Transport } from '../../../engine/runtime/transport.ts';
import { MemoryGuard } from '../../../engine/runtime/simulation.ts';
import type { JobCost } from './job-cost.ts';

/** One program, once. */
export interface RehearsedProgram {
  readonly program: string;
  /** One party's own work: kernels, masks, packing. */
  readonly partyMs: number;
  /** The dealer's work, for all parties. */
  readonly dealerMs: number;
  /** Kernels by layer and phase, keyed `layer\nphase`. */
  readonly layerMs: ReadonlyMap<string, number>;
  /** Where the party's time went. */
  readonly activityMs: Readonly<Partial<Record<Activity, number>>>;
}

export interface Network {
  /** One way. */
  readonly latencyMs: number;
  /** Of each direction between two parties. */
  readonly bytesPerSecond: number;
}

/** A program that took less than this is run again, warm. */
const REPEAT_BELOW_MS = 1000;

/**
 * Runs every program of the plan once, and a second time where that is quick, or where the first run compiled kernels for a
 * graphics card; the quicker run counts.
 */
export async function rehearse(
  plan: Plan,
  kernels: () => Promise<Kernels>,
  signal?: AbortSignal,
  onProgram: (program: string) => void = () => undefined,
): Promise<RehearsedProgram[]> {
  const key = (): SecretKey => new SecretKey(nodeCrypto.randomBytes(32));
  const streams = plan.parties.map(() => new PartyStreams(nodeCrypto, key()));
  const [own] = streams;
  const [self = '', ...peers] = plan.parties;
  if (own === undefined) return [];
  const profiler = new Profiler();
  const sets = await Promise.all([kernels(), kernels()]);
  const repeatBelowMs = sets[0].name === 'webgpu' ? Infinity : REPEAT_BELOW_MS;
  const records = new Map<number, Uint8Array>();
  const party = await PartyExecutor.create({
    plan,
    index: 0,
    attempt: 0,
    kernels: sets[0],
    transport: silentTransport(
      self,
      [...new Set([...peers, ...receivers(plan)])].filter((name) => name !== self),
    ),
    crypto: nodeCrypto,
    streams: own,
    zeroKeys: new Map(peers.map((peer) => [peer, key()])),
    records: { take: (execution) => Promise.resolve(records.get(execution) ?? new Uint8Array(0)) },
    guard: new MemoryGuard(),
    profiler,
  });
  const dealer = await Dealer.create({ plan, kernels: sets[1], streams });
  const rehearsed: RehearsedProgram[] = [];
  let execution = 0;
  try {
    for (const planned of plan.programs.values()) {
      const { name } = planned.program;
      onProgram(name);
      const feeds = zeroFeeds(planned);
      let best: RehearsedProgram | undefined;
      for (let run = 0; run < 2; run++) {
        signal?.throwIfAborted();
        const from = performance.now();
        const [record] = await dealer.deal(name, execution, feeds.known);
        const dealerMs = performance.now() - from;
        if (record !== undefined) records.set(execution, record);
        await party.execute(name, execution, feeds, signal);
        records.delete(execution);
        execution++;
        const times = profiler.executions.pop();
        const partyMs = times?.wallMs ?? 0;
        if (best === undefined || partyMs < best.partyMs) {
          best = {
            program: name,
            partyMs,
            dealerMs: Math.min(dealerMs, best?.dealerMs ?? Infinity),
            layerMs: times?.layerMs ?? new Map<string, number>(),
            activityMs: times?.activityMs ?? {},
          };
        }
        if (partyMs + dealerMs > repeatBelowMs) break;
      }
      if (best !== undefined) rehearsed.push(best);
    }
  } finally {
    party.dispose();
    dealer.dispose();
    for (const stream of streams) stream.erase();
    await Promise.all(sets.map((set) => set.dispose()));
  }
  return rehearsed;
}

export interface PredictedTime {
  /** Material, if the dealer makes it before the run. Streamed, it is hidden behind the run where that takes longer. */
  readonly offlineSeconds: number;
  /** One party's run, every party and the dealer on a machine of its own like this one. */
  readonly onlineSeconds: number;
  readonly localSeconds: number;
  readonly transferSeconds: number;
  readonly latencySeconds: number;
  /** Of the whole job, keyed `layer\nphase`: kernels only. */
  readonly layerMs: ReadonlyMap<string, number>;
}

/** Puts rehearsed programs and a network together: own work + rounds * latency + bytes / bandwidth. */
export function predictTime(cost: JobCost, rehearsed: readonly RehearsedProgram[], network: Network): PredictedTime {
  let [offlineMs, localMs, transferMs, latencyMs] = [0, 0, 0, 0];
  const layerMs = new Map<string, number>();
  for (const program of cost.programs) {
    const found = rehearsed.find((candidate) => candidate.program === program.program);
    offlineMs += program.executions * (found?.dealerMs ?? 0);
    localMs += program.executions * (found?.partyMs ?? 0);
    latencyMs += program.rounds * network.latencyMs;
    // All-to-all: a party's links to its peers work side by side, and so do the two directions.
    const perLink = Math.max(...program.bytesSent, ...program.bytesReceived) / Math.max(1, cost.parties.length - 1);
    transferMs += (perLink / network.bytesPerSecond) * 1000;
    for (const [key, ms] of found?.layerMs ?? []) layerMs.set(key, (layerMs.get(key) ?? 0) + program.executions * ms);
  }
  return {
    offlineSeconds: offlineMs / 1000,
    onlineSeconds: (localMs + transferMs + latencyMs) / 1000,
    localSeconds: localMs / 1000,
    transferSeconds: transferMs / 1000,
    latencySeconds: latencyMs / 1000,
    layerMs,
  };
}

/** The same with all parties and the dealer on one machine like this, its cores shared fairly. */
export function oneMachineSeconds(parties: number, time: PredictedTime, cores: number): number {
  const work = (parties * time.localSeconds + time.offlineSeconds) / cores;
  return Math.max(work, time.localSeconds) + time.transferSeconds + time.latencySeconds;
}

/** Everybody to whom something is revealed. */
function receivers(plan: Plan): string[] {
  return [...plan.programs.values()].flatMap(({ program }) =>
    program.steps.flatMap((step) => (step.op === 'reveal' ? [...step.receivers] : [])),
  );
}

function zeroFeeds({ parties, dealer }: PlannedProgram): {
  inputs: Map<string, BigUint64Array>;
  known: Map<string, BigUint64Array>;
} {
  const inputs = new Map<string, BigUint64Array>();
  const known = new Map<string, BigUint64Array>();
  for (const fill of parties[0]?.rounds.flatMap((round) => round.fills) ?? []) {
    if (fill.from === 'input') inputs.set(fill.name, new BigUint64Array(fill.slot.length));
    if (fill.from === 'known') known.set(fill.name, new BigUint64Array(fill.slot.length));
  }
  for (const fill of dealer.stages.flatMap((stage) => stage.fills)) {
    if (fill.from === 'known') known.set(fill.name, new BigUint64Array(fill.slot.length));
  }
  return { inputs, known };
}

/** Takes everything and answers with zeros of the length asked for. */
function silentTransport(self: string, peers: readonly string[]): Transport {
  return {
    self,
    peers,
    send: () => Promise.resolve(),
    receive: (_peer, _key, length) => Promise.resolve(new Uint8Array(length ?? 0)),
    counters: () => ({ bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 }),
    close: () => Promise.resolve(),
  };
}
