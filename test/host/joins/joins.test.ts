/** Joins of real files over real TLS links, the preview of keys, and the guard against too many joins. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Curve } from '../../../engine/join/curve.ts';
import { joinMatcher, joinParty } from '../../../engine/join/join.ts';
import type { JoinTerms } from '../../../engine/join/terms.ts';
import { predictJoinBytes } from '../../../engine/join/terms.ts';
import { wasmCurve } from '../../../engine/join/wasm/pool.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { openDataset } from '../../../main/host/datasets/dataset.ts';
import { admitJoin } from '../../../main/host/joins/join-guard.ts';
import { previewKey, readIdentifiers } from '../../../main/host/joins/key-columns.ts';
import { joinKeySchema } from '../../../shared/identifiers.ts';
import { openHost, pairAll, sessionOn } from '../peers/hosts.ts';
import { codeOf, temporaryStore } from '../store/temporary.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-join-'));
let curve: Curve;
beforeAll(async () => {
  curve = await wasmCurve({ threads: 1 });
});
afterAll(async () => {
  await curve.dispose();
  rmSync(folder, { recursive: true });
});

function file(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

const key = joinKeySchema.parse({
  columns: [{ column: 'name' }, { column: 'born', kind: 'date' }],
  duplicates: 'first',
});

const anna = [
  'name,born,x',
  'Ada  Lovelace,1815-12-10,1',
  'Alan Turing,1912-06-23,2',
  'Grace Hopper,1906-12-09,3',
  ',1900-01-01,4',
];
const bela = ['born,name,y', '1906-12-09, grace hopper,10', '1815-12-10,ADA LOVELACE,20', '1815-12-11,Ada Lovelace,30'];
const cleo = ['name,born', 'Grace Hopper,1906-12-09', 'Ada Lovelace,1815-12-10', 'ada lovelace,1815-12-10'];

test.each([
  { parties: 2, matcher: undefined },
  { parties: 2, matcher: 'dealer' },
  { parties: 3, matcher: 'dealer' },
])('files of $parties organisations, matcher $matcher, over TLS', async ({ parties, matcher }) => {
  const names = ['anna', 'bela', 'cleo'].slice(0, parties);
  const hosts = await Promise.all(
    [...names, ...(matcher === undefined ? [] : [matcher])].map((name) => openHost(name)),
  );
  pairAll(hosts);
  const sessions = hosts.map((host) => sessionOn(host, hosts));
  await Promise.all(sessions.map((session) => session.ready()));
  const sets = await Promise.all(
    [anna, bela, cleo].slice(0, parties).map((lines, i) => openDataset([file(`${names[i]}.csv`, lines)])),
  );
  const identifiers = await Promise.all(sets.map((set) => readIdentifiers(set, key)));
  const terms: JoinTerms = {
    session: 'session-1',
    attempt: 0,
    execution: 0,
    purpose: 'ids',
    form: 'curve',
    parties: names,
    ...(matcher === undefined ? {} : { matcher }),
    sizes: Object.fromEntries(names.map((name, i) => [name, sets[i]!.rows])),
    floor: 2,
  };
  const running = sessions.map((transport, i) =>
    transport.self === matcher
      ? joinMatcher(terms, { transport, crypto: nodeCrypto })
      : joinParty(terms, identifiers[i]!.packed, { transport, crypto: nodeCrypto, curve }),
  );
  const results = (await Promise.all(running)).slice(0, parties);
  // rows of each file, in the common order
  const rows = results.map((result, i) => {
    if (result?.purpose !== 'ids') throw new Error('no ids');
    return [...result.rows].map((identifier) => identifiers[i]!.rows[identifiers[i]!.starts[identifier]!]!);
  });
  const expected = [
    [0, 1, 1],
    [2, 0, 0],
  ].map((row) => row.slice(0, parties));
  const joined = rows[0]!.map((_, place) => rows.map((of) => of[place]!));
  expect(joined.sort((a, b) => a[0]! - b[0]!)).toEqual(expected);
  const predicted = predictJoinBytes(terms, 2);
  for (const session of sessions) {
    const sent = session.peers.reduce((sum, peer) => sum + session.counters(peer).bytesSent, 0);
    expect([session.self, sent]).toEqual([session.self, predicted.get(session.self)]);
  }
  await Promise.all(hosts.map(({ links }) => links.close()));
});

test('the preview shows the owner what is compared', async () => {
  const set = await openDataset([file('preview.csv', anna)]);
  const { rows, unreadable } = await previewKey(set, key, 1);
  expect(rows).toEqual([
    {
      row: 0,
      cells: [
        { before: 'Ada  Lovelace', after: 'ada lovelace' },
        { before: '1815-12-10', after: '1815-12-10' },
      ],
    },
  ]);
  expect(unreadable).toEqual([]);
  const wrong = joinKeySchema.parse({ columns: [{ column: 'x', kind: 'email' }] });
  await expect(previewKey(set, wrong, 1)).rejects.toMatchObject({ code: 'join-key-type', kind: 'input' });
  const missing = joinKeySchema.parse({ columns: [{ column: 'nam' }] });
  await expect(readIdentifiers(set, missing)).rejects.toMatchObject({ code: 'dataset-unknown-column' });
});

test('a partner that joins the same data too often is refused, and all of it is in the audit log', () => {
  const { audit } = temporaryStore();
  const terms: JoinTerms = {
    session: 'session-1',
    attempt: 0,
    execution: 0,
    purpose: 'ids',
    form: 'curve',
    parties: ['anna', 'bela'],
    sizes: { anna: 10, bela: 10 },
    floor: 5,
  };
  const request = { dataset: 'd'.repeat(64), self: 'anna', partners: ['f1'], terms };
  for (let i = 0; i < 10; i++) admitJoin(audit, request).ended({ matches: 5 });
  expect(codeOf(() => admitJoin(audit, request))).toBe('join-too-often');
  expect(codeOf(() => admitJoin(audit, { ...request, partners: ['f2', 'f1'] }))).toBe('join-too-often');
  // another partner, another data set, another day
  admitJoin(audit, { ...request, partners: ['f2'] }).ended({ failed: 'join-below-floor' });
  admitJoin(audit, { ...request, dataset: 'e'.repeat(64) });
  admitJoin(audit, request, Date.now() + 25 * 60 * 60 * 1000);
  const entries = audit.entries(0, 100);
  expect(entries).toHaveLength(24);
  expect(entries[0]).toMatchObject({
    kind: 'join-started',
    body: { purpose: 'ids', floor: 5, declared: 10, partners: ['f1'] },
  });
  expect(entries[1]).toMatchObject({ kind: 'join-ended', body: { started: 1, matches: 5 } });
  expect(audit.verify()).toMatchObject({ intact: true });
});
