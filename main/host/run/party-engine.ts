/**
 * Entry of the worker in which a compute party computes: compiles the agreed job, then runs attempts of it on kernels, vault
 * and the session that the host serves. Opens no socket; opens the store, as the vault must not hop threads.
 */
import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import type { Execution, Revealed } from '../../../engine/runtime/script.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { drawRandomness, drawsOf } from '../../../engine/random/draw.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { slotOf } from '../../../engine/plan/records.ts';
import { PartyStreams } from '../../../engine/random/streams.ts';
import { PartyExecutor } from '../../../engine/runtime/executor.ts';
import { Profiler } from '../../../engine/runtime/profiler.ts';
import { wordsToBytes } from '../../../engine/runtime/words.ts';
import { InternalError } from '../../../shared/errors.ts';
import { keepsShares, partyOrder } from '../../../shared/job-roles.ts';
import { kernelReportText } from '../../../shared/kernel-choice.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import { chooseKernels } from '../gpu/choose-kernels.ts';
import type { ChosenKernels } from '../gpu/choose-kernels.ts';
import { framePort } from '../gpu/frame-port.ts';
import { nodeGpuSource, remoteGpuSource } from '../gpu/gpu-kernels.ts';
import { GpuSettings } from '../gpu/gpu-settings.ts';
import { partyWork } from '../gpu/plan-work.ts';
import { compileJob } from '../jobs/compile.ts';
import { spentFact } from '../jobs/tasks/privacy-claims.ts';
import type { ClearWork, CompiledJob } from '../jobs/tasks/task.ts';
import { disclosures } from '../results/disclosures.ts';
import { jobCost } from '../results/job-cost.ts';
import { writeResults } from '../results/results.ts';
import type { PartyTraffic, RunOutcome } from '../results/results.ts';
import { joinStore } from '../store/store.ts';
import type { Store } from '../store/store.ts';
import { CheckpointSchedule, packCheckpoint, unpackCheckpoint } from './checkpoint.ts';
import { ControlChannel } from './control.ts';
import { servedTransport } from './engine-messages.ts';
import { toPlainError } from '../plain-error.ts';
import type { EngineEvent, EngineSetup, PartyStart, PartySummary } from './engine-messages.ts';
import { EngineTransport } from './engine-transport.ts';
import type { Tally } from './engine-transport.ts';
import { toldStandardisations } from './told-standardisations.ts';
import { CursorGuard, RecordStream } from './vault-ports.ts';
import { VaultRecords } from './vault-records.ts';
import type { VaultRecordsOptions } from './vault-records.ts';

const PROGRESS_EVERY_MS = 100;
/** Longer tables are in the results only. */
const MAX_SUMMARY_ROWS = 200;
const KEEP_CHECKPOINTS = 2;
/** Marks, in a checkpoint, what the party computes in the clear. */
const CLEAR_PREFIX = 'clear-work/';

if (parentPort === null) throw new InternalError('not-a-worker', 'The engine was started outside a worker.');
const host = parentPort;
const tell = (event: EngineEvent): void => host.postMessage(event);
const setup = workerData as EngineSetup;
/** Since when no attempt runs: set-up time counts from here. */
let idleSinceMs = 0;

