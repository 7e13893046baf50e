/**
 * One process per data folder. The lock is an exclusive SQLite lock on an empty file: the operating system drops it with the
 * process, however that ends, so there is no stale lock to clear. A small owner file beside it names the holder to the one
 * who is refused, and is removed on a clean exit; finding it under a free lock means that the last exit was not clean.
 * Knows nothing of what the folder holds.
 */
import Database from 'better-sqlite3';
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { InputError, InternalError, MachineError } from '../../../shared/errors.ts';

const ownerSchema = z.object({ pid: z.int(), sinceMs: z.number() });
type Owner = z.infer<typeof ownerSchema>;

export interface FolderLock {
  /** The process before this one did not close the folder: its files deserve a check. */
  readonly uncleanExit: boolean;
  /** Gives the folder back. `clean` false leaves the owner file, so that the next process checks the files. */
  release(clean: boolean): void;
}

function ownerFile(folder: string): string {
  return join(folder, 'owner.json');
}

function readOwner(folder: string): Owner | 'none' | 'unreadable' {
  let text: string;
  try {
    text = readFileSync(ownerFile(folder), 'utf8');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : 'unreadable';
  }
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return 'unreadable'; // the process died while it wrote the file
  }
}

/** Creates the file if it is missing and makes it readable by its owner only. */
export function makePrivateFile(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

function makePrivateFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
  } catch (cause) {
    throw new InputError('data-folder-unusable', `The data folder ${folder} cannot be created or made private.`, {
      hint: 'Choose a folder that belongs to you.',
      cause,
    });
  }
}

/**
 * Creates the folder (mode 0700) if needed and locks it for this process. A folder that is locked already, by this process
 * or another, is refused (`store-in-use`, naming folder and process).
 */
export function lockFolder(folder: string): FolderLock {
  makePrivateFolder(folder);
  const file = join(folder, 'lock');
  let handle: Database.Database | undefined;
  try {
    makePrivateFile(file);
    handle = new Database(file, { timeout: 0 });
    handle.pragma('journal_mode = MEMORY');
    handle.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    handle?.close();
    if (cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY')) {
      const owner = readOwner(folder);
      const holder = typeof owner === 'string' ? 'another process' : `process ${owner.pid}`;
      throw new MachineError('store-in-use', `The data folder ${folder} is in use by ${holder}.`, {
        hint: 'Close that program, or choose another data folder.',
      });
    }
    throw new MachineError('store-unopenable', `The data folder ${folder} cannot be locked.`, {
      hint: 'Check that the folder is writable and on a local disk.',
      cause,
    });
  }
  const held = handle;
  const uncleanExit = readOwner(folder) !== 'none';
  const owner: Owner = { pid: process.pid, sinceMs: Date.now() };
  try {
    writeFileSync(ownerFile(folder), JSON.stringify(owner), { mode: 0o600 });
  } catch (cause) {
    held.close();
    throw new MachineError('store-unopenable', `The data folder ${folder} cannot be written to.`, {
      hint: 'Free some space and check the permissions.',
      cause,
    });
  }
  return {
    uncleanExit,
    release(clean) {
      if (clean) rmSync(ownerFile(folder), { force: true });
      held.close();
    },
  };
}

/** For a worker thread of the process that holds the lock: throws unless this process is the holder. */
export function assertFolderHeld(folder: string): void {
  const owner = readOwner(folder);
  if (typeof owner === 'string' || owner.pid !== process.pid) {
    throw new InternalError(
      'store-not-held',
      `A worker joined the data folder ${folder}, which this process did not open.`,
    );
  }
}
