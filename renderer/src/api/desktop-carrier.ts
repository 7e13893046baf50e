/** The desktop window's carrier: verbs of the preload, which holds a port to the host (shared/api/bridge.ts). */
import { BRIDGE_NAME } from '../../../shared/api/bridge.ts';
import type { DesktopBridge } from '../../../shared/api/bridge.ts';
import type { Answer } from '../../../shared/api/call.ts';
import type { CallName, CallReply, CallRequest, EventBody, EventName } from '../../../shared/api/map.ts';
import { ApiError, answered } from './carrier.ts';
import type { ApiCarrier } from './carrier.ts';

/** The bridge that the preload left, where this is the desktop app's window. */
export function desktopBridge(window: Window): DesktopBridge | undefined {
  return (window as unknown as Partial<Record<typeof BRIDGE_NAME, DesktopBridge>>)[BRIDGE_NAME];
}

export function desktopCarrier(bridge: DesktopBridge): ApiCarrier {
  const listeners = new Map<string, ((body: unknown) => void)[]>();
  bridge.onEvent((name, body) => listeners.get(name)?.forEach((listener) => listener(body)));

  const call = async <Name extends CallName>(name: Name, request: CallRequest<Name>): Promise<CallReply<Name>> =>
    // What crosses the bridge is copied as plain data, which a rune's proxy is not.
    answered((await bridge.call(name, JSON.parse(JSON.stringify(request)))) as Answer<CallReply<Name>>);

  return {
    call,
    on<Name extends EventName>(name: Name, listener: (body: EventBody<Name>) => void) {
      listeners.set(name, [...(listeners.get(name) ?? []), listener as (body: unknown) => void]);
    },
    onConnection(listener) {
      bridge.onState((now) => {
        if (now.state === 'locked') listener(now.isNew ? 'unprotected' : 'locked');
        else if (now.state === 'failed') {
          listener('failed', { kind: 'machine', code: 'host-failed', message: now.message, hint: now.hint });
        } else listener(now.state);
      });
    },
    onCommand: (listener) => bridge.onCommand(listener),
    async unlock(passphrase) {
      const answer = await bridge.unlock(passphrase);
      if (!answer.ok) throw new ApiError({ kind: 'input', code: 'not-unlocked', message: answer.message });
    },
    async addFile(file) {
      const path = bridge.pathOf(file);
      if (path !== '') return call('datasets.add', { paths: [path] });
      const message = `${file.name} does not lie on this machine.`;
      throw new ApiError({ kind: 'input', code: 'file-without-path', message, hint: 'Save it to a folder first.' });
    },
  };
}
