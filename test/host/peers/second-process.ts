/** A host in a process of its own, for a test: joins by the invitation it is given, then echoes one message per execution. */
import { once } from 'node:events';
import { formatAddress } from '../../../shared/address.ts';
import { parseInvite } from '../../../shared/invite.ts';
import { createIdentity } from '../../../main/host/peers/identity.ts';
import { joinByInvite } from '../../../main/host/peers/join.ts';
import { openLinks } from '../../../main/host/peers/links.ts';
import { openSession } from '../../../main/host/peers/session.ts';
import { memoryBook } from './memory-book.ts';

const [link] = (await once(process, 'message')) as [string];
const invite = parseInvite(link);
const identity = await createIdentity('b');
const listen = { host: '127.0.0.1', port: 0 };
const links = await openLinks({ identity, book: memoryBook(), software: 'tacit/second', listen });
await joinByInvite(invite, {
  identity,
  addresses: [formatAddress(links.address)],
  confirm: async () => true,
  pin: (peer) => links.pin(peer),
  signal: AbortSignal.timeout(60_000),
});
const session = openSession(links, {
  session: 'session-1',
  attempt: 0,
  jobDigest: 'a'.repeat(64),
  planDigest: 'b'.repeat(64),
  self: 'b',
  members: {
    a: { fingerprint: invite.fingerprint, role: 'compute' },
    b: { fingerprint: identity.fingerprint, role: 'compute' },
  },
});
for (let execution = 0; ; execution += 1) {
  const key = { attempt: 0, execution, round: 0 };
  await session.send('a', key, await session.receive('a', key, undefined));
}
