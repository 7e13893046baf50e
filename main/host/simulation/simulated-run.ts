/**
 * Runs a plan with simulated parties, over memory or over real sockets, and counts and times what they do. All parties and the
 * dealer are in this process. Knows nothing of models.
 */
import { availableParallelism } from 'node:os';
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import type { Plan } from '../../../engine/plan/plan.ts';
import type { CryptoPort } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { memoryNetwork } from '../../../engine/runtime/memory-transport.ts';
import { Simulation } from '../../../engine/runtime/simulation.ts';
import type { KernelPreference, KernelReport } from '../../../shared/kernel-choice.ts';
import { localKernels } from '../gpu/local-kernels.ts';
import { loopbackLinks } from '../loopback/links.ts';
import { jobCost } from '../results/job-cost.ts';
import type { CostedExecution, JobCost } from '../results/job-cost.ts';
import type { PartyTimes, PartyTraffic, RunSeconds } from '../results/results.ts';
import { EngineTransport } from '../run/engine-transport.ts';
import type { Tally } from '../run/engine-transport.ts';

export interface SimulatedRunOptions {
  readonly plan: Plan;
  /** What `run` will execute, in order. */
  readonly executions: readonly CostedExecution[];
  readonly transport: 'memory' | 'sockets';
  readonly signal: AbortSignal;
  /** When the set-up began, as `performance.now()` tells. */
  readonly startedMs: number;
  /** One kernel set a party, and one for the dealer. By default as preferred. */
  readonly kernels?: (() => Promise<Kernels>) | undefined;
  /** The CPU by default. */
  readonly preference?: KernelPreference | undefined;
  /** Where keys and masks come from; the operating system by default. */
  readonly crypto?: CryptoPort;
}

export interface SimulatedRun<T> {
  readonly result: T;
  readonly cost: JobCost;
  readonly traffic: readonly PartyTraffic[];
  readonly times: readonly PartyTimes[];
  readonly seconds: RunSeconds;
  /** What all parties computed on; undefined where the caller gave kernels. */
  readonly computedOn: KernelReport | undefined;
}

export async function runSimulated<T>(
  options: SimulatedRunOptions,
  run: (simulation: Simulation) => Promise<T>,
): Promise<SimulatedRun<T>> {
  const { plan, signal, startedMs } = options;
  const { parties } = plan;
  const cost = jobCost(plan, options.executions);
  const threads = Math.max(1, Math.floor(availableParallelism() / parties.length));
  const { preference = 'wasm', executions } = options;
  const local =
    options.kernels === undefined
      ? await localKernels({ preference, threads, plan, executions })
      : { next: options.kernels, report: () => undefined, close: () => Promise.resolve() };
  let links: Awaited<ReturnType<typeof loopbackLinks>> | undefined;
  try {
    if (options.transport === 'sockets') links = await loopbackLinks(parties, plan.digest, signal);
    const inner = links?.transports ?? [...memoryNetwork(parties).values()];
    const transports = inner.map((transport) => new EngineTransport(transport, transport.peers));
    const simulation = await Simulation.create({
      plan,
      crypto: options.crypto ?? nodeCrypto,
      kernels: local.next,
      transports,
    });
    try {
      const setUpMs = performance.now();
      const result = await run(simulation);
      const endedMs = performance.now();
      const times = simulation.profilers.map(({ executions: profiled, links: linkTimes }, i) => ({
        id: parties[i] ?? '',
        timeOriginMs: performance.timeOrigin,
        executions: profiled,
        links: linkTimes,
      }));
      const onlineMs = Math.max(
        ...times.map(({ executions: own }) => own.reduce((sum, { wallMs }) => sum + wallMs, 0)),
      );
      return {
        result,
        computedOn: local.report(),
        cost,
        times,
        traffic: (await Promise.all(transports.map((transport) => transport.total()))).map((total, i) =>
          trafficOf(cost, total, i),
        ),
        seconds: {
          setup: (setUpMs - startedMs) / 1000,
          offline: (endedMs - setUpMs - onlineMs) / 1000,
          online: onlineMs / 1000,
        },
      };
    } finally {
      await simulation.close();
    }
  } finally {
    await links?.close();
    await local.close();
  }
}

function trafficOf(
  { training, parties }: JobCost,
  { bytesSent, bytesReceived, rounds }: Tally,
  i: number,
): PartyTraffic {
  return {
    id: parties[i] ?? '',
    bytesSent,
    bytesReceived,
    rounds,
    predictedBytes: training.bytesSent[i] ?? 0,
    predictedRounds: training.rounds,
    dealerBytes: training.dealerBytes[i] ?? 0,
    evalRounds: 0,
    evalBytes: 0,
  };
}
