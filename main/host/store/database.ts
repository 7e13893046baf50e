/**
 * One SQLite file: private mode, write-ahead log, migrations, a check after an unclean exit, two levels of durability, and
 * errors in our own words. Knows no table; the repositories beside it do, and nothing outside this folder writes SQL.
 *
 * Durability. A transaction either is `durable`: the log is on disk before it returns (one fsync, 0.3 to 2.4 ms measured), or
 * `quick`: it survives the death of the process at once, and a power failure only if a later durable one followed. What
 * is lost is always the newest part, never something in between.
 */
import Database from 'better-sqlite3';
import { existsSync, renameSync } from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { InternalError, MachineError, TacitError } from '../../../shared/errors.ts';
import { makePrivateFile } from './folder-lock.ts';

export interface DatabaseKind {
  /** Prefix of error codes: `store-disk-full`, `vault-disk-full`. */
  readonly area: 'store' | 'vault';
  /** Bytes a page; large pages suit large blobs. Fixed when the file is created. */
  readonly pageBytes: number;
  /** SQL scripts in order; `user_version` counts those that ran. A published one never changes. */
  readonly migrations: readonly string[];
  /** Bulk tables that the check leaves out, since each of their rows carries its own integrity tag. */
  readonly selfChecked: readonly string[];
}

/** The log shrinks back to this after a burst. */
const LOG_LIMIT_BYTES = 64 << 20;

type Durability = 'FULL' | 'NORMAL';

export class StoreDatabase {
  readonly file: string;
  readonly area: DatabaseKind['area'];
  /** The connection itself: for the repositories of this folder only. */
  readonly handle: Database.Database;
  #durability: Durability = 'FULL';
  #damaged = false;

  constructor(file: string, area: DatabaseKind['area'], handle: Database.Database) {
    this.file = file;
    this.area = area;
    this.handle = handle;
  }

  /** SQLite reported damage while the file was open: the next start must check it. */
  get damaged(): boolean {
    return this.#damaged;
  }

  prepare<Parameters extends unknown[], Row = unknown>(sql: string): Database.Statement<Parameters, Row> {
    return this.handle.prepare<Parameters, Row>(sql);
  }

  /** Runs queries; failures come out as our errors. */
  read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  /** Runs `work` as one transaction that is on disk, with all before it, when this returns. */
  durable<T>(work: () => T): T {
    return this.#transact('FULL', work);
  }

  /** Runs `work` as one transaction without waiting for the disk. */
  quick<T>(work: () => T): T {
    return this.#transact('NORMAL', work);
  }

  close(): void {
    this.handle.close();
  }

