/**
 * Entry of the worker in which a dealer deals: compiles the agreed job, then makes, seals and sends the correction records of
 * one execution after another, as far ahead as the sessions' bounded queues let it. It gets seeds and sends sealed records;
 * no opening, no share and no output ever comes here (corrections C1).
 */
import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { Dealer } from '../../../engine/dealer/dealer.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { PartyStreams } from '../../../engine/random/streams.ts';
import { InternalError } from '../../../shared/errors.ts';
import { compileJob } from '../jobs/compile.ts';
import { servedTransport, toPlainError } from './engine-messages.ts';
import type { DealerStart, EngineEvent, EngineSetup } from './engine-messages.ts';
import { recordContext } from './vault-ports.ts';

const PROGRESS_EVERY_MS = 100;

if (parentPort === null) throw new InternalError('not-a-worker', 'The engine was started outside a worker.');
const host = parentPort;
const tell = (event: EngineEvent): void => host.postMessage(event);

try {
  const { agreement, self, threads } = workerData as EngineSetup;
  const { plan, script } = compileJob(agreement.job, agreement.schemas);
  const kernels = await wasmKernels({ threads: Math.min(threads, availableParallelism()) });
  const executions = [...script()];

  const dealAll = async (start: DealerStart): Promise<void> => {
    const { attempt, seeds, resumeAt } = start;
    const transport = servedTransport(self, start);
    const streams = seeds.map((seed) => new PartyStreams(nodeCrypto, new SecretKey(seed)));
    const dealer = await Dealer.create({ plan, kernels, streams });
    let progressMs = -Infinity;
    try {
      for (const { program, number, known, step, steps } of executions) {
        if (number !== 0 && number < resumeAt) continue;
        const records = await dealer.deal(program, number, known);
        for (const [index, record] of records.entries()) {
          const party = plan.parties[index];
          if (record.length === 0 || party === undefined) continue;
          const context = recordContext(agreement.session, attempt, number, party);
          const sealed = streams[index]?.seal(context, number, record);
          record.fill(0);
          if (sealed !== undefined) await transport.send(party, { attempt, execution: number, round: -1 }, sealed);
        }
        if (performance.now() - progressMs < PROGRESS_EVERY_MS && number !== executions.length - 1) continue;
        progressMs = performance.now();
        tell({ type: 'progress', phase: 'dealing', done: step, total: steps });
      }
    } finally {
      dealer.dispose();
      for (const stream of streams) stream.erase();
    }
  };

  host.on('message', (start: DealerStart) => {
    dealAll(start)
      .then(() => tell({ type: 'done', summary: undefined }))
      .catch((error: unknown) => tell({ type: 'failed', error: toPlainError(error) }))
      .finally(() => start.port.close());
  });
  tell({ type: 'compiled', planDigest: plan.digest, executions: executions.length });
} catch (error) {
  tell({ type: 'failed', error: toPlainError(error) });
}
