/** What a link between hosts costs on the loopback interface: TLS, sockets, frames. */
import { measureLoopback } from '../host/loopback/measure.ts';
import type { Benchmark } from './benchmark.ts';

export const links: Benchmark = {
  name: 'links',
  summary: 'a round between two hosts over TLS on the loopback interface, both ends in one process',
  async run({ signal, report }) {
    report('rounds');
    const { roundMs, bytesPerSecond } = await measureLoopback(signal);
    return [
      { name: 'round of 64 bytes each way', value: roundMs / 1000, unit: 'seconds' },
      { name: 'rounds of 1 MiB each way, each direction', value: bytesPerSecond, unit: 'bytes/s' },
    ];
  },
};
