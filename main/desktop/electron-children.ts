/** Processes and channels by Electron, in the form in which the supervisor takes them. */
import type { MessageChannelMain, MessagePortMain, utilityProcess } from 'electron';
import { entryFile } from '../paths.ts';
import type { FromHost } from './host-messages.ts';
import type { Child, SupervisorPorts } from './host-supervisor.ts';

export interface ElectronChildren {
  readonly utilityProcess: Pick<typeof utilityProcess, 'fork'>;
  readonly MessageChannelMain: new () => MessageChannelMain;
}

type Forks = Omit<SupervisorPorts<MessagePortMain>, 'onState' | 'gpu'>;

/** `log` is told what the processes print. */
export function electronChildren(electron: ElectronChildren, log: (text: string) => void): Forks {
  const fork = (
    entry: 'desktop-host' | 'desktop-party',
    args: string[],
    serviceName: string,
  ): Child<MessagePortMain> => {
    const child = electron.utilityProcess.fork(entryFile(entry), args, { serviceName, stdio: 'pipe' });
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', log);
    return {
      send: (message, ports) => child.postMessage(message, [...(ports ?? [])]),
      onMessage: (listener) => void child.on('message', listener),
      onExit: (listener) => void child.once('exit', listener),
      kill: () => void child.kill(),
    };
  };
  return {
    forkHost: () => fork('desktop-host', [], 'Tacit host'),
    forkParty: ({ role, folder, name, listen }: Extract<FromHost, { type: 'start-party' }>) =>
      fork('desktop-party', [role, folder, name, listen], `Tacit ${name}`),
    channel: () => {
      const { port1, port2 } = new electron.MessageChannelMain();
      return { near: port1, far: port2 };
    },
  };
}
