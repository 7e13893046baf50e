/** The guided first run: public sample data split between two clinics, and the job for it. Knows nothing of running it. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { samplesFolder } from '../../paths.ts';
import { openDataset } from '../datasets/dataset.ts';
import { splitSample } from '../datasets/samples.ts';

const LABEL = 'malignant';
const PARTIES = ['clinic-a', 'clinic-b'] as const;

/** Writes each clinic's file into the folder and returns the text of the job, with whole paths. */
export async function sampleJob(folder: string, signal: AbortSignal): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const sample = await openDataset([join(samplesFolder, 'wdbc.csv')], signal);
  const features = sample.columns.map(({ name }) => name).filter((name) => name !== LABEL);
  const half = Math.ceil(features.length / 2);
  const columns = [features.slice(0, half), [...features.slice(half), LABEL]];
  const parts = PARTIES.map((party, index) => ({
    path: join(folder, `${party}.csv`),
    columns: (columns[index] ?? []).map((name) => ({ from: name, name })),
    takes: () => true,
  }));
  await splitSample(sample, parts, signal);
  const lines = [
    '# Is a tumour malignant? Two clinics measured the same 569 tumours; clinic-b knows the diagnosis.',
    'name: Malignancy (sample)',
    'parties:',
    ...parts.map(({ path }, index) => `  ${PARTIES[index]}: { data: ${JSON.stringify(path)} }`),
    'dealer: registry',
    'join: { how: rows }',
    'features: "*"',
    `label: { clinic-b: ${LABEL} }`,
    'classes: ["0", "1"]',
    'task: classification',
    'model: { template: mlp, hidden: [16], activation: relu }',
    'train: { epochs: 5, batch: 128, optimizer: { name: sgd, lr: 0.2, momentum: 0.9 }, test: 0.2, seed: 7, metricsEvery: 1 }',
    'reveal: { model: [clinic-a, clinic-b], metrics: [clinic-a, clinic-b] }',
  ];
  return `${lines.join('\n')}\n`;
}
