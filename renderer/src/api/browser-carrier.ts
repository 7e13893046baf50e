/**
 * The browser's carrier: socket.io and HTTP to the loopback server that served this page. The token comes in the address's
 * fragment, is taken out of it at once, and stays in this tab.
 */
import { io } from 'socket.io-client';
import type { Answer, ApiErrorBody } from '../../../shared/api/call.ts';
import type { DatasetView } from '../../../shared/api/dataset-calls.ts';
import type { CallName, CallReply, CallRequest, EventBody, EventName } from '../../../shared/api/map.ts';
import { answered } from './carrier.ts';
import type { ApiCarrier } from './carrier.ts';

const KEY = 'tacit-token';

function takeToken({ location, history, sessionStorage }: Window): string {
  const token = /^#token=([A-Za-z0-9_-]+)$/.exec(location.hash)?.[1];
  if (token !== undefined) {
    sessionStorage.setItem(KEY, token);
    history.replaceState(undefined, '', '#/');
  }
  return sessionStorage.getItem(KEY) ?? '';
}

export function browserCarrier(window: Window): ApiCarrier {
  const token = takeToken(window);
  const socket = io(window.location.origin, { path: '/api/socket', transports: ['websocket'], auth: { token } });
  const listeners = new Map<string, ((body: unknown) => void)[]>();
  socket.on('event', (name: string, body: unknown) => listeners.get(name)?.forEach((listener) => listener(body)));

  return {
    async call<Name extends CallName>(name: Name, request: CallRequest<Name>): Promise<CallReply<Name>> {
      return answered((await socket.emitWithAck('call', name, request)) as Answer<CallReply<Name>>);
    },
    on<Name extends EventName>(name: Name, listener: (body: EventBody<Name>) => void) {
      listeners.set(name, [...(listeners.get(name) ?? []), listener as (body: unknown) => void]);
    },
    onConnection(listener) {
      listener('connecting');
      socket.on('connect', () => listener('connected'));
      socket.on('disconnect', () => listener('lost'));
      socket.on('connect_error', (error) => {
        const code = (error as { data?: { code?: string } }).data?.code;
        if (code === undefined) return listener('lost');
        socket.disconnect();
        listener('refused', { kind: 'input', code, message: error.message } satisfies ApiErrorBody);
      });
    },
    onCommand() {},
    unlock: () => Promise.reject(new Error('A browser has nothing to unlock.')),
    async addFile(file) {
      const response = await fetch(`/api/upload?name=${encodeURIComponent(file.name)}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: file,
      });
      if (!response.ok) throw new Error(await response.text());
      return answered((await response.json()) as Answer<DatasetView>);
    },
  };
}
