/** The vault: stock within its quota and intact, executions handed out once, masks that hide one value. */
import Database from 'better-sqlite3';
import { cpSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { openDatabase } from '../../../main/host/store/database.ts';
import type { StoreDatabase } from '../../../main/host/store/database.ts';
import { joinStore, openStore } from '../../../main/host/store/store.ts';
import { Vault, vaultKind } from '../../../main/host/store/vault.ts';
import type { VaultCursor } from '../../../main/host/store/vault.ts';
import type { MaterialRecord } from '../../../main/host/store/vault-material.ts';
import { codeOf, digestOf, temporaryFolder, temporaryStore } from './temporary.ts';

const name = { job: 'j1', attempt: 1, planDigest: 'a'.repeat(64) };
const forever = new AbortController().signal;

function record(execution: number, number: number, bytes: number, label = 'truncation 8x8'): MaterialRecord {
  return { execution, number, label, sealed: nodeCrypto.randomBytes(bytes) };
}

async function codeOfPromise(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: { code?: string }) => error.code ?? String(error),
  );
}

/** A vault whose connection the test can see. */
function bareVault(): { vault: Vault; database: StoreDatabase } {
  const folder = temporaryFolder();
  openStore(folder).close();
  const database = openDatabase(join(folder, 'vault.db'), vaultKind, false);
  const vault = new Vault(database, 1e9);
  onTestFinished(() => vault.close());
  return { vault, database };
}

