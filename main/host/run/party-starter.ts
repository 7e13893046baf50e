/**
 * How a supervisor starts a party's process, and how that process hears it. Under Node: the command line, with a process
 * channel. The desktop app has its own way (main/desktop/host-parties.ts). Knows nothing of what is said.
 */
import { spawn } from 'node:child_process';
import { entryFile } from '../../paths.ts';

export interface PartyStart {
  readonly command: 'party' | 'dealer';
  readonly folder: string;
  readonly name: string;
  /** host:port; port 0 takes any free one. */
  readonly listen: string;
}

/** A party's process as the supervisor has it. */
export interface PartyChild {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Told once: how it ended, or why it could not be started. */
  onEnd(listener: (how: string) => void): void;
  /** Ends it at once. */
  kill(): void;
}

export type StartParty = (start: PartyStart) => PartyChild;

/** A supervisor as its party's process has it. */
export interface SupervisorEnd {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** The supervisor is gone. */
  onGone(listener: () => void): void;
  /** Lets the process end. */
  close(): void;
}

/** Starts the command line that a user would type, under the runtime that runs this one. */
export const spawnParty: StartParty = ({ command, folder, name, listen }) => {
  const child = spawn(
    process.execPath,
    [entryFile('cli'), command, '--folder', folder, '--name', name, '--listen', listen, '--supervised'],
    // A group of its own: what the terminal interrupts is the supervisor, which ends its parties.
    { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: process.platform !== 'win32', windowsHide: true },
  );
  let lastWords = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    lastWords = (lastWords + text).slice(-2000);
  });
  return {
    send: (message) => {
      if (child.connected) child.send(message as object);
    },
    onMessage: (listener) => void child.on('message', listener),
    onEnd: (listener) => {
      const ended = Promise.withResolvers<string>();
      child.on('error', ({ message }) => ended.resolve(message));
      child.on('exit', (code, killedBy) => {
        const how = killedBy === null ? `ended with code ${code}` : `was ended by ${killedBy}`;
        // Nobody says why it is killed outright: what it wrote before is about something else.
        const words = killedBy === 'SIGKILL' ? '' : (lastWords.trim().split('\n').at(-1) ?? '');
        ended.resolve(words === '' ? how : `${how}: ${words}`);
      });
      void ended.promise.then(listener);
    },
    kill: () => void child.kill('SIGKILL'),
  };
};

/** The process channel to the one who spawned this process; undefined where it was started otherwise. */
export function spawningProcess(): SupervisorEnd | undefined {
  if (process.send === undefined) return undefined;
  return {
    send: (message) => {
      if (process.connected) process.send?.(message);
    },
    onMessage: (listener) => void process.on('message', listener),
    onGone: (listener) => void process.on('disconnect', listener),
    close: () => {
      if (process.connected) process.disconnect();
    },
  };
}
