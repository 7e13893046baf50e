/**
 * A party's host, open: its data folder, its identity and its links. Knows nothing of jobs or of who started it.
 */
import { readFileSync } from 'node:fs';
import { formatAddress } from '../../../shared/address.ts';
import type { Address } from '../../../shared/address.ts';
import { packageFile } from '../../paths.ts';
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
  /** Closes links and store; what was stored stays. */
  close(): Promise<void>;
}

export interface HostOptions {
  readonly folder: string;
  /** What a new identity is called; one that exists keeps its name. */
  readonly name: string;
  readonly listen: Address;
}

function softwareName(): string {
  const { name, version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { name: string; version: string };
  return `${name}/${version}`;
}

/** Opens the folder, makes an identity where there is none, and listens. Errors: those of store and links. */
export async function openHost({ folder, name, listen }: HostOptions): Promise<Host> {
  const store = openStore(folder);
  try {
    const identity = store.identity.get() ?? store.identity.create(await createIdentity(name));
    const links = await openLinks({ identity, book: store.peers, software: softwareName(), listen });
    const close = async (): Promise<void> => {
      await links.close();
      store.close();
    };
    return { store, identity, links, address: formatAddress(links.address), close };
  } catch (error) {
    store.close();
    throw error;
  }
}