try {
  const { agreement, self, folder, guardKey, threads, kernels: preference, gpuPort } = setup;
  const compiled = compileJob(agreement.job, agreement.schemas, agreement.model);
  const store = joinStore(folder, { guardKey: guardKey === undefined ? undefined : new SecretKey(guardKey) });
  const script = [...compiled.script()];
  let attempt = 0;
  const chosen = await chooseKernels({
    preference,
    threads: Math.min(threads, availableParallelism()),
    work: partyWork(compiled.plan, compiled.plan.parties.indexOf(self), script),
    settings: new GpuSettings(store.settings),
    openGpu: () => (gpuPort === undefined ? nodeGpuSource() : remoteGpuSource(framePort(gpuPort))),
    onLost: (text) => {
      store.jobs.log(agreement.session, attempt, 'warning', text);
      tell({ type: 'progress', phase: 'the graphics card failed: the CPU goes on' });
    },
    onRefused: (text) => {
      // An attempt's log begins with what is known by then.
      if (attempt > 0) store.jobs.log(agreement.session, attempt, 'warning', text);
    },
  });
  host.on('message', (start: PartyStart) => {
    attempt = start.attempt;
    store.jobs.log(agreement.session, attempt, 'info', `Computes on the ${kernelReportText(chosen.report())}`);
    const run = new AttemptRun(compiled, script, store, chosen, self, start);
    run
      .execute()
      .then((summary) => tell({ type: 'done', summary }))
      .catch((error: unknown) => tell({ type: 'failed', error: toPlainError(error) }))
      .finally(() => {
        idleSinceMs = performance.now();
        chosen.attemptEnded();
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
  readonly #chosen: ChosenKernels;
  readonly #self: string;
  readonly #start: PartyStart;
  readonly #transport: EngineTransport;
  readonly #profiler = new Profiler();
  readonly #revealed: Revealed[] = [];
  #clear: ClearWork | undefined;
  readonly #evaluation: Tally = { bytesSent: 0, bytesReceived: 0, rounds: 0 };
  /** Spent on material before the first execution. */
  #aheadMs = 0;
  #progressMs = -Infinity;
  #qualityTold = 0;

  constructor(
    compiled: CompiledJob,
    script: readonly Execution[],
    store: Store,
    chosen: ChosenKernels,
    self: string,
    start: PartyStart,
  ) {
    this.#compiled = compiled;
    this.#script = script;
    this.#store = store;
    this.#chosen = chosen;
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
    const dealerBefore = this.#transport.counters(this.#compiled.job.dealer).bytesReceived;
    const inputs = this.#boundInputs();
    this.#clear = await this.#compiled.clearWork?.(this.#self, this.#start.own);
    const streams = new PartyStreams(nodeCrypto, new SecretKey(this.#start.seed));
    const zeroKeys = new Map(this.#start.zeroKeys.map(([peer, key]) => [peer, new SecretKey(key)]));
    const executor = await this.#executor(executions, streams, zeroKeys);
    // What was counted until now is no protocol payload.
    const before = await this.#transport.total();
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
      if (last !== undefined && keepsShares(this.#compiled.job)) await this.#save(executor, last);
    } finally {
      executor.dispose();
      await this.#clear?.dispose();
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
    const inputs = this.#compiled.inputs(this.#self, this.#start.own);
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
    const needs = executions.filter(({ program, number }) => {
      const slot = slotOf(index, number, plan.parties.length);
      return (plan.programs.get(program)?.demand.correctionBytes[slot] ?? 0) > 0;
    });
    const { dealer } = job;
    const source = { transport: this.#transport, dealer, session: this.#session, attempt, party: this.#self, streams };
    const records =
      job.material === 'ahead'
        ? await this.#stock({ ...source, cursor, needs })
        : new RecordStream({ ...source, executions: needs.map(({ number }) => number).values() });
    return PartyExecutor.create({
      plan,
      index,
      attempt,
      kernels: this.#chosen.kernels,
      transport: this.#transport,
      crypto: nodeCrypto,
      streams,
      zeroKeys,
      records,
      guard: new CursorGuard(cursor, resume !== undefined),
      profiler: this.#profiler,
    });
  }

  /** Waits until all parties have their material, or as much of it as their vaults take. */
  async #stock(options: Omit<VaultRecordsOptions, 'onStored'>): Promise<VaultRecords> {
    const from = performance.now();
    const total = options.needs.length;
    const onStored = (done: number): void => {
      if (performance.now() - this.#progressMs < PROGRESS_EVERY_MS && done !== total) return;
      this.#progressMs = performance.now();
      tell({ type: 'progress', phase: 'storing material ahead', done, total });
    };
    const records = new VaultRecords({ ...options, onStored });
    await records.stocked;
    const control = new ControlChannel(this.#transport, options.attempt);
    const others = partyOrder(this.#compiled.job).filter((party) => party !== this.#self);
    await Promise.all(
      others.map(async (party) => {
        await control.send(party, 'stocked', 0, {});
        await control.receive(party, 'stocked', 0, z.strictObject({}));
      }),
    );
    this.#aheadMs = performance.now() - from;
    return records;
  }

  async #executeOne(executor: PartyExecutor, execution: Execution, inputs: Map<string, BigUint64Array>): Promise<void> {
    const { program, number, known, kind, epoch } = execution;
    const before = kind === 'evaluate' ? await this.#transport.total() : undefined;
    const drawn = this.#drawn(execution);
    const clear = (await this.#clear?.inputs(execution)) ?? [];
    const revealed = await executor.execute(program, number, {
      inputs: new Map([...inputs, ...clear, ...drawn]),
      known,
    });
    this.#compiled.check?.(revealed);
    const used = this.#clear?.learn(execution, revealed);
    for (const [name, words] of revealed)
      if (used?.has(name) !== true) this.#revealed.push({ execution: number, epoch, name, words });
    if (before === undefined) return;
    const after = await this.#transport.total();
    for (const part of ['bytesSent', 'bytesReceived', 'rounds'] as const) {
      this.#evaluation[part] += after[part] - before[part];
    }
  }

  /** This party's own random numbers of an execution, the same in every attempt. */
  #drawn({ program, number }: Execution): Map<string, BigUint64Array> {
    const inputs = this.#compiled.randomness.get(program) ?? [];
    if (inputs.length === 0) return new Map();
    const secret = this.#store.identity.sealingKey();
    const run = new TextEncoder().encode(this.#session);
    const key = nodeCrypto.deriveKey(secret, run, `tacit/v1/drawn|${this.#compiled.plan.digest}`);
    const drawn = drawRandomness(drawsOf(nodeCrypto, key, number), inputs, this.#self);
    for (const used of [secret, key]) used.erase();
    return drawn;
  }

  #restore(executor: PartyExecutor): void {
    const { resume } = this.#start;
    if (resume === undefined) return;
    const key = this.#store.identity.sealingKey();
    const blob = this.#store.checkpoints.load({ job: this.#session, ...resume }, key);
    key.erase();
    if (blob === undefined) throw new InternalError('checkpoint-missing', 'The agreed checkpoint is not in the store.');
    const kept = unpackCheckpoint(this.#compiled.plan, executor, blob);
    this.#revealed.push(...kept.filter(({ name }) => !name.startsWith(CLEAR_PREFIX)));
    this.#clear?.restore(
      new Map(
        kept.flatMap(({ name, words }) =>
          name.startsWith(CLEAR_PREFIX) ? [[name.slice(CLEAR_PREFIX.length), words]] : [],
        ),
      ),
    );
  }

  async #save(executor: PartyExecutor, { number }: Execution): Promise<void> {
    const { checkpoints, identity } = this.#store;
    const place = { job: this.#session, attempt: this.#start.attempt, execution: number + 1 };
    const clear = [...(this.#clear?.save() ?? [])].map(([name, words]): Revealed => ({
      execution: number,
      epoch: 0,
      name: `${CLEAR_PREFIX}${name}`,
      words,
    }));
    const blob = await packCheckpoint(this.#compiled.plan, executor, [...this.#revealed, ...clear]);
    const key = identity.sealingKey();
    checkpoints.save(place, blob, key);
    checkpoints.prune(this.#session, KEEP_CHECKPOINTS);
    key.erase();
  }

  #report({ number, kind, epoch, step, steps }: Execution): void {
    const isLast = number === this.#script.length - 1;
    const next = this.#script[number + 1];
    const isEvaluated = next?.kind !== 'evaluate' || next.epoch !== epoch;
    const quality = isEvaluated ? this.#newQuality() : undefined;
    if (!isLast && quality === undefined && performance.now() - this.#progressMs < PROGRESS_EVERY_MS) return;
    this.#progressMs = performance.now();
    const phase = kind === 'evaluate' ? 'evaluating' : kind === 'reveal' ? 'revealing' : this.#compiled.activity;
    tell({
      type: 'progress',
      phase,
      done: kind === 'step' ? step + 1 : step,
      total: steps,
      epoch: epoch + 1,
      epochs: this.#compiled.job.train?.epochs,
      layer: this.#profiler.layer,
      quality,
    });
  }

  /** What was revealed by epoch, where that is more than was told before. */
  #newQuality(): RunProgress['quality'] {
    const quality = this.#compiled.quality(this.#self, this.#revealed);
    if (quality.length === this.#qualityTold) return undefined;
    this.#qualityTold = quality.length;
    return quality;
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
    const { job, plan, assumptions, privacy = [] } = this.#compiled;
    const { spent } = this.#start;
    const outcome = await this.#outcome();
    const kernels = this.#chosen.report();
    const times = this.#profiler.executions;
    const kinds = new Map(executions.map(({ number, kind }) => [number, kind]));
    const training = times.filter(({ execution }) => kinds.get(execution) !== 'evaluate');
    const sum = (some: typeof times, pick: (one: (typeof times)[number]) => number): number =>
      some.reduce((total, one) => total + pick(one), 0);
    const waited = sum(training, (one) => one.activityMs.offline) / 1000;
    const online = sum(training, (one) => one.wallMs) / 1000 - waited;
    const offline = waited + this.#aheadMs / 1000;
    const evaluation = (sum(times, (one) => one.wallMs) - sum(training, (one) => one.wallMs)) / 1000;
    const first = times[0]?.startedMs ?? performance.now();
    const seconds = { setup: (first - idleSinceMs - this.#aheadMs) / 1000, offline, online };
    const activities = Object.keys(times[0]?.activityMs ?? {}) as (keyof (typeof times)[number]['activityMs'])[];
    const results = await writeResults(setup.results, {
      title: job.name,
      startedAt,
      about: [
        ['task', job.task],
        ...this.#compiled.about,
        ...spent.map(spentFact),
        ['steps', String(executions.filter(({ kind }) => kind === 'step').length)],
        ['computed on', kernelReportText(kernels)],
      ],
      kernels,
      learned: disclosures(job),
      privacy: privacy.length === 0 ? undefined : { run: privacy, spent },
      plan,
      executions,
      assumptions,
      seconds,
      traffic: [traffic],
      times: [{ id: this.#self, timeOriginMs: performance.timeOrigin, executions: times, links: this.#profiler.links }],
      description: this.#compiled.training?.description,
      ...outcome,
    });
    return {
      traffic,
      seconds: { ...seconds, evaluation },
      metrics: outcome.metrics,
      tables: (outcome.tables ?? []).filter(({ rows }) => rows.length <= MAX_SUMMARY_ROWS),
      results,
      activityMs: Object.fromEntries(activities.map((name) => [name, sum(training, (one) => one.activityMs[name])])),
      kernels,
    };
  }

  async #outcome(): Promise<RunOutcome> {
    const { attempt, own } = this.#start;
    const control = new ControlChannel(this.#transport, attempt);
    const standardisations = await toldStandardisations({
      compiled: this.#compiled,
      schemas: setup.agreement.schemas,
      self: this.#self,
      own: own.rows?.standardisation,
      control,
      position: this.#script.length,
    });
    return this.#compiled.outcome({
      party: this.#self,
      revealed: this.#revealed,
      standardisations,
      rows: own.rows,
    });
  }
}
