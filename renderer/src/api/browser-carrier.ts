/**
 * The browser's carrier: socket.io and HTTP to the loopback server that served this page. The token comes in the address's
 * fragment, is taken out of it at once, and stays in this tab.
 */
import { io } from 'socket.io-client';
import type { Answer, ApiErrorBody } from '../../../shared/api/call.ts';
import type { DatasetView } from '../../../shared/api/dataset-calls.ts';
import type { CallName, CallReply, CallRequest, EventBody, EventName } from '../../../shared/api/map.ts';
import { hostAway, hostLost } from '../../../shared/api/unanswered.ts';
import { ApiError, answered } from './carrier.ts';
import type { ApiCarrier } from './carrier.ts';

const KEY = 'tacit-token';

/** The token in the address, if there is one; `hash` stands there afterwards. */
function takeToken({ location, history, sessionStorage }: Window, hash: string): string | undefined {
  const token = /^#token=([A-Za-z0-9_-]+)$/.exec(location.hash)?.[1];
  if (token !== undefined) {
    sessionStorage.setItem(KEY, token);
    history.replaceState(undefined, '', hash);
  }
  return token;
}

export function browserCarrier(window: Window): ApiCarrier {
  let token = takeToken(window, '#/') ?? window.sessionStorage.getItem(KEY) ?? '';
  const socket = io(window.location.origin, {
    path: '/api/socket',
    transports: ['websocket'],
    auth: (tell) => tell({ token }),
  });
  // The address of the host's next start, opened in this tab: the page stays, with what a person wrote in it.
  window.addEventListener('hashchange', (event) => {
    const next = takeToken(window, new URL(event.oldURL).hash);
    if (next === undefined) return;
    event.stopImmediatePropagation();
    token = next;
    socket.disconnect().connect();
  });
  const listeners = new Map<string, ((body: unknown) => void)[]>();
  socket.on('event', (name: string, body: unknown) => listeners.get(name)?.forEach((listener) => listener(body)));

  return {
    async call<Name extends CallName>(name: Name, request: CallRequest<Name>): Promise<CallReply<Name>> {
      // A socket that is away would keep the call, and send it long after a person has given up on it.
      if (!socket.connected) throw new ApiError(hostAway);
      const answer = (await socket.emitWithAck('call', name, request).catch(() => {
        throw new ApiError(hostLost);
      })) as Answer<CallReply<Name>>;
      return answered(answer);
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
      }).catch((): never => {
        const message = `${file.name} did not reach the host whole.`;
        const hint = 'See that the host is connected and that the file can still be read, then add it again.';
        throw new ApiError({ kind: 'machine', code: 'upload-lost', message, hint });
      });
      if (!response.ok) {
        throw new ApiError({ kind: 'input', code: 'upload-refused', message: (await response.text()).trim() });
      }
      return answered((await response.json()) as Answer<DatasetView>);
    },
  };
}
