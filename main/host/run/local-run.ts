/**
 * A job with all its parties on this machine: every party and the dealer a process with a data folder of its own, started and
 * supervised here, over real links. The one who starts it holds all files, so it protects nothing from him; the processes
 * know no more than they would on machines of their own. Knows nothing of terminals.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { agreementDigest, parseAgreement } from '../../../shared/agreement.ts';
import type { Agreement, Member } from '../../../shared/agreement.ts';
import { schemaDigest } from '../../../shared/dataset.ts';
import type { DatasetSchema } from '../../../shared/dataset.ts';
import { InputError, InternalError, MachineError, PeerError } from '../../../shared/errors.ts';
import { identifierJoin, joinsRows } from '../../../shared/job-join.ts';
import type { IdentifierJoin } from '../../../shared/job-join.ts';
import { dataParties, partyOrder } from '../../../shared/job-roles.ts';
import { shareableJob } from '../../../shared/job.ts';
import type { KernelPreference } from '../../../shared/kernel-choice.ts';
import type { Job, PartyReferences } from '../../../shared/job.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import { modelDigest } from '../../../shared/published-model.ts';
import { columnPlan, joinedSchemas, largestSchemas } from '../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../shared/resolve-job.ts';
import { localTrainingRows } from '../../../shared/schedule.ts';
import { prepareLocal } from '../datasets/prepare.ts';
import type { PreparedRows } from '../datasets/prepare.ts';
import { compileJob } from '../jobs/compile.ts';
import type { CompiledJob } from '../jobs/tasks/task.ts';
import { openJobFile } from '../jobs/open-job.ts';
import type { OpenedJob } from '../jobs/open-job.ts';
import { joinedDataset } from '../joins/joined-dataset.ts';
import type { OwnRows } from '../joins/join-outcome.ts';
import { readModelFile } from '../models/model-files.ts';
import { openStore } from '../store/store.ts';
import { pooledBaseline } from './baseline.ts';
import type { PooledBaseline } from './baseline.ts';
import { fromPlainError } from '../plain-error.ts';
import type { PartySummary } from './engine-messages.ts';
import { resultsFolder } from './folders.ts';
import { loadOutcome } from './join-rows.ts';
import type { LocalFiles } from './local-data.ts';
import { PartyProcess } from './party-process.ts';
import type { Listening } from './party-process.ts';
import { spawnParty } from './party-starter.ts';
import type { StartParty } from './party-starter.ts';
import { pooledJoin } from './pooled-join.ts';
import type { ProcessMessage } from './supervision.ts';

export interface LocalRunOptions {
  readonly jobFile: string;
  /** Each party has its data folder in it. */
  readonly folder: string;
  readonly kernels: KernelPreference;
  readonly signal: AbortSignal;
  /** By default processes of the command line. */
  readonly startParty?: StartParty;
  readonly onProgress: (party: string, progress: RunProgress) => void;
}

export interface LocalRun {
  readonly compiled: CompiledJob;
  /** Of the compute parties, in order. */
  readonly parties: readonly PartySummary[];
  /** Number of the attempt that succeeded. */
  readonly attempt: number;
  readonly baseline: PooledBaseline | undefined;
  /** Why a training has no baseline: the layer that TensorFlow.js has not. */
  readonly withoutBaseline: string | undefined;
  readonly resultFolders: Readonly<Record<string, string>>;
}

/** A process that was killed is started again so often. */
const MAX_RESTARTS = 5;
/** Of each party: there are several on this machine. */
export const LOCAL_THREADS = 1;

interface LocalJob extends Omit<OpenedJob, 'modelFile'> {
  /** Resolved and without paths. */
  readonly job: Job;
  /** By party that brings data or a model. */
  readonly files: ReadonlyMap<string, LocalFiles>;
}

/** Everything that can be wrong with the input is found here, before a process is started. */
async function openLocalJob(jobFile: string, signal: AbortSignal): Promise<LocalJob> {
  const { job: resolved, schemas, data, model, modelFile } = await openJobFile(jobFile, signal);
  const files = new Map<string, LocalFiles>([...data].map(([party, own]) => [party, own.files]));
  if (modelFile?.owner !== undefined) {
    const own = files.get(modelFile.owner) ?? { data: [], test: [] };
    files.set(modelFile.owner, { ...own, model: modelFile.path });
  }
  const reference = (id: string, schema: DatasetSchema) => ({ id, schema: schemaDigest(schema, nodeCrypto.sha256) });
  const references = Object.fromEntries(
    Object.entries(schemas).map(([party, own]): [string, PartyReferences] => [
      party,
      {
        data: reference(party, own.data),
        test: own.test === undefined ? undefined : reference(`${party}-test`, own.test),
      },
    ]),
  );
  const digest = model === undefined ? undefined : modelDigest(model, nodeCrypto.sha256);
  const job = shareableJob(resolved, references, digest);
  // What can be wrong with a plan is wrong for any number of joined rows.
  compileJob(job, largestSchemas(job, schemas), model);
  return { job, schemas, data, model, files };
}

