/**
 * The mask guard: no mask ever hides two values. A frame's name (execution and slot, within a cursor) stands for the masks
 * that it opens; the same bytes may leave again under it, other bytes never. Static data keeps its masks for the whole job
 * and is bound to a digest of the data instead. Knows digests only, never a mask, a share or a frame.
 *
 * Why noting a frame costs no fsync. A frame leaves only within a live lease, and the lease is on disk. While the process
 * lives, this map in memory refuses a second frame. When it dies, however it dies, the lease is burnt and none of its names is
 * ever handed out again, so nothing can leave under them that could differ. The digests are written with the execution's end
 * for the self-check (a party replays an earlier step and compares its own frames), not for safety.
 */
import { InputError, InternalError, PeerError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

const DIGEST_BYTES = 32;

/** How far a peer said it was. */
export interface PeerPosition {
  readonly attempt: number;
  readonly planDigest: string;
  /** Its cursor: the lowest execution that it has not leased. */
  readonly execution: number;
}

function assertDigest(sha256: Uint8Array): void {
  if (sha256.length !== DIGEST_BYTES) throw new InternalError('digest-length', `A digest of ${sha256.length} bytes.`);
}

export class VaultGuard {
  readonly #database: StoreDatabase;
  /** Per cursor and unfinished execution: digests by slot. */
  readonly #live = new Map<number, Map<number, Map<string, Uint8Array>>>();
  readonly #insertFrame;

  constructor(database: StoreDatabase) {
    this.#database = database;
    this.#insertFrame = database.prepare<[number, number, string, Uint8Array]>(
      'INSERT INTO frame (cursor, execution, slot, sha256) VALUES (?, ?, ?, ?)',
    );
  }

  /** Notes a frame of a live execution before it leaves. Other bytes under the same name are refused (`mask-reused`). */
  record(cursor: number, execution: number, slot: string, sha256: Uint8Array): 'first' | 'resend' {
    assertDigest(sha256);
    const executions = this.#live.get(cursor) ?? new Map<number, Map<string, Uint8Array>>();
    this.#live.set(cursor, executions);
    const slots = executions.get(execution) ?? new Map<string, Uint8Array>();
    executions.set(execution, slots);
    const known = slots.get(slot);
    if (known === undefined) {
      slots.set(slot, sha256.slice());
      return 'first';
    }
    if (Buffer.compare(known, sha256) === 0) return 'resend';
    throw new InternalError(
      'mask-reused',
      `Execution ${execution}, ${slot}: a second, different frame under one mask.`,
      {
        hint: 'Nothing was sent. Roll the job back to its last checkpoint; please report this.',
      },
    );
  }

  /** Writes the digests of an execution that finishes. Inside a transaction; call `forget` after it. */
  keep(cursor: number, execution: number): void {
    for (const [slot, sha256] of this.#live.get(cursor)?.get(execution) ?? []) {
      this.#insertFrame.run(cursor, execution, slot, sha256);
    }
  }

  forget(cursor: number, execution: number): void {
    this.#live.get(cursor)?.delete(execution);
  }

  /** Digests by slot of a finished execution. */
  frames(cursor: number, execution: number): ReadonlyMap<string, Uint8Array> {
    const rows = this.#database.read(() =>
      this.#database
        .prepare<[number, number], { slot: string; sha256: Uint8Array }>(
          'SELECT slot, sha256 FROM frame WHERE cursor = ? AND execution = ? ORDER BY slot',
        )
        .all(cursor, execution),
    );
    return new Map(rows.map(({ slot, sha256 }) => [slot, sha256]));
  }

  /**
   * Durable. Binds a mask that serves the whole job to the digest of the data it hides; the same again is welcome, other data
   * is refused (`mask-bound`).
   */
  bind(job: string, mask: string, sha256: Uint8Array): 'first' | 'again' {
    assertDigest(sha256);
    return this.#database.durable(() => {
      const known = this.#database
        .prepare<[string, string], Uint8Array>('SELECT sha256 FROM binding WHERE job = ? AND mask = ?')
        .pluck()
        .get(job, mask);
      if (known === undefined) {
        this.#database
          .prepare<[string, string, Uint8Array]>('INSERT INTO binding (job, mask, sha256) VALUES (?, ?, ?)')
          .run(job, mask, sha256);
        return 'first';
      }
      if (Buffer.compare(known, sha256) === 0) return 'again';
      throw new InputError('mask-bound', `The data behind ${mask} changed since job ${job} first shared it.`, {
        hint: 'Restore the data as it was, or start a new job with the new data.',
      });
    });
  }

  /**
   * Notes how far a peer says it is. One that is behind what it said before lost its newest state (a restored backup or
   * snapshot) and would use masks twice: refused (`peer-rolled-back`).
   */
  see(job: string, peer: string, position: PeerPosition): void {
    this.#database.quick(() => {
      const highest = this.seen(job, peer, position.planDigest);
      const behind =
        highest !== undefined &&
        (position.attempt < highest.attempt ||
          (position.attempt === highest.attempt && position.execution < highest.execution));
      if (behind) {
        throw new PeerError(
          'peer-rolled-back',
          peer,
          `${peer} is at execution ${position.execution} of attempt ${position.attempt} of job ${job}, but was at ` +
            `execution ${highest.execution} of attempt ${highest.attempt} before.`,
          { hint: `Ask ${peer} whether it restored a backup; the job must be rolled back to a new attempt.` },
        );
      }
      this.#database
        .prepare<[string, string, number, string, number]>(
          `INSERT INTO peer_position (job, peer, attempt, plan_digest, execution) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET execution = excluded.execution`,
        )
        .run(job, peer, position.attempt, position.planDigest, position.execution);
    });
  }

  /** The furthest a peer was seen in a plan: its highest attempt in any plan of the job, and the cursor in it. */
  seen(job: string, peer: string, planDigest: string): PeerPosition | undefined {
    return this.#database.read(() => {
      const attempt = this.#database
        .prepare<[string, string], number | null>('SELECT max(attempt) FROM peer_position WHERE job = ? AND peer = ?')
        .pluck()
        .get(job, peer);
      if (attempt === null || attempt === undefined) return undefined;
      const execution = this.#database
        .prepare<[string, string, number, string], number>(
          'SELECT execution FROM peer_position WHERE job = ? AND peer = ? AND attempt = ? AND plan_digest = ?',
        )
        .pluck()
        .get(job, peer, attempt, planDigest);
      return { attempt, planDigest, execution: execution ?? 0 };
    });
  }
}
