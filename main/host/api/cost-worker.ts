/** Works out the cost of one job in a thread of its own, so that links and API go on meanwhile. Knows no client. */
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { Plan } from '../../../engine/plan/plan.ts';
import type { Execution } from '../../../engine/runtime/script.ts';
import type { Answer } from '../../../shared/api/call.ts';
import type { CostPreview } from '../../../shared/api/job-calls.ts';
import type { Job } from '../../../shared/job.ts';
import type { KernelPreference } from '../../../shared/kernel-choice.ts';
import type { PublishedModel } from '../../../shared/published-model.ts';
import { largestSchemas } from '../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../shared/resolve-job.ts';
import { framePort } from '../gpu/frame-port.ts';
import { remoteGpuSource } from '../gpu/gpu-kernels.ts';
import { GpuSettings } from '../gpu/gpu-settings.ts';
import { localKernels } from '../gpu/local-kernels.ts';
import type { LocalKernels } from '../gpu/local-kernels.ts';
import { compileJob } from '../jobs/compile.ts';
import { openJobFile } from '../jobs/open-job.ts';
import { distinctAssumptions } from '../results/assumptions.ts';
import { previewJoin } from '../results/join-cost.ts';
import { jobCost, layerName } from '../results/job-cost.ts';
import { predictTime, rehearse } from '../results/rehearsal.ts';
import { joinStore } from '../store/store.ts';
import { toApiError } from './errors.ts';

/** The job: a file with the data of all parties on this machine, or as parties of a session agree on it. */
export type CostTask = { readonly threads: number; readonly kernels: KernelPreference } & (
  | { readonly jobFile: string }
  | { readonly job: Job; readonly schemas: SchemasByParty; readonly model?: PublishedModel | undefined }
);

export interface CostMeans {
  /** Of the host, where what is found out about a graphics card is kept. */
  readonly folder: string;
  /** To the page that has a graphics card, where this process has none of its own. */
  readonly gpuPort?: MessagePort | undefined;
}

const task = workerData as CostTask & CostMeans;

/** Latency and bandwidth are added by whoever shows the cost. */
const NO_NETWORK = { latencyMs: 0, bytesPerSecond: Infinity };

function computeOn(plan: Plan, executions: readonly Execution[]): Promise<LocalKernels> {
  const { threads, kernels: preference, folder, gpuPort } = task;
  return localKernels({
    preference,
    threads,
    plan,
    executions,
    ...(preference === 'wasm' ? {} : { settings: new GpuSettings(joinStore(folder).settings) }),
    openGpu: gpuPort === undefined ? undefined : () => remoteGpuSource(framePort(gpuPort)),
  });
}

async function preview(): Promise<CostPreview> {
  const { job, schemas, model } = 'jobFile' in task ? await openJobFile(task.jobFile) : task;
  const { plan, layout, assumptions, script } = compileJob(job, largestSchemas(job, schemas), model);
  const executions = [...script()];
  const cost = jobCost(plan, executions);
  const computing = await computeOn(plan, executions);
  const rehearsed = await rehearse(plan, computing.next).finally(() => computing.close());
  const time = predictTime(cost, rehearsed, NO_NETWORK);
  const both = (pick: 'bytesSent' | 'bytesReceived' | 'dealerBytes', index: number): number =>
    (cost.training[pick][index] ?? 0) + (cost.evaluation[pick][index] ?? 0);
  const links = Math.max(1, cost.parties.length - 1);
  return {
    planDigest: plan.digest,
    join: await previewJoin(job, schemas, task.threads),
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
    kernels: computing.report(),
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
