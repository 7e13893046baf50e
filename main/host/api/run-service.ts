/** Runs as people follow them: those that all parties do on this machine, and those of sessions that the host took part in. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunView } from '../../../shared/api/run-calls.ts';
import { canonicalJson } from '../../../shared/canonical.ts';
import { InputError } from '../../../shared/errors.ts';
import type { Projects } from '../projects/projects.ts';
import { ProgressBoard } from '../run/progress-board.ts';
import { LOCAL_THREADS, runLocally } from '../run/local-run.ts';
import type { Job as StoredJob } from '../store/jobs.ts';
import type { ApiContext, Service } from './context.ts';
import { costRunner } from './cost-runner.ts';
import { currentSettings } from './host-service.ts';
import { toApiError } from './errors.ts';
import { readDraft, withLocalFiles } from './job-sources.ts';
import { predictionOf, toPrediction } from './predictions.ts';
import { hasInsights, listFiles, partyPlaces, readInsights, readResult } from './run-files.ts';
import type { ResultPlace } from './run-files.ts';
import { sessionOutcome } from './session-outcome.ts';
import { sampleJob } from './sample-job.ts';

type Names =
  `runs.${'list' | 'get' | 'startLocal' | 'startSample' | 'resume' | 'cancel' | 'insights' | 'prediction' | 'predict' | 'file'}`;

const LOCAL = 'local-';
/** In the run's folder, with the files of all parties put in. */
const JOB_FILE = 'job.json';
/** Progress goes to clients so often. */
const TELL_EVERY_MS = 250;

interface LiveRun {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  readonly board: ProgressBoard;
}

type Ending = Pick<RunView, 'error'>;

export interface RunService extends Service<Names> {
  /** The run of a project's job has gone on. */
  readonly sessionChanged: (session: string) => void;
}

