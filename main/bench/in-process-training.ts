/**
 * A training job with all compute parties and the dealer in this process, over the in-memory transport: bytes and rounds are
 * those of a real run, times are those of its work without links. For benchmarks and tests of what a run leaves behind.
 */
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import type { Kernels } from '../../engine/kernels/kernels.ts';
import type { Execution, Revealed } from '../../engine/runtime/script.ts';
import { memoryNetwork } from '../../engine/runtime/memory-transport.ts';
import { Simulation } from '../../engine/runtime/simulation.ts';
import { columnPlan } from '../../shared/resolve-job.ts';
import { localTrainingRows } from '../../shared/schedule.ts';
import { prepareLocal } from '../host/datasets/prepare.ts';
import type { PreparedRows } from '../host/datasets/prepare.ts';
import { compileJob } from '../host/jobs/compile.ts';
import type { OpenedJob } from '../host/jobs/open-job.ts';
import type { CompiledJob } from '../host/jobs/tasks/task.ts';
import { jobCost } from '../host/results/job-cost.ts';
import type { JobCost } from '../host/results/job-cost.ts';
import type { PartyTimes, PartyTraffic, RunMetrics } from '../host/results/results.ts';
import { EngineTransport } from '../host/run/engine-transport.ts';
import type { Tally } from '../host/run/engine-transport.ts';

export interface PreparedJob {
  readonly compiled: CompiledJob;
  readonly prepared: ReadonlyMap<string, PreparedRows>;
}

export interface InProcessTraining {
  readonly executions: readonly Execution[];
  readonly cost: JobCost;
  readonly traffic: readonly PartyTraffic[];
  readonly times: readonly PartyTimes[];
  readonly metrics: RunMetrics | undefined;
  /** The slower party's work and waiting for the other, without evaluation. */
  readonly onlineMs: number;
  /** The dealer's work, without evaluation; here it alternates with the parties'. */
  readonly dealerMs: number;
}

/** Plans the job and prepares every party's rows. */
export async function prepareJob({ job, schemas, model, data }: OpenedJob, signal?: AbortSignal): Promise<PreparedJob> {
  const compiled = compileJob(job, schemas, model);
  const prepared = new Map<string, PreparedRows>();
  for (const [party, { data: own, test }] of data) {
    const training = localTrainingRows(compiled.layout, party);
    prepared.set(party, await prepareLocal(own, test, columnPlan(job, party, schemas), training, signal));
  }
  return { compiled, prepared };
}

/** Runs the whole script. */
export async function trainInProcess(
  { compiled, prepared }: PreparedJob,
  kernels: () => Promise<Kernels>,
  signal?: AbortSignal,
  onExecution: (execution: Execution) => void = () => undefined,
): Promise<InProcessTraining> {
  const { plan } = compiled;
  const executions = [...compiled.script()];
  const cost = jobCost(plan, executions);
  const inputs = new Map([...prepared].map(([party, rows]) => [party, compiled.inputs(party, { rows })]));
  const transports = [...memoryNetwork(plan.parties).values()].map(
    (transport) => new EngineTransport(transport, transport.peers),
  );
  const simulation = await Simulation.create({ plan, crypto: nodeCrypto, kernels, transports });
  const evaluated = transports.map(() => ({ bytesSent: 0, bytesReceived: 0, rounds: 0 }));
  const learned: Revealed[] = [];
  const receiver = plan.parties.findIndex((party) => compiled.job.reveal.metrics.includes(party));
  let trainingMs = 0;
  try {
    for (const execution of executions) {
      signal?.throwIfAborted();
      onExecution(execution);
      const before = await totals(transports);
      const from = performance.now();
      const revealed = await simulation.execute(execution.program, { inputs, known: execution.known });
      if (execution.kind !== 'evaluate') {
        trainingMs += performance.now() - from;
        continue;
      }
      for (const [name, words] of revealed[receiver] ?? [])
        learned.push({ execution: execution.number, epoch: execution.epoch, name, words });
      const after = await totals(transports);
      evaluated.forEach((apart, i) => {
        const [earlier, now] = [before[i], after[i]];
        if (earlier === undefined || now === undefined) return;
        apart.bytesSent += now.bytesSent - earlier.bytesSent;
        apart.bytesReceived += now.bytesReceived - earlier.bytesReceived;
        apart.rounds += now.rounds - earlier.rounds;
      });
    }
    const times = simulation.profilers.map(({ executions: profiled, links }, i) => ({
      id: plan.parties[i] ?? '',
      timeOriginMs: performance.timeOrigin,
      executions: profiled,
      links,
    }));
    const evaluations = new Set(executions.filter(({ kind }) => kind === 'evaluate').map(({ number }) => number));
    const onlineMs = Math.max(
      ...times.map(({ executions: profiled }) =>
        profiled.reduce((sum, { execution, wallMs }) => sum + (evaluations.has(execution) ? 0 : wallMs), 0),
      ),
    );
    return {
      executions,
      cost,
      times,
      metrics: compiled.outcome({ party: plan.parties[receiver] ?? '', revealed: learned, standardisations: [] })
        .metrics,
      onlineMs,
      dealerMs: trainingMs - onlineMs,
      traffic: (await totals(transports)).map((total, i): PartyTraffic => {
        const apart = evaluated[i] ?? { bytesSent: 0, bytesReceived: 0, rounds: 0 };
        return {
          id: plan.parties[i] ?? '',
          bytesSent: total.bytesSent - apart.bytesSent,
          bytesReceived: total.bytesReceived - apart.bytesReceived,
          rounds: total.rounds - apart.rounds,
          predictedBytes: cost.training.bytesSent[i] ?? 0,
          predictedRounds: cost.training.rounds,
          dealerBytes: (cost.training.dealerBytes[i] ?? 0) + (cost.evaluation.dealerBytes[i] ?? 0),
          evalRounds: apart.rounds,
          evalBytes: apart.bytesSent,
        };
      }),
    };
  } finally {
    await simulation.close();
  }
}

function totals(transports: readonly EngineTransport[]): Promise<Tally[]> {
  return Promise.all(transports.map((transport) => transport.total()));
}
