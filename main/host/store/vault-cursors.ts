/**
 * The vault's cursors: which executions of a plan may still be run, leased durably a step or a checkpoint interval at a time.
 * Knows nothing of frames or material.
 *
 * Invariant: an execution is handed out at most once in the life of the vault. A lease is on disk before anybody may use its
 * executions, and the cursor only moves up. A lease whose process ended before finishing it is burnt: its executions are
 * never handed out again, used or not. So whatever left this machine under an execution's masks left it from the one
 * process that held the lease, and that process remembers it (vault-guard.ts). A power failure can lose the note that an
 * execution finished, never a lease: then more is burnt, nothing is reused.
 */
import { InternalError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

/** The series of executions of one plan in one attempt of a job. */
export interface CursorName {
  readonly job: string;
  readonly attempt: number;
  readonly planDigest: string;
}

export interface BurntRange extends CursorName {
  readonly first: number;
  readonly count: number;
}

interface JobLimit {
  lowestAttempt: number;
  retired: number;
}

interface LeaseRow {
  first: number;
  count: number;
  finished: number;
}

/** Of a live lease of this process. */
interface Lease {
  readonly first: number;
  readonly end: number;
  /** Lowest execution that is not finished. */
  unfinished: number;
}

function describe(name: CursorName): string {
  return `job ${name.job}, attempt ${name.attempt}, plan ${name.planDigest.slice(0, 12)}`;
}

function burntError(where: string, what: string): InternalError {
  return new InternalError('mask-burnt', `${where}: ${what}.`, {
    hint: 'Start a new attempt of the job, or go on beyond the burnt executions.',
  });
}

export class VaultCursors {
  readonly #database: StoreDatabase;
  readonly #leases = new Map<number, Lease[]>();
  readonly #next;
  readonly #jobLimit;
  readonly #finish;
  readonly #close;
  /** Erases the material of executions; runs inside the transaction that burns them. */
  readonly #burnMaterial: (cursor: number, first: number, end: number) => void;

  constructor(database: StoreDatabase, burnMaterial: (cursor: number, first: number, end: number) => void) {
    this.#database = database;
    this.#burnMaterial = burnMaterial;
    this.#next = database.prepare<[number], number>('SELECT next FROM cursor WHERE id = ?').pluck();
    this.#jobLimit = database.prepare<[string], JobLimit>(
      'SELECT lowest_attempt AS lowestAttempt, retired FROM job_limit WHERE job = ?',
    );
    this.#finish = database.prepare<[number, number, number]>(
      'UPDATE lease SET finished = finished + 1 WHERE cursor = ? AND first = ? AND first + finished = ? AND live = 1',
    );
    this.#close = database.prepare<[number, number]>('UPDATE lease SET live = 0 WHERE cursor = ? AND first = ?');
  }

  /** Finds or creates a cursor; refused (`mask-burnt`) when its attempt or job was retired. Returns its row id. */
  open(name: CursorName): number {
    return this.#database.quick(() => {
      this.assertNotRetired(name);
      const values = [name.job, name.attempt, name.planDigest] as const;
      this.#database
        .prepare<[string, number, string]>(
          'INSERT INTO cursor (job, attempt, plan_digest, next) VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING',
        )
        .run(...values);
      return this.#database
        .prepare<[string, number, string], number>(
          'SELECT id FROM cursor WHERE job = ? AND attempt = ? AND plan_digest = ?',
        )
        .pluck()
        .get(...values) as number;
    });
  }

  /** Lowest execution that can be leased. */
  next(cursor: number): number {
    return this.#database.read(() => this.#next.get(cursor) ?? 0);
  }

  /**
   * Durable. Leases `count` executions from `from` on; those skipped between the cursor and `from` are burnt. Refused: below
   * the cursor (`mask-burnt`), and after a crash until `recover` was called (`lease-not-recovered`).
   */
  lease(cursor: number, name: CursorName, from: number, count: number): void {
    if (!Number.isSafeInteger(from) || from < 0 || !Number.isSafeInteger(count) || count < 1) {
      throw new InternalError('lease-range', `${describe(name)}: a lease of ${count} executions from ${from}.`);
    }
    this.#database.durable(() => {
      this.assertNotRetired(name);
      const next = this.next(cursor);
      if (from < next)
        throw burntError(describe(name), `execution ${from} was leased before, the cursor is at ${next}`);
      if (this.#orphans(cursor).length > 0) {
        throw new InternalError('lease-not-recovered', `${describe(name)}: an earlier process left a lease open.`, {
          hint: 'Call recover first.',
        });
      }
      if (from > next) this.#burn(cursor, next, from - next);
      this.#database
        .prepare<[number, number, number]>(
          'INSERT INTO lease (cursor, first, count, finished, live) VALUES (?, ?, ?, 0, 1)',
        )
        .run(cursor, from, count);
      this.#database.prepare<[number, number]>('UPDATE cursor SET next = ? WHERE id = ?').run(from + count, cursor);
    });
    const leases = this.#leases.get(cursor) ?? [];
    leases.push({ first: from, end: from + count, unfinished: from });
    this.#leases.set(cursor, leases);
  }

  /** The execution lies in a live lease of this process and is not finished. */
  isLive(cursor: number, execution: number): boolean {
    return this.#leaseOf(cursor, execution) !== undefined;
  }

  /** Throws unless the execution is live: `mask-burnt` for past ones, `execution-not-leased` for ones to come. */
  assertLive(cursor: number, name: CursorName, execution: number): void {
    if (this.isLive(cursor, execution)) return;
    if (execution < this.next(cursor)) throw burntError(describe(name), `execution ${execution} is finished or burnt`);
    throw new InternalError('execution-not-leased', `${describe(name)}: execution ${execution} was not leased.`);
  }

  /** The execution can still be run, now or later: material for it is welcome. */
  isAhead(cursor: number, name: CursorName, execution: number): boolean {
    if (this.isLive(cursor, execution)) return true;
    const limit = this.#limit(name.job);
    const retired = limit !== undefined && (limit.retired === 1 || name.attempt < limit.lowestAttempt);
    return !retired && execution >= this.next(cursor);
  }

  /** Marks an execution finished; those of a lease finish in order. Inside a transaction; call `forgetFinished` after it. */
  finish(cursor: number, name: CursorName, execution: number): void {
    this.assertLive(cursor, name, execution);
    const lease = this.#leaseOf(cursor, execution) as Lease;
    if (execution !== lease.unfinished) {
      throw new InternalError(
        'finish-out-of-order',
        `${describe(name)}: execution ${execution} was finished before ${lease.unfinished}.`,
      );
    }
    if (this.#finish.run(cursor, lease.first, execution).changes === 0) {
      throw burntError(describe(name), `execution ${execution} was burnt by another holder of the vault`);
    }
    if (execution + 1 === lease.end) this.#close.run(cursor, lease.first);
  }

  /** Drops a finished execution from memory, once the transaction that finished it is committed. */
  forgetFinished(cursor: number, execution: number): void {
    const lease = this.#leaseOf(cursor, execution) as Lease;
    lease.unfinished = execution + 1;
    if (lease.unfinished === lease.end) {
      this.#leases.set(
        cursor,
        (this.#leases.get(cursor) ?? []).filter((other) => other !== lease),
      );
    }
  }

  /**
   * Durable. Burns what earlier processes leased under this job and did not finish. Returns all that was ever burnt of the job
   * by crashes, skips and rollbacks: the burn log.
   */
  recover(job: string): BurntRange[] {
    return this.#database.durable(() => {
      for (const { id } of this.#cursors(job)) {
        for (const lease of this.#orphans(id)) this.#burnLease(id, lease);
      }
      return this.#database
        .prepare<[string], BurntRange>(
          `SELECT job, attempt, plan_digest AS planDigest, first, count FROM burnt JOIN cursor ON cursor.id = burnt.cursor
             WHERE job = ? ORDER BY attempt, cursor.id, first`,
        )
        .all(job);
    });
  }

  /**
   * Durable. Rollback: burns all that is left of attempts up to and including `attempt`; with `whole`, nothing more can ever
   * run under this job.
   */
  retire(job: string, attempt: number, whole: boolean): void {
    this.#database.durable(() => {
      this.#database
        .prepare<[string, number, number]>(
          `INSERT INTO job_limit (job, lowest_attempt, retired) VALUES (?, ?, ?) ON CONFLICT DO UPDATE
             SET lowest_attempt = max(lowest_attempt, excluded.lowest_attempt), retired = max(retired, excluded.retired)`,
        )
        .run(job, attempt + 1, whole ? 1 : 0);
      for (const cursor of this.#cursors(job)) {
        if (!whole && cursor.attempt > attempt) continue;
        for (const lease of this.#openLeases(cursor.id)) this.#burnLease(cursor.id, lease);
        this.#burnMaterial(cursor.id, 0, Number.MAX_SAFE_INTEGER);
        this.#leases.delete(cursor.id);
      }
    });
  }

  /** Throws `mask-burnt` when the attempt, or the whole job, was retired. */
  assertNotRetired(name: CursorName): void {
    this.assertJobLives(name.job);
    const limit = this.#limit(name.job);
    if (limit !== undefined && name.attempt < limit.lowestAttempt) {
      throw burntError(describe(name), `the attempt was rolled back, ${limit.lowestAttempt} is the lowest left`);
    }
  }

  /** Throws `mask-burnt` when the whole job was retired. */
  assertJobLives(job: string): void {
    if (this.#limit(job)?.retired === 1) throw burntError(`job ${job}`, 'it is over in this vault');
  }

  #limit(job: string): JobLimit | undefined {
    return this.#database.read(() => this.#jobLimit.get(job));
  }

  #leaseOf(cursor: number, execution: number): Lease | undefined {
    return this.#leases.get(cursor)?.find((lease) => lease.unfinished <= execution && execution < lease.end);
  }

  #cursors(job: string): { id: number; attempt: number }[] {
    return this.#database
      .prepare<[string], { id: number; attempt: number }>('SELECT id, attempt FROM cursor WHERE job = ?')
      .all(job);
  }

  #openLeases(cursor: number): LeaseRow[] {
    return this.#database
      .prepare<[number], LeaseRow>('SELECT first, count, finished FROM lease WHERE cursor = ? AND live = 1')
      .all(cursor);
  }

  /** Leases left open by processes that are gone. */
  #orphans(cursor: number): LeaseRow[] {
    const ours = this.#leases.get(cursor) ?? [];
    return this.#openLeases(cursor).filter((row) => !ours.some((lease) => lease.first === row.first));
  }

  #burnLease(cursor: number, lease: LeaseRow): void {
    this.#burn(cursor, lease.first + lease.finished, lease.count - lease.finished);
    this.#close.run(cursor, lease.first);
  }

  #burn(cursor: number, first: number, count: number): void {
    this.#database
      .prepare<[number, number, number]>('INSERT INTO burnt (cursor, first, count) VALUES (?, ?, ?)')
      .run(cursor, first, count);
    this.#burnMaterial(cursor, first, first + count);
  }
}
