/** A peer book in memory, for tests of links; the store's own is tested with the store. */
import type { PeerBook, PinnedPeer } from '../../../main/host/peers/peer-book.ts';

export function memoryBook(): PeerBook {
  const peers = new Map<string, PinnedPeer>();
  return {
    list: () => [...peers.values()],
    get: (fingerprint) => peers.get(fingerprint),
    pin: (peer) => void peers.set(peer.fingerprint, { ...peer, revokedAtMs: undefined }),
    revoke: (fingerprint) => {
      const peer = peers.get(fingerprint);
      if (peer !== undefined) peers.set(fingerprint, { ...peer, revokedAtMs: Date.now() });
    },
    seen: () => {},
  };
}
