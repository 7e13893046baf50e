/**
 * Has one part of the program tried on this machine, where a crash does no harm: in a process of its own. Where this process has
 * no GPU of its own (Electron), the card is in another one already, and a worker asks for it. Knows nothing of what is done with
 * the answer.
 */
import { spawn } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { partProbeSchema } from '../../../shared/kernel-choice.ts';
import type { PartProbe } from '../../../shared/kernel-choice.ts';
import { entryFile } from '../../paths.ts';
import type { WorkerProbe } from './part-probe.ts';

export type ProbedPart = 'kernels' | 'store' | 'tables' | 'gpu' | 'plaintext';

/** Trying all variants of products on a graphics card takes longest. */
const PROBE_LIMIT_MS = 60_000;

/** Runs one probe in its own process, under the runtime that runs this one; never rejects but on `signal`. */
export async function probe(
  name: ProbedPart,
  signal: AbortSignal,
  entry: string = entryFile('part-probe'),
): Promise<PartProbe> {
  const child = spawn(process.execPath, [entry, name], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: PROBE_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const stop = (): boolean => child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const ending = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(`could not be started (${error.message})`));
    child.on('close', (code, killed) =>
      resolve(killed === null ? `ended with code ${code}` : `was ended by ${killed}`),
    );
  });
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  try {
    return partProbeSchema.parse(JSON.parse(printed.trim().split('\n').at(-1) ?? ''));
  } catch {
    return { works: false, found: `the trial ${ending}` };
  }
}

/** The same in a worker of this process, with a port to the page that has the card; the other parts run here. */
export async function probeByPort(
  name: 'kernels' | 'gpu',
  gpuPort: MessagePort,
  signal: AbortSignal,
  entry: string = entryFile('part-probe'),
): Promise<PartProbe> {
  const workerData: WorkerProbe = { name, gpuPort };
  const worker = new Worker(entry, { workerData, transferList: [gpuPort] });
  const late = setTimeout(() => void worker.terminate(), PROBE_LIMIT_MS);
  const stop = (): void => void worker.terminate();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<PartProbe>((resolve) => {
      worker.on('message', (result) => resolve(partProbeSchema.parse(result)));
      worker.on('error', (error) => resolve({ works: false, found: `the trial failed: ${(error as Error).message}` }));
      worker.on('exit', () => resolve({ works: false, found: 'the trial ended without an answer' }));
    });
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', stop);
    await worker.terminate();
    signal.throwIfAborted();
  }
}
