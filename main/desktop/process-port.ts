/**
 * Ports of Electron's processes as the product uses them, and the channel of a process that main forked (utilityProcess).
 * Names what is used of Electron's API, so that tests can stand in for it.
 */
import type { MessageEnd } from '../../shared/api/port.ts';

export interface ProcessPort extends MessageEnd {
  close(): void;
}

/** What is used of Electron's MessagePortMain. */
export interface ElectronPort {
  on(event: 'message', listener: (event: { readonly data: unknown }) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  postMessage(message: unknown): void;
  start(): void;
  close(): void;
}

/** Messages wait in the port until somebody listens. */
export function processPort(port: ElectronPort): ProcessPort {
  return {
    send: (message) => port.postMessage(message),
    onMessage: (listener) => {
      port.on('message', ({ data }) => listener(data));
      port.start();
    },
    onClose: (listener) => void port.on('close', listener),
    close: () => port.close(),
  };
}

/** What is used of process.parentPort in a process that main forked. */
export interface ParentPort {
  on(
    event: 'message',
    listener: (event: { readonly data: unknown; readonly ports: readonly ElectronPort[] }) => void,
  ): unknown;
  postMessage(message: unknown): void;
}

/** @throws Error outside such a process. */
export function parentPort(): ParentPort {
  const { parentPort: port } = process as unknown as { readonly parentPort?: ParentPort };
  if (port === undefined) throw new Error('This file is started by the desktop app only.');
  return port;
}
