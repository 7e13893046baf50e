/** What goes wrong is said in one line, with the right exit code, and nobody is left hanging. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { openHost } from '../../main/host/run/host.ts';
import { PartyProcess } from '../../main/host/run/party-process.ts';
import { spawnParty } from '../../main/host/run/party-starter.ts';
import type { Listening } from '../../main/host/run/party-process.ts';
import type { ProcessMessage } from '../../main/host/run/supervision.ts';
import { openSession } from '../../main/host/peers/session.ts';
import { entryFile } from '../../main/paths.ts';
import { agreementDigest } from '../../shared/agreement.ts';
import type { Agreement } from '../../shared/agreement.ts';
import { tacit, withFolder } from './program.ts';
import { agreeOnSmallJob, writeSmallJob } from './small-job.ts';

describe('bad input ends a run before a process is started, with exit code 2', () => {
  const cases: [what: string, changes: Record<string, string>, code: string, says: RegExp][] = [
    ['an unknown column', { label: '{ b: outcom }' }, 'dataset-unknown-column', /outcom.*outcome/],
    [
      'a missing file',
      { parties: '{ a: { data: gone.csv }, b: { data: b.csv } }' },
      'dataset-missing-file',
      /gone\.csv/,
    ],
    ['an unknown key', { trian: '{}' }, 'job-unknown-key', /job\.yaml:\d+.*trian/],
    ['a label with one class', { classes: '["yes"]' }, 'job-one-class', /class/],
  ];
  test.each(cases)('%s', async (_, changes, code, says) => {
    await withFolder(async (folder) => {
      const file = await writeSmallJob(folder, changes);
      const ended = await tacit('run', file, '--local', join(folder, 'parties'), '--json');
      expect(ended.json).toMatchObject({ error: { kind: 'input', code } });
      expect(ended.stderr.trim().split('\n')).toHaveLength(1);
      expect(ended.stderr).toMatch(says);
      expect(ended.code).toBe(2);
    });
  });
});

type Failed = Extract<ProcessMessage, { type: 'failed' }>;

/** A party's process with what it reports. */
class Watched {
  readonly party: PartyProcess;
  readonly failed: Promise<Failed['error']>;

  constructor(name: string, command: 'party' | 'dealer', folder: string) {
    const failed = Promise.withResolvers<Failed['error']>();
    this.failed = failed.promise;
    this.party = new PartyProcess({
      startParty: spawnParty,
      name,
      command,
      folder: join(folder, name),
      onMessage: (message) => {
        if (message.type === 'failed') failed.resolve(message.error);
      },
      onDeath: (how) => failed.reject(new Error(`${name} ${how}`)),
    });
  }
}

const started: PartyProcess[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((party) => party.stop()));
});

async function start(name: string, command: 'party' | 'dealer', folder: string): Promise<Watched & Listening> {
  const watched = new Watched(name, command, folder);
  started.push(watched.party);
  return Object.assign(watched, await watched.party.start());
}

const member = ({ fingerprint, address }: Listening, role: 'compute' | 'dealer'): Agreement['members'][string] => ({
  fingerprint,
  role,
  addresses: [address],
});

const ANY = { host: '127.0.0.1', port: 0 };
const noFiles = { data: [], test: [] };

test('a peer that shows another key than the pinned one is refused by name', async () => {
  await withFolder(async (folder) => {
    const file = await writeSmallJob(folder);
    const [a, b, d] = await Promise.all([
      start('a', 'party', folder),
      start('b', 'party', folder),
      start('d', 'dealer', folder),
    ]);
    // Somebody else answers where b should be.
    const pinnedAtA = { ...b, address: d.address };
    const members = { a: member(a, 'compute'), b: member(b, 'compute'), d: member(d, 'dealer') };
    const agreement = await agreeOnSmallJob(file, members);
    a.party.tell({
      type: 'pin',
      peers: [
        { name: 'b', fingerprint: pinnedAtA.fingerprint, addresses: [pinnedAtA.address] },
        { name: 'd', fingerprint: d.fingerprint, addresses: [d.address] },
      ],
    });
    a.party.tell({
      type: 'run',
      agreement,
      files: { data: [join(folder, 'a.csv')], test: [] },
      threads: 1,
      kernels: 'wasm',
    });
    await expect(a.failed).resolves.toMatchObject({ kind: 'peer', code: 'peer-key-mismatch', party: 'b' });
  });
});

