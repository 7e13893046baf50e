/** Runs as people follow them: those that all parties do on this machine, and those of sessions that the host took part in. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PartyProgress, RunView } from '../../../shared/api/run-calls.ts';
import { canonicalJson } from '../../../shared/canonical.ts';
import { InputError } from '../../../shared/errors.ts';
import { resultsFolder } from '../run/folders.ts';
import { runLocally } from '../run/local-run.ts';
import type { Job as StoredJob } from '../store/jobs.ts';
import type { ApiContext, Service } from './context.ts';
import { toApiError } from './errors.ts';
import { readDraft, withLocalFiles } from './job-sources.ts';
import { hasInsights, listFiles, partyPlaces, readInsights, readResult } from './run-files.ts';
import type { ResultPlace } from './run-files.ts';
import { sampleJob } from './sample-job.ts';

type Names = `runs.${'list' | 'get' | 'startLocal' | 'startSample' | 'resume' | 'cancel' | 'insights' | 'file'}`;

const LOCAL = 'local-';
/** In the run's folder, with the files of all parties put in. */
const JOB_FILE = 'job.json';
/** Progress goes to clients so often. */
const TELL_EVERY_MS = 250;

interface LiveRun {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  readonly progress: Map<string, PartyProgress>;
}

type Ending = Pick<RunView, 'error'>;

