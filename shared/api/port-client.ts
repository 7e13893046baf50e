/**
 * A client of the API over a message port: numbers calls, finds their answers. When the port closes, calls that wait are
 * answered with `host-lost`, later ones with `host-away`.
 */
import type { Answer, ApiErrorBody } from './call.ts';
import type { HostMessage, MessageEnd } from './port.ts';
import { hostAway, hostLost } from './unanswered.ts';

export interface PortClient {
  /** Never rejects: failures are answers. */
  call(name: string, request: unknown): Promise<Answer<unknown>>;
}

const failed = (error: ApiErrorBody): Answer<unknown> => ({ ok: false, error });

export function portClient(port: MessageEnd, onEvent: (name: string, body: unknown) => void): PortClient {
  const waiting = new Map<number, (answer: Answer<unknown>) => void>();
  let calls = 0;
  let isOpen = true;
  port.onMessage((value) => {
    const message = value as HostMessage;
    if (message.type === 'event') return onEvent(message.name, message.body);
    waiting.get(message.id)?.(message.answer);
    waiting.delete(message.id);
  });
  port.onClose(() => {
    isOpen = false;
    for (const settle of waiting.values()) settle(failed(hostLost));
    waiting.clear();
  });
  return {
    call: (name, request) =>
      new Promise((resolve) => {
        if (!isOpen) return resolve(failed(hostAway));
        const id = calls++;
        waiting.set(id, resolve);
        port.send({ type: 'call', id, name, request });
      }),
  };
}
