import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { sampleNode, sampleOnnx } from '../../helpers/onnx-models.ts';
import { inviteLink, parseInvite } from '../../../shared/invite.ts';
import type { Invite } from '../../../shared/invite.ts';
import { Client, serveNewHost } from './clients.ts';
import type { ServedHost } from './clients.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function newHost(): Promise<ServedHost> {
  const host = await serveNewHost();
  closing.push(() => host.close());
  return host;
}

async function clientOf(host: ServedHost): Promise<Client> {
  const client = await new Client(host.api).ready();
  closing.push(() => client.close());
  return client;
}

async function startedHost(name: string): Promise<{ host: ServedHost; client: Client }> {
  const host = await newHost();
  const client = await clientOf(host);
  await client.call('host.create', { name });
  return { host, client };
}

/** Status of a GET with headers of our choice, which fetch would not let through. */
function statusOf(port: number, path: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

describe('first start', () => {
  test('a host without an identity waits for a name, gets it once, and keeps it', async () => {
    const host = await newHost();
    const client = await clientOf(host);
    expect((await client.call('host.status', {})).identity).toBeUndefined();
    expect((await client.failure('peers.list', {})).code).toBe('first-start-open');

    const told = client.event('host.changed', () => true);
    const created = await client.call('host.create', { name: ' Clinic A ' });
    expect(created.identity).toMatchObject({ name: 'Clinic A' });
    expect(created.identity?.words).toHaveLength(8);
    expect(created.address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await told).toEqual(created);
    expect((await client.failure('host.create', { name: 'Another' })).code).toBe('identity-exists');
    expect((await client.call('activity.list', { limit: 10 })).entries[0]?.kind).toBe('identity-created');
  });

  test('a name that is none is refused, and the host still waits', async () => {
    const client = await clientOf(await newHost());
    expect(await client.failure('host.create', { name: '' })).toMatchObject({ kind: 'input', code: 'call-invalid' });
    expect((await client.call('host.status', {})).identity).toBeUndefined();
  });
});

describe('who may call', () => {
  test('a wrong token is refused by name, a second window with the right one works', async () => {
    const host = await newHost();
    const stranger = new Client({ port: host.api.port, token: 'guessed' });
    closing.push(() => stranger.close());
    await expect(stranger.ready()).rejects.toMatchObject({ data: { code: 'token-wrong' } });
    const [first, second] = [await clientOf(host), await clientOf(host)];
    const seen = second.event('host.changed', () => true);
    await first.call('host.create', { name: 'Clinic A' });
    expect((await seen).identity?.name).toBe('Clinic A');
  });

  test('another origin and another host name get nothing', async () => {
    const { api } = await newHost();
    const foreign = new Client(api, 'http://evil.example');
    closing.push(() => foreign.close());
    await expect(foreign.ready()).rejects.toThrow();
    expect(await statusOf(api.port, '/', { host: 'evil.example' })).toBe(403);
    expect(await statusOf(api.port, '/', { host: `127.0.0.1:${api.port}`, origin: 'http://evil.example' })).toBe(403);
  });

  test('pages come with strict headers, and paths stay inside', async () => {
    const { api } = await newHost();
    const response = await fetch(`http://127.0.0.1:${api.port}/..%2f..%2fpackage.json`);
    // 503 where the interface is not built.
    expect([404, 503]).toContain(response.status);
    expect(await response.text()).not.toContain('"name"');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(response.headers.get('cross-origin-embedder-policy')).toBe('require-corp');
  });

  test('an upload needs the token', async () => {
    const { api } = await newHost();
    const response = await fetch(`http://127.0.0.1:${api.port}/api/upload?name=a.csv`, {
      method: 'POST',
      body: 'a\n1\n',
    });
    expect(response.status).toBe(401);
  });
});

test('unknown calls and requests that do not fit are refused with what is wrong', async () => {
  const { client } = await startedHost('Clinic A');
  expect((await client.failure('peers.erase', {})).code).toBe('call-unknown');
  expect((await client.failure('toString', {})).code).toBe('call-unknown');
  const invalid = await client.failure('peers.revoke', { fingerprint: 'x', extra: 1 });
  expect(invalid).toMatchObject({ kind: 'input', code: 'call-invalid' });
  expect(invalid.message).toContain('fingerprint');
  expect((await client.failure('settings.set', { theme: 'pink' })).code).toBe('call-invalid');
  expect((await client.call('settings.set', { theme: 'dark' })).theme).toBe('dark');
  expect((await client.call('settings.get', {})).theme).toBe('dark');
});

test('two organisations pair by an invitation that people on both sides confirm', async () => {
  const a = await startedHost('Clinic A');
  const b = await startedHost('Clinic B');
  const made = await a.client.call('invitations.create', { addresses: [], validForMinutes: 60 });
  expect(made.text).toContain('Clinic A invites you');

  const preview = await b.client.call('invitations.read', { text: made.text ?? '' });
  expect(preview).toMatchObject({ organisation: 'Clinic A', isExpired: false, isOwn: false });
  expect((await a.client.call('invitations.read', { text: made.link ?? '' })).isOwn).toBe(true);
  expect((await b.client.failure('invitations.read', { text: 'tacit://join/abc' })).code).toBe('invite-damaged');
  expect(await b.client.call('peers.list', {})).toEqual([]);

  const asking = ({ client }: { client: Client }) =>
    client.event('invitations.changed', (list) => list.some(({ state }) => state === 'asking'));
  const [askedA, askedB] = [asking(a), asking(b)];
  const connected = ({ client }: { client: Client }) =>
    client.event('peers.changed', (peers) => peers[0]?.link?.state === 'connected');
  const [linkedA, linkedB] = [connected(a), connected(b)];
  const opened = await b.client.call('invitations.open', { text: made.file ?? '' });
  const [questionA, questionB] = [(await askedA)[0], (await askedB)[0]];
  expect(questionA?.pairingWords).toEqual(questionB?.pairingWords);
  expect(questionA?.organisation).toBe('Clinic B');
  await a.client.call('invitations.answer', { id: made.id, accept: true });
  expect((await a.client.failure('invitations.answer', { id: made.id, accept: true })).code).toBe(
    'invitation-not-asking',
  );
  await b.client.call('invitations.answer', { id: opened.id, accept: true });
  expect((await linkedA)[0]).toMatchObject({ name: 'Clinic B' });
  const [peer] = await linkedB;
  expect(peer).toMatchObject({ name: 'Clinic A', addresses: [a.host.slot.host?.address] });

  // It was good once.
  const failed = b.client.event('invitations.changed', (list) => list.some(({ state }) => state === 'failed'));
  await b.client.call('invitations.open', { text: made.link ?? '' });
  expect((await failed).find(({ state }) => state === 'failed')?.error?.code).toBe('invitation-unknown');

  await b.client.call('peers.revoke', { fingerprint: peer?.fingerprint ?? '' });
  const [revoked] = await b.client.call('peers.list', {});
  expect(revoked?.revokedAtMs).toBeGreaterThan(0);
  expect(revoked?.link).toBeUndefined();
  const kinds = (await b.client.call('activity.list', { limit: 10 })).entries.map(({ kind }) => kind);
  expect(kinds.slice(0, 2)).toEqual(['peer-revoked', 'peer-paired']);
  expect(await b.client.call('activity.verify', {})).toEqual({ intact: true });
});

test('an invitation that is expired, altered or leads to another host fails by name, and pairs nobody', async () => {
  const a = await startedHost('Clinic A');
  const b = await startedHost('Clinic B');
  const make = async (): Promise<Invite> =>
    parseInvite((await a.client.call('invitations.create', { addresses: [], validForMinutes: 60 })).link ?? '');
  const over = new Set<string>();
  const code = async (invite: Invite): Promise<string | undefined> => {
    const isOver = ({ id, state }: { readonly id: string; readonly state: string }): boolean =>
      state === 'failed' && !over.has(id);
    const failed = b.client.event('invitations.changed', (list) => list.some(isOver));
    const { id } = await b.client.call('invitations.open', { text: inviteLink(invite) });
    const { error } = (await failed).find(isOver)!;
    over.add(id);
    return error?.code;
  };
  const past = { ...(await make()), expiresAt: new Date(0).toISOString() };
  expect(await b.client.call('invitations.read', { text: inviteLink(past) })).toMatchObject({ isExpired: true });
  expect(await code(past)).toBe('invite-expired');
  expect(await code({ ...(await make()), secret: 'A'.repeat(43) })).toBe('invitation-proof-wrong');
  expect(await code({ ...(await make()), fingerprint: 'ab'.repeat(32) })).toBe('peer-key-mismatch');
  expect([await a.client.call('peers.list', {}), await b.client.call('peers.list', {})]).toEqual([[], []]);
});

const CSV = 'id,age,height,smokes,sick\n1,30,1.7,yes,0\n2,41,1.8,no,1\n3,25,,no,0\n4,60,1.6,yes,1\n';

describe('data sets', () => {
  test('a file is registered, looked into, confirmed and removed; the file stays', async () => {
    const { host, client } = await startedHost('Clinic A');
    const path = join(host.folder, 'patients.csv');
    writeFileSync(path, CSV);
    const added = await client.call('datasets.add', { paths: [path] });
    expect(added).toMatchObject({ name: 'patients.csv', rows: 4, columns: 5 });
    expect((await client.failure('datasets.add', { paths: [path] })).code).toBe('dataset-registered');
    const detail = await client.call('datasets.get', { id: added.id });
    expect(detail.profile.find(({ name }) => name === 'height')).toMatchObject({
      missing: 1,
      type: 'number',
      minimum: 1.6,
    });
    expect(detail.profile.find(({ name }) => name === 'id')?.use).toBe('id');
    expect(detail.profile.find(({ name }) => name === 'smokes')?.histogram).toEqual([
      { label: 'no', rows: 2 },
      { label: 'yes', rows: 2 },
    ]);
    const confirmed = await client.call('datasets.confirm', { id: added.id, uses: { age: 'never', sick: 'label' } });
    expect(confirmed.confirmedAtMs).toBeGreaterThan(0);
    const again = await client.call('datasets.get', { id: added.id });
    expect(again.profile.map(({ use }) => use)).toEqual(['id', 'never', 'feature', 'feature', 'label']);
    const key = { columns: [{ column: 'id', kind: 'number' as const }] };
    expect(await client.call('datasets.previewKey', { id: added.id, key, rows: 1 })).toEqual({
      rows: [{ row: 0, cells: [{ before: 1, after: '1' }] }],
      unreadable: [],
    });
    const wrong = { columns: [{ column: 'height', kind: 'email' as const }] };
    expect((await client.failure('datasets.previewKey', { id: added.id, key: wrong })).code).toBe('join-key-type');
    expect(again.shared.join('\n')).not.toContain('age');
    expect((await client.failure('datasets.confirm', { id: added.id, uses: { agee: 'label' } })).code).toBe(
      'dataset-unknown-column',
    );
    await client.call('datasets.remove', { id: added.id });
    expect(await client.call('datasets.list', {})).toEqual([]);
    expect((await client.call('datasets.add', { paths: [path] })).rows).toBe(4);
  });

  test('an upload becomes a data set; what is no data leaves nothing behind', async () => {
    const { host, client } = await startedHost('Clinic A');
    const upload = async (name: string, body: string | Uint8Array<ArrayBuffer>) =>
      (
        await fetch(`http://127.0.0.1:${host.api.port}/api/upload?name=${encodeURIComponent(name)}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${host.api.token}` },
          body,
        })
      ).json();
    expect(await upload('../../patients.csv', CSV)).toMatchObject({
      ok: true,
      reply: { name: 'patients.csv', rows: 4 },
    });
    expect(await upload('noise.csv', new Uint8Array(1000).fill(0))).toMatchObject({
      ok: false,
      error: { kind: 'input' },
    });
    expect(await upload('empty.csv', '')).toMatchObject({ ok: false, error: { code: 'dataset-empty' } });
    expect(await client.call('datasets.list', {})).toHaveLength(1);
  });

  test('a file that the disk has no room for is refused before any of it is written', async () => {
    const { host } = await startedHost('Clinic A');
    const announced = request({
      host: '127.0.0.1',
      port: host.api.port,
      path: '/api/upload?name=huge.csv',
      method: 'POST',
      headers: { authorization: `Bearer ${host.api.token}`, 'content-length': String(Number.MAX_SAFE_INTEGER) },
    });
    announced.on('error', () => {});
    announced.write('a,b\n');
    const [response] = (await once(announced, 'response')) as [IncomingMessage];
    const [body] = (await once(response, 'data')) as [Buffer];
    expect(JSON.parse(String(body))).toMatchObject({ ok: false, error: { kind: 'machine', code: 'upload-no-room' } });
    expect(existsSync(join(host.folder, 'data/uploads'))).toBe(false);
    announced.destroy();
  });

  test('a path that leads nowhere says so', async () => {
    const { client } = await startedHost('Clinic A');
    expect((await client.failure('datasets.add', { paths: ['/nowhere/a.csv'] })).code).toBe('dataset-missing-file');
    expect((await client.failure('datasets.add', { paths: ['a.csv'] })).code).toBe('dataset-path-relative');
  });
});

