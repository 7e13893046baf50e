/** A thread that looks to its entry like a process forked by Electron: `process.parentPort`, messages with ports beside them. */
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { ElectronPort, ParentPort } from '../../main/desktop/process-port.ts';
import { electronPort } from './electron-port.ts';

const port = parentPort!;
const shim: ParentPort = {
  on: (_event, listener) =>
    port.on('message', ({ data, ports }: { data: unknown; ports: MessagePort[] }) =>
      listener({ data, ports: ports.map((one): ElectronPort => electronPort(one)) }),
    ),
  postMessage: (message) => port.postMessage(message),
};
Object.assign(process, { parentPort: shim });
await import((workerData as { readonly entry: string }).entry);