export function runService(context: ApiContext): Service<Names> {
  const live = new Map<string, LiveRun>();
  const endings = new Map<string, Ending>();
  const lastProgress = new Map<string, readonly PartyProgress[]>();

  const store = () => context.host().store;
  const runFolder = (id: string): string => join(store().folder, 'runs', id);

  const places = async ({ id }: Pick<StoredJob, 'id'>): Promise<ResultPlace[]> => {
    if (id.startsWith(LOCAL)) return partyPlaces(join(runFolder(id), 'parties'));
    const { name } = context.host().identity;
    const done = store()
      .jobs.attempts(id)
      .some(({ outcome }) => outcome === 'done');
    return done ? [{ party: name, folder: resultsFolder(store().folder) }] : [];
  };

  const stateOf = ({ id, state }: StoredJob): RunView['state'] => {
    if (live.has(id)) return 'running';
    if (state === 'done' || state === 'failed') return state;
    return state === 'withdrawn' ? 'cancelled' : 'interrupted';
  };

  const view = async (job: StoredJob): Promise<RunView> => {
    const attempts = store().jobs.attempts(job.id);
    return {
      id: job.id,
      name: job.name,
      kind: job.id.startsWith(LOCAL) ? 'local' : 'session',
      state: stateOf(job),
      startedAtMs: attempts[0]?.startedAtMs ?? job.createdAtMs,
      endedAtMs: live.has(job.id) ? undefined : attempts.at(-1)?.endedAtMs,
      attempts: attempts.length,
      progress: [...(live.get(job.id)?.progress.values() ?? lastProgress.get(job.id) ?? [])],
      hasInsights: !live.has(job.id) && hasInsights(await places(job)),
      ...endings.get(job.id),
    };
  };

  const get = (id: string): StoredJob => {
    const job = store().jobs.get(id);
    if (job !== undefined) return job;
    throw new InputError('run-unknown', `There is no run ${id}.`, { hint: 'Look at the list of runs.' });
  };

  const tell = async (id: string): Promise<void> => {
    if (!context.signal.aborted) context.publish('runs.changed', await view(get(id)));
  };

  const note = (run: LiveRun, party: string, change: { phase: string; done?: number; total?: number }): boolean => {
    const before = run.progress.get(party);
    const now = Date.now();
    const samePhase = before?.phase === change.phase;
    run.progress.set(party, { party, ...change, sinceMs: samePhase ? before.sinceMs : now, changedAtMs: now });
    return !samePhase;
  };

  const start = async (text: string, id: string): Promise<RunView> => {
    const job = withLocalFiles(readDraft(text), store().datasets.list());
    const folder = runFolder(id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, JOB_FILE), JSON.stringify(job), { mode: 0o600 });
    store().jobs.add({
      id,
      session: undefined,
      name: job.name,
      canonical: canonicalJson(JSON.parse(JSON.stringify(job))),
    });
    return begin(id, job.name);
  };

  const begin = async (id: string, name: string): Promise<RunView> => {
    const folder = runFolder(id);
    const jobFile = join(folder, JOB_FILE);
    const { jobs } = store();
    jobs.setState(id, 'running');
    endings.delete(id);
    const attempt = jobs.startAttempt(id);
    context.record('run-started', { job: name, run: id, kind: 'local', attempt });
    const stop = new AbortController();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const run: LiveRun = { stop, ended, progress: new Map() };
    live.set(id, run);
    let toldAtMs = 0;
    const work = runLocally({
      jobFile,
      folder: join(folder, 'parties'),
      signal: AbortSignal.any([stop.signal, context.signal]),
      onProgress: (party, progress) => {
        const isNew = note(run, party, progress);
        if (isNew) jobs.log(id, attempt, 'info', `${party}: ${progress.phase}`);
        if (!isNew && Date.now() - toldAtMs < TELL_EVERY_MS) return;
        toldAtMs = Date.now();
        void tell(id);
      },
    });
    const end = (
      outcome: 'done' | 'failed',
      state: 'done' | 'failed' | 'withdrawn' | 'paused',
      error?: unknown,
    ): void => {
      if (error !== undefined && state === 'failed') {
        endings.set(id, { error: toApiError(error) });
        jobs.log(id, attempt, 'error', error instanceof Error ? error.message : String(error));
      }
      jobs.endAttempt(id, attempt, outcome, outcome === 'done' ? join(folder, 'parties') : undefined);
      jobs.setState(id, state);
      lastProgress.set(id, [...run.progress.values()]);
      live.delete(id);
      context.record('run-ended', { job: name, run: id, outcome: state === 'withdrawn' ? 'cancelled' : state });
      void tell(id);
    };
    void work
      .then(
        () => end('done', 'done'),
        (error: unknown) => {
          if (stop.signal.aborted) end('failed', 'withdrawn');
          else if (context.signal.aborted) end('failed', 'paused');
          else end('failed', 'failed', error);
        },
      )
      .finally(resolve);
    return view(get(id));
  };

  const newId = (): string => `${LOCAL}${randomBytes(8).toString('hex')}`;

  return {
    handlers: {
      'runs.list': () => Promise.all(store().jobs.list().map(view)),
      'runs.get': async ({ id }) => {
        const job = get(id);
        const log = store()
          .jobs.attempts(id)
          .flatMap(({ number }) => store().jobs.logLines(id, number));
        return {
          ...(await view(job)),
          log: log.map((line) => ({ ...line })),
          files: await listFiles(await places(job)),
        };
      },
      'runs.startLocal': ({ text }) => start(text, newId()),
      'runs.startSample': async () => {
        const id = newId();
        return start(await sampleJob(join(runFolder(id), 'files'), context.signal), id);
      },
      'runs.resume': ({ id }) => {
        const job = get(id);
        const state = stateOf(job);
        if (!id.startsWith(LOCAL) || state === 'running' || state === 'done') {
          throw new InputError('run-not-resumable', `This run is ${state}: there is nothing to go on with.`, {
            hint: 'Run its job again from the job’s page.',
          });
        }
        return begin(id, job.name);
      },
      'runs.cancel': async ({ id }) => {
        const run = live.get(get(id).id);
        if (run === undefined) {
          throw new InputError('run-over', 'This run has ended already.', { hint: 'Start the job again to run it.' });
        }
        run.stop.abort(new Error('A person ended the run.'));
        await run.ended;
        return {};
      },
      'runs.insights': async ({ id }) => readInsights(await places(get(id))),
      'runs.file': async ({ id, party, name }) => {
        const content = await readResult(await places(get(id)), party, name);
        return { name, base64: content.toString('base64') };
      },
    },
    close: async () => {
      await Promise.all([...live.values()].map((run) => run.ended));
    },
  };
}
