/** A TCP proxy on 127.0.0.1 that cuts its connections on demand or after so many bytes; for tests of reconnecting. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { formatAddress, parseAddress } from '../../../shared/address.ts';

export interface CuttingProxy {
  readonly address: string;
  /** Connections that were cut so far. */
  readonly cuts: number;
  /** Cuts every connection there is now. */
  cut(): void;
  close(): Promise<void>;
}

/** Forwards to `target`; each connection is cut once `cutAfterBytes` have passed through it, both ways together. */
export async function cuttingProxy(target: string, cutAfterBytes = Infinity): Promise<CuttingProxy> {
  const { host, port } = parseAddress(target);
  const live = new Set<Socket>();
  let cuts = 0;
  const server = createServer((incoming) => {
    const outgoing = connect({ host, port });
    let passed = 0;
    const end = () => {
      incoming.destroy();
      outgoing.destroy();
      live.delete(incoming);
    };
    live.add(incoming);
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      from.on('error', end);
      from.on('close', end);
      from.on('data', (data: Buffer) => {
        if (passed > cutAfterBytes) return;
        passed += data.byteLength;
        if (passed > cutAfterBytes) {
          // What has passed still arrives, nothing after it does.
          cuts += 1;
          incoming.end();
          outgoing.end();
          setTimeout(end, 20);
        } else if (!to.write(data)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as { port: number };
  return {
    address: formatAddress({ host: '127.0.0.1', port: address.port }),
    get cuts() {
      return cuts;
    },
    cut() {
      for (const socket of live) {
        cuts += 1;
        socket.destroy();
      }
    },
    async close() {
      for (const socket of live) socket.destroy();
      server.close();
    },
  };
}
