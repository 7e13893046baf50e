/** Works out the cost of one job in a thread of its own, so that links and API go on meanwhile. Knows no client. */
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import type { Answer } from '../../../shared/api/call.ts';
import type { CostPreview } from '../../../shared/api/job-calls.ts';
import { compileJob } from '../jobs/compile.ts';
import { openJobFile } from '../jobs/open-job.ts';
import { distinctAssumptions } from '../results/assumptions.ts';
import { jobCost, layerName } from '../results/job-cost.ts';
import { predictTime, rehearse } from '../results/rehearsal.ts';
import { toApiError } from './errors.ts';

const { jobFile, threads } = z.object({ jobFile: z.string(), threads: z.int() }).parse(workerData);

/** Latency and bandwidth are added by whoever shows the cost. */
const NO_NETWORK = { latencyMs: 0, bytesPerSecond: Infinity };

async function preview(): Promise<CostPreview> {
  const { job, schemas } = await openJobFile(jobFile);
  const { plan, layout, assumptions, script } = compileJob(job, schemas);
  const cost = jobCost(plan, script());
  const time = predictTime(cost, await rehearse(plan, () => wasmKernels({ threads })), NO_NETWORK);
  const both = (pick: 'bytesSent' | 'bytesReceived' | 'dealerBytes', index: number): number =>
    (cost.training[pick][index] ?? 0) + (cost.evaluation[pick][index] ?? 0);
  const links = Math.max(1, cost.parties.length - 1);
  return {
    planDigest: plan.digest,
    trainingRows: layout.train.length,
    testRows: layout.test.length,
    executions: cost.training.executions + cost.evaluation.executions,
    rounds: cost.training.rounds + cost.evaluation.rounds,
    parties: cost.parties.map((id, index) => ({
      id,
      bytesSent: both('bytesSent', index),
      bytesReceived: both('bytesReceived', index),
      dealerBytes: both('dealerBytes', index),
    })),
    layers: cost.layers.map((layer) => ({
      ...layer,
      layer: layerName(layer.layer),
      computeMs: time.layerMs.get(`${layer.layer}\n${layer.phase}`) ?? 0,
    })),
    localMs: time.localSeconds * 1000,
    dealerMs: time.offlineSeconds * 1000,
    bytesPerLink: cost.programs.reduce(
      (sum, { bytesSent, bytesReceived }) => sum + Math.max(...bytesSent, ...bytesReceived) / links,
      0,
    ),
    assumptions: distinctAssumptions(assumptions).map(
      ({ layer, operation, proved, assumed }) =>
        `${layerName(layer)}, ${operation}: below 2^${Math.ceil(assumed)} ring units (proved: 2^${Math.ceil(proved)})`,
    ),
  };
}

let answer: Answer<CostPreview>;
try {
  answer = { ok: true, reply: await preview() };
} catch (error) {
  answer = { ok: false, error: toApiError(error) };
}
parentPort?.postMessage(answer);
