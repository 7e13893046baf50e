/** Backups, restored first starts, reachability and diagnostics, through the API of real hosts. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { HostSlot } from '../../../main/host/api/host-slot.ts';
import { probeByPort } from '../../../main/host/probe/probe.ts';
import { joinStore } from '../../../main/host/store/store.ts';
import { freePort } from '../../helpers/free-port.ts';
import { Client, serveNewHost } from './clients.ts';
import type { ServedHost } from './clients.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function newHost(): Promise<{ host: ServedHost; client: Client }> {
  const host = await serveNewHost();
  closing.push(() => host.close());
  const client = await new Client(host.api).ready();
  closing.push(() => client.close());
  return { host, client };
}

const passphrase = 'four words nobody guesses';
const peer = { fingerprint: 'ab'.repeat(32), name: 'City Lab', addresses: ['lab.example:7443'] };

describe('backup', () => {
  test('identity and peers come back on another machine, and peers meet the same key', async () => {
    const { host, client } = await newHost();
    const { identity } = await client.call('host.create', { name: 'Clinic A' });
    host.slot.host!.links.pin(peer);
    host.slot.host!.links.pin({ ...peer, fingerprint: 'cd'.repeat(32), name: 'Gone' });
    await client.call('peers.revoke', { fingerprint: 'cd'.repeat(32) });
    const { name, text } = await client.call('host.backup', { passphrase });
    expect(name).toBe('clinic-a.tacit-backup');
    const key = host.slot.host!.identity.privateKeyPem.expose();
    expect(text).not.toContain(key.split('\n')[1]);
    expect(text).not.toContain('City Lab');

    const { host: other, client: second } = await newHost();
    const restored = await second.call('host.restore', { file: text, passphrase });
    expect(restored.identity?.fingerprint).toBe(identity?.fingerprint);
    expect(restored.identity?.name).toBe('Clinic A');
    expect(other.slot.host!.identity.privateKeyPem.expose()).toBe(key);
    const peers = await second.call('peers.list', {});
    expect(peers.map((one) => [one.name, one.addresses, one.revokedAtMs !== undefined])).toEqual([
      ['City Lab', ['lab.example:7443'], false],
      ['Gone', ['lab.example:7443'], true],
    ]);
    const { entries } = await second.call('activity.list', { limit: 10 });
    expect(entries.map(({ kind }) => kind)).toContain('identity-restored');
  });

  test('a wrong passphrase, a changed or foreign file and a short passphrase are refused by name, and nothing is begun', async () => {
    const { client } = await newHost();
    await client.call('host.create', { name: 'Clinic A' });
    expect((await client.failure('host.backup', { passphrase: 'short' })).code).toBe('passphrase-short');
    const { text } = await client.call('host.backup', { passphrase });
    const { client: second } = await newHost();
    const refused = async (file: string, words = passphrase): Promise<string> =>
      (await second.failure('host.restore', { file, passphrase: words })).code;
    const file = JSON.parse(text) as { sealed: string; kdf: { N: number } };
    expect(await refused(text, 'another passphrase')).toBe('passphrase-wrong');
    const changed = { ...file, sealed: `AAAA${file.sealed.slice(4)}` };
    expect(await refused(JSON.stringify(changed))).toBe('passphrase-wrong');
    expect(await refused(JSON.stringify({ ...file, kdf: { ...file.kdf, N: file.kdf.N / 2 } }))).toBe(
      'passphrase-wrong',
    );
    expect(await refused(JSON.stringify({ ...file, kdf: { ...file.kdf, N: 1 << 20, r: 32 } }))).toBe(
      'backup-unreadable',
    );
    expect(await refused('PK\u0003\u0004 no backup')).toBe('backup-unreadable');
    expect((await second.call('host.status', {})).identity).toBeUndefined();
    await second.call('host.create', { name: 'Clinic B' });
    expect((await second.failure('host.restore', { file: text, passphrase })).code).toBe('identity-exists');
  });
});

describe('first start', () => {
  test('listens where it is told, and does so again at the next start', async () => {
    const port = await freePort();
    const taken = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { host, client } = await newHost();
    const listen = `127.0.0.1:${port}`;
    // Taken: said in words, and the name can still be chosen.
    expect((await client.failure('host.create', { name: 'Too early', listen })).code).toBe('port-in-use');
    await new Promise((resolve) => taken.close(resolve));
    const { address, identity } = await client.call('host.create', { name: 'Clinic A', listen });
    expect([address, identity?.name]).toEqual([listen, 'Clinic A']);
    await host.api.close();
    await host.slot.host!.close();
    // What a person chose goes before what the program would choose by itself.
    for (const means of [{}, { preset: { host: '127.0.0.1', port: 0 } }]) {
      const again = await HostSlot.forFolder(host.slot.folder, undefined, means);
      expect(again.host?.address).toBe(listen);
      await again.host?.close();
    }
  });
});

test('told no address, a host keeps the port that its peers know, as long as it is free', async () => {
  const { host, client } = await newHost();
  const { address } = await client.call('host.create', { name: 'Clinic A' });
  await host.api.close();
  await host.slot.host!.close();
  const started = async (): Promise<string> => {
    const { host: again } = await HostSlot.forFolder(host.slot.folder);
    await again!.close();
    return again!.address;
  };
  expect(await started()).toBe(address);
  const taken = createServer().listen(Number(address!.split(':')[1]), '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const other = await started();
  expect(other).not.toBe(address);
  await new Promise((resolve) => taken.close(resolve));
  expect(await started()).toBe(other);
});

describe('reachability', () => {
  test('the own address is reached over the real path; another host, a closed port and no name each fail at their step', async () => {
    const { client } = await newHost();
    const { address = '' } = await client.call('host.create', { name: 'Clinic A' });
    expect(await client.call('host.reach', { address })).toEqual({ address, isReached: true });
    const { client: other } = await newHost();
    const { address: theirs = '' } = await other.call('host.create', { name: 'Clinic B' });
    const hop = async (where: string): Promise<string | undefined> =>
      (await client.call('host.reach', { address: where })).failure?.hop;
    expect(await hop(theirs)).toBe('key');
    const silent = createServer((socket) => socket.end('not TLS')).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    closing.push(() => void silent.close());
    expect(await hop(`127.0.0.1:${(silent.address() as AddressInfo).port}`)).toBe('tls');
    expect(await hop('127.0.0.1:1')).toBe('tcp');
    expect((await client.failure('host.reach', { address: 'nonsense' })).code).toBe('call-invalid');
  });
});

test('this machine is tried when a person asks for it, and what came of it is kept', async () => {
  const { client } = await newHost();
  await client.call('host.create', { name: 'Clinic A' });
  expect(await client.call('host.probed', {})).toEqual({});
  const probe = await client.call('host.probe', {});
  expect(probe.cpu).toMatchObject({ works: true, found: expect.stringContaining('WebAssembly') });
  expect(probe.cpu.multiplyAddsPerSecond).toBeGreaterThan(0);
  // A card, a driver that computes on the CPU, or why there is neither.
  expect(probe.gpu.found).not.toBe('');
  expect(probe.gpu.works || probe.gpu.multiplyAddsPerSecond === undefined).toBe(true);
  expect(await client.call('host.probed', {})).toEqual({ probe });
});

test('a process without a card of its own tries its machine in a worker, with the port to who has one', async () => {
  const { signal } = new AbortController();
  const { port1, port2 } = new MessageChannel();
  const cpu = await probeByPort('kernels', port2, signal);
  expect(cpu).toMatchObject({ works: true, found: expect.stringContaining('WebAssembly') });
  port1.close();
  const gone = new MessageChannel();
  gone.port1.close();
  expect(await probeByPort('gpu', gone.port2, signal)).toMatchObject({ works: false });
});

test('diagnostics tell states and counts, and no name, address, path or key', async () => {
  const { host, client } = await newHost();
  const { identity, folder } = await client.call('host.create', { name: 'Clinic A' });
  host.slot.host!.links.pin(peer);
  const { text } = await client.call('host.diagnostics', {});
  const report = JSON.parse(text) as { peers: { addresses: number }[]; audit: { intact: boolean } };
  expect(report.peers).toMatchObject([{ peer: 1, addresses: 1, isRevoked: false }]);
  expect(report.audit.intact).toBe(true);
  for (const secret of ['Clinic A', 'City Lab', 'lab.example', folder, identity?.fingerprint ?? '?', peer.fingerprint])
    expect(text).not.toContain(secret);
});

test('the bound on stored material is set, and kept by whoever opens the folder next', async () => {
  const { host, client } = await newHost();
  await client.call('host.create', { name: 'Clinic A' });
  expect((await client.call('settings.get', {})).vaultGigabytes).toBe(10);
  expect((await client.failure('settings.set', { vaultGigabytes: 0 })).code).toBe('call-invalid');
  await client.call('settings.set', { vaultGigabytes: 1 });
  const store = joinStore(host.slot.folder);
  try {
    const cursor = store.vault.cursor({ job: 'job', attempt: 1, planDigest: 'plan' });
    const sealed = { length: 2e9 } as Uint8Array;
    const append = (): unknown => cursor.append({ execution: 3, number: 0, label: 'step', sealed });
    expect(append).toThrow(
      expect.objectContaining({ code: 'vault-full', message: expect.stringContaining('1000000000 bytes') as string }),
    );
  } finally {
    store.close();
  }
});
