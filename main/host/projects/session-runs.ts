/**
 * Carries out what members have agreed on: takes part in the run of every job that all have approved, for as long as all want
 * it, and tells the others how it goes here. It needs nobody to start it, so after a restart or a lost link runs go on by
 * themselves. Knows nothing of what is computed.
 */
import { join } from 'node:path';
import type { Settings } from '../../../shared/api/host-calls.ts';
import { canonicalJson } from '../../../shared/canonical.ts';
import { InputError, PeerError, TacitError } from '../../../shared/errors.ts';
import { dataParties } from '../../../shared/job-roles.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import { sessionOf } from '../../../shared/project.ts';
import type { StatementOf } from '../../../shared/project.ts';
import type { JobState, ProjectState } from '../../../shared/project-state.ts';
import { grantIssues } from '../../../shared/project-job.ts';
import { endWithOthers } from '../run/attempts.ts';
import { runDealer } from '../run/dealer-run.ts';
import { resultsFolder } from '../run/folders.ts';
import type { Host } from '../run/host.ts';
import type { LocalFiles } from '../run/local-data.ts';
import { runParty } from '../run/party-run.ts';
import { ProgressBoard } from '../run/progress-board.ts';
import type { Exchange, PeerProgress } from './exchange.ts';
import { modelPath } from './model-paths.ts';
import type { Journals } from './journals.ts';

export interface SessionRunsOptions {
  readonly host: Host;
  readonly journals: Journals;
  readonly exchange: Exchange;
  /** With what to compute. */
  readonly means: () => Pick<Settings, 'threads' | 'kernels'>;
  /** The run's progress or state has changed. */
  readonly onChange: (session: string) => void;
  readonly onUnexpected: (error: unknown) => void;
}

/** A run as this host knows it; `session` names it. */
export interface SessionRun {
  readonly session: string;
  readonly project: string;
  readonly job: string;
  readonly board: ProgressBoard;
  /** Why it failed here, while it has. */
  readonly error: Error | undefined;
}

interface OpenRun extends SessionRun {
  readonly agreement: string;
  readonly others: readonly string[];
  error: Error | undefined;
  /** In which it failed here: it is not tried again by itself. */
  failedGeneration: number | undefined;
  stop: AbortController | undefined;
  /** Ends an attempt that cannot come to its end, since others have come to it without this host. */
  missed: AbortController;
  missedTimer: NodeJS.Timeout | undefined;
  ended: Promise<void>;
  toldAtMs: number;
  telling: NodeJS.Timeout | undefined;
}

/** Other members are told so often at most, of steps and of a new phase. */
const TELL_STEPS_EVERY_MS = 1_000;
const TELL_PHASES_EVERY_MS = 250;
const TRY_AGAIN_MS = 2_000;
/** Parties end within moments of each other; who is later by so much has missed the end. */
const MISSED_AFTER_MS = 5_000;
/** Troubles at a peer or between: the run waits for better times. All else ends it until somebody starts anew. */
const PASSING: readonly string[] = [
  'peer-unreachable',
  'peer-aborted',
  'peer-closed',
  'peer-lost',
  'attempt-over',
  'session-aborted',
  'peer-address-unknown',
  'peer-tls-failed',
  'not-expected',
];

export class SessionRuns {
  readonly #options: SessionRunsOptions;
  readonly #runs = new Map<string, OpenRun>();
  readonly #closing = new AbortController();
  readonly #unwatch: () => void;