/** Runs the job; every process has ended when this returns or throws. */
export async function runLocally(options: LocalRunOptions): Promise<LocalRun> {
  const { jobFile, signal } = options;
  const folder = resolve(options.folder);
  const opened = await openLocalJob(jobFile, signal);
  await makeFolder(folder);
  const supervisor = new LocalParties(opened, folder, options);
  try {
    const ends = await supervisor.run();
    const parties = partyOrder(opened.job);
    const summaries = parties.flatMap((party) => ends.get(party)?.summary ?? []);
    if (summaries.length !== parties.length) throw new InternalError('no-summary', 'A party returned no summary.');
    await supervisor.stop();
    const rows = summaries[0]?.join?.rows;
    const schemas = rows === undefined ? opened.schemas : joinedSchemas(opened.schemas, rows);
    const compiled = compileJob(opened.job, schemas, opened.model);
    return {
      compiled,
      parties: summaries,
      attempt: Math.max(...[...ends.values()].map((end) => end.attempt)),
      ...(await baselineOrReason(opened, compiled, schemas, supervisor, signal)),
      resultFolders: Object.fromEntries(parties.map((party) => [party, resultsFolder(join(folder, party))])),
    };
  } finally {
    await supervisor.stop();
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new InputError('data-folder-unusable', `The folder ${folder} cannot be made.`, {
      hint: 'Choose a folder that belongs to you.',
      cause,
    });
  }
}

/** The baseline, unless the plaintext trainer lacks a layer of the model. */
async function baselineOrReason(
  ...parameters: Parameters<typeof baselineOf>
): Promise<Pick<LocalRun, 'baseline' | 'withoutBaseline'>> {
  try {
    return { baseline: await baselineOf(...parameters), withoutBaseline: undefined };
  } catch (cause) {
    if (!(cause instanceof InputError) || cause.code !== 'tfjs-unsupported') throw cause;
    return { baseline: undefined, withoutBaseline: cause.message };
  }
}

async function baselineOf(
  { job, data: datasets, files: paths }: LocalJob,
  compiled: CompiledJob,
  schemas: SchemasByParty,
  parties: LocalParties,
  signal: AbortSignal,
): Promise<PooledBaseline | undefined> {
  const join = identifierJoin(job);
  const files = new Map([...datasets].map(([party, { data }]) => [party, data]));
  const pooled =
    join === undefined || !joinsRows(job) ? undefined : await pooledJoin(join, files, parties.drawn(join), signal);
  const prepared = new Map<string, PreparedRows>();
  const trained = new Set(compiled.layout.train);
  for (const [party, { data, test }] of datasets) {
    const plan = columnPlan(job, party, schemas);
    const own = pooled?.get(party);
    if (own === undefined) {
      const training = localTrainingRows(compiled.layout, party);
      prepared.set(party, await prepareLocal(data, test, plan, training, signal));
    } else {
      const training = Uint32Array.from(own.rows.keys()).filter((row) => trained.has(own.rows[row]!));
      const rows = await prepareLocal(joinedDataset(data, own.order, plan), undefined, plan, training, signal);
      prepared.set(party, { ...rows, slots: own.rows });
    }
  }
  const owner = compiled.training?.spec.modelOwner;
  const path = owner === undefined ? undefined : paths.get(owner)?.model;
  return pooledBaseline(compiled, prepared, signal, path === undefined ? undefined : readModelFile(path));
}

type End = Extract<ProcessMessage, { type: 'done' }>;

/** How long the dealer's own end is waited for once all parties have theirs. */
const DEALER_WITHIN_MS = 5_000;

/** How long the report of who caused a failure is waited for, once another party was told of it. */
const CAUSE_WITHIN_MS = 5_000;

/** The processes of one run. */
class LocalParties {
  readonly #opened: LocalJob;
  readonly #folder: string;
  readonly #options: LocalRunOptions;
  readonly #processes = new Map<string, PartyProcess>();
  readonly #listening = new Map<string, Listening>();
  readonly #ends = new Map<string, End>();
  readonly #finished = Promise.withResolvers<void>();
  #restarts = 0;
  #agreement: Agreement | undefined;
  #failing: { readonly party: string; readonly error: Error } | undefined;

  constructor(opened: LocalJob, folder: string, options: LocalRunOptions) {
    this.#opened = opened;
    this.#folder = folder;
    this.#options = options;
    this.#finished.promise.catch(() => {});
  }

