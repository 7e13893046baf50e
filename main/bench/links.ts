/** What a link between hosts costs on the loopback interface: TLS, sockets, frames; both ends in one process. */
import type { Transport } from '../../engine/runtime/transport.ts';
import { loopbackLinks } from '../host/inference/loopback-links.ts';
import { median } from './benchmark.ts';
import type { Benchmark } from './benchmark.ts';

const [SMALL_BYTES, LARGE_BYTES] = [64, 4 * 2 ** 20];

export const links: Benchmark = {
  name: 'links',
  summary: 'a round between two hosts over TLS on the loopback interface, both ends in one process',
  async run({ signal, report }) {
    const { transports, close } = await loopbackLinks(['a', 'b'], '0'.repeat(64), signal);
    const [a, b] = transports;
    if (a === undefined || b === undefined) throw new RangeError('there are two hosts');
    try {
      let execution = 0;
      const rounds = async (bytes: number, count: number): Promise<number> => {
        const seconds: number[] = [];
        for (let turn = 0; turn < count; turn++) {
          signal.throwIfAborted();
          const from = performance.now();
          await exchange(a, b, execution++, bytes);
          if (turn >= count / 4) seconds.push((performance.now() - from) / 1000);
        }
        return median(seconds);
      };
      report('small messages');
      const small = await rounds(SMALL_BYTES, 400);
      report('large messages');
      const large = await rounds(LARGE_BYTES, 24);
      return [
        { name: `round of ${SMALL_BYTES} bytes each way`, value: small, unit: 'seconds' },
        {
          name: `round of ${LARGE_BYTES / 2 ** 20} MiB each way, each direction`,
          value: LARGE_BYTES / large,
          unit: 'bytes/s',
        },
      ];
    } finally {
      await Promise.all(transports.map((transport) => transport.close()));
      await close();
    }
  },
};

async function exchange(a: Transport, b: Transport, execution: number, bytes: number): Promise<void> {
  const key = { attempt: 0, execution, round: 0 };
  const payload = new Uint8Array(bytes);
  await Promise.all([
    a.send('b', key, payload),
    b.send('a', key, payload),
    a.receive('b', key, bytes),
    b.receive('a', key, bytes),
  ]);
}
