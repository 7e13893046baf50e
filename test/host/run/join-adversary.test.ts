/** A party whose peer breaks the join's protocol over a real session: the run ends, names that peer, and tells nothing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Curve } from '../../../engine/join/curve.ts';
import { joinParty } from '../../../engine/join/join.ts';
import type { JoinTerms } from '../../../engine/join/terms.ts';
import { wasmCurve } from '../../../engine/join/wasm/pool.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import type { MessageKey, Transport } from '../../../engine/runtime/transport.ts';
import { openDataset } from '../../../main/host/datasets/dataset.ts';
import { readIdentifiers } from '../../../main/host/joins/key-columns.ts';
import { joinTermsOf } from '../../../main/host/joins/join-terms.ts';
import { openSession } from '../../../main/host/peers/session.ts';
import { ControlChannel } from '../../../main/host/run/control.ts';
import { runDealer } from '../../../main/host/run/dealer-run.ts';
import { openHost } from '../../../main/host/run/host.ts';
import type { Host } from '../../../main/host/run/host.ts';
import { runParty } from '../../../main/host/run/party-run.ts';
import { agreementDigest } from '../../../shared/agreement.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import { identifierJoin, joinKeyOf } from '../../../shared/job-join.ts';
import { numberedLines, range, writeJoinedJob } from '../../parties/joined-job.ts';
import { agreeOnSmallJob } from '../../parties/small-job.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-adversary-'));
const hosts = new Map<string, Host>();
let file = '';
let curve: Curve;

beforeAll(async () => {
  const files = { a: numberedLines('u', range(0, 40)), b: numberedLines('v', range(20, 60), true) };
  file = await writeJoinedJob(folder, files, '{ how: ids, on: id, floor: 5 }');
  curve = await wasmCurve({ threads: 1 });
  for (const name of ['a', 'b', 'd']) {
    const listen = { host: '127.0.0.1', port: 0 };
    hosts.set(name, await openHost({ folder: join(folder, name), name, listen }));
  }
  for (const [name, host] of hosts) {
    for (const [other, { identity, address }] of hosts) {
      if (other !== name) host.links.pin({ fingerprint: identity.fingerprint, name: other, addresses: [address] });
    }
  }
});
afterAll(async () => {
  await curve.dispose();
  for (const host of hosts.values()) await host.close();
  rmSync(folder, { recursive: true });
});

/** First round of the points that a list's owner sends; see Phase of the engine's terms. */
const OWN_POINTS = 2 ** 20;

/** A transport that changes the points it sends. */
function corrupting(inner: Transport, change: (points: Uint8Array) => Uint8Array): Transport {
  return {
    self: inner.self,
    peers: inner.peers,
    send: (peer: string, key: MessageKey, payload: Uint8Array, signal?: AbortSignal) =>
      inner.send(peer, key, key.round === OWN_POINTS ? change(new Uint8Array(payload)) : payload, signal),
    receive: inner.receive.bind(inner),
    counters: inner.counters.bind(inner),
    close: inner.close.bind(inner),
  };
}

const same = (points: Uint8Array): Uint8Array => points;

const cases: [what: string, code: string, change: (points: Uint8Array) => Uint8Array, terms?: Partial<JoinTerms>][] = [
  ['a point of low order', 'join-point-low-order', (points) => points.fill(0, 0, 32)],
  ['no coordinate', 'join-point-malformed', (points) => points.fill(0xff, 32, 63).fill(0x7f, 63, 64)],
  ['a point twice', 'join-point-repeated', (points) => (points.copyWithin(32, 0, 32), points)],
  ['too few points', 'message-length', (points) => points.slice(32)],
  ['too many points', 'message-length', (points) => Uint8Array.from([...points, ...points.subarray(0, 32)])],
  ['another floor', 'join-terms-differ', same, { floor: 1 }],
];

test.each(cases)('%s', async (what, code, change, other = {}) => {
  const members: Agreement['members'] = Object.fromEntries(
    [...hosts].map(([name, { identity, address }]) => [
      name,
      { fingerprint: identity.fingerprint, role: name === 'd' ? 'dealer' : 'compute', addresses: [address] },
    ]),
  );
  const session = `adversary-${what.replaceAll(' ', '-')}`;
  const agreement = await agreeOnSmallJob(file, members, session);
  const [a, b, d] = ['a', 'b', 'd'].map((name) => hosts.get(name)!) as [Host, Host, Host];
  const stop = new AbortController();
  const common = { agreement, threads: 1, kernels: 'wasm', signal: stop.signal, onProgress: () => undefined } as const;
  const phases: string[] = [];
  const honest = runParty({
    ...common,
    host: a,
    files: { data: [join(folder, 'a.csv')], test: [] },
    onProgress: ({ phase }) => phases.push(phase),
  });
  const dealing = runDealer({ ...common, host: d });
  const digest = agreementDigest(agreement, nodeCrypto.sha256);
  const terms = { session, attempt: 1, jobDigest: digest, planDigest: digest, self: 'b', members };
  const transport = openSession(b.links, terms);
  const control = new ControlChannel(transport, 1);
  const breaking = (async () => {
    for (const peer of ['a', 'd']) await control.send(peer, 'join-known', 0, { attempt: 0 });
    for (const peer of ['a', 'd']) await control.receive(peer, 'join-known', 0, z.object({ attempt: z.int() }));
    const key = joinKeyOf(identifierJoin(agreement.job)!, 'b');
    const { packed } = await readIdentifiers(await openDataset([join(folder, 'b.csv')]), key);
    const joined = { ...joinTermsOf(agreement.job, agreement.schemas, session)!, ...other };
    const ports = { transport: corrupting(transport, change), crypto: nodeCrypto, curve };
    return joinParty(joined, packed, ports);
  })();
  const [party, , broken] = await Promise.allSettled([honest, dealing, breaking]);
  expect(party).toMatchObject({ status: 'rejected', reason: { kind: 'peer', code, party: 'b' } });
  expect(broken.status).toBe('rejected');
  // nothing was joined, planned or stored
  expect(phases.some((phase) => phase.startsWith('joined'))).toBe(false);
  expect(a.store.joins.attemptOf(session)).toBeUndefined();
  expect(a.store.audit.entries(0, 1000).at(-1)).toMatchObject({ kind: 'join-ended', body: { failed: code } });
  transport.abort('over');
});
