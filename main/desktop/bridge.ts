/**
 * The preload's side of the bridge: keeps the port to the host, and hands out verbs. Runs in the page's isolated world with
 * no rights but messages to main. Knows no call.
 */
import type { DesktopBridge, DesktopCommand, DesktopState, UnlockAnswer } from '../../shared/api/bridge.ts';
import type { MessageEnd } from '../../shared/api/port.ts';
import { portClient } from '../../shared/api/port-client.ts';
import type { PortClient } from '../../shared/api/port-client.ts';
import { hostAway } from '../../shared/api/unanswered.ts';
import { channels } from './channels.ts';

/** What is used of Electron's ipcRenderer. */
export interface PageIpc {
  on(channel: string, listener: (event: { readonly ports: readonly PagePort[] }, value: unknown) => void): unknown;
  send(channel: string): void;
  invoke(channel: string, value: unknown): Promise<unknown>;
}

/** What is used of a page's MessagePort. */
export interface PagePort {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  addEventListener(type: 'close', listener: () => void): void;
  postMessage(message: unknown): void;
  close(): void;
}

function pageEnd(port: PagePort): MessageEnd {
  return {
    send: (message) => port.postMessage(message),
    onMessage: (listener) => {
      port.onmessage = ({ data }) => listener(data);
    },
    onClose: (listener) => port.addEventListener('close', listener),
  };
}

export function createBridge(ipc: PageIpc, pathOf: (file: File) => string): DesktopBridge {
  const eventListeners: ((name: string, body: unknown) => void)[] = [];
  const stateListeners: ((state: DesktopState) => void)[] = [];
  const commandListeners: ((command: DesktopCommand) => void)[] = [];
  const earlyCommands: DesktopCommand[] = [];
  let client: PortClient | undefined;
  let current: DesktopState = { state: 'connecting' };

  const show = (state: DesktopState): void => {
    current = state;
    for (const listener of stateListeners) listener(state);
  };

  ipc.on(channels.port, ({ ports: [port] }) => {
    if (port === undefined) return;
    client = portClient(pageEnd(port), (name, body) => eventListeners.forEach((listener) => listener(name, body)));
    show({ state: 'connected' });
  });
  ipc.on(channels.state, (_event, value) => show(value as DesktopState));
  ipc.on(channels.command, (_event, value) => {
    // A link may have started the program: it waits for the interface.
    if (commandListeners.length === 0) earlyCommands.push(value as DesktopCommand);
    for (const listener of commandListeners) listener(value as DesktopCommand);
  });
  ipc.send(channels.hello);

  return {
    call: async (name, request) => {
      if (client !== undefined) return client.call(name, request);
      return { ok: false, error: hostAway };
    },
    onEvent: (listener) => void eventListeners.push(listener),
    onState: (listener) => {
      stateListeners.push(listener);
      listener(current);
    },
    onCommand: (listener) => {
      commandListeners.push(listener);
      for (const command of earlyCommands.splice(0)) listener(command);
    },
    pathOf,
    unlock: async (passphrase) => (await ipc.invoke(channels.unlock, passphrase)) as UnlockAnswer,
  };
}
