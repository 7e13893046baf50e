/**
 * Entry of the worker in which a compute party computes: compiles the agreed job, then runs attempts of it on kernels, vault
 * and the session that the host serves. Opens no socket; opens the store, as the vault must not hop threads.
 */
import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import type { Execution } from '../../../engine/nn/script.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { slotOf } from '../../../engine/plan/records.ts';
import { PartyStreams } from '../../../engine/random/streams.ts';
import { PartyExecutor } from '../../../engine/runtime/executor.ts';
import { Profiler } from '../../../engine/runtime/profiler.ts';
import { wordsToBytes } from '../../../engine/runtime/words.ts';
import { InternalError, PeerError } from '../../../shared/errors.ts';
import { dataParties, partyOrder } from '../../../shared/job-roles.ts';
import type { InputStandardisation, TrainedModel } from '../../../shared/model.ts';
import { standardisation } from '../../../shared/resolve-job.ts';
import { compileJob, inputWords } from '../jobs/compile.ts';
import type { CompiledJob } from '../jobs/compile.ts';
import { disclosures } from '../results/disclosures.ts';
import { jobCost } from '../results/job-cost.ts';
import { writeResults } from '../results/results.ts';
import type { PartyTraffic } from '../results/results.ts';
import { joinStore } from '../store/store.ts';
import type { Store } from '../store/store.ts';
import { CheckpointSchedule, packCheckpoint, unpackCheckpoint } from './checkpoint.ts';
import type { MetricSum } from './checkpoint.ts';
import { ControlChannel } from './control.ts';
import { servedTransport, toPlainError } from './engine-messages.ts';
import type { EngineEvent, EngineSetup, PartyStart, PartySummary } from './engine-messages.ts';
import { EngineTransport } from './engine-transport.ts';
import type { Tally } from './engine-transport.ts';
import { inputParties, metricSums, publicStandardisation, revealedModel, runMetrics } from './run-results.ts';
import { resultsFolder } from './folders.ts';
import { CursorGuard, RecordStream } from './vault-ports.ts';

const PROGRESS_EVERY_MS = 100;
const KEEP_CHECKPOINTS = 2;
const standardisationSchema = z.strictObject({ subtract: z.array(z.number()), multiply: z.array(z.number()) });

if (parentPort === null) throw new InternalError('not-a-worker', 'The engine was started outside a worker.');
const host = parentPort;
const tell = (event: EngineEvent): void => host.postMessage(event);
const setup = workerData as EngineSetup;
/** Since when no attempt runs: set-up time counts from here. */
let idleSinceMs = 0;

try {
  const { agreement, self, folder, threads } = setup;
  const compiled = compileJob(agreement.job, agreement.schemas);
  const store = joinStore(folder);
  const kernels = await wasmKernels({ threads: Math.min(threads, availableParallelism()) });
  const script = [...compiled.script()];
  host.on('message', (start: PartyStart) => {
    const run = new AttemptRun(compiled, script, store, kernels, self, start);
    run
      .execute()
      .then((summary) => tell({ type: 'done', summary }))
      .catch((error: unknown) => tell({ type: 'failed', error: toPlainError(error) }))
      .finally(() => {
        idleSinceMs = performance.now();
        start.port.close();
      });
  });
  tell({ type: 'compiled', planDigest: compiled.plan.digest, executions: script.length });
} catch (error) {
  tell({ type: 'failed', error: toPlainError(error) });
}

/** One attempt at this party, from its keys to its results. */
class AttemptRun {
  readonly #compiled: CompiledJob;
  readonly #script: readonly Execution[];
  readonly #store: Store;
  readonly #kernels: Kernels;
  readonly #self: string;
  readonly #start: PartyStart;
  readonly #transport: EngineTransport;
  readonly #profiler = new Profiler();
  readonly #revealed = new Map<string, BigUint64Array>();
  readonly #metrics: MetricSum[] = [];
  readonly #evaluation: Tally = { bytesSent: 0, bytesReceived: 0, rounds: 0 };
  #progressMs = -Infinity;

