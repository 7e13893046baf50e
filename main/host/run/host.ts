/**
 * A party's host, open: its data folder, its identity and its links. Knows nothing of jobs or of who started it.
 */
import { readFileSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { z } from 'zod';
import type { SecretKey } from '../../../engine/random/crypto-port.ts';
import { formatAddress } from '../../../shared/address.ts';
import type { Address } from '../../../shared/address.ts';
import { MachineError } from '../../../shared/errors.ts';
import { packageFile } from '../../paths.ts';
import { restorePeers } from '../backup/backup.ts';
import type { Backup } from '../backup/backup.ts';
import { createIdentity } from '../peers/identity.ts';
import type { Identity } from '../peers/identity.ts';
import { openLinks } from '../peers/links.ts';
import type { Links } from '../peers/links.ts';
import { openStore } from '../store/store.ts';
import type { Store } from '../store/store.ts';

export interface Host {
  readonly store: Store;
  readonly identity: Identity;
  readonly links: Links;
  /** `host:port` under which it listens. */
  readonly address: string;
  /**
   * Where this process has no GPU of its own (Electron): a new port to the page that computes for it (docs/gpu-page.md); its other
   * end is a worker with a device there.
   */
  readonly gpuPort?: (() => MessagePort) | undefined;
  /** Closes links and store; what was stored stays. */
  close(): Promise<void>;
}

/** Port 0 of an address: any that is free. */
const ANY_PORT = 0;
/** Setting of a host: the port that it found when it was told none. */
const FOUND_PORT_SETTING = 'found-port';
const portSchema = z.int().min(1).max(65_535);

export interface HostOptions {
  readonly folder: string;
  /** What a new identity is called; one that exists keeps its name. */
  readonly name: string;
  /** Port 0 takes any free one, that of the last start if it is. */
  readonly listen: Address;
  readonly gpuPort?: Host['gpuPort'];
  /** In place of a new identity, from a backup. */
  readonly restored?: Backup;
  /** Under which the private key is sealed at rest. */
  readonly guardKey?: SecretKey | undefined;
}

function softwareName(): string {
  const { name, version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { name: string; version: string };
  return `${name}/${version}`;
}

/** Any free port would do, but peers dial the one that they were told: the port of the last start, as long as it is free. */
async function openAtLastPort(
  open: (at: Address) => Promise<Links>,
  listen: Address,
  { settings }: Store,
): Promise<Links> {
  const links = await open({ ...listen, port: settings.get(FOUND_PORT_SETTING, portSchema) ?? ANY_PORT }).catch(
    (error: unknown) => {
      if (error instanceof MachineError && error.code === 'port-in-use') return open(listen);
      throw error;
    },
  );
  settings.set(FOUND_PORT_SETTING, links.address.port);
  return links;
}

/** Opens the folder, makes an identity where there is none, and listens. Errors: those of store and links. */
export async function openHost({ folder, name, listen, restored, guardKey, gpuPort }: HostOptions): Promise<Host> {
  const store = openStore(folder, { guardKey });
  try {
    const stored = store.identity.get();
    const identity = stored ?? restored?.identity ?? (await createIdentity(name));
    const open = (at: Address): Promise<Links> =>
      openLinks({ identity, book: store.peers, software: softwareName(), listen: at });
    const links = listen.port === ANY_PORT ? await openAtLastPort(open, listen, store) : await open(listen);
    // Kept only now: a first start that cannot listen is begun anew, under another name if need be.
    if (stored === undefined) store.identity.create(identity);
    if (restored !== undefined) restorePeers(links, restored);
    const close = async (): Promise<void> => {
      await links.close();
      store.close();
    };
    return { store, identity, links, address: formatAddress(links.address), gpuPort, close };
  } catch (error) {
    store.close();
    throw error;
  }
}