test('a peer with another plan, and one that was not paired, end the run by name', async () => {
  await withFolder(async (folder) => {
    const file = await writeSmallJob(folder);
    const [a, b] = await Promise.all([start('a', 'party', folder), start('b', 'party', folder)]);
    const dealer = await openHost({ folder: join(folder, 'd'), name: 'd', listen: ANY });
    try {
      const { fingerprint } = dealer.identity;
      const members = {
        a: member(a, 'compute'),
        b: member(b, 'compute'),
        d: member({ fingerprint, address: dealer.address }, 'dealer'),
      };
      const agreement = await agreeOnSmallJob(file, members);
      const pin = (to: Watched, ...peers: (Listening & { name: string })[]): void =>
        to.party.tell({
          type: 'pin',
          peers: peers.map((peer) => ({ name: peer.name, fingerprint: peer.fingerprint, addresses: [peer.address] })),
        });
      const asPeer = (name: string, { fingerprint: key, address }: Listening) => ({ name, fingerprint: key, address });
      pin(a, asPeer('b', b), asPeer('d', { fingerprint, address: dealer.address }));
      a.party.tell({
        type: 'run',
        agreement,
        files: { data: [join(folder, 'a.csv')], test: [] },
        threads: 1,
        kernels: 'wasm',
      });
      for (const [name, { fingerprint: key, address }] of Object.entries({ a, b })) {
        dealer.links.pin({ fingerprint: key, name, addresses: [address] });
      }
      // b was paired with nobody.
      b.party.tell({
        type: 'run',
        agreement,
        files: { data: [join(folder, 'b.csv')], test: [] },
        threads: 1,
        kernels: 'wasm',
      });
      await expect(b.failed).resolves.toMatchObject({ kind: 'input', code: 'peer-not-pinned' });

      const session = openSession(dealer.links, {
        session: agreement.session,
        attempt: 1,
        jobDigest: agreementDigest(agreement, nodeCrypto.sha256),
        planDigest: 'f'.repeat(64),
        self: 'd',
        members,
      });
      await expect(session.ready()).rejects.toMatchObject({ party: 'a' });
      const failure = await a.failed;
      expect(['plan-mismatch', 'peer-aborted']).toContain(failure.code);
      expect(failure).toMatchObject({ kind: 'peer', party: 'd' });
      expect(failure.message).toMatch(/plan/);
    } finally {
      await dealer.close();
    }
  });
});

test('data that are not as agreed are refused', async () => {
  await withFolder(async (folder) => {
    const file = await writeSmallJob(folder);
    const [a, b, d] = await Promise.all([
      start('a', 'party', folder),
      start('b', 'party', folder),
      start('d', 'dealer', folder),
    ]);
    const members = { a: member(a, 'compute'), b: member(b, 'compute'), d: member(d, 'dealer') };
    const agreement = await agreeOnSmallJob(file, members);
    a.party.tell({
      type: 'run',
      agreement,
      files: { data: [join(folder, 'b.csv')], test: [] },
      threads: 1,
      kernels: 'wasm',
    });
    await expect(a.failed).resolves.toMatchObject({ kind: 'input' });
    b.party.tell({ type: 'run', agreement, files: noFiles, threads: 1, kernels: 'wasm' });
    await expect(b.failed).resolves.toMatchObject({ kind: 'input', code: 'data-not-given' });
    d.party.tell({
      type: 'run',
      agreement: { ...agreement, members: {} },
      files: noFiles,
      threads: 1,
      kernels: 'wasm',
    });
    await expect(d.failed).resolves.toMatchObject({ kind: 'input', code: 'agreement-inconsistent' });
  });
});

test.skipIf(process.platform === 'win32')('a disk that takes no more ends the run; with room it goes on', async () => {
  await withFolder(async (folder) => {
    const file = await writeSmallJob(folder);
    const command = ['run', file, '--local', join(folder, 'parties'), '--json'];
    const limited = 'ulimit -f 150; exec "$0" "$@"';
    const full = spawnSync('bash', ['-c', limited, process.execPath, entryFile('cli'), ...command], {
      encoding: 'utf8',
    });
    expect(full.status).toBe(1);
    const last = full.stdout.trim().split('\n').at(-1) ?? '';
    const { error } = JSON.parse(last) as { error: { kind: string; code: string } };
    expect(error.kind).toBe('machine');
    expect(error.code).toMatch(/^(vault|store)-disk-/);
    expect((await tacit(...command)).code).toBe(0);
  });
});
