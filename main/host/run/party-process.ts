/**
 * One party's process as its supervisor sees it: started by the command line that a user would type, told what to do, and
 * started again where it was killed. Knows nothing of what the others do.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { MachineError } from '../../../shared/errors.ts';
import { entryFile } from '../../paths.ts';
import { fromPlainError } from './engine-messages.ts';
import { processMessageSchema } from './supervision.ts';
import type { ProcessMessage, SupervisorMessage } from './supervision.ts';

export interface PartyProcessOptions {
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
  #child: ChildProcess | undefined;
  #stopping = false;
  #lastWords = '';

  constructor(options: PartyProcessOptions) {
    this.#options = options;
    this.name = options.name;
  }

  /** Starts the process, on any free port or where it listened before; resolves when it listens. */
  start(address = ANY_PORT): Promise<Listening> {
    const { name, command, folder, onMessage, onDeath } = this.#options;
    const listening = Promise.withResolvers<Listening>();
    const child = spawn(
      process.execPath,
      [entryFile('cli'), command, '--folder', folder, '--name', name, '--listen', address, '--supervised'],
      // A group of its own: what the terminal interrupts is the supervisor, which ends its parties.
      { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: process.platform !== 'win32', windowsHide: true },
    );
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-2000);
    });
    child.on('message', (value) => {
      const message = processMessageSchema.parse(value);
      if (message.type === 'listening') listening.resolve(message);
      if (message.type === 'failed') listening.reject(fromPlainError(message.error));
      onMessage(message);
    });
    child.on('error', (cause) => listening.reject(notStarted(name, cause.message)));
    child.on('exit', (code, killedBy) => {
      const how = killedBy === null ? `ended with code ${code}` : `was ended by ${killedBy}`;
      const words = this.#lastWords.trim().split('\n').at(-1) ?? '';
      listening.reject(notStarted(name, words === '' ? how : `${how}: ${words}`));
      if (!this.#stopping && this.#child === child) onDeath(how);
    });
    return listening.promise;
  }

  tell(message: SupervisorMessage): void {
    if (this.#child?.connected === true) this.#child.send(message);
  }

  /** Asks the process to end, and ends it where it does not. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.tell({ type: 'stop' });
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await exited;
    clearTimeout(timer);
  }
}

function notStarted(name: string, how: string): MachineError {
  return new MachineError('party-not-started', `The process of ${name} could not be started: it ${how}.`, {
    hint: 'Run tacit doctor.',
  });
}