describe('material', () => {
  test('is taken once, in order, byte for byte, and counted', () => {
    const { vault } = temporaryStore();
    const cursor = vault.cursor(name);
    const records = [
      record(0, 0, 3 * (1 << 20) + 5),
      record(0, 1, 0),
      record(0, 2, 100, 'relu 4'),
      record(1, 0, 1 << 20),
    ];
    for (const entry of records) expect(cursor.append(entry)).toBe('stored');
    expect(cursor.append(records[0]!)).toBe('duplicate');
    expect(codeOf(() => cursor.append({ ...records[2]!, sealed: Buffer.from('other') }))).toBe('material-changed');
    expect(codeOf(() => cursor.take(0, 0))).toBe('execution-not-leased');
    cursor.lease(0, 2);
    expect(cursor.take(1, 1)).toBeUndefined();
    for (const { execution, number, sealed } of records) {
      expect(Buffer.compare(cursor.take(execution, number)!, sealed)).toBe(0);
      expect(codeOf(() => cursor.take(execution, number))).toBe('material-taken');
    }
    expect(cursor.append(records[0]!)).toBe('duplicate');
    expect(cursor.append(record(1, 1, 10))).toBe('stored');
    cursor.finish(0);
    expect(cursor.append(record(0, 3, 10))).toBe('burnt');
    cursor.finish(1);
    expect(vault.stock('j1')).toEqual({
      made: 5,
      used: 4,
      left: 0,
      burnt: 1,
      bytesLeft: 0,
      byLabel: [
        { label: 'relu 4', made: 1, used: 1, left: 0, burnt: 0, bytesLeft: 0 },
        { label: 'truncation 8x8', made: 4, used: 3, left: 0, burnt: 1, bytesLeft: 0 },
      ],
    });
    expect(vault.stock('j2').byLabel).toEqual([]);
  });

  test('outlives the process, and its stock is flushed on request', () => {
    const folder = temporaryFolder();
    const first = openStore(folder);
    const entry = record(0, 0, 200_000);
    first.vault.cursor(name).append(entry);
    // A transaction that changes nothing writes nothing, and then nothing is synced: the log has to grow.
    const logBytes = statSync(join(folder, 'vault.db-wal')).size;
    first.vault.flush();
    expect(statSync(join(folder, 'vault.db-wal')).size).toBeGreaterThan(logBytes);
    first.close();
    const second = openStore(folder);
    const cursor = second.vault.cursor(name);
    cursor.lease(0, 1);
    expect(Buffer.compare(cursor.take(0, 0)!, entry.sealed)).toBe(0);
    second.close();
  });

  test('damage is reported before use, and the record stays', () => {
    const store = temporaryStore();
    const cursor = store.vault.cursor(name);
    cursor.append(record(0, 0, 2_000_000));
    cursor.append(record(0, 1, 10));
    const raw = new Database(join(store.folder, 'vault.db'));
    raw.exec('UPDATE chunk SET content = zeroblob(length(content)) WHERE record = 1 AND number = 1');
    raw.close();
    cursor.lease(0, 1);
    expect(codeOf(() => cursor.take(0, 0))).toBe('vault-record-damaged');
    expect(codeOf(() => cursor.take(0, 0))).toBe('vault-record-damaged');
    expect(cursor.take(0, 1)).toHaveLength(10);
    expect(store.vault.stock('j1')).toMatchObject({ left: 1, used: 1, bytesLeft: 2_000_000 });
  });

  test('a quota bounds what is made ahead, over all jobs', async () => {
    const { vault } = temporaryStore(1000);
    const cursor = vault.cursor(name);
    const other = vault.cursor({ ...name, job: 'j2' });
    cursor.append(record(0, 0, 400));
    other.append(record(0, 0, 400));
    expect(codeOf(() => cursor.append(record(1, 0, 400)))).toBe('vault-full');
    expect(await codeOfPromise(cursor.appendWhenRoom(record(1, 0, 1001), forever))).toBe('vault-full');

    const order: string[] = [];
    const waits = [
      cursor.appendWhenRoom(record(1, 0, 600), forever).then(() => order.push('first')),
      cursor.appendWhenRoom(record(2, 0, 10), forever).then(() => order.push('second')),
    ];
    const gone = new AbortController();
    const aborted = codeOfPromise(other.appendWhenRoom(record(1, 0, 500), gone.signal));
    gone.abort(Object.assign(new Error('stopped'), { code: 'stopped' }));
    expect(await aborted).toBe('stopped');
    expect(order).toEqual([]); // the small one does not overtake
    cursor.lease(0, 1);
    cursor.take(0, 0);
    await Promise.all(waits.slice(0, 1));
    expect(order).toEqual(['first']);
    cursor.finish(0);
    other.lease(0, 1);
    other.take(0, 0);
    await Promise.all(waits);
    expect(vault.stock('j1').bytesLeft).toBe(610);

    // What is leased already is not "ahead": it gets in past the quota and past those who wait.
    cursor.append(record(3, 0, 390));
    const late = cursor.appendWhenRoom(record(9, 0, 300), forever);
    cursor.lease(1, 1);
    expect(cursor.append(record(1, 1, 5000))).toBe('stored');
    expect(await cursor.appendWhenRoom(record(1, 2, 5000), forever)).toBe('stored');
    vault.retireAttempt('j1', 1);
    expect(await late).toBe('burnt');
    expect(vault.stock('j1')).toMatchObject({ left: 0, bytesLeft: 0 });
    const stuck = cursor.appendWhenRoom(record(10, 0, 300), forever);
    expect(await stuck).toBe('burnt');
  });

  test('a taker waits for its record, until the attempt is over', async () => {
    const { vault } = temporaryStore(100);
    const cursor = vault.cursor(name);
    cursor.lease(0, 2);
    const entries = [record(0, 0, 100), record(1, 0, 100), record(2, 0, 100)];
    const early = cursor.takeWhenStored(0, 0, forever);
    const never = codeOfPromise(cursor.takeWhenStored(1, 1, forever));
    // Taking makes room for what waits, and what comes in is taken: one causes the other.
    const waits = entries.map((entry) => cursor.appendWhenRoom(entry, forever));
    expect(await cursor.takeWhenStored(1, 0, forever)).toHaveLength(100);
    expect(Buffer.compare(await early, entries[0]!.sealed)).toBe(0);
    expect(await Promise.all(waits)).toEqual(['stored', 'stored', 'stored']);
    expect(await codeOfPromise(cursor.takeWhenStored(2, 0, forever))).toBe('execution-not-leased');
    const gone = AbortSignal.abort(Object.assign(new Error('stopped'), { code: 'stopped' }));
    expect(await codeOfPromise(cursor.takeWhenStored(0, 1, gone))).toBe('stopped');
    vault.retireAttempt('j1', 1);
    expect(await never).toBe('mask-burnt');
  });

  test('closing rejects whoever waits for room', async () => {
    const store = openStore(temporaryFolder(), { vaultQuotaBytes: 100 });
    const cursor = store.vault.cursor(name);
    cursor.append(record(0, 0, 100));
    const waiting = codeOfPromise(cursor.appendWhenRoom(record(1, 0, 100), forever));
    store.close();
    expect(await waiting).toBe('vault-closed');
  });

  test('a full disk is reported, loses nothing stored before, and is survived', async () => {
    const { vault, database } = bareVault();
    const cursor = vault.cursor(name);
    const kept = [0, 1, 2].map((number) => record(0, number, 300_000));
    for (const entry of kept) cursor.append(entry);
    cursor.lease(0, 1);
    const before = vault.stock('j1');
    const pages = database.handle.pragma('page_count', { simple: true }) as number;
    database.handle.pragma(`max_page_count = ${pages + 4}`);
    expect(codeOf(() => cursor.append(record(1, 0, 3_000_000)))).toBe('vault-disk-full');
    expect(await codeOfPromise(cursor.appendWhenRoom(record(1, 0, 3_000_000), forever))).toBe('vault-disk-full');
    expect(vault.stock('j1')).toEqual(before);
    expect(Buffer.compare(cursor.take(0, 0)!, kept[0]!.sealed)).toBe(0);
    database.handle.pragma('max_page_count = 1000000');
    expect(cursor.append(record(1, 0, 3_000_000))).toBe('stored');
    for (const { number, sealed } of kept.slice(1)) expect(Buffer.compare(cursor.take(0, number)!, sealed)).toBe(0);
  });
});

