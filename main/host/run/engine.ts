/**
 * The engine's worker as the host's main thread sees it: started once for a run, asked for one attempt after another.
 * Knows nothing of what attempts are for.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { Transport } from '../../../engine/runtime/transport.ts';
import { MachineError } from '../../../shared/errors.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import { entryFile } from '../../paths.ts';
import { serveTransport } from '../peers/port-transport.ts';
import { fromPlainError } from '../plain-error.ts';
import type {
  DealerStart,
  EngineEvent,
  EngineSetup,
  PartyStart,
  PartySummary,
  ServedTransport,
} from './engine-messages.ts';

export interface CompiledInfo {
  readonly planDigest: string;
  /** Number of executions in the script. */
  readonly executions: number;
}

type Start = Omit<PartyStart, keyof ServedTransport> | Omit<DealerStart, keyof ServedTransport>;

export class Engine {
  readonly #worker: Worker;
  readonly #onProgress: (progress: RunProgress) => void;
  readonly #compiled = Promise.withResolvers<CompiledInfo>();
  #running: PromiseWithResolvers<PartySummary | undefined> | undefined;
  #failure: Error | undefined;

  constructor(
    entry: 'party-engine' | 'dealer-engine',
    setup: EngineSetup,
    onProgress: (progress: RunProgress) => void,
    gpuPort?: MessagePort,
  ) {
    this.#onProgress = onProgress;
    this.#compiled.promise.catch(() => {});
    this.#worker = new Worker(entryFile(entry), {
      workerData: gpuPort === undefined ? setup : { ...setup, gpuPort },
      transferList: gpuPort === undefined ? [] : [gpuPort],
    });
    this.#worker.on('message', (event: EngineEvent) => this.#onEvent(event));
    this.#worker.on('error', (error) => this.#fail(error as Error));
    this.#worker.on('exit', (code) =>
      this.#fail(
        new MachineError('engine-died', `The engine's thread ended with code ${code}.`, {
          hint: 'It may lack memory: close other programs, then start the job again; it goes on from its last checkpoint.',
        }),
      ),
    );
  }

  /** Resolves when the job is compiled; rejects when it cannot be. */
  compiled(): Promise<CompiledInfo> {
    return this.#compiled.promise;
  }

  /** Runs an attempt over the transport. Ends with an error when the transport does. */
  async attempt(start: Start, transport: Transport): Promise<PartySummary | undefined> {
    if (this.#failure !== undefined) throw this.#failure;
    const { port1, port2 } = new MessageChannel();
    serveTransport(transport, port1);
    const running = Promise.withResolvers<PartySummary | undefined>();
    this.#running = running;
    const counters = transport.peers.map((peer) => [peer, transport.counters(peer)] as const);
    const message: ServedTransport & Start = { ...start, port: port2, counters };
    this.#worker.postMessage(message, [port2]);
    try {
      return await running.promise;
    } finally {
      this.#running = undefined;
      port1.close();
    }
  }

  async close(): Promise<void> {
    this.#failure ??= new MachineError('engine-closed', 'The engine was closed.');
    await this.#worker.terminate();
  }

  #onEvent(event: EngineEvent): void {
    switch (event.type) {
      case 'compiled':
        return this.#compiled.resolve({ planDigest: event.planDigest, executions: event.executions });
      case 'progress': {
        const { type: _, ...progress } = event;
        return this.#onProgress(progress);
      }
      case 'done':
        return this.#running?.resolve(event.summary);
      case 'failed': {
        const error = fromPlainError(event.error);
        if (this.#running === undefined) this.#fail(error);
        else this.#running.reject(error);
      }
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#compiled.reject(this.#failure);
    this.#running?.reject(this.#failure);
  }
}
