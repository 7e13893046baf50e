/** Two hosts in two processes: paired, in a session, and what the one learns when the other is killed. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { inviteText } from '../../../shared/invite.ts';
import { connected, openHost, sessionOn } from './hosts.ts';
import type { TestHost } from './hosts.ts';

let close: (() => Promise<void>) | undefined;

afterEach(async () => {
  await close?.();
  close = undefined;
});

test('pairs with a second process, exchanges with it, and names it when it is killed', async () => {
  const a = await openHost('a');
  const child = fork(new URL('./second-process.ts', import.meta.url), { execPath: process.execPath, execArgv: [] });
  close = async () => {
    child.kill('SIGKILL');
    await a.links.close();
  };
  const { invite, paired } = a.links.inviter.invite({
    addresses: [a.address],
    validForMs: 60_000,
    confirm: async () => true,
  });
  child.send(inviteText(invite));
  const { name, fingerprint } = await paired;
  expect(name).toBe('b');
  const b = { name, identity: { fingerprint } } as TestHost;
  await connected(a, b);
  const session = sessionOn(a, [a, b], { patienceMs: 4_000 });
  await session.ready();
  for (let execution = 0; execution < 50; execution += 1) {
    const key = { attempt: 0, execution, round: 0 };
    const payload = Buffer.alloc(execution * 40_000, execution);
    await session.send('b', key, payload);
    expect(Buffer.compare(await session.receive('b', key, payload.byteLength), payload)).toBe(0);
  }
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  await expect(session.receive('b', { attempt: 0, execution: 50, round: 0 }, 1)).rejects.toMatchObject({
    code: 'peer-unreachable',
    party: 'b',
  });
});
