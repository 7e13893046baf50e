/** Each area of the store on a real file: what goes in comes out, what must be refused is. */
import Database from 'better-sqlite3';
import { fc } from '../../helpers/properties.ts';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { NO_ENTRY, entryHash, projectId } from '../../../shared/project.ts';
import type { Charter, Entry } from '../../../shared/project.ts';
import type { HeldEntry } from '../../../shared/project-state.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { SecretText } from '../../../main/host/store/secret-text.ts';
import { openStore } from '../../../main/host/store/store.ts';
import type { Store } from '../../../main/host/store/store.ts';
import { codeOf, temporaryFolder, temporaryStore } from './temporary.ts';

function withIdentity(): Store {
  const store = temporaryStore();
  store.identity.create({
    name: 'Clinic A',
    fingerprint: 'aa:bb',
    certificatePem: 'CERTIFICATE',
    privateKeyPem: new SecretText('PRIVATE KEY'),
  });
  return store;
}

function withAttempt(): Store {
  const store = withIdentity();
  store.jobs.add({ id: 'j1', project: undefined, name: 'malignancy', canonical: '{"name":"malignancy"}' });
  store.jobs.startAttempt('j1');
  return store;
}

describe('identity', () => {
  test('is created once and its key does not print', () => {
    const store = withIdentity();
    const identity = store.identity.get();
    expect(identity?.privateKeyPem.expose()).toBe('PRIVATE KEY');
    expect(inspect(identity) + JSON.stringify(identity) + `${identity?.privateKeyPem.toString()}`).not.toContain(
      'PRIVATE',
    );
    expect(codeOf(() => store.identity.create({ ...identity!, name: 'Other' }))).toBe('identity-exists');
    expect(store.identity.get()?.name).toBe('Clinic A');
    expect(store.identity.sealingKey().expose()).toEqual(store.identity.sealingKey().expose());
    expect(codeOf(() => temporaryStore().identity.sealingKey())).toBe('identity-missing');
  });
});

describe('peers', () => {
  test('are pinned, renamed, revoked and pinned anew', () => {
    const { peers } = temporaryStore();
    expect(peers.get('f1')).toBeUndefined();
    peers.pin({ fingerprint: 'f1', name: 'Clinic B', addresses: ['b.example:7443', '10.0.0.2:7443'] });
    peers.pin({ fingerprint: 'f0', name: 'Registry', addresses: [] });
    const pinned = peers.get('f1')!;
    expect(pinned).toMatchObject({ name: 'Clinic B', addresses: ['b.example:7443', '10.0.0.2:7443'] });
    expect(pinned.revokedAtMs).toBeUndefined();
    peers.pin({ fingerprint: 'f1', name: 'Clinic Bee', addresses: ['b.example:1'] });
    expect(peers.get('f1')).toEqual({ ...pinned, name: 'Clinic Bee', addresses: ['b.example:1'] });
    expect(peers.list().map((peer) => peer.name)).toEqual(['Clinic Bee', 'Registry']);
    peers.seen('f1');
    expect(peers.get('f1')?.lastSeenMs).toBeTypeOf('number');
    peers.revoke('f1');
    expect(peers.get('f1')?.revokedAtMs).toBeTypeOf('number');
    expect(peers.list()).toHaveLength(2);
    peers.pin({ fingerprint: 'f1', name: 'Clinic B', addresses: [] });
    expect(peers.get('f1')?.revokedAtMs).toBeUndefined();
    expect(codeOf(() => peers.revoke('nobody'))).toBe('peer-unknown');
  });
});

