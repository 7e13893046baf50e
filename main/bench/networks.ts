/**
 * LeNet and the three networks of CrypTen's MNIST examples (its examples/tfe_benchmarks) on MNIST digits, trained on shares and
 * in the clear from the same first weights over the same batches.
 */
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { openJobFile } from '../host/jobs/open-job.ts';
import { pooledBaseline } from '../host/run/baseline.ts';
import type { Benchmark, BenchmarkContext, Figure } from './benchmark.ts';
import { prepareJob, trainInProcess } from './in-process-training.ts';
import { mnistJobOf } from './sample-jobs.ts';
import type { MnistTraining } from './sample-jobs.ts';

const SEED = 7;

/** Enough for nine of ten digits; the larger networks take ten seconds for a step of 128 rows, parties and dealer in turn. */
const trainings: readonly MnistTraining[] = [
  { template: 'network-a', epochs: 3, batch: 128, lr: 0.05, rows: 4000 },
  { template: 'lenet', epochs: 3, batch: 128, lr: 0.02, rows: 4000 },
  { template: 'network-b', epochs: 1, batch: 32, lr: 0.05, rows: 1000 },
  { template: 'network-c', epochs: 1, batch: 32, lr: 0.05, rows: 1000 },
];

export const networks: Benchmark = {
  name: 'networks',
  summary: 'LeNet and CrypTen’s three networks on MNIST digits',
  async run(context) {
    const figures: Figure[] = [];
    for (const training of trainings) figures.push(...(await compareNetwork(training, context)));
    return figures;
  },
};

function compareNetwork(training: MnistTraining, { signal, report }: BenchmarkContext): Promise<Figure[]> {
  const { template } = training;
  return mnistJobOf(training)(
    SEED,
    async (jobFile) => {
      const job = await prepareJob(await openJobFile(jobFile, signal), signal);
      report(`${template}, in the clear`);
      const baseline = await pooledBaseline(job.compiled, job.prepared, signal);
      const { metrics, cost, onlineMs, dealerMs } = await trainInProcess(
        job,
        () => wasmKernels({ threads: 1 }),
        signal,
        ({ kind, step, steps }) => report(`${template}, ${kind} ${step} of ${steps}`),
      );
      const clear = baseline?.scores.accuracy ?? NaN;
      const step = cost.programs.find(({ kind }) => kind === 'step');
      const perStep = (of: (values: NonNullable<typeof step>) => readonly number[]): number =>
        step === undefined ? NaN : Math.max(...of(step)) / step.executions;
      const figure = (name: string, value: number, unit: string, more: Partial<Figure> = {}): Figure => ({
        name: `${template}: ${name}`,
        value,
        unit,
        ...more,
      });
      const rows = 'of the test rows';
      return [
        figure('accuracy on shares less in the clear', (metrics?.accuracy ?? NaN) - clear, rows, {
          goal: { sense: 'at least', value: -0.005 },
        }),
        figure(
          'both parties and the dealer in turn / in the clear',
          (onlineMs + dealerMs) / 1000 / (baseline?.seconds ?? NaN),
          'times',
        ),
        figure('accuracy on shares', metrics?.accuracy ?? NaN, rows),
        figure('accuracy in the clear', clear, rows),
        figure(
          'rounds a step',
          perStep(({ rounds }) => [rounds]),
          'rounds',
          { exact: true },
        ),
        figure(
          'opened by a party a step',
          perStep(({ bytesOpened }) => bytesOpened),
          'bytes',
          { exact: true },
        ),
        figure(
          'dealt to a party a step',
          perStep(({ dealerBytes }) => dealerBytes),
          'bytes',
          { exact: true },
        ),
        figure(
          'steps',
          cost.programs.reduce((sum, { kind, executions }) => sum + (kind === 'step' ? executions : 0), 0),
          'steps',
          { exact: true },
        ),
        figure('training in the clear', baseline?.seconds ?? NaN, 'seconds'),
        figure('training, both parties and the dealer in turn', (onlineMs + dealerMs) / 1000, 'seconds'),
      ];
    },
    signal,
  );
}
