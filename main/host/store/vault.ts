/**
 * The vault: what a party must not lose, repeat or use twice. It keeps correlations made ahead (vault-material.ts), hands out
 * executions durably (vault-cursors.ts), and refuses to let one mask hide two values (vault-guard.ts). This file ties the
 * three together and bounds the stock. It knows nothing of plans, protocols or links; the engine reaches it by an adapter.
 *
 * In the order of a run: recover -> cursor -> lease -> take, record, (send), finish ... -> lease ...; rollback: retire.
 * One vault object of a folder appends and takes, since waiting for room is signalled inside it.
 */
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { InternalError, MachineError } from '../../../shared/errors.ts';
import { joinDatabase, openDatabase } from './database.ts';
import type { DatabaseKind, StoreDatabase } from './database.ts';
import { vaultMigrations } from './migrations/vault.ts';
import { VaultCursors } from './vault-cursors.ts';
import type { BurntRange, CursorName } from './vault-cursors.ts';
import { VaultGuard } from './vault-guard.ts';
import type { PeerPosition } from './vault-guard.ts';
import { VaultMaterial } from './vault-material.ts';
import type { MaterialRecord, StockLine } from './vault-material.ts';
import { WaitingLine } from './waiting-line.ts';

/** 10 GB of material made ahead, over all jobs. */
export const DEFAULT_QUOTA_BYTES = 10e9;

/** 64 KiB pages: a 1 MiB blob is stored two to four times as fast as with 4 KiB, a small commit costs about the same. */
export const vaultKind: DatabaseKind = {
  area: 'vault',
  pageBytes: 65536,
  migrations: vaultMigrations,
  selfChecked: ['record', 'chunk'],
};

export interface Stock {
  readonly made: number;
  readonly used: number;
  readonly left: number;
  readonly burnt: number;
  readonly bytesLeft: number;
  readonly byLabel: readonly StockLine[];
}

/** `burnt`: the record came too late, nothing will ask for it. */
export type AppendResult = 'stored' | 'duplicate' | 'burnt';

/** What a vault shares with its cursors. */
interface Parts {
  readonly database: StoreDatabase;
  readonly quotaBytes: number;
  readonly material: VaultMaterial;
  readonly cursors: VaultCursors;
  readonly guard: VaultGuard;
  /** Records that wait for room. */
  readonly room: WaitingLine;
  /** Takers that wait for their record. */
  readonly arrival: WaitingLine;
}

/** The executions of one plan in one attempt of a job. `Vault.cursor` makes it. */
export class VaultCursor {
  readonly name: CursorName;
  readonly #parts: Parts;
  readonly #id: number;
  /** Last record taken, by unfinished execution: what was taken does not come back as new. */
  readonly #taken = new Map<number, number>();

  constructor(parts: Parts, name: CursorName, id: number) {
    this.#parts = parts;
    this.name = name;
    this.#id = id;
  }

  /** Lowest execution that can be leased; peers tell each other theirs on every (re)connection. */
  get next(): number {
    return this.#parts.cursors.next(this.#id);
  }

  /**
   * Durable when it returns (one fsync). Leases executions `from` up to, not including, `from + count`: a step or a checkpoint
   * interval. `from` is at or beyond `next`; what lies between is burnt (the parties go on at the highest cursor among them).
   * Throws `mask-burnt` (below the cursor, or the attempt was retired), `lease-not-recovered` (call Vault.recover).
   */
  lease(from: number, count: number): void {
    this.#parts.cursors.lease(this.#id, this.name, from, count);
    this.#parts.room.retry();
  }

  /**
   * Stores a record. Throws `vault-full` beyond the quota (material of a leased execution is not "ahead" and always let in),
   * `vault-disk-full` (nothing stored before is lost), `material-changed`.
   */
  append(record: MaterialRecord): AppendResult {
    const result = this.#tryAppend(record, true);
    if (result === undefined) throw this.#full();
    return result;
  }

  /** Like append, but waits for room, in order of arrival. */
  appendWhenRoom(record: MaterialRecord, signal: AbortSignal): Promise<AppendResult> {
    return this.#parts.room.wait((isFirst) => this.#tryAppend(record, isFirst), signal);
  }

