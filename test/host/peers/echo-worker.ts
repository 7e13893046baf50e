/** Stands for an engine in a worker, for a test: sends back what it receives, until told by an empty message to close. */
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { portTransport } from '../../../main/host/peers/port-transport.ts';

const { port, self, peer } = workerData as { port: MessagePort; self: string; peer: string };
const transport = portTransport(port, self, [peer]);
for (let execution = 0; ; execution += 1) {
  const key = { attempt: 0, execution, round: 0 };
  const payload = await transport.receive(peer, key, undefined);
  if (payload.byteLength === 0) break;
  await transport.send(peer, key, payload);
}
const counters = transport.counters(peer);
await transport.close();
parentPort!.postMessage(counters);
port.close();
