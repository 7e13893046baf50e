/** Logistic regression on WDBC: 50 full-batch steps with momentum, two parties and a dealer in one process. */
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { openJobFile } from '../host/jobs/open-job.ts';
import { pooledBaseline } from '../host/run/baseline.ts';
import type { Benchmark } from './benchmark.ts';
import { prepareJob, trainInProcess } from './in-process-training.ts';
import { wdbcJob } from './sample-jobs.ts';

export const logistic: Benchmark = {
  name: 'logistic',
  summary: 'logistic regression, Breast Cancer Wisconsin 569 x 30, 50 full-batch steps with momentum',
  async run({ signal, report }) {
    return await wdbcJob(
      7,
      async (jobFile) => {
        report('preparing');
        const job = await prepareJob(await openJobFile(jobFile, signal), signal);
        report('warming up');
        const run = () => trainInProcess(job, () => wasmKernels({ threads: 1 }), signal);
        await run();
        report('training');
        const { metrics, cost, traffic, onlineMs, dealerMs } = await run();
        const baseline = await pooledBaseline(job.compiled, job.prepared, signal);
        const { training, evaluation } = cost;
        const dealt = training.dealerBytes.reduce((sum, bytes) => sum + bytes, 0);
        const sent = Math.max(...traffic.map(({ bytesSent }) => bytesSent));
        return [
          {
            name: 'on shares / in the clear, time',
            value: onlineMs / 1000 / (baseline?.seconds ?? NaN),
            unit: 'times',
          },
          {
            name: 'accuracy on shares - in the clear',
            value: (metrics?.accuracy ?? NaN) - (baseline?.scores.accuracy ?? NaN),
            unit: 'of the test rows',
            goal: { sense: 'at least', value: -1 / job.compiled.layout.test.length },
          },
          {
            name: 'training rounds',
            value: training.rounds,
            unit: 'rounds',
            goal: { sense: 'at most', value: 500 },
            exact: true,
          },
          { name: 'sent by a party', value: sent, unit: 'bytes', goal: { sense: 'at most', value: 5e6 }, exact: true },
          { name: 'from the dealer, to all', value: dealt, unit: 'bytes', exact: true },
          { name: 'evaluation rounds', value: evaluation.rounds, unit: 'rounds', exact: true },
          { name: 'evaluation, sent by a party', value: Math.max(...evaluation.bytesSent), unit: 'bytes', exact: true },
          { name: 'both parties', value: onlineMs / 1000, unit: 'seconds', goal: { sense: 'at most', value: 0.8 } },
          { name: 'dealer', value: dealerMs / 1000, unit: 'seconds' },
          { name: 'accuracy', value: metrics?.accuracy ?? NaN, unit: 'of the test rows' },
        ];
      },
      signal,
    );
  },
};
