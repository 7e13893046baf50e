/**
 * No mask ever hides two values, whenever the process dies: a party is killed (SIGKILL) again and again between recording,
 * sending and using, and every line that it ever sent is compared. A control shows that the comparison finds a reuse.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { openStore } from '../../../main/host/store/store.ts';
import { temporaryFolder } from './temporary.ts';

/** Starts the party, kills it after it sent `lines` lines (and whatever it manages until the signal arrives). */
async function live(folder: string, manner: string, lines: number, sent: string[]): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'vault-child.ts'), folder, manner], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let left = lines;
  for await (const line of createInterface({ input: child.stdout })) {
    // A line cut short by the kill was not sent as a whole; its mask may count as used, never as proof.
    if (/^sent .{64,}$/u.test(line)) sent.push(line);
    left -= 1;
    if (left === 0) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  expect(child.signalCode).toBe('SIGKILL');
}

/** Mask names under which different frames were sent. */
function reused(sent: readonly string[]): string[] {
  const frames = new Map<string, Set<string>>();
  for (const line of sent) {
    const at = line.lastIndexOf('/');
    const mask = line.slice(0, at);
    frames.set(mask, (frames.get(mask) ?? new Set()).add(line.slice(at + 1)));
  }
  return [...frames].filter(([, digests]) => digests.size > 1).map(([mask]) => mask);
}

/** Kills at every phase of a lease of three executions of six lines each, and far into the run. */
const lifetimes = [1, 2, 5, 6, 7, 12, 17, 18, 19, 3, 40, 111];

test('a killed party never sends two frames under one mask', async () => {
  const folder = temporaryFolder();
  const sent: string[] = [];
  for (const lines of lifetimes) await live(folder, 'vault', lines, sent);
  expect(sent.length).toBeGreaterThanOrEqual(lifetimes.reduce((sum, lines) => sum + lines));
  expect(reused(sent)).toEqual([]);

  // Every execution that sent something was handed out once: it is finished with its digests on record, or burnt.
  const store = openStore(folder);
  const burnt = store.vault.recover('j1');
  const cursor = store.vault.cursor({ job: 'j1', attempt: 1, planDigest: 'p' });
  const executions = new Set(sent.map((line) => Number(/^sent (\d+)/u.exec(line)?.[1])));
  for (const execution of executions) {
    const isBurnt = burnt.some(({ first, count }) => first <= execution && execution < first + count);
    expect([execution, isBurnt || cursor.frames(execution).size === 3]).toEqual([execution, true]);
    expect(execution).toBeLessThan(cursor.next);
  }
  store.close();
});

test('the comparison finds a party that trusts its own notes', async () => {
  const folder = temporaryFolder();
  mkdirSync(folder);
  const sent: string[] = [];
  for (const lines of [2, 2, 1]) await live(folder, 'careless', lines, sent);
  // It may die between two executions by luck; in three lives it meets a mask again nearly always, so give it some more.
  for (let extra = 0; reused(sent).length === 0 && extra < 20; extra += 1) await live(folder, 'careless', 1, sent);
  expect(reused(sent)).not.toEqual([]);
});
