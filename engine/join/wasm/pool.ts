/**
 * Threads that work on batches of points while their owner waits for messages. Of the joins only this file names
 * node:worker_threads. Knows nothing of what a batch is for.
 */
import { Worker, parentPort, workerData } from 'node:worker_threads';
import { InputError, InternalError, MachineError } from '../../../shared/errors.ts';
import type { SecretKey } from '../../random/crypto-port.ts';
import type { Curve, PackedMessages, RefusedPoint } from '../curve.ts';
import type { BatchTask } from './batch.ts';
import { runBatch } from './batch.ts';
import { curveModule, instantiateCurve } from './module.ts';

const MAXIMUM_THREADS = 64;

type BatchResult = Uint8Array | RefusedPoint;

/** A worker's life: entered from worker.ts, ended by the pool. */
export function serve(): void {
  const port = parentPort;
  if (port === null) throw new InternalError('curve-thread', 'A curve thread was started outside a worker.');
  const curve = instantiateCurve(workerData as WebAssembly.Module);
  port.on('message', (task: BatchTask) => {
    const result = runBatch(curve, task);
    if ('secret' in task) task.secret.fill(0);
    port.postMessage(result, result instanceof Uint8Array ? [result.buffer as ArrayBuffer] : []);
  });
}

interface Waiting {
  readonly task: BatchTask;
  readonly resolve: (result: BatchResult) => void;
  readonly reject: (error: unknown) => void;
  cancelled: boolean;
}

interface Thread {
  readonly worker: Worker;
  busyWith: Waiting | undefined;
}

class CurvePool implements Curve {
  readonly parallelBatches: number;
  readonly #threads: readonly Thread[];
  readonly #waiting: Waiting[] = [];
  #failure: MachineError | undefined;

  constructor(workers: readonly Worker[]) {
    this.parallelBatches = workers.length + 1;
    this.#threads = workers.map((worker) => ({ worker, busyWith: undefined }));
    for (const thread of this.#threads) {
      thread.worker.on('message', (result: BatchResult) => {
        thread.busyWith?.resolve(result);
        thread.busyWith = undefined;
        this.#next(thread);
      });
      thread.worker.on('error', (cause) => this.#fail(cause));
      thread.worker.unref();
    }
  }

  async hash(messages: PackedMessages, domain: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    return ownPoints(await this.#run({ kind: 'hash', messages, domain }, signal));
  }

  async hashAndMultiply(
    messages: PackedMessages,
    domain: Uint8Array,
    scalar: SecretKey,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    return ownPoints(await this.#run({ kind: 'hashAndMultiply', messages, domain, secret: scalar.expose() }, signal));
  }

  multiply(points: Uint8Array, scalar: SecretKey, signal?: AbortSignal): Promise<BatchResult> {
    return this.#run({ kind: 'multiply', points, secret: scalar.expose() }, signal);
  }

  async keyedHash(messages: PackedMessages, key: SecretKey, signal?: AbortSignal): Promise<Uint8Array> {
    return ownPoints(await this.#run({ kind: 'keyedHash', messages, secret: key.expose() }, signal));
  }

  async dispose(): Promise<void> {
    this.#fail(undefined);
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #run(task: BatchTask, signal: AbortSignal | undefined): Promise<BatchResult> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const abort = (): void => {
        waiting.cancelled = true;
        reject(signal?.reason);
      };
      const settle = (): void => signal?.removeEventListener('abort', abort);
      const waiting: Waiting = {
        task,
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
        cancelled: false,
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiting);
      const idle = this.#threads.find(({ busyWith }) => busyWith === undefined);
      if (idle !== undefined) this.#next(idle);
    });
  }

  #next(thread: Thread): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.cancelled) continue;
      thread.busyWith = next;
      // the process stays alive while a batch is under way
      thread.worker.ref();
      thread.worker.postMessage(next.task);
      return;
    }
    thread.worker.unref();
  }

  #fail(cause: unknown): void {
    this.#failure ??= new MachineError('curve-threads', 'The threads of a join have stopped.', { cause });
    const failed = [...this.#waiting, ...this.#threads.flatMap(({ busyWith }) => busyWith ?? [])];
    this.#waiting.length = 0;
    for (const waiting of failed) waiting.reject(this.#failure);
  }
}

/** Own identifiers make no low-order points, except with a probability of 2^-250. */
function ownPoints(result: BatchResult): Uint8Array {
  if (result instanceof Uint8Array) return result;
  throw new InternalError('curve-own-point', 'An own identifier was mapped to a point of low order.');
}

/** The curve in WebAssembly on `threads` worker threads. */
export async function wasmCurve(options: { threads: number }): Promise<Curve> {
  const { threads } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAXIMUM_THREADS) {
    throw new InputError('curve-threads-range', `A join runs on 1 to ${MAXIMUM_THREADS} threads, not ${threads}.`);
  }
  const workerData = await curveModule();
  const start = (_: unknown, thread: number): Worker =>
    new Worker(new URL('./worker.ts', import.meta.url), { workerData, execArgv: [], name: `join ${thread}` });
  return new CurvePool(Array.from({ length: threads }, start));
}
