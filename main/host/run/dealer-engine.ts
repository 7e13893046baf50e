/**
 * Entry of the worker in which a dealer deals: compiles the agreed job, then makes, seals and sends the correction records of
 * one execution after another, as far ahead as the sessions' bounded queues let it. It gets seeds and sends sealed records;
 * no opening, no share and no output ever comes here (corrections C1).
 */
import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { Dealer } from '../../../engine/dealer/dealer.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { PartyStreams } from '../../../engine/random/streams.ts';
import { InternalError } from '../../../shared/errors.ts';
import { kernelReportText } from '../../../shared/kernel-choice.ts';
import { chooseKernels } from '../gpu/choose-kernels.ts';
import { framePort } from '../gpu/frame-port.ts';
import { nodeGpuSource, remoteGpuSource } from '../gpu/gpu-kernels.ts';
import { GpuSettings } from '../gpu/gpu-settings.ts';
import { dealerWork } from '../gpu/plan-work.ts';
import { compileJob } from '../jobs/compile.ts';
import { joinStore } from '../store/store.ts';
import { servedTransport } from './engine-messages.ts';
import { toPlainError } from '../plain-error.ts';
import type { DealerStart, EngineEvent, EngineSetup } from './engine-messages.ts';
import { recordContext } from './vault-ports.ts';

const PROGRESS_EVERY_MS = 100;

if (parentPort === null) throw new InternalError('not-a-worker', 'The engine was started outside a worker.');
const host = parentPort;
const tell = (event: EngineEvent): void => host.postMessage(event);

try {
  const { agreement, self, folder, threads, kernels: preference, gpuPort } = workerData as EngineSetup;
  const { plan, script } = compileJob(agreement.job, agreement.schemas, agreement.model);
  const executions = [...script()];
  const store = joinStore(folder);
  let attemptNow = 0;
  const chosen = await chooseKernels({
    preference,
    threads: Math.min(threads, availableParallelism()),
    work: dealerWork(plan, executions),
    settings: new GpuSettings(store.settings),
    openGpu: () => (gpuPort === undefined ? nodeGpuSource() : remoteGpuSource(framePort(gpuPort))),
    onLost: (text) => {
      store.jobs.log(agreement.session, attemptNow, 'warning', text);
      tell({ type: 'progress', phase: 'the graphics card failed: the CPU goes on' });
    },
    onRefused: (text) => {
      // An attempt's log begins with what is known by then.
      if (attemptNow > 0) store.jobs.log(agreement.session, attemptNow, 'warning', text);
    },
  });

  const dealAll = async (start: DealerStart): Promise<void> => {
    const { attempt, seeds, resumeAt } = start;
    const transport = servedTransport(self, start);
    const streams = seeds.map((seed) => new PartyStreams(nodeCrypto, new SecretKey(seed)));
    attemptNow = attempt;
    store.jobs.log(agreement.session, attempt, 'info', `Deals on the ${kernelReportText(chosen.report())}`);
    const dealer = await Dealer.create({ plan, kernels: chosen.kernels, streams });
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
      .finally(() => {
        chosen.attemptEnded();
        start.port.close();
      });
  });
  tell({ type: 'compiled', planDigest: plan.digest, executions: executions.length });
} catch (error) {
  tell({ type: 'failed', error: toPlainError(error) });
}