const JOB = (a: string, b: string, epochs = '2'): string => `name: sickness
parties:
  clinic-a: { data: ${a} }
  clinic-b: { data: ${b} }
dealer: registry
join: { how: rows }
features: "*"
label: { clinic-b: sick }
classes: ["0", "1"]
task: classification
model: { template: logistic }
train: { epochs: ${epochs}, batch: all, optimizer: { name: sgd, lr: 0.1 }, test: 0.2 }
reveal: { model: [clinic-a], metrics: [clinic-a] }
`;

describe('jobs', () => {
  test('a text is checked with lines, and its draft is kept right or wrong', async () => {
    const { client } = await startedHost('Clinic A');
    const wrong = JOB('a.csv', 'b.csv', 'many');
    const { issues } = await client.call('jobs.check', { text: wrong });
    expect(issues).toEqual([expect.objectContaining({ line: 12, place: 'train.epochs', code: 'job-invalid-value' })]);
    expect((await client.call('jobs.check', { text: 'name: [' })).issues[0]).toMatchObject({
      code: 'job-syntax',
      line: 1,
    });
    const fine = await client.call('jobs.check', { text: JOB('a.csv', 'b.csv') });
    expect(fine.issues).toEqual([]);
    expect(fine.learned.find(({ party }) => party === 'clinic-a')?.learns[0]).toContain('trained model');
    const draft = await client.call('drafts.save', { text: wrong });
    expect(draft.name).toBe('sickness');
    await client.call('drafts.save', { id: draft.id, text: 'half a th' });
    expect(await client.call('drafts.list', {})).toEqual([expect.objectContaining({ text: 'half a th' })]);
  });

  test('costs need confirmed data of all parties; columns that are never shared stay out', async () => {
    const { host, client } = await startedHost('Clinic A');
    const rows = Array.from({ length: 40 }, (_, i) => i);
    writeFileSync(join(host.folder, 'a.csv'), `age,salary\n${rows.map((i) => `${20 + i},${i * 7}`).join('\n')}\n`);
    writeFileSync(join(host.folder, 'b.csv'), `height,sick\n${rows.map((i) => `${i / 10},${i % 2}`).join('\n')}\n`);
    const text = JOB('a.csv', join(host.folder, 'b.csv'));
    expect((await client.failure('jobs.cost', { text })).code).toBe('data-not-here');
    const { id } = await client.call('datasets.add', { paths: [join(host.folder, 'a.csv')] });
    expect((await client.failure('jobs.cost', { text })).code).toBe('dataset-not-confirmed');
    await client.call('datasets.confirm', { id, uses: { salary: 'never' } });
    const cost = await client.call('jobs.cost', { text });
    expect(cost.kernels).toMatchObject({ kernels: 'wasm', onCpu: [] });
    expect(cost.parties.map((party) => party.id)).toEqual(['clinic-a', 'clinic-b']);
    expect(cost.rounds).toBeGreaterThan(0);
    expect(cost.trainingRows + cost.testRows).toBe(40);
    const naming = text.replace('features: "*"', 'features: { clinic-a: [salary], clinic-b: "*" }');
    expect((await client.failure('jobs.cost', { text: naming })).code).toBe('column-withheld');

    const asking = (model: string): string =>
      JOB('a.csv', join(host.folder, 'b.csv'))
        .replace(/label: .*\n|classes: .*\n|train: .*\n/gu, '')
        .replace('"*"', '{ clinic-a: [age], clinic-b: [height] }')
        .replace('classification', 'inference')
        .replace('{ template: logistic }', `{ file: ${JSON.stringify(model)}, owner: clinic-a }`)
        .replace(/reveal: .*/u, 'reveal: { predictions: [clinic-b] }');
    expect((await client.failure('jobs.cost', { text: asking('model.onnx') })).code).toBe('model-path-relative');
    const model = join(host.folder, 'model.onnx');
    const nodes = [sampleNode('Softplus', ['x'], ['s']), sampleNode('Mul', ['s', 'x'], ['y'])];
    const rowsOf = { shape: ['n', 2] };
    writeFileSync(model, sampleOnnx({ nodes, inputs: { x: rowsOf }, outputs: { y: rowsOf } }));
    const asked = await client.call('jobs.cost', { text: asking(model) });
    expect(asked).toMatchObject({ trainingRows: 0, testRows: 40 });
    expect(asked.rounds).toBeGreaterThan(3);
  });
});
