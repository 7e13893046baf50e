/** A transport that notes what a participant sends, and may change it: a peer that does not keep to the protocol. */
import type { MessageKey, Transport } from '../../../engine/runtime/transport.ts';

export interface Sent {
  readonly from: string;
  readonly to: string;
  /** See Phase in engine/join/terms.ts. */
  readonly phase: number;
  readonly chunk: number;
  readonly payload: Uint8Array;
}

export type Tamper = (message: Sent) => Uint8Array;

export function watched(inner: Transport, log: Sent[], tamper: Tamper = ({ payload }) => payload): Transport {
  return {
    self: inner.self,
    peers: inner.peers,
    send(peer: string, key: MessageKey, payload: Uint8Array, signal?: AbortSignal) {
      const chunk = key.round % 2 ** 20;
      const sent = { from: inner.self, to: peer, phase: (key.round - chunk) / 2 ** 20, chunk, payload };
      const changed = tamper(sent);
      log.push({ ...sent, payload: changed });
      return inner.send(peer, key, changed, signal);
    },
    receive: (peer, key, length, signal) => inner.receive(peer, key, length, signal),
    counters: (peer) => inner.counters(peer),
    close: () => inner.close(),
  };
}
