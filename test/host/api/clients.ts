/** Hosts in temporary folders with their API served, and clients that talk to them as the interface does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import type { Answer, ApiErrorBody } from '../../../shared/api/call.ts';
import type { CallName, CallReply, CallRequest, EventBody, EventName } from '../../../shared/api/map.ts';
import { HostSlot } from '../../../main/host/api/host-slot.ts';
import { serveApi } from '../../../main/host/api/serve-api.ts';
import type { ServedApi } from '../../../main/host/api/serve-api.ts';

export interface ServedHost {
  readonly folder: string;
  readonly slot: HostSlot;
  readonly api: ServedApi;
  /** Closes all and erases the folder. */
  close(): Promise<void>;
}

/** A new data folder; its first start is still to come. */
export async function serveNewHost(): Promise<ServedHost> {
  const folder = mkdtempSync(join(tmpdir(), 'tacit-api-'));
  const slot = await HostSlot.forFolder(join(folder, 'data'), { host: '127.0.0.1', port: 0 });
  const api = await serveApi(slot, { port: 0 });
  const close = async (): Promise<void> => {
    await api.close();
    await slot.host?.close();
    rmSync(folder, { recursive: true });
  };
  return { folder, slot, api, close };
}

export class Client {
  readonly socket: Socket;
  constructor({ port, token }: Pick<ServedApi, 'port' | 'token'>, origin?: string) {
    this.socket = io(`http://127.0.0.1:${port}`, {
      path: '/api/socket',
      transports: ['websocket'],
      auth: { token },
      reconnection: false,
      forceNew: true,
      ...(origin === undefined ? {} : { extraHeaders: { origin } }),
    });
  }

  async ready(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.socket.once('connect', resolve);
      this.socket.once('connect_error', reject);
    });
    return this;
  }

  answer(name: string, request: unknown): Promise<Answer<unknown>> {
    return this.socket.emitWithAck('call', name, request) as Promise<Answer<unknown>>;
  }

  async call<Name extends CallName>(name: Name, request: CallRequest<Name>): Promise<CallReply<Name>> {
    const answer = (await this.answer(name, request)) as Answer<CallReply<Name>>;
    if (answer.ok) return answer.reply;
    throw new Error(`${name}: ${answer.error.code}: ${answer.error.message}`);
  }

  async failure(name: string, request: unknown): Promise<ApiErrorBody> {
    const answer = await this.answer(name, request);
    if (answer.ok) throw new Error(`${name} did not fail.`);
    return answer.error;
  }

  /** The next event of that name that satisfies the predicate. */
  event<Name extends EventName>(name: Name, holds: (body: EventBody<Name>) => boolean): Promise<EventBody<Name>> {
    return new Promise((resolve) => {
      const listener = (which: string, body: unknown): void => {
        if (which !== name || !holds(body as EventBody<Name>)) return;
        this.socket.off('event', listener);
        resolve(body as EventBody<Name>);
      };
      this.socket.on('event', listener);
    });
  }

  close(): void {
    this.socket.close();
  }
}
