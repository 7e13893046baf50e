/** The program as a user starts it, for system tests: its output, its exit code, its last line as JSON. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { entryFile } from '../../main/paths.ts';

export interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  /** Last line of standard output. */
  readonly json: unknown;
}

export interface Running {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Resolves when standard error has said something that matches. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  /** Types a line. */
  type(line: string): void;
}

export const startTacit = (...args: string[]): Running => startTacitWith({}, ...args);

/** In the environment of this process, with these variables besides. */
export function startTacitWith(environment: Readonly<Record<string, string>>, ...args: string[]): Running {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [entryFile('cli'), ...args], { stdio: ['pipe', 'pipe', 'pipe'], env });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => {
      const last = stdout.trim().split('\n').at(-1) ?? '';
      resolve({ code, stderr, json: last.startsWith('{') ? (JSON.parse(last) as unknown) : undefined });
    });
  });
  return {
    pid: child.pid ?? 0,
    ended,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stderr);
          if (match !== null) resolve(match);
        };
        listeners.add(look);
        void ended.then(() => reject(new Error(`The program ended without saying ${pattern}: ${stderr}`)));
        look();
      }),
    signal: (name) => void child.kill(name),
    type: (line) => void child.stdin.write(`${line}\n`),
  };
}

export const tacit = (...args: string[]): Promise<Ended> => startTacit(...args).ended;

/** A folder that is gone after the test. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'tacit-test-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether a process lives. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