  constructor(
    compiled: CompiledJob,
    script: readonly Execution[],
    store: Store,
    kernels: Kernels,
    self: string,
    start: PartyStart,
  ) {
    this.#compiled = compiled;
    this.#script = script;
    this.#store = store;
    this.#kernels = kernels;
    this.#self = self;
    this.#start = start;
    const parties = partyOrder(compiled.job);
    const others = parties.filter((party) => party !== self);
    this.#transport = new EngineTransport(servedTransport(self, start), others);
  }

  get #session(): string {
    return setup.agreement.session;
  }

  async execute(): Promise<PartySummary> {
    const startedAt = new Date();
    const { resume } = this.#start;
    const executions = this.#script.filter(({ number }) => number === 0 || number >= (resume?.execution ?? 0));
    // What was counted until now is no protocol payload.
    const before = await this.#transport.total();
    const dealerBefore = this.#transport.counters(this.#compiled.job.dealer).bytesReceived;
    const inputs = this.#boundInputs();
    const streams = new PartyStreams(nodeCrypto, new SecretKey(this.#start.seed));
    const zeroKeys = new Map(this.#start.zeroKeys.map(([peer, key]) => [peer, new SecretKey(key)]));
    const executor = await this.#executor(executions, streams, zeroKeys);
    try {
      const schedule = new CheckpointSchedule();
      for (const execution of executions) {
        await this.#executeOne(executor, execution, inputs);
        if (execution.number === 0 && resume !== undefined) this.#restore(executor);
        const cost = this.#compiled.plan.programs.get(execution.program)?.cost;
        if (cost !== undefined && execution.kind === 'step' && schedule.isDue(cost)) {
          await this.#save(executor, execution);
        }
        this.#report(execution);
      }
      // Nobody receives the model: its shares are the result, and stay.
      const last = executions.at(-1);
      if (last !== undefined && this.#compiled.job.reveal.model.length === 0) await this.#save(executor, last);
    } finally {
      executor.dispose();
      streams.erase();
      for (const key of zeroKeys.values()) key.erase();
    }
    const after = await this.#transport.total();
    const dealerBytes = this.#transport.counters(this.#compiled.job.dealer).bytesReceived - dealerBefore;
    const traffic = this.#traffic(executions, before, after, dealerBytes);
    return this.#finish(executions, traffic, startedAt);
  }

  /** Inputs as words, bound to the job: data that changed since an earlier attempt is refused. */
  #boundInputs(): Map<string, BigUint64Array> {
    const { prepared } = this.#start;
    if (prepared === undefined) return new Map();
    const inputs = inputWords(this.#compiled, this.#self, prepared);
    for (const [name, words] of inputs) {
      this.#store.vault.bind(this.#session, `input ${name}`, nodeCrypto.sha256(wordsToBytes(words)));
    }
    return inputs;
  }

  async #executor(
    executions: readonly Execution[],
    streams: PartyStreams,
    zeroKeys: ReadonlyMap<string, SecretKey>,
  ): Promise<PartyExecutor> {
    const { plan, job } = this.#compiled;
    const { attempt, resume } = this.#start;
    const { vault } = this.#store;
    const index = plan.parties.indexOf(this.#self);
    vault.recover(this.#session);
    if (attempt > 1) vault.retireAttempt(this.#session, attempt - 1);
    const cursor = vault.cursor({ job: this.#session, attempt, planDigest: plan.digest });
    const needing = executions
      .filter(({ program, number }) => {
        const slot = slotOf(index, number, plan.parties.length);
        return (plan.programs.get(program)?.demand.correctionBytes[slot] ?? 0) > 0;
      })
      .map(({ number }) => number);
    const records = new RecordStream({
      transport: this.#transport,
      dealer: job.dealer,
      session: this.#session,
      attempt,
      party: this.#self,
      streams,
      executions: needing.values(),
    });
    return PartyExecutor.create({
      plan,
      index,
      attempt,
      kernels: this.#kernels,
      transport: this.#transport,
      crypto: nodeCrypto,
      streams,
      zeroKeys,
      records,
      guard: new CursorGuard(cursor, resume !== undefined),
      profiler: this.#profiler,
    });
  }

  async #executeOne(executor: PartyExecutor, execution: Execution, inputs: Map<string, BigUint64Array>): Promise<void> {
    const { program, number, known, kind, epoch } = execution;
    const before = kind === 'evaluate' ? await this.#transport.total() : undefined;
    const revealed = await executor.execute(program, number, { inputs, known });
    for (const [name, words] of revealed) this.#revealed.set(name, words);
    if (before === undefined) return;
    this.#metrics.push(...metricSums(this.#compiled, epoch, revealed));
    const after = await this.#transport.total();
    for (const part of ['bytesSent', 'bytesReceived', 'rounds'] as const) {
      this.#evaluation[part] += after[part] - before[part];
    }
  }

  #restore(executor: PartyExecutor): void {
    const { resume } = this.#start;
    if (resume === undefined) return;
    const key = this.#store.identity.sealingKey();
    const blob = this.#store.checkpoints.load({ job: this.#session, ...resume }, key);
    key.erase();
    if (blob === undefined) throw new InternalError('checkpoint-missing', 'The agreed checkpoint is not in the store.');
    this.#metrics.push(...unpackCheckpoint(this.#compiled.plan, executor, blob));
  }

  async #save(executor: PartyExecutor, { number }: Execution): Promise<void> {
    const { checkpoints, identity } = this.#store;
    const place = { job: this.#session, attempt: this.#start.attempt, execution: number + 1 };
    const blob = await packCheckpoint(this.#compiled.plan, executor, this.#metrics);
    const key = identity.sealingKey();
    checkpoints.save(place, blob, key);
    checkpoints.prune(this.#session, KEEP_CHECKPOINTS);
    key.erase();
  }

  #report({ number, kind, step, steps }: Execution): void {
    const isLast = number === this.#script.length - 1;
    if (!isLast && performance.now() - this.#progressMs < PROGRESS_EVERY_MS) return;
    this.#progressMs = performance.now();
    const phase = kind === 'evaluate' ? 'evaluating' : kind === 'reveal' ? 'revealing' : 'training';
    tell({ type: 'progress', phase, done: kind === 'step' ? step + 1 : step, total: steps });
  }

  /** Counted against predicted; they differ only by a defect. */
  #traffic(executions: readonly Execution[], before: Tally, after: Tally, dealerBytes: number): PartyTraffic {
    const { plan } = this.#compiled;
    const index = plan.parties.indexOf(this.#self);
    const { training, evaluation } = jobCost(plan, executions);
    const evaluated = this.#evaluation;
    const traffic: PartyTraffic = {
      id: this.#self,
      bytesSent: after.bytesSent - before.bytesSent - evaluated.bytesSent,
      bytesReceived: after.bytesReceived - before.bytesReceived - evaluated.bytesReceived,
      rounds: after.rounds - before.rounds - evaluated.rounds,
      predictedBytes: training.bytesSent[index] ?? 0,
      predictedRounds: training.rounds,
      dealerBytes,
      evalRounds: evaluated.rounds,
      evalBytes: evaluated.bytesSent,
    };
    const checks: [what: string, counted: number, predicted: number][] = [
      ['bytes sent', traffic.bytesSent, traffic.predictedBytes],
      ['bytes received', traffic.bytesReceived, training.bytesReceived[index] ?? 0],
      ['rounds', traffic.rounds, traffic.predictedRounds],
      ['bytes sent in evaluation', traffic.evalBytes, evaluation.bytesSent[index] ?? 0],
      ['rounds of evaluation', traffic.evalRounds, evaluation.rounds],
    ];
    for (const [what, counted, predicted] of checks) {
      if (counted === predicted) continue;
      throw new InternalError(
        'cost-mispredicted',
        `${this.#self}: ${counted} ${what} were counted, ${predicted} predicted.`,
      );
    }
    return traffic;
  }

  async #finish(executions: readonly Execution[], traffic: PartyTraffic, startedAt: Date): Promise<PartySummary> {
    const { job, plan, assumptions } = this.#compiled;
    const model = await this.#model();
    const metrics = job.reveal.metrics.includes(this.#self) ? runMetrics(this.#compiled, this.#metrics) : undefined;
    const times = this.#profiler.executions;
    const kinds = new Map(executions.map(({ number, kind }) => [number, kind]));
    const training = times.filter(({ execution }) => kinds.get(execution) !== 'evaluate');
    const sum = (some: typeof times, pick: (one: (typeof times)[number]) => number): number =>
      some.reduce((total, one) => total + pick(one), 0);
    const offline = sum(training, (one) => one.activityMs.offline) / 1000;
    const online = sum(training, (one) => one.wallMs) / 1000 - offline;
    const evaluation = (sum(times, (one) => one.wallMs) - sum(training, (one) => one.wallMs)) / 1000;
    const first = times[0]?.startedMs ?? performance.now();
    const seconds = { setup: (first - idleSinceMs) / 1000, offline, online };
    const activities = Object.keys(times[0]?.activityMs ?? {}) as (keyof (typeof times)[number]['activityMs'])[];
    const results = await writeResults(resultsFolder(setup.folder), {
      title: job.name,
      startedAt,
      about: [
        ['task', job.task],
        ['training rows', String(this.#compiled.spec.trainingRows)],
        ['test rows', String(this.#compiled.spec.testRows)],
        ['steps', String(executions.filter(({ kind }) => kind === 'step').length)],
      ],
      learned: disclosures(job),
      plan,
      executions,
      assumptions,
      seconds,
      traffic: [traffic],
      times: [{ id: this.#self, timeOriginMs: performance.timeOrigin, executions: times }],
      metrics,
      model,
    });
    return {
      traffic,
      seconds: { ...seconds, evaluation },
      metrics,
      results,
      activityMs: Object.fromEntries(activities.map((name) => [name, sum(training, (one) => one.activityMs[name])])),
    };
  }

  /** Where this party receives the model: its weights, and what the others did to their columns before sharing them. */
  async #model(): Promise<TrainedModel | undefined> {
    const { job } = this.#compiled;
    const receivers = job.reveal.model;
    const { schemas } = setup.agreement;
    const { prepared, attempt } = this.#start;
    const isLocal = standardisation(job) === 'locally';
    const control = new ControlChannel(this.#transport, attempt);
    const contributors = inputParties(job, schemas);
    if (isLocal && prepared !== undefined && contributors.includes(this.#self)) {
      const { subtract, multiply } = prepared.standardisation;
      for (const receiver of receivers) {
        if (receiver === this.#self) continue;
        const body = { subtract: [...subtract], multiply: [...multiply] };
        await control.send(receiver, 'standardisation', this.#script.length, body);
      }
    }
    if (!receivers.includes(this.#self)) return undefined;
    const all: InputStandardisation[] = [];
    for (const party of contributors) {
      if (!isLocal) all.push(publicStandardisation(job, party, schemas));
      else if (party === this.#self && prepared !== undefined) all.push(prepared.standardisation);
      else all.push(await this.#standardisationOf(control, party));
    }
    return revealedModel(this.#compiled, this.#revealed, all);
  }

  async #standardisationOf(control: ControlChannel, party: string): Promise<InputStandardisation> {
    const { job } = this.#compiled;
    const width = publicStandardisation(job, party, setup.agreement.schemas).multiply.length;
    const theirs = await control.receive(party, 'standardisation', this.#script.length, standardisationSchema);
    if (theirs.subtract.length !== width || theirs.multiply.length !== width || !dataParties(job).includes(party)) {
      throw new PeerError(
        'control-malformed',
        party,
        `${party} sent a standardisation for another number of columns.`,
        {
          hint: 'Use the same version of Tacit at all parties.',
        },
      );
    }
    return { subtract: Float64Array.from(theirs.subtract), multiply: Float64Array.from(theirs.multiply) };
  }
}
