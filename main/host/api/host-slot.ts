/**
 * The place of a host that may not be there yet: a data folder whose first start waits for a person, who names a new identity
 * or brings a backup. Knows nothing of who asks.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { SecretKey } from '../../../engine/random/crypto-port.ts';
import { addressSchema, formatAddress, parseAddress } from '../../../shared/address.ts';
import type { Address } from '../../../shared/address.ts';
import { InputError } from '../../../shared/errors.ts';
import type { Backup } from '../backup/backup.ts';
import { openHost } from '../run/host.ts';
import type { Host, HostOptions } from '../run/host.ts';
import { openStore } from '../store/store.ts';

/** A port that is free, for this machine only. */
const ON_THIS_MACHINE: Address = { host: '127.0.0.1', port: 0 };
/** Setting of a host: the address that its first start was told to listen at. */
const LISTEN_SETTING = 'listen';

export class HostSlot {
  readonly folder: string;
  /** In place of what is set; a person at the first start has the last word. */
  readonly #listen: Address | undefined;
  readonly #means: HostMeans;
  #host: Host | undefined;
  #opening: Promise<Host> | undefined;
  readonly #opened = Promise.withResolvers<Host>();

  /** Use of or forFolder. */
  constructor(folder: string, listen: Address | undefined, host: Host | undefined, means: HostMeans) {
    this.folder = folder;
    this.#listen = listen;
    this.#means = means;
    this.#host = host;
    if (host !== undefined) this.#opened.resolve(host);
  }

  /** Of a host that is open. Who opened it closes it. */
  static of(host: Host): HostSlot {
    return new HostSlot(host.store.folder, undefined, host, {});
  }

  /**
   * Of a data folder: opens its host where it has an identity, and waits for `create` or `restore` where not. With a guarding
   * key the private key is sealed at rest.
   */
  static async forFolder(folder: string, listen?: Address, means: HostMeans = {}): Promise<HostSlot> {
    const path = resolve(folder);
    const slot = new HostSlot(path, listen, undefined, means);
    const known = knownHost(path, means.guardKey);
    if (known !== undefined) await slot.#open({ name: '', listen: listen ?? known.listen });
    return slot;
  }

  get host(): Host | undefined {
    return this.#host;
  }

  /** The host, once its first start is finished. */
  get opened(): Promise<Host> {
    return this.#opened.promise;
  }

  /** First start with a new identity. InputError `identity-exists` where the folder has one. */
  create(name: string, listen?: Address): Promise<Host> {
    return this.#begin({ name, listen });
  }

  /** First start with the identity of a backup. InputError `identity-exists` where the folder has one. */
  restore(restored: Backup, listen?: Address): Promise<Host> {
    return this.#begin({ name: restored.identity.name, listen, restored });
  }

  async #begin(start: FirstStart): Promise<Host> {
    if (this.#host !== undefined || this.#opening !== undefined) {
      throw new InputError('identity-exists', `${this.folder} already holds an identity.`, {
        hint: 'Use another data folder for another organisation.',
      });
    }
    const host = await this.#open(start);
    if (start.listen !== undefined) host.store.settings.set(LISTEN_SETTING, formatAddress(start.listen));
    return host;
  }

  async #open({ name, listen, restored }: FirstStart): Promise<Host> {
    const { preset = ON_THIS_MACHINE, ...means } = this.#means;
    this.#opening = openHost({
      folder: this.folder,
      name,
      listen: listen ?? this.#listen ?? preset,
      ...means,
      ...(restored === undefined ? {} : { restored }),
    });
    try {
      this.#host = await this.#opening;
      this.#opened.resolve(this.#host);
      return this.#host;
    } finally {
      this.#opening = undefined;
    }
  }
}

/** What the program gives the host beside a folder and an address. */
interface HostMeans extends Pick<HostOptions, 'guardKey' | 'gpuPort'> {
  /** Where it listens unless a person says otherwise; on this machine only if not given. */
  readonly preset?: Address;
}

interface FirstStart {
  readonly name: string;
  readonly listen: Address | undefined;
  readonly restored?: Backup;
}

/** What a folder says of its host; undefined before its first start. */
function knownHost(
  folder: string,
  guardKey: SecretKey | undefined,
): { readonly listen: Address | undefined } | undefined {
  if (!existsSync(join(folder, 'tacit.db'))) return undefined;
  const store = openStore(folder, { guardKey });
  try {
    if (store.identity.get() === undefined) return undefined;
    const listen = store.settings.get(LISTEN_SETTING, addressSchema);
    return { listen: listen === undefined ? undefined : parseAddress(listen) };
  } finally {
    store.close();
  }
}
