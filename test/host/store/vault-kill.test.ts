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

interface Death {
  /** The child kills itself when it reaches this place for the `after`-th time ... */
  readonly at?: 'leased' | 'taken' | 'recorded' | 'sent' | 'used' | 'finished';
  /** ... or, without a place, is killed wherever it is once it sent so many lines. */
  readonly after: number;
}

/** One life of the party: adds what it sent to `sent`. */
async function live(folder: string, manner: 'vault' | 'careless', death: Death, sent: string[]): Promise<void> {
  const script = join(import.meta.dirname, 'vault-child.ts');
  const dieAt = death.at === undefined ? [] : [death.at, String(death.after)];
  const child = spawn(process.execPath, [script, folder, manner, ...dieAt], { stdio: ['ignore', 'pipe', 'inherit'] });
  let left = death.at === undefined ? death.after : Infinity;
  for await (const line of createInterface({ input: child.stdout })) {
    sent.push(line);
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

/** Every place in the code, early and late in a lease of three executions of three frames; then anywhere. */
const deaths: Death[] = [
  ...(['leased', 'taken', 'recorded', 'sent', 'used', 'finished'] as const).flatMap((at) => [
    { at, after: 1 },
    { at, after: 5 },
  ]),
  ...[1, 19, 100].map((after) => ({ after })),
];

test('a killed party never sends two frames under one mask', async () => {
  const folder = temporaryFolder();
  const sent: string[] = [];
  for (const death of deaths) await live(folder, 'vault', death, sent);
  expect(sent.length).toBeGreaterThan(120);
  expect(reused(sent)).toEqual([]);

  // Whatever sent something was handed out, and is now finished with its digests on record, or burnt.
  const store = openStore(folder);
  const burnt = store.vault.recover('j1');
  expect(burnt.length).toBeGreaterThan(deaths.length / 2);
  const cursor = store.vault.cursor({ job: 'j1', attempt: 1, planDigest: 'p' });
  for (const line of sent) {
    const [, execution = '', slot = '', digest = ''] = /^sent (\d+)\/(.*)\/(.*)$/u.exec(line) ?? [];
    const number = Number(execution);
    const kept = cursor.frames(number).get(slot);
    const isBurnt = burnt.some(({ first, count }) => first <= number && number < first + count);
    expect(number).toBeLessThan(cursor.next);
    expect(kept === undefined ? isBurnt : Buffer.from(kept).toString('hex') === digest && !isBurnt).toBe(true);
  }
  store.close();
});

test('the comparison finds a party that trusts its own notes', async () => {
  const folder = temporaryFolder();
  mkdirSync(folder);
  const sent: string[] = [];
  await live(folder, 'careless', { at: 'used', after: 2 }, sent);
  await live(folder, 'careless', { at: 'used', after: 1 }, sent);
  expect(reused(sent)).toEqual(['sent 1/round 0', 'sent 1/round 1', 'sent 1/round 2']);
});
