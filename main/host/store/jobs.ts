/**
 * Jobs as this party holds them: the canonical text and its digest, the state, the attempts with their log lines and where
 * their results lie. Knows nothing of what a state allows next, nor of the text's meaning.
 */
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { InputError, InternalError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

const jobStates = ['proposed', 'approved', 'running', 'paused', 'done', 'failed', 'withdrawn'] as const;
export type JobState = (typeof jobStates)[number];
export type AttemptOutcome = 'done' | 'failed' | 'rolled-back';
export type LogLevel = 'info' | 'warning' | 'error';

export interface Job {
  readonly id: string;
  /** Undefined for a local run, and for one by an agreement that came as a file. */
  readonly project: string | undefined;
  readonly name: string;
  /** Canonical JSON: the text whose digest the parties compare. */
  readonly canonical: string;
  /** SHA-256 of the canonical text in UTF-8, 64 hexadecimal digits. */
  readonly digest: string;
  readonly state: JobState;
  readonly createdAtMs: number;
}

export interface Attempt {
  /** Counts from 1 within the job; a number is used once. */
  readonly number: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly outcome: AttemptOutcome | undefined;
  /** Folder with the results that this party may see. */
  readonly resultsPath: string | undefined;
}

export interface LogLine {
  readonly atMs: number;
  readonly level: LogLevel;
  readonly text: string;
}

type Nullable<T> = { [K in keyof T]: undefined extends T[K] ? Exclude<T[K], undefined> | null : T[K] };

const SELECT = 'SELECT id, project, name, canonical, digest, state, created_at_ms AS createdAtMs FROM job';

export class JobStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Durable. Stores a job as `proposed` and returns it with its digest. An id that exists is refused (`job-exists`). */
  add(job: Pick<Job, 'id' | 'project' | 'name' | 'canonical'>): Job {
    const digest = Buffer.from(nodeCrypto.sha256(Buffer.from(job.canonical))).toString('hex');
    const stored: Job = { ...job, digest, state: 'proposed', createdAtMs: Date.now() };
    this.#database.durable(() => {
      const { changes } = this.#database
        .prepare<[string, string | null, string, string, string, string, number]>(
          `INSERT INTO job (id, project, name, canonical, digest, state, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING`,
        )
        .run(job.id, job.project ?? null, job.name, job.canonical, digest, stored.state, stored.createdAtMs);
      if (changes === 0) throw new InputError('job-exists', `A job with the id ${job.id} exists already.`);
    });
    return stored;
  }

  get(id: string): Job | undefined {
    const row = this.#database.read(() =>
      this.#database.prepare<[string], Nullable<Job>>(`${SELECT} WHERE id = ?`).get(id),
    );
    return row === undefined ? undefined : { ...row, project: row.project ?? undefined };
  }

  /** All jobs, the newest first. */
  list(): Job[] {
    return this.#database
      .read(() => this.#database.prepare<[], Nullable<Job>>(`${SELECT} ORDER BY created_at_ms DESC, id`).all())
      .map((row) => ({ ...row, project: row.project ?? undefined }));
  }

  /** Durable. */
  setState(id: string, state: JobState): void {
    const { changes } = this.#database.durable(() =>
      this.#database.prepare<[string, string]>('UPDATE job SET state = ? WHERE id = ?').run(state, id),
    );
    if (changes === 0) throw new InternalError('job-unknown', `No job with the id ${id} is stored.`);
  }

  /** Durable. Starts the next attempt, numbered `atLeast` or higher (the parties agree on the highest), and returns its number. */
  startAttempt(job: string, atLeast = 1): number {
    return this.#database.durable(() => {
      const last = this.#database
        .prepare<[string], number>('SELECT coalesce(max(number), 0) FROM attempt WHERE job = ?')
        .pluck()
        .get(job);
      const number = Math.max((last ?? 0) + 1, atLeast);
      this.#database
        .prepare<[string, number, number]>('INSERT INTO attempt (job, number, started_at_ms) VALUES (?, ?, ?)')
        .run(job, number, Date.now());
      return number;
    });
  }

  /** Durable. */
  endAttempt(job: string, attempt: number, outcome: AttemptOutcome, resultsPath?: string): void {
    const { changes } = this.#database.durable(() =>
      this.#database
        .prepare<[number, string, string | null, string, number]>(
          `UPDATE attempt SET ended_at_ms = ?, outcome = ?, results_path = ?
             WHERE job = ? AND number = ? AND ended_at_ms IS NULL`,
        )
        .run(Date.now(), outcome, resultsPath ?? null, job, attempt),
    );
    if (changes === 0) throw new InternalError('attempt-not-open', `Attempt ${attempt} of job ${job} is not open.`);
  }

  attempts(job: string): Attempt[] {
    return this.#database
      .read(() =>
        this.#database
          .prepare<[string], Nullable<Attempt>>(
            `SELECT number, started_at_ms AS startedAtMs, ended_at_ms AS endedAtMs, outcome, results_path AS resultsPath
               FROM attempt WHERE job = ? ORDER BY number`,
          )
          .all(job),
      )
      .map((row) => ({
        ...row,
        endedAtMs: row.endedAtMs ?? undefined,
        outcome: row.outcome ?? undefined,
        resultsPath: row.resultsPath ?? undefined,
      }));
  }

  /** Adds a line to an attempt's log. Never a secret. */
  log(job: string, attempt: number, level: LogLevel, text: string): void {
    this.#database.quick(() =>
      this.#database
        .prepare<[string, number, number, string, string]>(
          'INSERT INTO log_line (job, attempt, at_ms, level, text) VALUES (?, ?, ?, ?, ?)',
        )
        .run(job, attempt, Date.now(), level, text),
    );
  }

  logLines(job: string, attempt: number): LogLine[] {
    return this.#database.read(() =>
      this.#database
        .prepare<[string, number], LogLine>(
          'SELECT at_ms AS atMs, level, text FROM log_line WHERE job = ? AND attempt = ? ORDER BY id',
        )
        .all(job, attempt),
    );
  }
}
