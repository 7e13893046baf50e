/**
 * Child process of vault-kill.test.ts: a party that runs executions until it is killed. What it "sends" is a line on its
 * standard output, written by the operating system before the call returns: attempt, execution, slot, digest of the frame.
 * The frames are random, so that a mask used in two lives would show two frames.
 *
 * `dieAt` and `dieAfter` let it kill itself (SIGKILL) the n-th time that it reaches a place in the code; without them it runs
 * until the parent kills it. `vault` uses the vault as a party does. `careless` is the control: it goes on after the last execution that it noted as
 * finished, as if there were no leases; the test must catch it.
 */
import { existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { openStore } from '../../../main/host/store/store.ts';

const [folder, manner, dieAt, dieAfter] = process.argv.slice(2) as [string, 'vault' | 'careless', string?, string?];
const LEASE = 3;
const SLOTS = ['round 0', 'round 1', 'round 2'];

let visits = 0;

function place(name: string): void {
  if (name !== dieAt) return;
  visits += 1;
  if (visits === Number(dieAfter)) process.kill(process.pid, 'SIGKILL');
}

function send(execution: number, slot: string, digest: Uint8Array): void {
  writeSync(1, `sent ${execution}/${slot}/${Buffer.from(digest).toString('hex')}\n`);
}

function runWithVault(): void {
  const { vault } = openStore(folder);
  vault.recover('j1');
  const cursor = vault.cursor({ job: 'j1', attempt: 1, planDigest: 'p' });
  for (;;) {
    const from = cursor.next;
    cursor.lease(from, LEASE);
    place('leased');
    for (let execution = from; execution < from + LEASE; execution += 1) {
      cursor.append({ execution, number: 0, label: 'any', sealed: nodeCrypto.randomBytes(1000) });
      cursor.take(execution, 0);
      place('taken');
      for (const slot of SLOTS) {
        const digest = nodeCrypto.sha256(nodeCrypto.randomBytes(32));
        cursor.record(execution, slot, digest);
        place('recorded');
        send(execution, slot, digest);
        place('sent');
        cursor.record(execution, slot, digest); // a resend
        send(execution, slot, digest);
      }
      place('used');
      cursor.finish(execution);
      place('finished');
    }
  }
}

function runCareless(): void {
  const note = join(folder, 'finished');
  for (let execution = existsSync(note) ? Number(readFileSync(note, 'utf8')) : 0; ; execution += 1) {
    for (const slot of SLOTS) send(execution, slot, nodeCrypto.sha256(nodeCrypto.randomBytes(32)));
    place('used');
    writeFileSync(note, String(execution + 1));
  }
}

if (manner === 'vault') runWithVault();
else runCareless();