  /**
   * Takes a record of a leased execution, once, checked against its digest; undefined if it has not come yet. Records of an
   * execution are taken in ascending order. Throws `mask-burnt`, `execution-not-leased`, `vault-record-damaged`.
   */
  take(execution: number, number: number): Uint8Array | undefined {
    this.#parts.cursors.assertLive(this.#id, this.name, execution);
    if (this.#wasTaken(execution, number)) {
      throw new InternalError(
        'material-taken',
        `Record ${number} of execution ${execution} was taken or passed before.`,
      );
    }
    const sealed = this.#parts.material.take(this.#id, execution, number);
    if (sealed === undefined) return undefined;
    this.#taken.set(execution, number);
    this.#parts.room.retry();
    return sealed;
  }

  /** Like take, but waits for the record to be appended. */
  takeWhenStored(execution: number, number: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#parts.arrival.wait(() => this.take(execution, number), signal);
  }

  /**
   * Call before a frame leaves, with the digest of its bytes. `slot` names the frame within the execution, and thereby the
   * masks under it: `round 3`, or `round 3 to clinic-b` where receivers get different frames. No I/O: see vault-guard.ts.
   * Throws `mask-reused` (other bytes under this name), `mask-burnt` (finished or burnt), `execution-not-leased`.
   */
  record(execution: number, slot: string, sha256: Uint8Array): 'first' | 'resend' {
    this.#parts.cursors.assertLive(this.#id, this.name, execution);
    return this.#parts.guard.record(this.#id, execution, slot, sha256);
  }

