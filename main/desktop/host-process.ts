/**
 * The host's process in the desktop app: opens the data folder and serves the API to the windows, over ports that main hands
 * on. Main starts it, and starts it again where it dies. It knows nothing of windows.
 */
import { SecretKey } from '../../engine/random/crypto-port.ts';
import { toApiError } from '../host/api/errors.ts';
import { HostSlot } from '../host/api/host-slot.ts';
import { servePort } from '../host/api/serve-port.ts';
import { openApi } from '../host/api/services.ts';
import type { Api } from '../host/api/services.ts';
import { applyHeapFlags } from '../host/run/heap-flags.ts';
import { GpuPorts } from './gpu-ports.ts';
import { toHostSchema } from './host-messages.ts';
import type { FromHost, ToHost } from './host-messages.ts';
import { HostParties } from './host-parties.ts';
import { parentPort, processPort } from './process-port.ts';

const main = parentPort();
const tell = (message: FromHost): void => main.postMessage(message);
const parties = new HostParties(tell);
const gpu = new GpuPorts(tell);
let opened: { readonly slot: HostSlot; readonly api: Api } | undefined;

async function open({ folder, listen, guardKey }: Extract<ToHost, { type: 'open' }>): Promise<void> {
  try {
    const slot = await HostSlot.forFolder(folder, undefined, {
      guardKey: new SecretKey(guardKey),
      gpuPort: gpu.open,
      preset: listen,
    });
    opened = { slot, api: openApi(slot, (error) => console.error(error), parties.start) };
    tell({ type: 'ready' });
  } catch (error) {
    console.error(error);
    tell({ type: 'failed', error: toApiError(error) });
  }
}

async function stop(): Promise<void> {
  await opened?.api.close();
  await opened?.slot.host?.close();
  process.exit(0);
}

applyHeapFlags();
main.on('message', ({ data, ports: [port] }) => {
  const message = toHostSchema.parse(data);
  switch (message.type) {
    case 'open':
      return void open(message);
    case 'client':
      if (port === undefined || opened === undefined) return port?.close();
      return servePort(opened.api, processPort(port));
    case 'party-started':
    case 'party-ended':
      return parties.onMessage(message, port === undefined ? undefined : processPort(port));
    case 'gpu-started':
    case 'gpu-ended':
      return gpu.onMessage(message, port === undefined ? undefined : processPort(port));
    case 'stop':
      return void stop();
  }
});