describe('leases', () => {
  function open(): { vault: Vault; cursor: VaultCursor } {
    const { vault } = temporaryStore();
    return { vault, cursor: vault.cursor(name) };
  }

  test('hand out each execution once', () => {
    const { vault, cursor } = open();
    cursor.lease(0, 3);
    expect(cursor.next).toBe(3);
    expect(codeOf(() => cursor.lease(2, 1))).toBe('mask-burnt');
    expect(codeOf(() => cursor.lease(3, 0))).toBe('lease-range');
    expect(codeOf(() => cursor.finish(1))).toBe('finish-out-of-order');
    cursor.finish(0);
    expect(codeOf(() => cursor.finish(0))).toBe('mask-burnt');
    cursor.lease(3, 2);
    cursor.finish(1);
    cursor.finish(3);
    cursor.finish(2);
    cursor.finish(4);
    expect(vault.recover('j1')).toEqual([]);
    expect(vault.cursor(name)).toBe(cursor);
    expect(vault.cursor({ ...name, planDigest: 'b' }).next).toBe(0);
  });

  test('skipped executions are burnt with their material', () => {
    const { vault, cursor } = open();
    for (let execution = 0; execution < 6; execution += 1) cursor.append(record(execution, 0, 10));
    cursor.lease(4, 1);
    expect(cursor.append(record(2, 1, 10))).toBe('burnt');
    expect(codeOf(() => cursor.record(2, 'round 0', digestOf('x')))).toBe('mask-burnt');
    expect(vault.stock('j1')).toMatchObject({ made: 6, burnt: 4, left: 2 });
    expect(vault.recover('j1')).toEqual([{ ...name, first: 0, count: 4 }]);
  });

  test('what a process left unfinished is burnt by the next one, once', () => {
    const folder = temporaryFolder();
    const first = openStore(folder);
    const before = first.vault.cursor(name);
    for (let execution = 0; execution < 10; execution += 1) before.append(record(execution, 0, 10));
    before.lease(0, 4);
    before.take(0, 0);
    before.finish(0);
    first.close();
    const second = openStore(folder);
    const cursor = second.vault.cursor(name);
    expect(codeOf(() => cursor.lease(4, 1))).toBe('lease-not-recovered');
    expect(codeOf(() => cursor.record(1, 'round 0', digestOf('x')))).toBe('mask-burnt');
    expect(codeOf(() => cursor.take(1, 0))).toBe('mask-burnt');
    const burnt = [{ ...name, first: 1, count: 3 }];
    expect(second.vault.recover('j1')).toEqual(burnt);
    expect(second.vault.recover('j1')).toEqual(burnt);
    expect(second.vault.recover('j2')).toEqual([]);
    expect(second.vault.stock('j1')).toMatchObject({ made: 10, used: 1, burnt: 3, left: 6 });
    cursor.lease(4, 1);
    expect(cursor.take(4, 0)).toHaveLength(10);
    // Our own live lease is none of recover's business.
    expect(second.vault.recover('j1')).toEqual(burnt);
    cursor.finish(4);
    second.close();
  });

  test('survive a power failure that takes everything after them', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const cursor = store.vault.cursor(name);
    cursor.lease(0, 5);
    const asOnDisk = temporaryFolder();
    cpSync(folder, asOnDisk, { recursive: true }); // what the lease's fsync put on disk, and not a byte more
    for (const execution of [0, 1, 2]) {
      cursor.record(execution, 'round 0', digestOf(`value ${execution}`));
      cursor.finish(execution);
    }
    store.close();
    const after = openStore(asOnDisk);
    expect(after.vault.recover('j1')).toEqual([{ ...name, first: 0, count: 5 }]);
    const again = after.vault.cursor(name);
    expect(again.next).toBe(5);
    for (const execution of [0, 1, 2, 3, 4]) {
      expect(codeOf(() => again.record(execution, 'round 0', digestOf('another value')))).toBe('mask-burnt');
      expect(codeOf(() => again.lease(execution, 1))).toBe('mask-burnt');
    }
    after.close();
  });

  test('a worker that lost its lease to another is refused', () => {
    const store = temporaryStore();
    const worker = joinStore(store.folder);
    const cursor = worker.vault.cursor(name);
    cursor.lease(0, 2);
    store.vault.recover('j1');
    expect(codeOf(() => cursor.finish(0))).toBe('mask-burnt');
    expect(store.vault.cursor(name).next).toBe(2);
    worker.close();
  });

  test('rollback burns an attempt, the end burns the job', () => {
    const { vault, cursor } = open();
    const second = { ...name, attempt: 2 };
    cursor.lease(0, 2);
    for (const execution of [0, 1, 2]) cursor.append(record(execution, 0, 10));
    vault.cursor(second).append(record(0, 0, 10));
    vault.retireAttempt('j1', 1);
    expect(codeOf(() => cursor.record(0, 'round 0', digestOf('x')))).toBe('mask-burnt');
    expect(codeOf(() => cursor.lease(2, 1))).toBe('mask-burnt');
    expect(codeOf(() => vault.cursor(name))).toBe('mask-burnt');
    expect(codeOf(() => vault.cursor({ ...name, planDigest: 'unseen' }))).toBe('mask-burnt');
    expect(cursor.append(record(3, 0, 10))).toBe('burnt');
    expect(vault.stock('j1')).toMatchObject({ made: 4, burnt: 3, left: 1 });
    expect(vault.recover('j1')).toEqual([{ ...name, first: 0, count: 2 }]);
    const next = vault.cursor(second);
    next.lease(0, 1);
    vault.retireJob('j1');
    expect(codeOf(() => next.record(0, 'round 0', digestOf('x')))).toBe('mask-burnt');
    expect(codeOf(() => vault.cursor({ ...name, attempt: 9 }))).toBe('mask-burnt');
    expect(codeOf(() => vault.bind('j1', 'X', digestOf('x')))).toBe('mask-burnt');
    expect(vault.stock('j1')).toMatchObject({ left: 0, bytesLeft: 0 });
  });
});

