/** Transports across message ports, as an engine's worker has them, against the compliance suite. */
import { MessageChannel } from 'node:worker_threads';
import { memoryNetwork } from '../../../engine/runtime/memory-transport.ts';
import type { Transport } from '../../../engine/runtime/transport.ts';
import { portTransport, serveTransport } from '../../../main/host/peers/port-transport.ts';
import { transportCompliance } from './transport-compliance.ts';

transportCompliance('memory behind message ports', async (parties, options) => {
  const channels: MessageChannel[] = [];
  const transports = new Map<string, Transport>();
  for (const [party, transport] of memoryNetwork(parties, options)) {
    const channel = new MessageChannel();
    channels.push(channel);
    serveTransport(transport, channel.port1);
    transports.set(party, portTransport(channel.port2, party, transport.peers));
  }
  return {
    transports,
    close: async () => {
      for (const channel of channels) channel.port1.close();
    },
  };
});
