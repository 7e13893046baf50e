/**
 * Works out costs of jobs, one after another: a newer question makes the older one worthless. What was rehearsed is kept for
 * dashboards. Knows no client.
 */
import { Worker } from 'node:worker_threads';
import type { Answer } from '../../../shared/api/call.ts';
import type { CostPreview } from '../../../shared/api/job-calls.ts';
import { InternalError } from '../../../shared/errors.ts';
import { entryFile } from '../../paths.ts';
import type { ApiContext } from './context.ts';
import { GpuSettings } from '../gpu/gpu-settings.ts';
import type { CostMeans, CostTask } from './cost-worker.ts';
import { fromPlainError } from '../plain-error.ts';
import { keepPrediction, toPrediction } from './predictions.ts';

export interface CostRunner {
  /** Errors of the job come as they would anywhere; `cost-superseded` when a newer question came. */
  readonly cost: (task: CostTask) => Promise<CostPreview>;
  readonly close: () => Promise<void>;
}

export function costRunner({ host }: Pick<ApiContext, 'host'>): CostRunner {
  let working: Worker | undefined;
  return {
    cost: async (task) => {
      await working?.terminate();
      const { store, gpuPort } = host();
      const usesCard = task.kernels !== 'wasm';
      const port = usesCard ? gpuPort?.() : undefined;
      const means: CostMeans = { folder: store.folder, gpuPort: port };
      const transferList = port === undefined ? [] : [port];
      const worker = new Worker(entryFile('cost-worker'), { workerData: { ...task, ...means }, transferList });
      working = worker;
      try {
        const answer = await new Promise<Answer<CostPreview>>((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
          worker.once('exit', () => reject(new InternalError('cost-superseded', 'A newer text was asked for.')));
        });
        if (!answer.ok) throw fromPlainError(answer.error);
        keepPrediction(host().store.settings, toPrediction(answer.reply, task.threads));
        return answer.reply;
      } finally {
        await worker.terminate();
        // Whatever ended the worker: a card's driver did not take this process with it.
        if (usesCard) new GpuSettings(store.settings).end();
        if (working === worker) working = undefined;
      }
    },
    close: async () => {
      await working?.terminate();
    },
  };
}
