/**
 * One party's process as its supervisor sees it: started, told what to do, and started again where it was killed. Knows nothing
 * of what the others do.
 */
import { MachineError } from '../../../shared/errors.ts';
import { fromPlainError } from '../plain-error.ts';
import type { PartyChild, StartParty } from './party-starter.ts';
import { processMessageSchema } from './supervision.ts';
import type { ProcessMessage, SupervisorMessage } from './supervision.ts';

export interface PartyProcessOptions {
  readonly startParty: StartParty;
  readonly name: string;
  readonly command: 'party' | 'dealer';
  readonly folder: string;
  readonly onMessage: (message: ProcessMessage) => void;
  /** The process ended without being asked to. */
  readonly onDeath: (how: string) => void;
}

export interface Listening {
  readonly fingerprint: string;
  readonly address: string;
}

const STOP_WITHIN_MS = 5_000;
const ANY_PORT = '127.0.0.1:0';

export class PartyProcess {
  readonly name: string;
  readonly #options: PartyProcessOptions;
  #child: PartyChild | undefined;
  #ended: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(options: PartyProcessOptions) {
    this.#options = options;
    this.name = options.name;
  }

  /** Starts the process, on any free port or where it listened before; resolves when it listens. */
  start(address = ANY_PORT): Promise<Listening> {
    const { name, command, folder, startParty, onMessage, onDeath } = this.#options;
    const listening = Promise.withResolvers<Listening>();
    const ended = Promise.withResolvers<void>();
    const child = startParty({ command, folder, name, listen: address });
    this.#child = child;
    this.#ended = ended.promise;
    child.onMessage((value) => {
      const message = processMessageSchema.parse(value);
      if (message.type === 'listening') listening.resolve(message);
      if (message.type === 'failed') listening.reject(fromPlainError(message.error));
      onMessage(message);
    });
    child.onEnd((how) => {
      listening.reject(notStarted(name, how));
      const isCurrent = this.#child === child;
      if (isCurrent) this.#child = undefined;
      ended.resolve();
      if (!this.#stopping && isCurrent) onDeath(how);
    });
    return listening.promise;
  }

  tell(message: SupervisorMessage): void {
    this.#child?.send(message);
  }

  /** Asks the process to end, and ends it where it does not. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined) return;
    this.tell({ type: 'stop' });
    const timer = setTimeout(() => child.kill(), STOP_WITHIN_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}

function notStarted(name: string, how: string): MachineError {
  return new MachineError('party-not-started', `The process of ${name} could not be started: it ${how}.`, {
    hint: 'Run tacit doctor.',
  });
}
