/** A session used from a worker thread, as the engine does, and what a worker learns when its host is gone. */
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { memoryNetwork } from '../../../engine/runtime/memory-transport.ts';
import { portTransport, serveTransport } from '../../../main/host/peers/port-transport.ts';
import { openHost, pair, sessionOn } from './hosts.ts';

const key = (execution: number) => ({ attempt: 0, execution, round: 0 });

test('a worker exchanges over the links of its host', async () => {
  const [a, b] = [await openHost('a'), await openHost('b')];
  pair(a, b);
  const [sessionA, sessionB] = [sessionOn(a, [a, b]), sessionOn(b, [a, b])];
  const { port1, port2 } = new MessageChannel();
  serveTransport(sessionB, port1);
  const worker = new Worker(new URL('./echo-worker.ts', import.meta.url), {
    workerData: { port: port2, self: 'b', peer: 'a' },
    transferList: [port2],
  });
  const finished = once(worker, 'message');
  let total = 0;
  for (const [execution, length] of [1, 64, 100_000, 3_000_000].entries()) {
    const payload = Buffer.alloc(length, execution + 1);
    await sessionA.send('b', key(execution), payload);
    expect(Buffer.compare(await sessionA.receive('b', key(execution), length), payload)).toBe(0);
    total += length;
  }
  await sessionA.send('b', key(4), new Uint8Array(0));
  const [counters] = (await finished) as [unknown];
  expect(counters).toEqual({ bytesSent: total, bytesReceived: total, messagesSent: 4, messagesReceived: 5 });
  await sessionA.close();
  await worker.terminate();
  await Promise.all([a.links.close(), b.links.close()]);
});

test('a worker whose host is gone is told so, and errors keep their kind, code and party', async () => {
  const { port1, port2 } = new MessageChannel();
  serveTransport(memoryNetwork(['a', 'b']).get('a')!, port1);
  const transport = portTransport(port2, 'a', ['b']);
  await transport.send('b', key(0), Buffer.alloc(1));
  await expect(transport.send('b', key(0), Buffer.alloc(2))).rejects.toMatchObject({
    name: 'PeerError',
    kind: 'peer',
    code: 'message-key-reused',
    party: 'b',
    hint: expect.any(String) as string,
  });
  const waiting = expect(transport.receive('b', key(1), 1)).rejects.toMatchObject({
    code: 'transport-detached',
    kind: 'machine',
  });
  port1.close();
  await waiting;
  await expect(transport.receive('b', key(2), 1)).rejects.toMatchObject({ code: 'transport-detached' });
});

test('a message that crosses an abort is not lost', async () => {
  const network = memoryNetwork(['a', 'b']);
  const { port1, port2 } = new MessageChannel();
  const served = network.get('a')!;
  const receive = served.receive.bind(served);
  const asked = Promise.withResolvers<void>();
  served.receive = (...parameters) => {
    asked.resolve();
    return receive(...parameters);
  };
  serveTransport(served, port1);
  const transport = portTransport(port2, 'a', ['b']);
  const abort = new AbortController();
  const received = transport.receive('b', key(0), 2, abort.signal);
  // The request reaches the host before the message is there.
  await asked.promise;
  await network.get('b')!.send('a', key(0), Buffer.from([1, 2]));
  abort.abort();
  expect([...(await received)]).toEqual([1, 2]);
  expect(transport.counters('b')).toMatchObject({ messagesReceived: 1 });
  port1.close();
});
