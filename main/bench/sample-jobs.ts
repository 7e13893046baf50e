/** Jobs on the sample data for benchmarks: files of the parties in a temporary folder, and the job over them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataset } from '../host/datasets/dataset.ts';
import { splitSample } from '../host/datasets/samples.ts';
import { samplesFolder } from '../paths.ts';

/** A job file, its data beside it, for as long as `use` runs. */
export type SampleJob = <T>(seed: number, use: (jobFile: string) => Promise<T>, signal: AbortSignal) => Promise<T>;

/** Breast Cancer Wisconsin: 15 features each at two clinics, the diagnosis at the second; 50 full-batch steps. */
export const wdbcJob: SampleJob = (seed, use, signal) =>
  withFolder(async (folder) => {
    const sample = await openDataset([join(samplesFolder, 'wdbc.csv')], signal);
    const own = (from: number, to: number) => sample.columns.slice(from, to).map(({ name }) => ({ from: name, name }));
    const everyRow = (): boolean => true;
    await splitSample(
      sample,
      [
        { path: join(folder, 'clinic-a.csv'), columns: own(0, 15), takes: everyRow },
        { path: join(folder, 'clinic-b.csv'), columns: own(15, 31), takes: everyRow },
      ],
      signal,
    );
    const job = {
      name: 'malignancy',
      parties: { 'clinic-a': { data: 'clinic-a.csv' }, 'clinic-b': { data: 'clinic-b.csv' } },
      dealer: 'registry',
      join: { how: 'rows' },
      label: { 'clinic-b': 'malignant' },
      classes: ['0', '1'],
      task: 'classification',
      model: { template: 'logistic' },
      train: { epochs: 50, batch: 'all', optimizer: { name: 'sgd', lr: 0.3, momentum: 0.9 }, test: 0.2, seed },
      reveal: { model: ['clinic-a'], metrics: ['clinic-a', 'clinic-b'] },
    };
    return await use(await written(folder, job));
  });

/** Handwritten digits: rows split over two offices; two epochs of 64-64-10. */
export const digitsJob: SampleJob = (seed, use, signal) =>
  withFolder(async (folder) => {
    const sample = await openDataset([join(samplesFolder, 'digits.csv.gz')], signal);
    const label = sample.columns.at(-1)?.name;
    const columns = sample.columns.map(({ name }) => ({ from: name, name: name === label ? 'digit' : name }));
    const offices = ['office-1', 'office-2'];
    await splitSample(
      sample,
      offices.map((office, i) => ({
        path: join(folder, `${office}.csv`),
        columns,
        takes: (row: number) => row % 2 === i,
      })),
      signal,
    );
    const job = {
      name: 'digits',
      parties: Object.fromEntries(offices.map((office) => [office, { data: `${office}.csv` }])),
      dealer: 'registry',
      join: { how: 'stack' },
      label: 'digit',
      classes: Array.from({ length: 10 }, (_, digit) => String(digit)),
      task: 'classification',
      model: { template: 'mlp', hidden: [64] },
      train: {
        epochs: 2,
        batch: 128,
        optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9 },
        test: 0.2,
        standardise: false,
        scale: 4,
        seed,
      },
      reveal: { model: ['office-1'], metrics: ['office-1'] },
    };
    return await use(await written(folder, job));
  });

/** Steps of gradient descent with momentum on MNIST digits, the rate falling to zero by half a cosine. */
export interface MnistTraining {
  /** A template of a job file. */
  readonly template: string;
  readonly epochs: number;
  readonly batch: number;
  readonly lr: number;
  /** For training; 1,000 come with as many for testing, 4,000 with 2,000. */
  readonly rows: 1000 | 4000;
}

/** MNIST digits of 28 x 28 cells: one office holds the images, the other what they show. */
export const mnistJobOf =
  ({ template, epochs, batch, lr, rows }: MnistTraining): SampleJob =>
  (seed, use) =>
    withFolder(async (folder) => {
      const isWhole = rows === 4000;
      const files = (name: string): object => {
        const path = (part: string): string => join(samplesFolder, `mnist-${part}-${name}.gz`);
        return isWhole ? { data: path('training'), test: path('test') } : { data: path('test') };
      };
      const job = {
        name: 'mnist',
        parties: { camera: files('images.idx3-ubyte'), reader: files('labels.idx1-ubyte') },
        dealer: 'registry',
        join: { how: 'rows' },
        label: { reader: 'label' },
        classes: Array.from({ length: 10 }, (_, digit) => String(digit)),
        task: 'classification',
        model: { template },
        train: {
          epochs,
          batch,
          optimizer: { name: 'sgd', lr, momentum: 0.9 },
          schedule: { name: 'cosine' },
          ...(isWhole ? {} : { test: 0.5 }),
          standardise: false,
          scale: 8,
          seed,
        },
        reveal: { model: ['camera'], metrics: ['camera'] },
      };
      return await use(await written(folder, job));
    });

async function written(folder: string, job: object): Promise<string> {
  const path = join(folder, 'job.json');
  await writeFile(path, JSON.stringify(job));
  return path;
}

async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'tacit-bench-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
