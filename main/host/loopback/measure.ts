/**
 * How long a round between two hosts takes on this machine: real TLS links on the loopback interface, with both ends in
 * this process. Hosts with processes of their own work side by side, so the bandwidth is a lower limit; but they wake each
 * other, which a round here does not show.
 */
import type { Transport } from '../../../engine/runtime/transport.ts';
import { InternalError } from '../../../shared/errors.ts';
import { loopbackLinks } from './links.ts';

const [SMALL_BYTES, SMALL_ROUNDS] = [64, 200];
const [LARGE_BYTES, LARGE_ROUNDS] = [2 ** 20, 16];

export interface LoopbackRates {
  /** A round of a few bytes: each sends and receives. */
  readonly roundMs: number;
  /** Each direction, both at once. */
  readonly bytesPerSecond: number;
}

/** Medians; takes about half a second, most of it to make identities. */
export async function measureLoopback(signal: AbortSignal): Promise<LoopbackRates> {
  const { transports, close } = await loopbackLinks(['a', 'b'], '0'.repeat(64), signal);
  const [a, b] = transports;
  if (a === undefined || b === undefined) throw new InternalError('loopback-hosts', 'There are not two hosts.');
  let execution = 0;
  const median = async (bytes: number, rounds: number): Promise<number> => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      signal.throwIfAborted();
      const from = performance.now();
      await exchange(a, b, execution++, bytes);
      times.push(performance.now() - from);
    }
    return times.sort((x, y) => x - y)[rounds >> 1] ?? 0;
  };
  try {
    const roundMs = await median(SMALL_BYTES, SMALL_ROUNDS);
    const largeMs = await median(LARGE_BYTES, LARGE_ROUNDS);
    return { roundMs, bytesPerSecond: (1000 * LARGE_BYTES) / largeMs };
  } finally {
    await Promise.all(transports.map((transport) => transport.close()));
    await close();
  }
}

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
