/** The in-memory transport against the compliance suite, with and without simulated latency and bandwidth. */
import { memoryNetwork } from '../../../engine/runtime/memory-transport.ts';
import { transportCompliance } from './transport-compliance.ts';

transportCompliance('memory', async (parties, options) => ({
  transports: memoryNetwork(parties, options),
  close: async () => {},
}));

transportCompliance('memory with latency and bandwidth', async (parties, options) => ({
  transports: memoryNetwork(parties, { ...options, oneWayDelayMs: 1, bytesPerSecond: 500_000_000 }),
  close: async () => {},
}));
