/**
 * A party of a run on this machine, as a process that main forked: its arguments are role, folder, name and where to listen;
 * its first message brings the port to its supervisor.
 */
import { applyHeapFlags } from '../host/run/heap-flags.ts';
import { serveSupervisor } from '../host/run/serve-supervisor.ts';
import { GpuPorts } from './gpu-ports.ts';
import { toPartySchema } from './host-messages.ts';
import { supervisorAt } from './host-parties.ts';
import { parentPort, processPort } from './process-port.ts';

const [role = '', folder = '', name = '', listen = ''] = process.argv.slice(2);

const main = parentPort();
const gpu = new GpuPorts((message) => main.postMessage(message));

applyHeapFlags();
main.on('message', ({ data, ports: [port] }) => {
  const message = toPartySchema.parse(data);
  if (message.type !== 'supervisor') return gpu.onMessage(message, port === undefined ? undefined : processPort(port));
  if (port === undefined) return;
  const [host = '', listenPort = '0'] = listen.split(/:(?=\d+$)/u);
  const options = { folder, name, listen: { host, port: Number(listenPort) }, gpuPort: gpu.open };
  const forever = new AbortController().signal;
  serveSupervisor(role === 'dealer' ? 'dealer' : 'compute', options, supervisorAt(processPort(port)), forever).then(
    () => process.exit(0),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