describe('projects and jobs', () => {
  test('a project keeps its charter, and journals that are only continued', () => {
    const { projects } = temporaryStore();
    const member = (digit: string): Charter['members'][string] => ({
      fingerprint: digit.repeat(64),
      roles: ['compute'],
    });
    const charter: Charter = {
      tacitProject: 1,
      name: 'Study',
      purpose: '',
      nonce: '0'.repeat(32),
      createdAtMs: 1,
      creator: '1'.repeat(64),
      members: { a: member('1'), b: member('2') },
    };
    const id = projectId(charter, nodeCrypto.sha256);
    projects.add({ id, charter });
    projects.add({ id, charter: { ...charter, name: 'Other' } });
    expect(projects.list()).toEqual([{ id, charter }]);
    const entry = (sequence: number, previous: string): HeldEntry => {
      const made: Entry = {
        tacitEntry: 1,
        project: id,
        author: charter.creator,
        sequence,
        previous,
        atMs: sequence,
        statement: { kind: 'answered', answer: 'accepted', reason: '' },
      };
      return { entry: made, hash: entryHash(made, nodeCrypto.sha256) };
    };
    const first = entry(1, NO_ENTRY);
    const second = entry(2, first.hash);
    projects.append(first);
    projects.append(second);
    for (const wrong of [first, entry(2, NO_ENTRY), entry(3, first.hash), entry(4, second.hash)]) {
      expect(codeOf(() => projects.append(wrong))).toBe('journal-not-continued');
    }
    expect(projects.entries(id, charter.creator)).toEqual([first, second]);
    expect(projects.entries(id, charter.creator, 1)).toEqual([second]);
    expect(projects.entries(id, '2'.repeat(64))).toEqual([]);
  });

  test('a draft keeps its project and what it was proposed as', () => {
    const { drafts } = temporaryStore();
    drafts.save('d1', 'name: x', 'p1');
    drafts.proposed('d1', 'j1');
    expect(drafts.save('d1', 'name: y')).toMatchObject({ text: 'name: y', project: 'p1', job: 'j1' });
    expect(drafts.save('d2', '')).toMatchObject({ project: undefined, job: undefined });
    expect(codeOf(() => drafts.get('d3'))).toBe('draft-unknown');
  });

  test('a job has a digest, states, numbered attempts and their logs', () => {
    const { jobs } = temporaryStore();
    const job = jobs.add({ id: 'j1', project: undefined, name: 'malignancy', canonical: '{"name":"ü"}' });
    expect(job.digest).toBe(Buffer.from(nodeCrypto.sha256(new TextEncoder().encode('{"name":"ü"}'))).toString('hex'));
    expect(jobs.get('j1')).toEqual(job);
    expect(codeOf(() => jobs.add({ ...job, canonical: '{}' }))).toBe('job-exists');
    jobs.setState('j1', 'running');
    expect(jobs.list()).toEqual([{ ...job, state: 'running' }]);
    expect(codeOf(() => jobs.setState('j2', 'running'))).toBe('job-unknown');

    expect(jobs.startAttempt('j1')).toBe(1);
    jobs.log('j1', 1, 'info', 'connected');
    jobs.log('j1', 1, 'error', 'clinic-b went away');
    jobs.endAttempt('j1', 1, 'rolled-back');
    expect(codeOf(() => jobs.endAttempt('j1', 1, 'done'))).toBe('attempt-not-open');
    expect(jobs.startAttempt('j1', 4)).toBe(4);
    jobs.log('j1', 4, 'info', 'resumed');
    expect(jobs.startAttempt('j1', 2)).toBe(5);
    jobs.endAttempt('j1', 5, 'done', '/data/results');
    expect(jobs.attempts('j1').map(({ number, outcome, resultsPath }) => [number, outcome, resultsPath])).toEqual([
      [1, 'rolled-back', undefined],
      [4, undefined, undefined],
      [5, 'done', '/data/results'],
    ]);
    expect(jobs.logLines('j1', 1).map((line) => line.text)).toEqual(['connected', 'clinic-b went away']);
    expect(jobs.logLines('j1', 4).map((line) => line.level)).toEqual(['info']);
  });
});

describe('checkpoints', () => {
  const place = { job: 'j1', attempt: 1, execution: 40 };

  test.each([0, 1, 1 << 20, (1 << 20) + 1, 5 << 19])('a state of %d bytes comes back', (bytes) => {
    const { checkpoints, identity } = withAttempt();
    const key = identity.sealingKey();
    const state = nodeCrypto.randomBytes(bytes);
    checkpoints.save(place, state, key);
    expect(Buffer.compare(checkpoints.load(place, key)!, state)).toBe(0);
    expect(checkpoints.load({ ...place, execution: 41 }, key)).toBeUndefined();
  });

  test('are sealed, tied to their place, and pruned from the oldest', () => {
    const store = withAttempt();
    const { checkpoints } = store;
    const key = store.identity.sealingKey();
    const text = 'secret shares '.repeat(100);
    for (const execution of [10, 20, 30]) checkpoints.save({ ...place, execution }, Buffer.from(text), key);
    checkpoints.save({ ...place, execution: 30 }, Buffer.from('newer'), key);
    expect(Buffer.from(checkpoints.load({ ...place, execution: 30 }, key)!).toString()).toBe('newer');

    const raw = new Database(join(store.folder, 'tacit.db'));
    const sealed = raw.prepare<[], Buffer>('SELECT sealed FROM checkpoint_chunk').pluck().all();
    expect(sealed.some((chunk) => chunk.includes('secret'))).toBe(false);
    raw.exec('UPDATE checkpoint SET execution = 21 WHERE execution = 20');
    raw.close();
    expect(codeOf(() => checkpoints.load({ ...place, execution: 21 }, key))).toBe('checkpoint-damaged');
    expect(codeOf(() => checkpoints.load({ ...place, execution: 10 }, new SecretKey(new Uint8Array(32))))).toBe(
      'checkpoint-damaged',
    );

    store.jobs.startAttempt('j1');
    checkpoints.save({ job: 'j1', attempt: 2, execution: 5 }, Buffer.from('x'), key);
    checkpoints.prune('j1', 2);
    expect(checkpoints.places('j1')).toEqual([
      { job: 'j1', attempt: 2, execution: 5 },
      { job: 'j1', attempt: 1, execution: 30 },
    ]);
  });
});

