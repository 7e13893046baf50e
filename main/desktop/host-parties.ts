/**
 * Parties of runs on this machine, as the host's process starts them in the desktop app: main forks each as a process of its
 * own and joins it to the host by a port. Knows nothing of what they say.
 */
import type { PartyChild, PartyStart, StartParty, SupervisorEnd } from '../host/run/party-starter.ts';
import type { FromHost, ToHost } from './host-messages.ts';
import type { ProcessPort } from './process-port.ts';

export class HostParties {
  readonly #tell: (message: FromHost) => void;
  readonly #children = new Map<number, { attach(port: ProcessPort): void; end(how: string): void }>();
  #count = 0;

  constructor(tell: (message: FromHost) => void) {
    this.#tell = tell;
  }

  readonly start: StartParty = (start) => this.#start(start);

  /** Main's word on a party; `port` comes with `party-started`. */
  onMessage(message: Extract<ToHost, { type: 'party-started' | 'party-ended' }>, port: ProcessPort | undefined): void {
    const child = this.#children.get(message.id);
    if (message.type === 'party-ended') {
      this.#children.delete(message.id);
      child?.end(`ended with code ${message.code}`);
    } else if (port !== undefined) child?.attach(port);
  }

  #start({ command, folder, name, listen }: PartyStart): PartyChild {
    const id = this.#count++;
    const attached = Promise.withResolvers<ProcessPort>();
    const ended = Promise.withResolvers<string>();
    this.#children.set(id, { attach: attached.resolve, end: ended.resolve });
    this.#tell({ type: 'start-party', id, role: command === 'dealer' ? 'dealer' : 'compute', folder, name, listen });
    return {
      send: (message) => void attached.promise.then((port) => port.send(message)),
      onMessage: (listener) => void attached.promise.then((port) => port.onMessage(listener)),
      onEnd: (listener) => void ended.promise.then(listener),
      kill: () => this.#tell({ type: 'end-party', id }),
    };
  }
}

/** The host's process as a party's process has it. */
export function supervisorAt(port: ProcessPort): SupervisorEnd {
  return {
    send: (message) => port.send(message),
    onMessage: (listener) => port.onMessage(listener),
    onGone: (listener) => port.onClose(listener),
    close: () => port.close(),
  };
}