  async run(): Promise<ReadonlyMap<string, End>> {
    const { signal } = this.#options;
    const { job } = this.#opened;
    const onAbort = (): void => this.#finished.reject(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const starts = [...partyOrder(job), job.dealer].map((name) => this.#start(name));
      await Promise.race([Promise.all(starts), this.#finished.promise]);
      this.#agreement = await this.#agree();
      for (const name of this.#processes.keys()) this.#engage(name);
      await this.#finished.promise;
      await rm(this.#agreementFile, { force: true });
      return this.#ends;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((party) => party.stop()));
  }

  /** What the join gave the party whose rows are kept, or the first one with data; its process has ended. */
  drawn({ keep }: IdentifierJoin): { readonly party: string; readonly own: OwnRows } {
    const party = keep ?? dataParties(this.#opened.job)[0] ?? '';
    const store = openStore(join(this.#folder, party));
    try {
      const { own } = loadOutcome(store, this.#agreement?.session ?? '');
      if (own === undefined) throw new InternalError('join-without-rows', `${party} has no joined rows.`);
      return { party, own };
    } finally {
      store.close();
    }
  }

  get #agreementFile(): string {
    return join(this.#folder, 'agreement.json');
  }

  async #start(name: string): Promise<void> {
    const { onProgress, startParty = spawnParty } = this.#options;
    const party = new PartyProcess({
      startParty,
      name,
      command: name === this.#opened.job.dealer ? 'dealer' : 'party',
      folder: join(this.#folder, name),
      onMessage: (message) => this.#onMessage(name, message),
      onDeath: (how) => this.#onDeath(name, how),
    });
    this.#processes.set(name, party);
    onProgress(name, { phase: 'starting' });
    this.#listening.set(name, await party.start());
  }

  /** The agreement of an earlier run that did not come to its end, so that this one goes on where that stopped; or a new one. */
  async #agree(): Promise<Agreement> {
    const { job, schemas, model } = this.#opened;
    const members = Object.fromEntries(
      [...this.#listening].map(([name, { fingerprint, address }]): [string, Member] => [
        name,
        { fingerprint, role: name === job.dealer ? 'dealer' : 'compute', addresses: [address] },
      ]),
    );
    const fresh: Agreement = {
      tacitAgreement: 1,
      session: `local-${randomBytes(8).toString('hex')}`,
      job,
      schemas,
      members,
      model,
    };
    const earlier = await this.#earlierAgreement();
    const digest = (agreement: Agreement): string => agreementDigest(agreement, nodeCrypto.sha256);
    const continued = earlier === undefined ? undefined : { ...fresh, session: earlier.session };
    if (continued !== undefined && earlier !== undefined && digest(continued) === digest(earlier)) return continued;
    const part = `${this.#agreementFile}.part`;
    await writeFile(part, JSON.stringify(fresh));
    await rename(part, this.#agreementFile);
    return fresh;
  }

  async #earlierAgreement(): Promise<Agreement | undefined> {
    try {
      const text = await readFile(this.#agreementFile, 'utf8');
      return parseAgreement(JSON.parse(text), this.#agreementFile, nodeCrypto.sha256);
    } catch {
      // None, or one that cannot be continued.
      return undefined;
    }
  }

  /** Pins the others' keys at a process, and lets it take part. */
  #engage(name: string): void {
    if (this.#agreement === undefined) return;
    const peers = [...this.#listening]
      .filter(([other]) => other !== name)
      .map(([other, { fingerprint, address }]) => ({ name: other, fingerprint, addresses: [address] }));
    const { kernels } = this.#options;
    const files = this.#opened.files.get(name) ?? { data: [], test: [] };
    const party = this.#processes.get(name);
    party?.tell({ type: 'pin', peers });
    party?.tell({ type: 'run', agreement: this.#agreement, files, threads: LOCAL_THREADS, kernels });
  }

  #onMessage(name: string, message: ProcessMessage): void {
    const { onProgress } = this.#options;
    switch (message.type) {
      case 'listening':
        return;
      case 'progress': {
        const { type: _, ...progress } = message;
        return onProgress(name, progress);
      }
      case 'done':
        onProgress(name, { phase: 'finished' });
        this.#ends.set(name, message);
        if (this.#ends.size === this.#processes.size) this.#finished.resolve();
        // A dealer that was killed as the parties ended waits for an attempt that nobody needs.
        else if (partyOrder(this.#opened.job).every((party) => this.#ends.has(party)))
          setTimeout(() => this.#finished.resolve(), DEALER_WITHIN_MS).unref();
        return;
      case 'failed':
        return this.#onFailure(name, fromPlainError(message.error));
    }
  }

  /** Who caused the failure says more than who was told of it: the others' reports wait for it. */
  #onFailure(party: string, error: Error): void {
    const isEcho = error instanceof PeerError && error.code === 'peer-aborted';
    if (!isEcho) return this.#finished.reject(error);
    if (this.#failing !== undefined) return;
    this.#failing = { party, error };
    setTimeout(() => this.#finished.reject(error), CAUSE_WITHIN_MS).unref();
  }

  #onDeath(name: string, how: string): void {
    const { signal, onProgress } = this.#options;
    if (this.#ends.has(name) || signal.aborted) return;
    const party = this.#processes.get(name);
    const where = this.#listening.get(name);
    if (party === undefined || where === undefined || this.#restarts === MAX_RESTARTS) {
      this.#finished.reject(
        new MachineError('party-process-died', `The process of ${name} ${how}.`, {
          hint: 'Start the job again with the same folder: it goes on from its last checkpoint.',
        }),
      );
      return;
    }
    this.#restarts++;
    onProgress(name, { phase: `${how}; starting again` });
    party.start(where.address).then(
      (listening) => {
        this.#listening.set(name, listening);
        this.#engage(name);
      },
      (error: unknown) => this.#finished.reject(error),
    );
  }
}
