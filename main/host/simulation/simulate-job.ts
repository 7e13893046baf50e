/**
 * A compiled job with all its parties and the dealer in this process, which therefore holds every secret: for tests, scripts
 * and notebooks. Plans, kernels, messages and costs are those of parties on machines of their own.
 */
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import type { CryptoPort } from '../../../engine/random/crypto-port.ts';
import { withRandomness } from '../../../engine/random/draw.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import type { Execution, Revealed } from '../../../engine/runtime/script.ts';
import type { ClearWork, CompiledJob, OwnData } from '../jobs/tasks/task.ts';
import { inputParties, publicStandardisation } from '../jobs/tasks/table.ts';
import type { RunOutcome } from '../results/results.ts';
import type { SchemasByParty } from '../../../shared/resolve-job.ts';
import type { InputStandardisation } from '../../../shared/model.ts';
import { runSimulated } from './simulated-run.ts';
import type { SimulatedRun } from './simulated-run.ts';

export interface SimulatedJobOptions {
  readonly compiled: CompiledJob;
  readonly schemas: SchemasByParty;
  /** What each party brings. */
  readonly own: ReadonlyMap<string, OwnData>;
  readonly transport?: 'memory' | 'sockets';
  readonly kernels?: () => Promise<Kernels>;
  /** Where randomness comes from; the operating system by default. */
  readonly crypto?: CryptoPort;
  readonly signal?: AbortSignal;
  readonly onExecution?: (execution: Execution, of: number) => void;
}

/** What each party would have in its results, by name, with what the run cost. */
export async function simulateJob(
  options: SimulatedJobOptions,
): Promise<SimulatedRun<ReadonlyMap<string, RunOutcome>>> {
  const { compiled, schemas, own, kernels, crypto = nodeCrypto } = options;
  const { plan, job } = compiled;
  const signal = options.signal ?? new AbortController().signal;
  const executions = [...compiled.script()];
  const startedMs = performance.now();
  const inputs = new Map(plan.parties.map((party) => [party, compiled.inputs(party, own.get(party) ?? {})]));
  const clear = new Map<string, ClearWork>();
  for (const party of plan.parties) {
    const work = await compiled.clearWork?.(party, own.get(party) ?? {});
    if (work !== undefined) clear.set(party, work);
  }
  const revealed = new Map(plan.parties.map((party) => [party, [] as Revealed[]]));
  const standardisations = inputParties(job, schemas).map(
    (party): InputStandardisation =>
      own.get(party)?.rows?.standardisation ?? publicStandardisation(job, party, schemas),
  );
  return runSimulated(
    {
      plan,
      executions,
      transport: options.transport ?? 'memory',
      signal,
      startedMs,
      crypto,
      ...(kernels === undefined ? {} : { kernels }),
    },
    async (simulation) => {
      for (const execution of executions) {
        signal.throwIfAborted();
        const { program, number, epoch, known } = execution;
        const now = new Map(inputs);
        for (const [party, work] of clear)
          now.set(party, new Map([...(inputs.get(party) ?? []), ...(await work.inputs(execution))]));
        const fed = withRandomness(crypto, now, compiled.randomness.get(program) ?? []);
        const learned = await simulation.execute(program, { inputs: fed, known });
        plan.parties.forEach((party, i) => {
          const found = learned[i] ?? new Map<string, BigUint64Array>();
          compiled.check?.(found);
          const used = clear.get(party)?.learn(execution, found);
          for (const [name, words] of found)
            if (used?.has(name) !== true) revealed.get(party)?.push({ execution: number, epoch, name, words });
        });
        options.onExecution?.(execution, executions.length);
      }
      for (const work of clear.values()) await work.dispose();
      return new Map(
        plan.parties.map((party) => [
          party,
          compiled.outcome({
            party,
            revealed: revealed.get(party) ?? [],
            standardisations,
            rows: own.get(party)?.rows,
          }),
        ]),
      );
    },
  );
}
