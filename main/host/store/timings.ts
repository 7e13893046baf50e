/**
 * Timings of attempts: one row per layer and phase of an execution, or per span outside of one. Written in bulk, without
 * waiting for the disk. Knows nothing of the trace format they are exported to.
 */
import type { StoreDatabase } from './database.ts';

export interface TimingRow {
  /** Number of the execution; -1 for what lies outside any. */
  readonly execution: number;
  /** `setup`, `offline`, `online`, `evaluation`, ... */
  readonly phase: string;
  /** Layer or step named. */
  readonly layer: string;
  /** Since the start of the attempt. */
  readonly startUs: number;
  readonly durationUs: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
  readonly rounds: number;
  readonly multiplyAdds: number;
}

/** Sums over executions, per phase and layer. */
export type TimingSum = Omit<TimingRow, 'execution' | 'startUs'> & { readonly executions: number };

export class TimingStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Appends rows in one transaction: about a microsecond a row. Fractions of a microsecond are rounded. */
  add(job: string, attempt: number, rows: readonly TimingRow[]): void {
    this.#database.quick(() => {
      const insert = this.#database.prepare<[string, number, number, string, string, ...number[]]>(
        `INSERT INTO timing
           (job, attempt, execution, phase, layer, start_us, duration_us, bytes_out, bytes_in, rounds, multiply_adds)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      );
      for (const row of rows) {
        insert.run(
          job,
          attempt,
          row.execution,
          row.phase,
          row.layer,
          Math.round(row.startUs),
          Math.round(row.durationUs),
          row.bytesOut,
          row.bytesIn,
          row.rounds,
          row.multiplyAdds,
        );
      }
    });
  }

  /** All rows of an attempt in the order in which they came. */
  rows(job: string, attempt: number): TimingRow[] {
    return this.#database.read(() =>
      this.#database
        .prepare<[string, number], TimingRow>(
          `SELECT execution, phase, layer, start_us AS startUs, duration_us AS durationUs, bytes_out AS bytesOut,
             bytes_in AS bytesIn, rounds, multiply_adds AS multiplyAdds
             FROM timing WHERE job = ? AND attempt = ? ORDER BY id`,
        )
        .all(job, attempt),
    );
  }

  /** Sums per phase and layer, in order of first appearance. */
  summary(job: string, attempt: number): TimingSum[] {
    return this.#database.read(() =>
      this.#database
        .prepare<[string, number], TimingSum>(
          `SELECT phase, layer, sum(duration_us) AS durationUs, sum(bytes_out) AS bytesOut, sum(bytes_in) AS bytesIn,
             sum(rounds) AS rounds, sum(multiply_adds) AS multiplyAdds, count(DISTINCT execution) AS executions
             FROM timing WHERE job = ? AND attempt = ? GROUP BY phase, layer ORDER BY min(id)`,
        )
        .all(job, attempt),
    );
  }
}
