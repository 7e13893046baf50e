/** The data folder: private, one process, kept intact through kills, damage and newer versions. */
import Database from 'better-sqlite3';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { joinStore, openStore } from '../../../main/host/store/store.ts';
import { codeOf, temporaryFolder } from './temporary.ts';

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

/** Overwrites pages from the second one on with noise, as a failing disk would. */
function damage(file: string): Buffer {
  const bytes = readFileSync(file);
  bytes.fill(0xa5, 4096, Math.min(bytes.length, 4096 * 40));
  writeFileSync(file, bytes);
  return bytes;
}

/** Makes the next start believe that the process before it was killed. */
function forgeUncleanExit(folder: string): void {
  writeFileSync(join(folder, 'owner.json'), JSON.stringify({ pid: 1, sinceMs: 0 }));
}

describe('data folder', () => {
  test('is private, even if it was not before', () => {
    const folder = temporaryFolder();
    mkdirSync(folder, { mode: 0o755 });
    writeFileSync(join(folder, 'tacit.db'), '');
    chmodSync(join(folder, 'tacit.db'), 0o644);
    const store = openStore(folder);
    expect(mode(folder)).toBe('700');
    for (const file of readdirSync(folder)) expect([file, mode(join(folder, file))]).toEqual([file, '600']);
    expect(readdirSync(folder)).toContain('vault.db-wal');
    store.close();
  });

  test('keeps what was written', () => {
    const folder = temporaryFolder();
    const first = openStore(folder);
    first.settings.set('theme', 'dark');
    const vaultId = first.vault.id;
    first.close();
    first.close();
    const second = openStore(folder);
    expect(second.settings.get('theme', z.string())).toBe('dark');
    expect(second.vault.id).toBe(vaultId);
    second.close();
  });

  test('a path that is a file is refused', () => {
    const folder = temporaryFolder();
    writeFileSync(folder, 'not a folder');
    expect(codeOf(() => openStore(folder))).toBe('data-folder-unusable');
    expect(readFileSync(folder, 'utf8')).toBe('not a folder');
  });

  test('is refused to a second opening in this process, and joined by its workers', () => {
    const folder = temporaryFolder();
    expect(codeOf(() => joinStore(folder))).toBe('store-not-held');
    const store = openStore(folder);
    expect(() => openStore(folder)).toThrow(`${folder} is in use by process ${process.pid}`);
    const joined = joinStore(folder);
    joined.settings.set('shared', true);
    expect(store.settings.get('shared', z.boolean())).toBe(true);
    joined.close();
    store.close();
    openStore(folder).close();
  });

  test('is refused while another process has it, and free once that one is killed', async () => {
    const folder = temporaryFolder();
    const child = spawn(process.execPath, [join(import.meta.dirname, 'store-child.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect(() => openStore(folder)).toThrow(`${folder} is in use by process ${child.pid}`);
    expect(codeOf(() => openStore(folder))).toBe('store-in-use');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = openStore(folder);
    expect(store.settings.get('left-behind', z.number())).toBe(7);
    store.close();
    expect(existsSync(join(folder, 'owner.json'))).toBe(false);
  });

  test('an owner file that is cut off does no harm', () => {
    const folder = temporaryFolder();
    openStore(folder).close();
    writeFileSync(join(folder, 'owner.json'), '{"pid": 1');
    openStore(folder).close();
  });

  test.each([
    ['store', 'tacit'],
    ['vault', 'vault'],
  ])('a damaged %s file is set aside after an unclean exit, not deleted', (area, name) => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.settings.set('theme', 'dark');
    for (let i = 0; i < 200; i += 1) store.audit.append('note', { i, text: 'x'.repeat(200) });
    store.jobs.add({ id: 'j1', project: undefined, name: 'job', canonical: '{}' });
    store.vault.cursor({ job: 'j1', attempt: 1, planDigest: 'p' }).lease(0, 5);
    store.close();
    const bytes = damage(join(folder, `${name}.db`));
    forgeUncleanExit(folder);
    expect(codeOf(() => openStore(folder))).toBe(`${area}-damaged`);
    const aside = readdirSync(folder).find((file) => file.startsWith(`${name}.damaged-`) && file.endsWith('.db'));
    expect(aside).toBeDefined();
    expect(readFileSync(join(folder, aside as string)).equals(bytes)).toBe(true);
    // The next start begins with an empty one; the other file is untouched.
    const again = openStore(folder);
    expect(again.settings.get('theme', z.string())).toBe(area === 'store' ? undefined : 'dark');
    if (area === 'vault') {
      // Nobody knows any more which masks the job used.
      expect(codeOf(() => again.vault.cursor({ job: 'j1', attempt: 2, planDigest: 'p' }))).toBe('mask-burnt');
    } else {
      expect(again.vault.cursor({ job: 'j1', attempt: 1, planDigest: 'p' }).next).toBe(5);
    }
    again.close();
  });

  test('a file that is no database is set aside at once', () => {
    const folder = temporaryFolder();
    mkdirSync(folder);
    writeFileSync(join(folder, 'tacit.db'), 'this is a text file, not a database\n'.repeat(200));
    expect(() => openStore(folder)).toThrow(/is damaged; it was kept as .*tacit\.damaged-/u);
    openStore(folder).close();
  });

  test('a file of a newer version is refused and left alone', () => {
    const folder = temporaryFolder();
    openStore(folder).close();
    const raw = new Database(join(folder, 'tacit.db'));
    raw.pragma('user_version = 99');
    raw.close();
    expect(codeOf(() => openStore(folder))).toBe('store-newer');
    expect(readdirSync(folder).some((file) => file.includes('damaged'))).toBe(false);
  });
});
