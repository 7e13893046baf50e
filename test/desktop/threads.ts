/** Processes and channels for the supervisor, by threads: the host's real entry, without Electron. */
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { serveKernels } from '../../engine/kernels/remote/serve.ts';
import { GpuWindow } from '../../main/desktop/gpu-window.ts';
import type { GpuPage } from '../../main/desktop/gpu-window.ts';
import type { Child, SupervisorPorts } from '../../main/desktop/host-supervisor.ts';
import { electronPort } from './electron-port.ts';
import { framePort } from '../../main/host/gpu/frame-port.ts';
import { entryFile } from '../../main/paths.ts';
import { MachineError } from '../../shared/errors.ts';

export interface ThreadChildren {
  readonly forks: Omit<SupervisorPorts<MessagePort>, 'onState'>;
  readonly hosts: readonly Worker[];
  readonly parties: readonly Worker[];
  readonly gpuPages: readonly ThreadGpuPage[];
}

/** The page that computes on the graphics card, as it is on a machine that has none. */
class ThreadGpuPage implements GpuPage<MessagePort> {
  readonly ports: MessagePort[] = [];
  isClosed = false;

  join(port: MessagePort): void {
    this.ports.push(port);
    serveKernels(framePort(port), () => Promise.reject(new MachineError('gpu-no-adapter', 'There is no card here.')));
  }

  /** It never goes by itself. */
  onGone(): void {}

  close(): void {
    this.isClosed = true;
    for (const port of this.ports) port.close();
  }
}

export function threadChildren(): ThreadChildren {
  const hosts: Worker[] = [];
  const parties: Worker[] = [];
  const fork = (list: Worker[], entry: 'desktop-host' | 'desktop-party', argv: string[]): Child<MessagePort> => {
    const worker = new Worker(join(import.meta.dirname, 'utility-worker.ts'), {
      argv,
      workerData: { entry: pathToFileURL(entryFile(entry)).href },
    });
    list.push(worker);
    return {
      send: (data, ports = []) => worker.postMessage({ data, ports }, [...ports]),
      onMessage: (listener) => void worker.on('message', listener),
      onExit: (listener) => void worker.once('exit', listener),
      kill: () => void worker.terminate(),
    };
  };
  const channel = (): { near: MessagePort; far: MessagePort } => {
    const { port1, port2 } = new MessageChannel();
    // the near end is used here as a port of Electron's, or sent away
    return { near: Object.assign(port1, { on: electronPort(port1).on }), far: port2 };
  };
  const gpuPages: ThreadGpuPage[] = [];
  const openGpuPage = (): ThreadGpuPage => {
    const page = new ThreadGpuPage();
    gpuPages.push(page);
    return page;
  };
  return {
    hosts,
    parties,
    gpuPages,
    forks: {
      forkHost: () => fork(hosts, 'desktop-host', []),
      forkParty: ({ role, folder, name, listen }) => fork(parties, 'desktop-party', [role, folder, name, listen]),
      channel,
      gpu: new GpuWindow(openGpuPage, channel),
    },
  };
}
