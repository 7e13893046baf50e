/** Peers and their links, as people see them. */
import type { LinkView, PeerView } from '../../../shared/api/peer-calls.ts';
import { fingerprintWords } from '../../../shared/words.ts';
import type { LinkStatus } from '../peers/link.ts';
import type { Host } from '../run/host.ts';
import type { ApiContext, Service } from './context.ts';

function linkView(status: LinkStatus): LinkView {
  const { failure } = status;
  return {
    ...status,
    failure:
      failure === undefined
        ? undefined
        : { hop: failure.hop, code: failure.code, message: failure.message, hint: failure.hint },
  };
}

export function peerViews({ store, links }: Host): PeerView[] {
  return store.peers.list().map((peer) => {
    const status = links.status(peer.fingerprint);
    return {
      ...peer,
      addresses: [...peer.addresses],
      words: fingerprintWords(peer.fingerprint, 8),
      link: status === undefined ? undefined : linkView(status),
    };
  });
}

/** Round trips and throughput change without a change of state. */
const FIGURES_EVERY_MS = 2_000;

export function peerService(context: ApiContext): Service<'peers.list' | 'peers.revoke'> {
  let end: (() => void) | undefined;
  return {
    handlers: {
      'peers.list': () => peerViews(context.host()),
      'peers.revoke': ({ fingerprint }) => {
        const host = context.host();
        const name = host.store.peers.get(fingerprint)?.name ?? '';
        host.links.revoke(fingerprint);
        context.record('peer-revoked', { peer: name, fingerprint });
        context.publish('peers.changed', peerViews(host));
        return {};
      },
    },
    begin: (host) => {
      const tell = (): void => context.publish('peers.changed', peerViews(host));
      const unwatch = host.links.watch(tell);
      const timer = setInterval(() => {
        if (host.links.statuses().some(({ state }) => state === 'connected')) tell();
      }, FIGURES_EVERY_MS);
      timer.unref();
      end = () => {
        unwatch();
        clearInterval(timer);
      };
    },
    close: () => end?.(),
  };
}
