/**
 * Threads that share the chunks of a step. The only file of the engine that names node:worker_threads. Knows nothing of
 * what a chunk does: it calls the module's `execute` on the memory that a ticket names.
 *
 * A ticket is a number that all threads see: job in the high bits, chunks not yet taken in the low 8. Whoever lowers it by a
 * compare-and-exchange owns that chunk, and the job cannot end before the chunk is done; a thread that comes late finds
 * nothing to take and touches nothing. So a busy machine costs time, never a hand-over to a thread that does not run.
 */
import type { MessagePort } from 'node:worker_threads';
import { MessageChannel, Worker, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { RECORD_OFFSET, scratchOffset } from './layout.ts';
import type { KernelExports } from './module.ts';
import { instantiate } from './module.ts';
import { InternalError, MachineError } from '../../../shared/errors.ts';

const TICKET = 0;
const DONE = 1;
const FAILED = 2;
const MEMORY = 3;
const UNITS = 4;
const CHUNK_UNITS = 5;
const CONTROL_WORDS = 6;

const CHUNK_MASK = 255;
/** Looks at the ticket that often before it sleeps: about the time that waking up would take. */
const SPINS = 2000;

/** How a chunk ended. */
export const Outcome = { done: 0, indexOutOfRange: 1, crashed: 2 } as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

interface Attachment {
  readonly memoryId: number;
  /** Undefined: forget this memory. */
  readonly memory: WebAssembly.Memory | undefined;
}

interface WorkerStart {
  readonly kernelThread: number;
  readonly control: Int32Array;
  readonly module: WebAssembly.Module;
  readonly port: MessagePort;
}

/** Takes a chunk of the current job: its number, or -1 when none is left. */
function take(control: Int32Array): number {
  for (;;) {
    const ticket = Atomics.load(control, TICKET);
    const left = ticket & CHUNK_MASK;
    if (left === 0) return -1;
    if (Atomics.compareExchange(control, TICKET, ticket, ticket - 1) === ticket) return left - 1;
  }
}

function perform(control: Int32Array, chunk: number, kernels: KernelExports, thread: number): void {
  const units = control[UNITS]!;
  const chunkUnits = control[CHUNK_UNITS]!;
  const from = chunk * chunkUnits;
  const inRange = kernels.execute(RECORD_OFFSET, from, Math.min(units, from + chunkUnits), scratchOffset(thread));
  if (inRange === 0) Atomics.compareExchange(control, FAILED, Outcome.done, Outcome.indexOutOfRange);
}

/** A worker's life: entered from worker.ts, ended by the pool. */
export function serve(): void {
  const { kernelThread, control, module, port } = workerData as WorkerStart;
  const attached = new Map<number, KernelExports>();
  const readMessages = (): void => {
    for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
      const { memoryId, memory } = received.message as Attachment;
      if (memory === undefined) attached.delete(memoryId);
      else attached.set(memoryId, instantiate(module, memory));
    }
  };
  for (;;) {
    const chunk = take(control);
    if (chunk >= 0) {
      try {
        if (!attached.has(control[MEMORY]!)) readMessages();
        perform(control, chunk, attached.get(control[MEMORY]!)!, kernelThread);
      } catch {
        Atomics.store(control, FAILED, Outcome.crashed);
      }
      Atomics.add(control, DONE, 1);
      Atomics.notify(control, DONE);
      continue;
    }
    const ticket = Atomics.load(control, TICKET);
    let spins = 0;
    while (spins < SPINS && Atomics.load(control, TICKET) === ticket) spins++;
    if (spins < SPINS) continue;
    readMessages();
    if ((ticket & CHUNK_MASK) === 0) Atomics.wait(control, TICKET, ticket);
  }
}

interface PoolWorker {
  readonly worker: Worker;
  readonly port: MessagePort;
}

/** The caller's thread and `threads - 1` workers. With one thread there are no workers and nothing is shared. */
export class ThreadPool {
  readonly threads: number;
  readonly #control: Int32Array;
  readonly #workers: readonly PoolWorker[];
  #job = 0;

  private constructor(control: Int32Array, workers: readonly PoolWorker[]) {
    this.threads = workers.length + 1;
    this.#control = control;
    this.#workers = workers;
  }

  /** Starts the workers and waits until they run. They do not keep the process alive. */
  static async start(module: WebAssembly.Module, threads: number): Promise<ThreadPool> {
    const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
    const workers: PoolWorker[] = [];
    for (let thread = 1; thread < threads; thread++) {
      const { port1, port2 } = new MessageChannel();
      const start: WorkerStart = { kernelThread: thread, control, module, port: port2 };
      const worker = new Worker(new URL('./worker.ts', import.meta.url), {
        workerData: start,
        transferList: [port2],
        execArgv: [],
        name: `kernels ${thread}`,
      });
      workers.push({ worker, port: port1 });
    }
    try {
      await Promise.all(
        workers.map(
          ({ worker }) =>
            new Promise<void>((resolve, reject) => {
              worker.once('online', resolve);
              worker.once('error', reject);
            }),
        ),
      );
    } catch (cause) {
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
      throw new MachineError('kernel-threads', `${threads} kernel threads could not be started.`, { cause });
    }
    for (const { worker, port } of workers) {
      worker.unref();
      port.unref();
    }
    return new ThreadPool(control, workers);
  }

  /** Makes a memory known to the workers. */
  attach(memoryId: number, memory: WebAssembly.Memory): void {
    this.#post({ memoryId, memory });
  }

  /** Lets the workers forget a memory. */
  detach(memoryId: number): void {
    this.#post({ memoryId, memory: undefined });
  }

  /** Shares a step, whose record is in place, among all threads; returns when all of it is done. */
  run(memoryId: number, kernels: KernelExports, units: number, chunkUnits: number, chunks: number): Outcome {
    const control = this.#control;
    control[MEMORY] = memoryId;
    control[UNITS] = units;
    control[CHUNK_UNITS] = chunkUnits;
    Atomics.store(control, DONE, 0);
    Atomics.store(control, FAILED, Outcome.done);
    this.#job = (this.#job + 1) & 0x7fffff;
    Atomics.store(control, TICKET, (this.#job << 8) | chunks);
    Atomics.notify(control, TICKET);
    let own = 0;
    let crash: unknown;
    for (let chunk = take(control); chunk >= 0; chunk = take(control)) {
      try {
        perform(control, chunk, kernels, 0);
      } catch (cause) {
        crash = cause;
        Atomics.store(control, FAILED, Outcome.crashed);
      }
      own++;
    }
    for (let done = Atomics.load(control, DONE); done + own < chunks; done = Atomics.load(control, DONE)) {
      Atomics.wait(control, DONE, done);
    }
    if (crash !== undefined) throw new InternalError('kernel-crashed', 'A kernel crashed.', { cause: crash });
    return Atomics.load(control, FAILED) as Outcome;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#workers.map(({ worker }) => worker.terminate()));
  }

  #post(message: Attachment): void {
    for (const { port } of this.#workers) port.postMessage(message);
    // A sleeping worker wakes, reads its messages and sleeps again.
    Atomics.notify(this.#control, TICKET);
  }
}