  constructor(options: SessionRunsOptions) {
    this.#options = options;
    this.#unwatch = options.host.links.watch(({ fingerprint, state }) => {
      if (state !== 'connected') this.#lost(fingerprint);
    });
  }

  /** Runs of jobs that are approved, or were run here before. */
  get(session: string): SessionRun | undefined {
    return this.#runs.get(session);
  }

  /** Begins and ends taking part, as the project's members want it now. */
  look(project: ProjectState): void {
    for (const job of project.jobs) {
      for (const version of job.versions) {
        const session = sessionOf(project.id, job.id, version.version);
        if (version === job.current) this.#lookAt(project, job, session);
        else this.#runs.get(session)?.stop?.abort(new Error('The job was edited.'));
      }
    }
  }

  /** What another member tells of its part. */
  heard(project: string, party: string, { agreement, forMs, ...progress }: PeerProgress): void {
    const run = [...this.#runs.values()].find((one) => one.project === project && one.agreement === agreement);
    if (run === undefined || !run.others.includes(party)) return;
    run.board.note(party, progress, forMs);
    this.#options.onChange(run.session);
  }

  /** Ends taking part; runs go on when the host is back. */
  async close(): Promise<void> {
    this.#unwatch();
    this.#closing.abort(new Error('The host is closed.'));
    const runs = [...this.#runs.values()];
    for (const { telling, missedTimer } of runs) {
      clearTimeout(telling);
      clearTimeout(missedTimer);
    }
    await Promise.all(runs.map(({ ended }) => ended));
  }

  /** What a member said last is out of date once it cannot be heard. */
  #lost(fingerprint: string): void {
    for (const run of this.#runs.values()) {
      const { phase, current, runs } = this.#job(run);
      if (phase !== 'starting' && phase !== 'running') continue;
      const late = runs.find(
        ({ party, outcome }) => outcome !== 'done' && current.agreement.members[party]?.fingerprint === fingerprint,
      );
      if (late !== undefined && run.board.note(late.party, { phase: 'not connected' })) {
        this.#options.onChange(run.session);
      }
    }
  }

  #lookAt(project: ProjectState, job: JobState, session: string): void {
    const { journals, onChange, onUnexpected } = this.#options;
    const self = journals.selfIn(project.id);
    const own = job.runs.find(({ party }) => party === self);
    if (own === undefined) return;
    const isWanted =
      own.outcome !== 'done' && (job.phase === 'starting' || job.phase === 'running' || hasEndedElsewhere(job, self));
    const known = this.#runs.get(session);
    if (!isWanted) {
      known?.stop?.abort(new Error(`The job is ${job.phase}.`));
      return;
    }
    if (this.#closing.signal.aborted || known?.failedGeneration === job.generation) return;
    if (known?.stop !== undefined) {
      if (hasEndedElsewhere(job, self)) {
        known.missedTimer ??= setTimeout(
          () => known.missed.abort(new Error('The others have finished.')),
          MISSED_AFTER_MS,
        );
      }
      return;
    }
    const run = known ?? this.#open(project, job, session, self);
    const stop = new AbortController();
    run.stop = stop;
    run.missed = new AbortController();
    run.error = undefined;
    const signal = AbortSignal.any([stop.signal, this.#closing.signal]);
    run.ended = this.#takePart(run, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#fail(run, job.generation, error);
      })
      .catch(onUnexpected)
      .then(() => {
        run.stop = undefined;
        clearTimeout(run.missedTimer);
        run.missedTimer = undefined;
        onChange(session);
        // Somebody may have changed their mind meanwhile.
        if (!this.#closing.signal.aborted) this.look(journals.get(project.id));
      });
  }

  #open(project: ProjectState, job: JobState, session: string, self: string): OpenRun {
    const { jobs } = this.#options.host.store;
    const { agreement, digest } = job.current;
    if (jobs.get(session) === undefined) {
      const { name } = agreement.job;
      jobs.add({ id: session, project: project.id, name, canonical: canonicalJson(agreement.job) });
    }
    const run: OpenRun = {
      session,
      project: project.id,
      job: job.id,
      agreement: digest,
      others: Object.keys(agreement.members).filter((party) => party !== self),
      board: new ProgressBoard(),
      error: undefined,
      failedGeneration: undefined,
      stop: undefined,
      missed: new AbortController(),
      missedTimer: undefined,
      ended: Promise.resolve(),
      toldAtMs: 0,
      telling: undefined,
    };
    this.#runs.set(session, run);
    return run;
  }

  /** One try after another while the trouble is a passing one; resolves when the run is done here. */
  async #takePart(run: OpenRun, signal: AbortSignal): Promise<void> {
    const { host, journals } = this.#options;
    this.#note(run, { phase: 'starting' });
    for (;;) {
      const job = this.#job(run);
      const { agreement } = job.current;
      const self = journals.selfIn(run.project);
      if (host.store.jobs.get(run.session)?.state === 'done' || hasEndedElsewhere(job, self)) {
        return this.#sayDone(run, endWithOthers(host, agreement, sessionResults(host, run.session)));
      }
      const trying = AbortSignal.any([signal, run.missed.signal]);
      try {
        await this.#untilLinked(run, trying);
        const attempt = (host.store.jobs.attempts(run.session).at(-1)?.number ?? 0) + 1;
        if (job.runs.find(({ party }) => party === self)?.outcome !== 'started') {
          this.#say(run, { outcome: 'started', attempt, received: [] });
        }
        return this.#sayDone(
          run,
          self === agreement.job.dealer ? await this.#deal(run, trying) : await this.#compute(run, trying),
        );
      } catch (error) {
        signal.throwIfAborted();
        if (run.missed.signal.aborted) {
          run.missed = new AbortController();
          continue;
        }
        if (!(error instanceof PeerError) || !PASSING.includes(error.code)) throw error;
        this.#note(run, { phase: `waiting for ${error.party}: ${error.code}` });
        await pause(TRY_AGAIN_MS, signal);
      }
    }
  }

  #sayDone(run: OpenRun, attempt: number): void {
    const self = this.#options.journals.selfIn(run.project);
    const { reveal } = this.#job(run).current.agreement.job;
    const received = (['model', 'metrics', 'predictions', 'aggregates'] as const).filter((what) =>
      reveal[what].includes(self),
    );
    this.#note(run, { phase: 'finished' });
    this.#say(run, { outcome: 'done', attempt, received });
  }

  async #compute(run: OpenRun, signal: AbortSignal): Promise<number> {
    const { host, means } = this.#options;
    const { agreement } = this.#job(run).current;
    const { attempt } = await runParty({
      host,
      agreement,
      files: this.#ownFiles(run),
      results: sessionResults(host, run.session),
      ...means(),
      signal,
      onProgress: (progress) => this.#note(run, progress),
    });
    return attempt;
  }

  async #deal(run: OpenRun, signal: AbortSignal): Promise<number> {
    const { host, means } = this.#options;
    const { agreement } = this.#job(run).current;
    const onProgress = (progress: RunProgress): void => this.#note(run, progress);
    return (await runDealer({ host, agreement, ...means(), signal, onProgress })).attempt;
  }

  /** Where the own data lies. What was granted when people voted must be granted still. */
  #ownFiles({ project, job: id, session }: OpenRun): LocalFiles {
    const { host, journals } = this.#options;
    const state = journals.get(project);
    const job = state.jobs.find((one) => one.id === id)!;
    const { agreement } = job.current;
    const self = journals.selfIn(project);
    const issue = grantIssues(state, agreement).find(({ party }) => party === self);
    if (issue !== undefined) {
      throw new InputError(issue.code, issue.message, { hint: `Grant it again, or propose ${session} anew.` });
    }
    const files = (what: 'data' | 'test'): string[] => {
      const source = dataParties(agreement.job).includes(self) ? agreement.job.parties[self]?.[what] : undefined;
      return source === undefined || Array.isArray(source) ? [] : [...host.store.datasets.get(source.id).paths];
    };
    const model = modelPath(host.store, session);
    return { data: files('data'), test: files('test'), ...(model === undefined ? {} : { model }) };
  }

  /** Waits until every other party is paired and connected, and says for whom. */
  async #untilLinked(run: OpenRun, signal: AbortSignal): Promise<void> {
    const { links } = this.#options.host;
    const { members } = this.#job(run).current.agreement;
    for (;;) {
      const missing = run.others.find(
        (party) => links.status(members[party]?.fingerprint ?? '')?.state !== 'connected',
      );
      if (missing === undefined) return;
      const isPaired = links.status(members[missing]?.fingerprint ?? '') !== undefined;
      this.#note(run, {
        phase: isPaired ? `waiting for ${missing} to connect` : `waiting to be paired with ${missing}`,
      });
      await pause(TRY_AGAIN_MS / 4, signal);
    }
  }

  #job({ project, job }: OpenRun): JobState {
    return this.#options.journals.get(project).jobs.find(({ id }) => id === job)!;
  }

  #fail(run: OpenRun, generation: number, error: unknown): void {
    const { host, onUnexpected } = this.#options;
    run.failedGeneration = generation;
    run.error = error instanceof Error ? error : new Error(String(error));
    if (!(error instanceof TacitError)) onUnexpected(error);
    this.#note(run, { phase: 'failed' });
    const attempt = host.store.jobs.attempts(run.session).at(-1)?.number ?? 0;
    const code = error instanceof TacitError ? error.code : 'failed';
    this.#say(run, { outcome: 'failed', attempt, code, received: [] });
  }

  #say(run: OpenRun, said: Pick<StatementOf<'ran'>, 'outcome' | 'attempt' | 'code' | 'received'>): void {
    const { generation, current } = this.#job(run);
    this.#options.journals.say(run.project, { kind: 'ran', agreement: current.digest, generation, ...said });
  }

  #note(run: OpenRun, progress: RunProgress): void {
    const { journals, onChange, host } = this.#options;
    const self = journals.selfIn(run.project);
    const counted = run.board.line(self)?.total !== undefined;
    const isNew = run.board.note(self, progress);
    const attempt = host.store.jobs.attempts(run.session).at(-1)?.number;
    // Training and evaluating take turns: the log tells what begins and what is waited for.
    if (isNew && attempt !== undefined && !(counted && progress.total !== undefined)) {
      host.store.jobs.log(run.session, attempt, 'info', `${self}: ${progress.phase}`);
    }
    onChange(run.session);
    const dueMs = run.toldAtMs + (isNew ? TELL_PHASES_EVERY_MS : TELL_STEPS_EVERY_MS) - Date.now();
    if (run.telling !== undefined && !isNew) return;
    clearTimeout(run.telling);
    run.telling = setTimeout(() => this.#tell(run), Math.max(0, dueMs));
  }

  #tell(run: OpenRun): void {
    const { exchange, journals } = this.#options;
    clearTimeout(run.telling);
    run.telling = undefined;
    run.toldAtMs = Date.now();
    const line = run.board.line(journals.selfIn(run.project));
    if (line === undefined) return;
    const { party: _, perSecond: __, sinceMs, changedAtMs: ___, ...progress } = line;
    const { members } = this.#job(run).current.agreement;
    const fingerprints = run.others.map((party) => members[party]?.fingerprint ?? '');
    const forMs = Math.max(0, Date.now() - sinceMs);
    const phase = progress.phase.slice(0, 300);
    exchange.tell(run.project, fingerprints, { ...progress, phase, agreement: run.agreement, forMs });
  }
}

/**
 * Whether another party has said that the run is done while this one has not. That party waited until all had what they need:
 * this host was kept from saying so, by a crash or a lost link.
 */
function hasEndedElsewhere({ runs }: JobState, self: string): boolean {
  return (
    runs.some(({ party, outcome }) => party === self && outcome === 'started') &&
    runs.some(({ party, outcome }) => party !== self && outcome === 'done')
  );
}

/** Where the results of a session's run lie. */
const sessionResults = (host: Host, session: string): string => resultsFolder(join(host.store.folder, 'runs', session));

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