  #transact<T>(durability: Durability, work: () => T): T {
    if (this.handle.inTransaction)
      throw new InternalError('store-nested-transaction', `${this.file}: nested transaction.`);
    return this.read(() => {
      if (this.#durability !== durability) {
        this.handle.pragma(`synchronous = ${durability}`);
        this.#durability = durability;
      }
      this.handle.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.handle.exec('COMMIT');
        return result;
      } catch (error) {
        if (this.handle.inTransaction) this.handle.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #translate(error: unknown): unknown {
    if (error instanceof TacitError || !(error instanceof Database.SqliteError)) return error;
    if (isDamage(error)) {
      this.#damaged = true;
      return new MachineError(`${this.area}-damaged`, `The file ${this.file} is damaged (${error.code}).`, {
        hint: 'Restart the program: it checks the file and sets it aside.',
        cause: error,
      });
    }
    if (error.code === 'SQLITE_FULL' || error.code === 'SQLITE_IOERR_SHMSIZE') {
      return new MachineError(`${this.area}-disk-full`, `No space is left on the disk of ${this.file}.`, {
        hint: 'Free some space and go on; everything stored before is intact.',
        cause: error,
      });
    }
    if (/^SQLITE_(?:IOERR|READONLY|CANTOPEN|PERM)/u.test(error.code)) {
      return new MachineError(`${this.area}-disk-failed`, `The disk refused to serve ${this.file} (${error.code}).`, {
        hint: 'Check the disk and the permissions of the data folder, then restart.',
        cause: error,
      });
    }
    if (error.code.startsWith('SQLITE_BUSY')) {
      return new MachineError(`${this.area}-busy`, `Another program holds the file ${this.file}.`, {
        hint: 'Close tools that look into the data folder, then try again.',
        cause: error,
      });
    }
    return new InternalError(`${this.area}-query`, `${this.file}: ${error.message} (${error.code}).`, { cause: error });
  }
}

function isDamage(error: unknown): error is Database.SqliteError {
  return error instanceof Database.SqliteError && /^SQLITE_(?:CORRUPT|NOTADB)/u.test(error.code);
}

/** First complaint of SQLite's own check, or undefined. Bulk tables are left out: reading gigabytes would delay the start. */
function findDamage(handle: Database.Database, kind: DatabaseKind): string | undefined {
  const tables = handle
    .prepare<[], string>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .pluck()
    .all();
  for (const table of tables) {
    if (kind.selfChecked.includes(table)) continue;
    const verdict = handle.pragma(`quick_check('${table}')`, { simple: true });
    if (verdict !== 'ok') return `${table}: ${String(verdict)}`;
  }
  return undefined;
}

/** Renames the file with its log, keeping them usable by repair tools; returns the new name. */
function setAside(file: string): string {
  const { name, ext } = parse(file);
  const stamp = new Date().toISOString().replaceAll(':', '-');
  const aside = join(dirname(file), `${name}.damaged-${stamp}${ext}`);
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  return aside;
}

function migrate(handle: Database.Database, kind: DatabaseKind, file: string): void {
  const version = handle.pragma('user_version', { simple: true }) as number;
  if (version > kind.migrations.length) {
    throw new MachineError(`${kind.area}-newer`, `The file ${file} was written by a newer version of this program.`, {
      hint: 'Update this program, or choose another data folder.',
    });
  }
  for (const [index, script] of kind.migrations.entries()) {
    if (index < version) continue;
    handle.transaction(() => {
      handle.exec(script);
      handle.pragma(`user_version = ${index + 1}`);
    })();
  }
}

/**
 * Opens a file and brings it to the current version. The caller holds the folder's lock.
 * `check` (after an unclean exit) reads all tables but the bulk ones. A damaged file is renamed, never deleted, and reported
 * (`store-damaged`, `vault-damaged`); the next start begins with an empty one. A newer file is refused (`store-newer`).
 */
export function openDatabase(file: string, kind: DatabaseKind, check: boolean): StoreDatabase {
  makePrivateFile(file);
  const handle = new Database(file);
  const database = new StoreDatabase(file, kind.area, handle);
  try {
    return database.read(() => {
      handle.pragma(`page_size = ${kind.pageBytes}`);
      handle.pragma('journal_mode = WAL');
      handle.pragma('synchronous = FULL');
      handle.pragma('foreign_keys = ON');
      handle.pragma(`journal_size_limit = ${LOG_LIMIT_BYTES}`);
      const complaint = check ? findDamage(handle, kind) : undefined;
      if (complaint !== undefined) throw new Database.SqliteError(complaint, 'SQLITE_CORRUPT');
      migrate(handle, kind, file);
      return database;
    });
  } catch (error) {
    handle.close();
    if (!database.damaged) throw error;
    const aside = setAside(file);
    throw new MachineError(`${kind.area}-damaged`, `The file ${file} is damaged; it was kept as ${aside}.`, {
      hint: 'Restore your copy of it, or start again to begin with an empty one.',
      cause: error,
    });
  }
}

/** Opens a file that a thread of this process has opened and migrated already. */
export function joinDatabase(file: string, kind: DatabaseKind): StoreDatabase {
  const handle = new Database(file, { fileMustExist: true });
  handle.pragma('synchronous = FULL');
  handle.pragma('foreign_keys = ON');
  return new StoreDatabase(file, kind.area, handle);
}
