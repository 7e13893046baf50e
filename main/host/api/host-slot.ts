/**
 * The place of a host that may not be there yet: a data folder whose first start waits for a name from a person. Knows
 * nothing of who asks.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Address } from '../../../shared/address.ts';
import { InputError } from '../../../shared/errors.ts';
import { openHost } from '../run/host.ts';
import type { Host } from '../run/host.ts';
import { openStore } from '../store/store.ts';

export class HostSlot {
  readonly folder: string;
  readonly #listen: Address;
  #host: Host | undefined;
  #opening: Promise<Host> | undefined;

  /** Use of or forFolder. */
  constructor(folder: string, listen: Address, host: Host | undefined) {
    this.folder = folder;
    this.#listen = listen;
    this.#host = host;
  }

  /** Of a host that is open. Who opened it closes it. */
  static of(host: Host): HostSlot {
    return new HostSlot(host.store.folder, { host: '127.0.0.1', port: 0 }, host);
  }

  /** Of a data folder: opens its host where it has an identity, and waits for `create` where not. */
  static async forFolder(folder: string, listen: Address): Promise<HostSlot> {
    const path = resolve(folder);
    const slot = new HostSlot(path, listen, undefined);
    if (holdsIdentity(path)) await slot.#open('');
    return slot;
  }

  get host(): Host | undefined {
    return this.#host;
  }

  /** First start. InputError `identity-exists` where the folder has an identity. */
  async create(name: string): Promise<Host> {
    if (this.#host !== undefined || this.#opening !== undefined) {
      throw new InputError('identity-exists', `${this.folder} already holds an identity.`, {
        hint: 'Use another data folder for another organisation.',
      });
    }
    return this.#open(name);
  }

  async #open(name: string): Promise<Host> {
    this.#opening = openHost({ folder: this.folder, name, listen: this.#listen });
    try {
      return (this.#host = await this.#opening);
    } finally {
      this.#opening = undefined;
    }
  }
}

function holdsIdentity(folder: string): boolean {
  if (!existsSync(join(folder, 'tacit.db'))) return false;
  const store = openStore(folder);
  try {
    return store.identity.get() !== undefined;
  } finally {
    store.close();
  }
}
