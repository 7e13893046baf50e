/** A port of Node's with the manners of Electron's: what is said comes in an event. */
import type { MessagePort } from 'node:worker_threads';
import type { ElectronPort } from '../../main/desktop/process-port.ts';

export function electronPort(port: MessagePort): ElectronPort {
  const on = (event: string, listener: (event: { data: unknown }) => void): void => {
    port.addListener(event, (data: unknown) => listener({ data }));
  };
  return {
    on,
    postMessage: (message) => port.postMessage(message),
    start: () => port.start(),
    close: () => port.close(),
  };
}
