/**
 * Real hosts for simulated parties: each gets an identity of its own, a listening port on the loopback interface and TLS
 * links to all others, within this process. For local runs only. Knows nothing of what is sent.
 */
import type { Transport } from '../../../engine/runtime/transport.ts';
import { formatAddress } from '../../../shared/address.ts';
import { createIdentity } from '../peers/identity.ts';
import { openLinks } from '../peers/links.ts';
import type { PeerBook, PinnedPeer } from '../peers/peer-book.ts';
import { openSession } from '../peers/session.ts';

export interface LoopbackLinks {
  /** In the order of the names. */
  readonly transports: readonly Transport[];
  close(): Promise<void>;
}

/** Opens hosts and links and waits until all of them stand. */
export async function loopbackLinks(
  names: readonly string[],
  planDigest: string,
  signal: AbortSignal,
): Promise<LoopbackLinks> {
  const hosts = await Promise.all(
    names.map(async (name) => {
      const identity = await createIdentity(name);
      const listen = { host: '127.0.0.1', port: 0 };
      return { name, identity, links: await openLinks({ identity, book: forgetfulBook(), software: 'tacit', listen }) };
    }),
  );
  const close = async (): Promise<void> => void (await Promise.all(hosts.map(({ links }) => links.close())));
  try {
    for (const host of hosts) {
      for (const { name, identity, links } of hosts) {
        if (name === host.name) continue;
        host.links.pin({ fingerprint: identity.fingerprint, name, addresses: [formatAddress(links.address)] });
      }
    }
    const members = Object.fromEntries(
      hosts.map(({ name, identity }) => [name, { fingerprint: identity.fingerprint, role: 'compute' }]),
    );
    const terms = { session: 'local', attempt: 0, jobDigest: planDigest, planDigest, members, signal };
    const sessions = hosts.map(({ name, links }) => openSession(links, { ...terms, self: name }));
    await Promise.all(sessions.map((session) => session.ready(signal)));
    return { transports: sessions, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Pinned peers for as long as the process lives. */
function forgetfulBook(): PeerBook {
  const peers = new Map<string, PinnedPeer>();
  return {
    list: () => [...peers.values()],
    get: (fingerprint) => peers.get(fingerprint),
    pin: (peer) => void peers.set(peer.fingerprint, { ...peer, revokedAtMs: undefined }),
    revoke: (fingerprint) => void peers.delete(fingerprint),
    seen: () => undefined,
  };
}
