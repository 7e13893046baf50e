/** `tacit demo`: several organisations and a dealer on this machine train one model on real, public data. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import { CLINIC_KEY, CLINIC_LABEL, writeClinics } from '../host/datasets/clinic-sample.ts';
import { openDataset } from '../host/datasets/dataset.ts';
import type { Dataset } from '../host/datasets/dataset.ts';
import { splitSample } from '../host/datasets/samples.ts';
import type { SamplePart } from '../host/datasets/samples.ts';
import { runLocally } from '../host/run/local-run.ts';
import { samplesFolder } from '../paths.ts';
import { parseChoice, parseInteger } from './arguments.ts';
import { defineCommand } from './command.ts';
import { kernelsOption, parseKernels } from './host-options.ts';
import { localOutcome } from './local-outcome.ts';

const kinds = ['logistic', 'mlp', 'cnn'] as const;
type Kind = (typeof kinds)[number];

/** How the rows of `demo logistic` belong together: by their place, or by patient numbers. */
const joins = ['rows', 'ids', 'hidden', 'left'] as const;
type JoinedKind = Exclude<(typeof joins)[number], 'rows'>;

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

/** The same measurements at clinics that share most of their patients and line them up privately. */
function joinedScene(how: JoinedKind, holders: readonly string[], sampleRows: number): Omit<Scene, 'parts'> {
  const [last = ''] = holders.slice(-1);
  const lines = [
    '# Is a tumour malignant? Clinics that share most of their patients; nobody shows another one whom else it treats.',
    'name: malignancy',
    'parties:',
    ...holders.map((party) => `  ${party}: { data: ${party}.csv }`),
    `dealer: ${DEALER}`,
    `join: { how: ${how}, on: ${CLINIC_KEY}, rules: { space: remove }${how === 'left' ? `, keep: ${last}` : ''} }`,
    `label: { ${last}: ${CLINIC_LABEL} }`,
    'classes: ["0", "1"]',
    'task: classification',
    'model: { template: logistic }',
    'train: { epochs: 50, batch: all, optimizer: { name: sgd, lr: 0.3, momentum: 0.9 }, test: 0.2, seed: 7 }',
    `reveal: { model: [${holders.join(', ')}], metrics: [${holders.join(', ')}] }`,
  ];
  return {
    about: `${holders.join(', ')} hold features of most of ${sampleRows} tumours each, ${last} the diagnosis too.`,
    job: `${lines.join('\n')}\n`,
  };
}

/** What learns the digits: dense layers, or convolutions over the images. */
const digitModels: Record<'mlp' | 'cnn', readonly string[]> = {
  mlp: ['model: { template: mlp, hidden: [128, 128], activation: relu }'],
  cnn: [
    'model:',
    '  input: [1, 8, 8]',
    '  layers:',
    '    - { kind: conv2d, filters: 8, kernel: 3, padding: same }',
    '    - { kind: relu }',
    '    - { kind: maxPool2d }',
    '    - { kind: conv2d, filters: 16, kernel: 3, padding: same }',
    '    - { kind: relu }',
    '    - { kind: maxPool2d }',
    '    - { kind: flatten }',
    '    - { kind: dense, units: 64 }',
    '    - { kind: relu }',
    '    - { kind: dense, units: 10 }',
    '    - { kind: softmax }',
  ],
};

/** Handwritten digits, each organisation its own rows. */
function digitsScene(kind: 'mlp' | 'cnn', parties: number, columns: readonly string[], folder: string): Scene {
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
    ...digitModels[kind],
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

/** Writes each party's file and returns what the scene is. */
async function stage(
  sample: Dataset,
  kind: Kind,
  how: (typeof joins)[number],
  parties: number,
  folder: string,
  signal: AbortSignal,
): Promise<Omit<Scene, 'parts'>> {
  if (how !== 'rows') {
    const holders = clinics(parties);
    await writeClinics(
      sample,
      holders.map((party) => join(folder, `${party}.csv`)),
      signal,
    );
    return joinedScene(how, holders, sample.rows);
  }
  const columns = sample.columns.map((column) => column.name);
  const scene =
    kind === 'logistic' ? logisticScene(parties, columns, folder) : digitsScene(kind, parties, columns, folder);
  await splitSample(sample, scene.parts, signal);
  return scene;
}

const SAMPLES: Record<Kind, string> = {
  logistic: 'wdbc.csv',
  mlp: 'digits.csv.gz',
  cnn: 'digits.csv.gz',
};

export const demo = defineCommand({
  name: 'demo',
  summary: 'Several organisations and a dealer train one model on this machine.',
  usage:
    'logistic (default): is a tumour malignant? Features at several clinics, the diagnosis at a laboratory.\n' +
    'With --join ids, hidden or left the clinics share most of their patients and line them up by a private join.\n' +
    'mlp and cnn: handwritten digits, each organisation its own images, by dense layers or by convolutions.\n\n' +
    'Every organisation and the dealer is a process of its own with a data folder of its own; they talk over TLS on the\n' +
    'loopback. The closing table compares with training in the clear on the pooled data, which only this launcher can do:\n' +
    'it holds all files.',
  arguments: [{ name: 'KIND', description: 'logistic, mlp or cnn.', optional: true }],
  options: {
    ...kernelsOption,
    parties: { type: 'string', value: 'N', description: 'Organisations beside the dealer: 3, or 2 that join.' },
    join: { type: 'string', value: 'HOW', description: 'logistic: rows, ids, hidden or left.', default: 'rows' },
    folder: { type: 'string', value: 'DIR', description: 'Where to put files; a new temporary folder by default.' },
  },
  async run({ arguments: [argument], options, signal, output, progress }) {
    const kind = parseChoice('KIND', argument ?? 'logistic', kinds);
    const how = parseChoice('--join', options.join, joins);
    if (how !== 'rows' && kind !== 'logistic') {
      throw new InputError('argument-invalid', `--join ${how}: the rows of ${kind} are stacked, not joined.`, {
        hint: 'Use: demo logistic --join ids',
      });
    }
    const count = options.parties ?? (how === 'rows' ? '3' : '2');
    const parties = parseInteger('--parties', count, { min: 2, max: MAX_PARTIES });
    const kernels = parseKernels(options.kernels);
    const folder =
      options.folder === undefined ? await mkdtemp(join(tmpdir(), 'tacit-demo-')) : resolve(options.folder);
    const files = join(folder, 'files');
    await mkdir(files, { recursive: true });
    const sample = await openDataset([join(samplesFolder, SAMPLES[kind])], signal);
    const scene = await stage(sample, kind, how, parties, files, signal);
    const jobFile = join(files, 'job.yaml');
    await writeFile(jobFile, scene.job);
    output.line(`${scene.about} ${DEALER} deals.`);
    output.line(`The job: ${jobFile}`);
    const run = await runLocally({
      jobFile,
      folder: join(folder, 'parties'),
      kernels,
      signal,
      onProgress: (party, update) => progress.report({ party, ...update, unit: update.unit ?? 'steps' }),
    });
    progress.end();
    return localOutcome(run, output);
  },
});
