/** Quality of training on shares beside training in the clear, from the same first weights, over five seeds. */
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { openJobFile } from '../host/jobs/open-job.ts';
import { pooledBaseline } from '../host/run/baseline.ts';
import type { Benchmark, BenchmarkContext, Figure } from './benchmark.ts';
import { prepareJob, trainInProcess } from './in-process-training.ts';
import { digitsJob, wdbcJob } from './sample-jobs.ts';
import type { SampleJob } from './sample-jobs.ts';

const SEEDS = [1, 2, 3, 4, 5];

export const accuracy: Benchmark = {
  name: 'accuracy',
  summary: 'test accuracy on shares and in the clear, five seeds: splits, first weights and order of rows',
  async run(context) {
    return [
      ...(await compare('logistic, WDBC', wdbcJob, 1, context)),
      ...(await compare('64-64-10, digits, 2 epochs', digitsJob, undefined, context)),
    ];
  },
};

/** Rounding on shares is random, so a net of many steps may lose or win a few rows; of the logistic none but one. */
async function compare(
  name: string,
  sampleJob: SampleJob,
  rowsLost: number | undefined,
  { signal, report }: BenchmarkContext,
): Promise<Figure[]> {
  const shares: number[] = [];
  const clear: number[] = [];
  let testRows = 1;
  for (const seed of SEEDS) {
    report(`${name}, seed ${seed}`);
    await sampleJob(
      seed,
      async (jobFile) => {
        const job = await prepareJob(await openJobFile(jobFile, signal), signal);
        const { metrics } = await trainInProcess(job, () => wasmKernels({ threads: 1 }), signal);
        const baseline = await pooledBaseline(job.compiled, job.prepared, signal);
        shares.push(metrics?.accuracy ?? NaN);
        clear.push(baseline?.scores.accuracy ?? NaN);
        testRows = job.compiled.layout.test.length;
      },
      signal,
    );
  }
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const gaps = shares.map((value, i) => value - (clear[i] ?? NaN));
  const unit = 'of the test rows';
  return [
    {
      name: `${name}: mean gap to the clear`,
      value: Math.abs(mean(gaps)),
      unit,
      goal: { sense: 'at most', value: 0.005 },
    },
    {
      name: `${name}: rows lost to the clear, worst seed`,
      // Accuracies are sums of whole rows but for the least bits of fixed point.
      value: Math.round(Math.max(0, ...gaps.map((gap) => -gap)) * testRows),
      unit: `rows of ${testRows}`,
      ...(rowsLost === undefined ? {} : { goal: { sense: 'at most', value: rowsLost } }),
    },
    { name: `${name}: accuracy on shares, mean`, value: mean(shares), unit },
    { name: `${name}: accuracy in the clear, mean`, value: mean(clear), unit },
  ];
}
