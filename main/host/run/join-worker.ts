/**
 * The worker of a join as the host's main thread sees it: started for one join, ended after it. Knows nothing of what the join
 * is for.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { Transport } from '../../../engine/runtime/transport.ts';
import { MachineError } from '../../../shared/errors.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import { entryFile } from '../../paths.ts';
import type { JoinOutcome } from '../joins/join-outcome.ts';
import { serveTransport } from '../peers/port-transport.ts';
import { fromPlainError } from '../plain-error.ts';
import type { JoinCost, JoinEvent, JoinSetup, JoinStart } from './join-messages.ts';

export interface EndedJoin {
  /** None at a matcher without rows. */
  readonly outcome: JoinOutcome | undefined;
  readonly cost: JoinCost;
}

/**
 * Takes part in a join over `transport`. `begin` is called when the own identifiers are read and before anything of them leaves.
 * @throws InputError, PeerError as joinParty and joinMatcher do; whatever `begin` throws.
 */
export async function runJoinWorker(
  setup: JoinSetup,
  transport: Transport,
  begin: () => void,
  onProgress: (progress: RunProgress) => void,
  signal: AbortSignal,
): Promise<EndedJoin> {
  signal.throwIfAborted();
  const ended = Promise.withResolvers<EndedJoin>();
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(entryFile('join-engine'), { workerData: setup });
  const onAbort = (): void => ended.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const start = (): void => {
    begin();
    serveTransport(transport, port1);
    const counters = transport.peers.map((peer) => [peer, transport.counters(peer)] as const);
    worker.postMessage({ type: 'start', port: port2, counters } satisfies JoinStart, [port2]);
  };
  worker.on('message', (event: JoinEvent) => {
    switch (event.type) {
      case 'ready':
        try {
          return start();
        } catch (error) {
          return ended.reject(error);
        }
      case 'progress': {
        const { phase, done, total } = event;
        return onProgress({
          phase,
          ...(done === undefined || total === undefined ? {} : { done, total, unit: 'identifiers' }),
        });
      }
      case 'done':
        return ended.resolve(event);
      case 'failed':
        return ended.reject(fromPlainError(event.error));
    }
  });
  worker.on('error', (error) => ended.reject(error));
  worker.on('exit', (code) =>
    ended.reject(
      new MachineError('join-died', `The join's thread ended with code ${code}.`, {
        hint: 'It may lack memory: close other programs, then start the job again.',
      }),
    ),
  );
  try {
    return await ended.promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    port1.close();
    await worker.terminate();
  }
}