  /**
   * The execution is over: writes its frame digests, burns records that it did not take, frees its memory. One transaction
   * without fsync (0.3 ms with 31 frames). Executions of a lease finish in order (`finish-out-of-order`).
   */
  finish(execution: number): void {
    const { database, cursors, guard, material, room } = this.#parts;
    database.quick(() => {
      cursors.finish(this.#id, this.name, execution);
      guard.keep(this.#id, execution);
      material.burn(this.#id, execution, execution + 1);
    });
    cursors.forgetFinished(this.#id, execution);
    guard.forget(this.#id, execution);
    this.#taken.delete(execution);
    room.retry();
  }

  /** Digests of the frames of a finished execution, by slot: for a self-check by replay. */
  frames(execution: number): ReadonlyMap<string, Uint8Array> {
    return this.#parts.guard.frames(this.#id, execution);
  }

  /** Undefined: no room within the quota, or not this one's turn. */
  #tryAppend(record: MaterialRecord, mayUseRoom: boolean): AppendResult | undefined {
    const { cursors, material, quotaBytes, arrival } = this.#parts;
    if (!cursors.isAhead(this.#id, this.name, record.execution)) return 'burnt';
    if (this.#wasTaken(record.execution, record.number)) return 'duplicate';
    const isLive = cursors.isLive(this.#id, record.execution);
    if (!isLive && record.sealed.length > quotaBytes) throw this.#full();
    const result = material.append(this.#id, record, isLive ? Infinity : mayUseRoom ? quotaBytes : 0);
    if (result === 'stored') arrival.retry();
    return result;
  }

  #wasTaken(execution: number, number: number): boolean {
    return number <= (this.#taken.get(execution) ?? -1);
  }

  #full(): MachineError {
    return new MachineError(
      'vault-full',
      `The vault may hold ${this.#parts.quotaBytes} bytes of material made ahead.`,
      {
        hint: 'Let jobs use some of it, or raise the quota in the settings.',
      },
    );
  }
}

export class Vault {
  /** Random name of this vault: another one has not seen what this one guards. */
  readonly id: string;
  readonly #parts: Parts;
  readonly #open = new Map<string, VaultCursor>();

  constructor(database: StoreDatabase, quotaBytes: number) {
    const material = new VaultMaterial(database);
    const cursors = new VaultCursors(database, (cursor, first, end) => material.burn(cursor, first, end));
    const guard = new VaultGuard(database);
    const [room, arrival] = [new WaitingLine(), new WaitingLine()];
    this.#parts = { database, quotaBytes, material, cursors, guard, room, arrival };
    this.id = database.durable(() => {
      const fresh = Buffer.from(nodeCrypto.randomBytes(16)).toString('hex');
      database
        .prepare<[string]>('INSERT INTO vault (id, vault_id, flushes) VALUES (1, ?, 0) ON CONFLICT DO NOTHING')
        .run(fresh);
      return database.prepare<[], string>('SELECT vault_id FROM vault').pluck().get() as string;
    });
  }

  /** The file has to be checked at the next start. */
  get damaged(): boolean {
    return this.#parts.database.damaged;
  }

  /** Burns what a process that is gone had leased under this job, durably. Returns the burn log: all that was ever burnt. */
  recover(job: string): BurntRange[] {
    const burnt = this.#parts.cursors.recover(job);
    this.#parts.room.retry();
    return burnt;
  }

  /** The cursor of a plan in an attempt; made when new. Throws `mask-burnt` when the attempt or the job was retired. */
  cursor(name: CursorName): VaultCursor {
    const id = this.#parts.cursors.open(name);
    const key = JSON.stringify([name.job, name.attempt, name.planDigest]);
    const cursor = this.#open.get(key) ?? new VaultCursor(this.#parts, name, id);
    this.#open.set(key, cursor);
    return cursor;
  }

  /** Rollback, durably: burns all that is left of the attempts of a job up to and including this one. */
  retireAttempt(job: string, attempt: number): void {
    this.#retire(job, attempt, false);
  }

  /** The job is over, durably: burns all that is left of it and lets nothing more run under its id. */
  retireJob(job: string): void {
    this.#retire(job, 0, true);
  }

  /**
   * Durable. Before static data is first shared under a mask that serves the whole job: binds the mask to the data's digest.
   * The same again is welcome; other data is refused (`mask-bound`), a job that is over too (`mask-burnt`).
   */
  bind(job: string, mask: string, sha256: Uint8Array): 'first' | 'again' {
    this.#parts.cursors.assertJobLives(job);
    return this.#parts.guard.bind(job, mask, sha256);
  }

  /** Notes how far a peer says it is; one behind what it said before is refused (`peer-rolled-back`). */
  see(job: string, peer: string, position: PeerPosition): void {
    this.#parts.guard.see(job, peer, position);
  }

  /** The furthest that a peer was seen. */
  seenFromPeer(job: string, peer: string, planDigest: string): PeerPosition | undefined {
    return this.#parts.guard.seen(job, peer, planDigest);
  }

  /** What a job has in stock, in all and by label, in records. */
  stock(job: string): Stock {
    const byLabel = this.#parts.material.stock(job);
    const sum = (field: Exclude<keyof StockLine, 'label'>): number =>
      byLabel.reduce((total, line) => total + line[field], 0);
    return {
      made: sum('made'),
      used: sum('used'),
      left: sum('left'),
      burnt: sum('burnt'),
      bytesLeft: sum('bytesLeft'),
      byLabel,
    };
  }

  /** Puts all that was appended on disk: call before telling a dealer that it may erase its copy. */
  flush(): void {
    const { database } = this.#parts;
    database.durable(() => database.prepare('UPDATE vault SET flushes = flushes + 1').run());
  }

  /** Rejects whoever waits (`vault-closed`). Live leases are burnt at the next recovery. */
  close(): void {
    const closed = new MachineError('vault-closed', 'The vault was closed while material was waited for.');
    this.#parts.room.empty(closed);
    this.#parts.arrival.empty(closed);
    this.#parts.database.close();
  }

  #retire(job: string, attempt: number, whole: boolean): void {
    this.#parts.cursors.retire(job, attempt, whole);
    this.#parts.room.retry();
    this.#parts.arrival.retry();
  }
}

/** Opens the vault's file in a folder whose lock the caller holds. `check` after an unclean exit. */
export function openVault(file: string, check: boolean, quotaBytes: number): Vault {
  return new Vault(openDatabase(file, vaultKind, check), quotaBytes);
}

/** Opens the vault in a worker thread of a process that has it open already. */
export function joinVault(file: string, quotaBytes: number): Vault {
  return new Vault(joinDatabase(file, vaultKind), quotaBytes);
}