describe('timings', () => {
  test('rows come back in order and add up per layer and phase', () => {
    const { timings } = withAttempt();
    const row = { phase: 'online', layer: 'dense 1', bytesOut: 100, bytesIn: 90, rounds: 4, multiplyAdds: 2 ** 40 };
    const rows = [0, 1, 2].map((execution) => ({ ...row, execution, startUs: execution * 10, durationUs: 7 }));
    timings.add('j1', 1, rows);
    timings.add('j1', 1, [{ ...row, layer: 'relu 1', execution: 0, startUs: 7.4, durationUs: 2.6 }]);
    expect(timings.rows('j1', 1)).toEqual([
      ...rows,
      { ...row, layer: 'relu 1', execution: 0, startUs: 7, durationUs: 3 },
    ]);
    expect(timings.summary('j1', 1)).toEqual([
      { ...row, bytesOut: 300, bytesIn: 270, rounds: 12, multiplyAdds: 3 * 2 ** 40, durationUs: 21, executions: 3 },
      { ...row, layer: 'relu 1', durationUs: 3, executions: 1 },
    ]);
    expect(timings.rows('j1', 2)).toEqual([]);
  });
});

describe('settings', () => {
  test('are checked when read', () => {
    const { settings } = temporaryStore();
    expect(settings.get('port', z.int())).toBeUndefined();
    settings.set('port', 7443);
    settings.set('port', 7444);
    expect(settings.get('port', z.int())).toBe(7444);
    expect(codeOf(() => settings.get('port', z.string()))).toBe('setting-invalid');
    expect(settings.get('port', z.int())).toBe(7444);
  });
});

describe('audit', () => {
  test('the chain verifies, keeps its entries and refuses changes', () => {
    const store = temporaryStore();
    const { audit } = store;
    expect(audit.head()).toEqual({ sequence: 0, hash: '0'.repeat(64) });
    expect(audit.verify()).toEqual({ intact: true, head: audit.head() });
    const heads = ['proposed', 'approved', 'revealed'].map((kind) => audit.append(kind, { job: 'j1' }));
    expect(new Set(heads.map((head) => head.hash)).size).toBe(3);
    expect(audit.head()).toEqual(heads[2]);
    expect(audit.entries(1).map((entry) => [entry.sequence, entry.kind, entry.body])).toEqual([
      [2, 'approved', { job: 'j1' }],
      [3, 'revealed', { job: 'j1' }],
    ]);
    const raw = new Database(join(store.folder, 'tacit.db'));
    expect(() => raw.exec("UPDATE audit SET entry = '{}'")).toThrow('append-only');
    expect(() => raw.exec('DELETE FROM audit')).toThrow('append-only');
    raw.close();
    expect(audit.verify()).toEqual({ intact: true, head: heads[2] });
  });

  test('a change by force shows at the entry where it is', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    for (let i = 0; i < 12; i += 1) store.audit.append('note', { i });
    const raw = new Database(join(folder, 'tacit.db'));
    raw.exec('DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_erased');
    raw.exec('CREATE TEMP TABLE saved AS SELECT * FROM audit');
    const tampering = fc.constantFrom(
      "UPDATE audit SET entry = replace(entry, 'note', 'nota') WHERE sequence = ?",
      'UPDATE audit SET hash = zeroblob(32) WHERE sequence = ?',
      'UPDATE audit SET previous = zeroblob(32) WHERE sequence = ?',
      'DELETE FROM audit WHERE sequence = ?',
    );
    fc.assert(
      fc.property(tampering, fc.integer({ min: 2, max: 11 }), (sql, sequence) => {
        raw.prepare(sql).run(sequence);
        const verdict = store.audit.verify();
        raw.exec('DELETE FROM audit; INSERT INTO audit SELECT * FROM saved');
        expect(verdict).toEqual({ intact: false, brokenAt: sequence });
      }),
      { numRuns: 20 },
    );
    raw.close();
    store.close();
  });
});
