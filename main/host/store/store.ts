/**
 * One party's data folder, open: everything that it keeps, by area. `tacit.db` holds what is small and precious; `vault.db`
 * holds material and what was used of it. Knows nothing of what the areas are for.
 *
 * The vault must never go back in time alone: the store remembers which vault its jobs ran on. When that one is gone, every
 * job that was open is over, since nobody knows any more which masks it used. A folder restored as a whole shows itself to
 * the peers (`peer-rolled-back`).
 */
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { SecretKey } from '../../../engine/random/crypto-port.ts';
import { AuditStore } from './audit.ts';
import { DatasetStore } from './datasets.ts';
import { DraftStore } from './drafts.ts';
import { CheckpointStore } from './checkpoints.ts';
import { joinDatabase, openDatabase } from './database.ts';
import type { DatabaseKind, StoreDatabase } from './database.ts';
import { assertFolderHeld, lockFolder } from './folder-lock.ts';
import { IdentityStore } from './identity.ts';
import { JobStore } from './jobs.ts';
import { JoinStore } from './joins.ts';
import { storeMigrations } from './migrations/store.ts';
import { PeerStore } from './peers.ts';
import { ProjectStore } from './projects.ts';
import { SettingStore } from './settings.ts';
import { TimingStore } from './timings.ts';
import { DEFAULT_QUOTA_BYTES, joinVault, openVault } from './vault.ts';
import type { Vault } from './vault.ts';

const storeKind: DatabaseKind = {
  area: 'store',
  pageBytes: 4096,
  migrations: storeMigrations,
  selfChecked: ['checkpoint_chunk'],
};

export interface StoreOptions {
  /** Bound on material made ahead, over all jobs. */
  readonly vaultQuotaBytes?: number;
  /** Under which private keys are sealed; see key-guard.ts. */
  readonly guardKey?: SecretKey | undefined;
}

export class Store {
  readonly folder: string;
  readonly identity: IdentityStore;
  readonly peers: PeerStore;
  readonly projects: ProjectStore;
  readonly jobs: JobStore;
  readonly joins: JoinStore;
  readonly checkpoints: CheckpointStore;
  readonly timings: TimingStore;
  readonly datasets: DatasetStore;
  readonly drafts: DraftStore;
  readonly settings: SettingStore;
  readonly audit: AuditStore;
  readonly vault: Vault;
  readonly guardKey: SecretKey | undefined;
  readonly #close: () => void;

  constructor(
    folder: string,
    database: StoreDatabase,
    vault: Vault,
    guardKey: SecretKey | undefined,
    close: () => void,
  ) {
    this.folder = folder;
    this.guardKey = guardKey;
    this.identity = new IdentityStore(database, guardKey);
    this.peers = new PeerStore(database);
    this.projects = new ProjectStore(database);
    this.jobs = new JobStore(database);
    this.joins = new JoinStore(database);
    this.checkpoints = new CheckpointStore(database);
    this.timings = new TimingStore(database);
    this.datasets = new DatasetStore(database);
    this.drafts = new DraftStore(database);
    this.settings = new SettingStore(database);
    this.audit = new AuditStore(database);
    this.vault = vault;
    this.#close = close;
  }

  /** Closes the files and gives the folder back. */
  close(): void {
    this.#close();
  }
}

/** Setting: bound on material made ahead. Who opens the folder next keeps to it: a run begins with opening it. */
export const VAULT_QUOTA_SETTING = 'vault-quota-bytes';

function quotaBytes(database: StoreDatabase, { vaultQuotaBytes }: StoreOptions): number {
  const stored = new SettingStore(database).get(VAULT_QUOTA_SETTING, z.number().positive());
  return vaultQuotaBytes ?? stored ?? DEFAULT_QUOTA_BYTES;
}

/** Jobs of a vault that is gone are over; see the head of this file. */
function rememberVault(store: Store): void {
  const known = store.settings.get('vault-id', z.string());
  if (known === store.vault.id) return;
  for (const { id } of known === undefined ? [] : store.jobs.list()) store.vault.retireJob(id);
  store.settings.set('vault-id', store.vault.id);
}

/**
 * Opens a party's data folder, made if missing (folder mode 0700, files 0600), and locks it for this process.
 * Throws `store-in-use` (naming folder and process), `store-damaged` or `vault-damaged` (the file was renamed, and the next
 * start begins with an empty one), `store-newer`, `vault-newer`, `data-folder-unusable`, `store-unopenable`.
 */
export function openStore(folder: string, options: StoreOptions = {}): Store {
  const path = resolve(folder);
  const lock = lockFolder(path);
  const opened: (() => void)[] = [];
  const closeAll = (): void => {
    for (const close of opened.splice(0).reverse()) close();
  };
  try {
    const database = openDatabase(join(path, 'tacit.db'), storeKind, lock.uncleanExit);
    opened.push(() => database.close());
    const vault = openVault(join(path, 'vault.db'), lock.uncleanExit, quotaBytes(database, options));
    opened.push(() => vault.close());
    const store = new Store(path, database, vault, options.guardKey, () => {
      if (opened.length === 0) return;
      const clean = !database.damaged && !vault.damaged;
      closeAll();
      lock.release(clean);
    });
    rememberVault(store);
    store.identity.protect();
    return store;
  } catch (error) {
    closeAll();
    // A damaged file is out of the way by now, but the other one may not have been looked at yet.
    lock.release(!lock.uncleanExit);
    throw error;
  }
}

/** Opens the folder once more, in a worker thread of the process that has it open. */
export function joinStore(folder: string, options: StoreOptions = {}): Store {
  const path = resolve(folder);
  assertFolderHeld(path);
  const database = joinDatabase(join(path, 'tacit.db'), storeKind);
  const vault = joinVault(join(path, 'vault.db'), quotaBytes(database, options));
  return new Store(path, database, vault, options.guardKey, () => {
    vault.close();
    database.close();
  });
}
