/** `tacit demo`: several organisations and a dealer on this machine train one model on real, public data. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openDataset } from '../host/datasets/dataset.ts';
import { splitSample } from '../host/datasets/samples.ts';
import type { SamplePart } from '../host/datasets/samples.ts';
import { runLocally } from '../host/run/local-run.ts';
import { samplesFolder } from '../paths.ts';
import { parseChoice, parseInteger } from './arguments.ts';
import { defineCommand } from './command.ts';
import { localOutcome } from './local-outcome.ts';

const kinds = ['logistic', 'mlp'] as const;
type Kind = (typeof kinds)[number];

const MAX_PARTIES = 8;
const DEALER = 'registry';

/** What a demonstration writes into its folder: each party's file, and the job. */
interface Scene {
  readonly about: string;
  readonly parts: readonly SamplePart[];
  readonly job: string;
}

function clinics(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `clinic-${String.fromCharCode(97 + index)}`);
}

/** Features of the same women at several clinics, the diagnosis at a laboratory. */
function logisticScene(parties: number, columns: readonly string[], folder: string): Scene {
  const label = 'malignant';
  const features = columns.filter((name) => name !== label);
  const holders = clinics(parties - 1);
  const all = [...holders, 'lab'];
  const path = (party: string): string => join(folder, `${party}.csv`);
  const share = Math.ceil(features.length / holders.length);
  const takes = (): boolean => true;
  const own = (names: readonly string[]) => names.map((name) => ({ from: name, name }));
  const parts = [
    ...holders.map((party, index) => ({
      path: path(party),
      columns: own(features.slice(index * share, (index + 1) * share)),
      takes,
    })),
    { path: path('lab'), columns: own([label]), takes },
  ];
  const lines = [
    '# Is a tumour malignant? The clinics measured its cells, the laboratory knows the diagnosis; row i is the same woman.',
    'name: malignancy',
    'parties:',
    ...all.map((party) => `  ${party}: { data: ${party}.csv }`),
    `dealer: ${DEALER}`,
    'join: { how: rows }',
    'features:',
    ...holders.map((party) => `  ${party}: "*"`),
    '  lab: []',
    `label: { lab: ${label} }`,
    'classes: ["0", "1"]',
    'task: classification',
    'model: { template: logistic }',
    'train: { epochs: 50, batch: all, optimizer: { name: sgd, lr: 0.3, momentum: 0.9 }, test: 0.2, seed: 7 }',
    `reveal: { model: [${all.join(', ')}], metrics: [${all.join(', ')}] }`,
  ];
  return {
    about: `${holders.join(', ')} hold ${features.length} features of 569 tumours, lab the diagnosis.`,
    parts,
    job: `${lines.join('\n')}\n`,
  };
}

/** Handwritten digits, each organisation its own rows. */
function mlpScene(parties: number, columns: readonly string[], folder: string): Scene {
  const holders = Array.from({ length: parties }, (_, index) => `office-${index + 1}`);
  const label = columns.at(-1) ?? '';
  const names = columns.map((from) => ({ from, name: from === label ? 'digit' : from }));
  const parts = holders.map((party, index) => ({
    path: join(folder, `${party}.csv`),
    columns: names,
    takes: (row: number) => row % parties === index,
  }));
  const lines = [
    '# Which digit is it? Every organisation brings its own 8 x 8 images with their digits.',
    'name: digits',
    'parties:',
    ...holders.map((party) => `  ${party}: { data: ${party}.csv }`),
    `dealer: ${DEALER}`,
    'join: { how: stack }',
    'label: digit',
    'classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]',
    'task: classification',
    'model: { template: mlp, hidden: [128, 128], activation: relu }',
    'train:',
    '  { epochs: 5, batch: 128, optimizer: { name: sgd, lr: 0.1, momentum: 0.9 }, test: 0.2, standardise: false, scale: 4, seed: 7 }',
    `reveal: { model: [${holders.join(', ')}], metrics: [${holders.join(', ')}] }`,
  ];
  return {
    about: `${holders.join(', ')} hold 1797 images of handwritten digits between them.`,
    parts,
    job: `${lines.join('\n')}\n`,
  };
}

const SAMPLES: Record<Kind, string> = { logistic: 'wdbc.csv', mlp: 'digits.csv.gz' };

export const demo = defineCommand({
  name: 'demo',
  summary: 'Several organisations and a dealer train one model on this machine.',
  usage:
    'logistic (default): is a tumour malignant? Features at several clinics, the diagnosis at a laboratory.\n' +
    'mlp: handwritten digits, each organisation its own images.\n\n' +
    'Every organisation and the dealer is a process of its own with a data folder of its own; they talk over TLS on the\n' +
    'loopback. The closing table compares with training in the clear on the pooled data, which only this launcher can do:\n' +
    'it holds all files.',
  arguments: [{ name: 'KIND', description: 'logistic or mlp.', optional: true }],
  options: {
    parties: { type: 'string', value: 'N', description: 'Organisations beside the dealer.', default: '3' },
    folder: { type: 'string', value: 'DIR', description: 'Where to put files; a new temporary folder by default.' },
  },
  async run({ arguments: [argument], options, signal, output, progress }) {
    const kind = parseChoice('KIND', argument ?? 'logistic', kinds);
    const parties = parseInteger('--parties', options.parties, { min: 2, max: MAX_PARTIES });
    const folder =
      options.folder === undefined ? await mkdtemp(join(tmpdir(), 'tacit-demo-')) : resolve(options.folder);
    const files = join(folder, 'files');
    await mkdir(files, { recursive: true });
    const sample = await openDataset([join(samplesFolder, SAMPLES[kind])], signal);
    const columns = sample.columns.map((column) => column.name);
    const scene = kind === 'logistic' ? logisticScene(parties, columns, files) : mlpScene(parties, columns, files);
    await splitSample(sample, scene.parts, signal);
    const jobFile = join(files, 'job.yaml');
    await writeFile(jobFile, scene.job);
    output.line(`${scene.about} ${DEALER} deals.`);
    output.line(`The job: ${jobFile}`);
    const run = await runLocally({
      jobFile,
      folder: join(folder, 'parties'),
      signal,
      onProgress: (party, update) => progress.report({ party, ...update, unit: 'steps' }),
    });
    progress.end();
    return localOutcome(run, output);
  },
});