export function runService(context: ApiContext, projects: () => Projects): RunService {
  const costs = costRunner(context);
  const live = new Map<string, LiveRun>();
  const endings = new Map<string, Ending>();
  const lastBoards = new Map<string, ProgressBoard>();

  const store = () => context.host().store;
  const runFolder = (id: string): string => join(store().folder, 'runs', id);

  const places = async ({ id }: Pick<StoredJob, 'id'>): Promise<ResultPlace[]> => {
    if (id.startsWith(LOCAL)) return partyPlaces(join(runFolder(id), 'parties'));
    const folder = store()
      .jobs.attempts(id)
      .findLast(({ outcome }) => outcome === 'done')?.resultsPath;
    const party = sessionOutcome(projects(), id)?.self ?? context.host().identity.name;
    return folder === undefined ? [] : [{ party, folder }];
  };

  const stateOf = ({ id, project, state }: StoredJob): RunView['state'] => {
    if (live.has(id)) return 'running';
    if (project !== undefined) return sessionOutcome(projects(), id)?.state ?? 'cancelled';
    if (state === 'done' || state === 'failed') return state;
    return state === 'withdrawn' ? 'cancelled' : 'interrupted';
  };

  const view = async (job: StoredJob): Promise<RunView> => {
    const attempts = store().jobs.attempts(job.id);
    const session = job.project === undefined ? undefined : sessionOutcome(projects(), job.id);
    const board = live.get(job.id)?.board ?? lastBoards.get(job.id) ?? session?.board;
    const isOver = !live.has(job.id) && session?.state !== 'running';
    return {
      id: job.id,
      name: job.name,
      kind: job.id.startsWith(LOCAL) ? 'local' : 'session',
      project: job.project,
      job: session?.job,
      state: stateOf(job),
      startedAtMs: attempts[0]?.startedAtMs ?? job.createdAtMs,
      endedAtMs: isOver ? attempts.at(-1)?.endedAtMs : undefined,
      attempts: attempts.length,
      progress: board?.lines() ?? [],
      join: board?.join,
      quality: board?.quality ?? [],
      hasInsights: isOver && hasInsights(await places(job)),
      error: session?.error,
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

  const start = async (text: string, id: string): Promise<RunView> => {
    const job = withLocalFiles(readDraft(text), store().datasets.list());
    const folder = runFolder(id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, JOB_FILE), JSON.stringify(job), { mode: 0o600 });
    store().jobs.add({
      id,
      project: undefined,
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
    const run: LiveRun = { stop, ended, board: new ProgressBoard() };
    live.set(id, run);
    let toldAtMs = 0;
    const work = runLocally({
      jobFile,
      folder: join(folder, 'parties'),
      kernels: currentSettings(context).kernels,
      signal: AbortSignal.any([stop.signal, context.signal]),
      startParty: context.startParty,
      onProgress: (party, progress) => {
        const isNew = run.board.note(party, progress);
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
      lastBoards.set(id, run.board);
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

  let told: { readonly session: string; readonly timer: NodeJS.Timeout }[] = [];
  const sessionChanged = (session: string): void => {
    // What ends with the API changes once more while it is closed: nobody is left to be told.
    if (context.signal.aborted || told.some((one) => one.session === session)) return;
    const timer = setTimeout(() => {
      told = told.filter((one) => one.session !== session);
      if (store().jobs.get(session) !== undefined) void tell(session);
    }, TELL_EVERY_MS);
    told.push({ session, timer });
  };

  /** People steer a session's run through the project, so that the other members know. */
  const steer = ({ id, project }: StoredJob, wish: 'go' | 'cancel'): void => {
    const session = sessionOutcome(projects(), id);
    if (project === undefined || session === undefined) {
      throw new InputError('run-over', 'This run has ended already.', { hint: 'Propose its job again to run it.' });
    }
    projects().steer(project, session.job, wish, '');
  };

  const newId = (): string => `${LOCAL}${randomBytes(8).toString('hex')}`;

  return {
    sessionChanged,
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
        if (job.project !== undefined) {
          steer(job, 'go');
          return view(job);
        }
        if (!id.startsWith(LOCAL) || state === 'running' || state === 'done') {
          throw new InputError('run-not-resumable', `This run is ${state}: there is nothing to go on with.`, {
            hint: 'Run its job again from the job’s page.',
          });
        }
        return begin(id, job.name);
      },
      'runs.cancel': async ({ id }) => {
        const job = get(id);
        if (job.project !== undefined) {
          steer(job, 'cancel');
          return {};
        }
        const run = live.get(id);
        if (run === undefined) {
          throw new InputError('run-over', 'This run has ended already.', { hint: 'Start the job again to run it.' });
        }
        run.stop.abort(new Error('A person ended the run.'));
        await run.ended;
        return {};
      },
      'runs.insights': async ({ id }) => readInsights(await places(get(id))),
      'runs.prediction': ({ id, planDigest }) => ({
        prediction: predictionOf(store().settings, planDigest),
        canPredict: id.startsWith(LOCAL) && existsSync(join(runFolder(get(id).id), JOB_FILE)),
      }),
      'runs.predict': async ({ id }) => {
        if (!get(id).id.startsWith(LOCAL)) {
          throw new InputError('run-not-local', 'Only a run of this machine can be rehearsed here.', {
            hint: 'Work out the cost on the page of the proposal.',
          });
        }
        const jobFile = join(runFolder(id), JOB_FILE);
        const { kernels } = currentSettings(context);
        return toPrediction(await costs.cost({ jobFile, threads: LOCAL_THREADS, kernels }), LOCAL_THREADS);
      },
      'runs.file': async ({ id, party, name }) => {
        const content = await readResult(await places(get(id)), party, name);
        return { name, base64: content.toString('base64') };
      },
    },
    close: async () => {
      for (const { timer } of told) clearTimeout(timer);
      await Promise.all([costs.close(), ...[...live.values()].map((run) => run.ended)]);
    },
  };
}
