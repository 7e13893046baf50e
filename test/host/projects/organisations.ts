/** Three organisations and a dealer as real hosts with their APIs served, paired by invitations; for tests of projects. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress } from '../../../shared/address.ts';
import type { ProjectView } from '../../../shared/api/project-calls.ts';
import { HostSlot } from '../../../main/host/api/host-slot.ts';
import { serveApi } from '../../../main/host/api/serve-api.ts';
import type { ServedApi } from '../../../main/host/api/serve-api.ts';
import { Client } from '../api/clients.ts';

export class Organisation {
  readonly name: string;
  readonly folder = mkdtempSync(join(tmpdir(), 'tacit-project-'));
  slot!: HostSlot;
  api!: ServedApi;
  client!: Client;
  /** Where it listens: at any free port first, at the same one when it is started again. */
  #port = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Starts the host, for the first time or again. */
  async start(): Promise<this> {
    this.slot = await HostSlot.forFolder(join(this.folder, 'data'), { host: '127.0.0.1', port: this.#port });
    this.api = await serveApi(this.slot, { port: 0 });
    this.client = await new Client(this.api).ready();
    if (this.slot.host === undefined) await this.client.call('host.create', { name: this.name });
    this.#port = parseAddress(this.slot.host!.address).port;
    await this.client.call('settings.set', { threads: 1, kernels: 'wasm' });
    return this;
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.api.close();
    await this.slot.host?.close();
  }

  async erase(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }

  get fingerprint(): string {
    return this.slot.host!.identity.fingerprint;
  }

  /** Registers a table of these columns and confirms what they are for; returns the data set's id. */
  async addData(name: string, columns: Readonly<Record<string, readonly (number | string)[]>>): Promise<string> {
    const rows = Object.values(columns)[0] ?? [];
    const lines = rows.map((_, row) =>
      Object.values(columns)
        .map((cells) => cells[row])
        .join(','),
    );
    const path = join(this.folder, name);
    writeFileSync(path, `${Object.keys(columns).join(',')}\n${lines.join('\n')}\n`);
    const { id } = await this.client.call('datasets.add', { paths: [path] });
    await this.client.call('datasets.confirm', { id, uses: {} });
    return id;
  }

  /** The project as this organisation sees it once it satisfies the predicate. */
  async project(id: string, holds: (project: ProjectView) => boolean = () => true): Promise<ProjectView> {
    const next = this.client.event('projects.changed', (project) => project.id === id && holds(project));
    const now = (await this.client.call('projects.list', {})).find((project) => project.id === id);
    return now !== undefined && holds(now) ? now : next;
  }
}

/** By an invitation that people on both sides confirm; `addresses` under which the invited one can be dialled. */
export async function pairByInvitation(
  inviting: Organisation,
  invited: Organisation,
  addresses?: string[],
): Promise<void> {
  const asking = ({ client }: Organisation) =>
    client.event('invitations.changed', (list) => list.some(({ state }) => state === 'asking'));
  const linked = ({ client }: Organisation, other: Organisation) =>
    client.event('peers.changed', (peers) =>
      peers.some(({ fingerprint, link }) => fingerprint === other.fingerprint && link?.state === 'connected'),
    );
  const made = await inviting.client.call('invitations.create', { addresses: [], validForMinutes: 5 });
  const asked = [asking(inviting), asking(invited)];
  const both = [linked(inviting, invited), linked(invited, inviting)];
  const opened = await invited.client.call('invitations.open', { text: made.link ?? '', addresses });
  await Promise.all(asked);
  await inviting.client.call('invitations.answer', { id: made.id, accept: true });
  await invited.client.call('invitations.answer', { id: opened.id, accept: true });
  await Promise.all(both);
}
