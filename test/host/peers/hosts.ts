/** Hosts on 127.0.0.1 for tests: real identities, real TLS, real sockets, free ports. */
import { formatAddress } from '../../../shared/address.ts';
import { createIdentity } from '../../../main/host/peers/identity.ts';
import type { Identity } from '../../../main/host/peers/identity.ts';
import { openLinks } from '../../../main/host/peers/links.ts';
import type { Links, LinksOptions } from '../../../main/host/peers/links.ts';
import type { LinkStatus } from '../../../main/host/peers/link.ts';
import { openSession } from '../../../main/host/peers/session.ts';
import type { Session, SessionMember, SessionOptions } from '../../../main/host/peers/session.ts';
import type { PeerBook } from '../../../main/host/peers/peer-book.ts';
import { memoryBook } from './memory-book.ts';

export interface TestHost {
  readonly name: string;
  readonly identity: Identity;
  readonly book: PeerBook;
  readonly links: Links;
  readonly address: string;
}

const identities = new Map<string, Promise<Identity>>();

/** The same identity for the same name within one test file; keys take time to make. */
export function identityOf(name: string): Promise<Identity> {
  let identity = identities.get(name);
  if (identity === undefined) identities.set(name, (identity = createIdentity(name)));
  return identity;
}

export async function openHost(name: string, options: Partial<LinksOptions> = {}): Promise<TestHost> {
  const identity = options.identity ?? (await identityOf(name));
  const book = options.book ?? memoryBook();
  const listen = options.listen ?? { host: '127.0.0.1', port: 0 };
  const links = await openLinks({ software: 'tacit/test', ...options, identity, book, listen });
  return { name, identity, book, links, address: formatAddress(links.address) };
}

/** Makes two hosts peers; both can dial, or only the first of them. */
export function pair(left: TestHost, right: TestHost, dialling: 'both' | 'left' = 'both'): void {
  right.links.pin({
    fingerprint: left.identity.fingerprint,
    name: left.name,
    addresses: dialling === 'both' ? [left.address] : [],
  });
  left.links.pin({ fingerprint: right.identity.fingerprint, name: right.name, addresses: [right.address] });
}

export function pairAll(hosts: readonly TestHost[]): void {
  for (const [index, left] of hosts.entries()) for (const right of hosts.slice(index + 1)) pair(left, right);
}

export function membersOf(hosts: readonly TestHost[]): Record<string, SessionMember> {
  return Object.fromEntries(
    hosts.map(({ name, identity }) => [name, { fingerprint: identity.fingerprint, role: 'compute' }]),
  );
}

export function sessionOn(host: TestHost, hosts: readonly TestHost[], options: Partial<SessionOptions> = {}): Session {
  return openSession(host.links, {
    session: 'session-1',
    attempt: 0,
    jobDigest: 'a'.repeat(64),
    planDigest: 'b'.repeat(64),
    self: host.name,
    members: membersOf(hosts),
    ...options,
  });
}

/** Resolves when the link's state satisfies the predicate. */
export function linkState(host: TestHost, peer: TestHost, holds: (status: LinkStatus) => boolean): Promise<LinkStatus> {
  return new Promise((resolve) => {
    const check = (status: LinkStatus | undefined) => {
      if (status?.fingerprint !== peer.identity.fingerprint || !holds(status)) return;
      unwatch();
      resolve(status);
    };
    const unwatch = host.links.watch(check);
    check(host.links.status(peer.identity.fingerprint));
  });
}

export const connected = (host: TestHost, peer: TestHost) =>
  linkState(host, peer, ({ state }) => state === 'connected');