describe('mask guard', () => {
  test('lets the same frame go again and no other', () => {
    const { vault } = temporaryStore();
    const cursor = vault.cursor(name);
    expect(codeOf(() => cursor.record(0, 'round 0', digestOf('a')))).toBe('execution-not-leased');
    cursor.lease(0, 2);
    expect(cursor.record(0, 'round 0', digestOf('a'))).toBe('first');
    expect(cursor.record(0, 'round 0', digestOf('a'))).toBe('resend');
    expect(codeOf(() => cursor.record(0, 'round 0', digestOf('b')))).toBe('mask-reused');
    expect(cursor.record(0, 'round 0', digestOf('a'))).toBe('resend');
    expect(cursor.record(0, 'round 1', digestOf('b'))).toBe('first');
    expect(cursor.record(1, 'round 0', digestOf('b'))).toBe('first');
    expect(codeOf(() => cursor.record(1, 'round 1', new Uint8Array(3)))).toBe('digest-length');
    cursor.finish(0);
    expect(codeOf(() => cursor.record(0, 'round 0', digestOf('a')))).toBe('mask-burnt');
    expect(codeOf(() => cursor.record(0, 'round 9', digestOf('a')))).toBe('mask-burnt');
    expect([...cursor.frames(0)].map(([slot, sha256]) => [slot, Buffer.from(sha256)])).toEqual([
      ['round 0', Buffer.from(digestOf('a'))],
      ['round 1', Buffer.from(digestOf('b'))],
    ]);
  });

  test('the caller may reuse the array of a digest', () => {
    const cursor = temporaryStore().vault.cursor(name);
    cursor.lease(0, 1);
    const digest = digestOf('a').slice();
    cursor.record(0, 'round 0', digest);
    digest.fill(0);
    expect(codeOf(() => cursor.record(0, 'round 0', digest))).toBe('mask-reused');
  });

  test('binds the masks of static data to the data, for good', () => {
    const folder = temporaryFolder();
    const first = openStore(folder);
    expect(first.vault.bind('j1', 'X of clinic-a', digestOf('data'))).toBe('first');
    expect(first.vault.bind('j1', 'X of clinic-a', digestOf('data'))).toBe('again');
    expect(first.vault.bind('j2', 'X of clinic-a', digestOf('other data'))).toBe('first');
    first.close();
    const second = openStore(folder);
    expect(codeOf(() => second.vault.bind('j1', 'X of clinic-a', digestOf('other data')))).toBe('mask-bound');
    expect(second.vault.bind('j1', 'X of clinic-a', digestOf('data'))).toBe('again');
    second.close();
  });

  test('refuses a peer that went back in time', () => {
    const { vault } = temporaryStore();
    const at = (attempt: number, planDigest: string, execution: number) => ({ attempt, planDigest, execution });
    expect(vault.seenFromPeer('j1', 'clinic-b', 'p')).toBeUndefined();
    vault.see('j1', 'clinic-b', at(1, 'p', 10));
    vault.see('j1', 'clinic-b', at(1, 'p', 10));
    vault.see('j1', 'clinic-b', at(1, 'q', 3));
    vault.see('j1', 'clinic-b', at(1, 'p', 12));
    expect(vault.seenFromPeer('j1', 'clinic-b', 'p')).toEqual(at(1, 'p', 12));
    expect(() => vault.see('j1', 'clinic-b', at(1, 'p', 11))).toThrow('clinic-b is at execution 11 of attempt 1');
    expect(codeOf(() => vault.see('j1', 'clinic-b', at(1, 'q', 2)))).toBe('peer-rolled-back');
    vault.see('j1', 'clinic-c', at(1, 'p', 0));
    vault.see('j1', 'clinic-b', at(2, 'p', 0));
    expect(codeOf(() => vault.see('j1', 'clinic-b', at(1, 'p', 12)))).toBe('peer-rolled-back');
    expect(vault.seenFromPeer('j1', 'clinic-b', 'q')).toEqual(at(2, 'q', 0));
  });
});
