/**
 * From a resolved job and the schemas of its data to what the engine runs: programs, plan, and the order of executions. A
 * function of what all parties have agreed on, so that every party and the dealer get the same digest.
 * Knows no cells, and nothing of processes or links.
 */
import { createHash } from 'node:crypto';
import { trainingGraphs, names } from '../../../engine/nn/training.ts';
import type { TrainingSpec } from '../../../engine/nn/training.ts';
import { trainingScript } from '../../../engine/nn/script.ts';
import type { Execution } from '../../../engine/nn/script.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import type { Plan } from '../../../engine/plan/plan.ts';
import { encodeFixed } from '../../../engine/runtime/words.ts';
import type { Assumption } from '../../../engine/tensor/graph.ts';
import { InputError, InternalError } from '../../../shared/errors.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { describeModel } from '../../../shared/job-model.ts';
import { dataParties, partyOrder } from '../../../shared/job-roles.ts';
import type { Job } from '../../../shared/job.ts';
import type { ModelDescription, ModelWeights } from '../../../shared/model.ts';
import { columnPlan, jobRows, matrixColumns, modelSizes, standardisation } from '../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../shared/resolve-job.ts';
import type { RowLayout } from '../../../shared/schedule.ts';
import type { PreparedRows } from '../datasets/prepare.ts';

export interface CompiledJob {
  readonly job: Job;
  readonly spec: TrainingSpec;
  readonly plan: Plan;
  readonly assumptions: readonly Assumption[];
  readonly layout: RowLayout;
  readonly description: ModelDescription;
  readonly initialWeights: ModelWeights;
  /** All executions in order; restartable, as the order is a function of the job. */
  script(): Generator<Execution, void>;
}

/** One block of rows that a party shares as one input. */
interface Block {
  readonly owner: string;
  /** Rows of the party's prepared matrix. */
  readonly from: number;
  readonly rows: number;
}

/** Standardised values stay below 2^7, scaled ones are at most 1; larger cells are refused before anything is shared. */
const STANDARDISED_BITS = 7;
const SCALED_BITS = 0.01;

/**
 * @throws InputError for joins and tasks that the engine does not run yet, and for models it cannot compute.
 */
export function compileJob(job: Job, schemas: SchemasByParty): CompiledJob {
  const { task, train, model } = job;
  if (task !== 'classification' && task !== 'regression') {
    throw new InputError('task-not-available', `Jobs with task: ${task} cannot be run by this version.`, {
      hint: 'Use classification or regression, or `tacit infer` for private inference.',
    });
  }
  if (job.join.how !== 'rows' && job.join.how !== 'stack') {
    throw new InputError('join-not-available', `The join "${job.join.how}" cannot be run by this version.`, {
      hint: 'Align the rows beforehand and use "join: { how: rows }", or stack.',
    });
  }
  if (train === undefined || model === undefined)
    throw new InternalError('job-incomplete', 'A training job lacks model or train.');
  const layout = jobRows(job, schemas);
  const { inputs, outputs } = modelSizes(job, schemas);
  const shape = inputShape(job, inputs);
  const description = describeModel(model, shape, outputs, task);
  const blocks = rowBlocks(job, layout);
  const first = blocks[0];
  if (first === undefined) throw new InternalError('job-without-data', 'A job has no data.');
  const width = (party: string): number => matrixColumns(columnPlan(job, party, schemas)).length;
  const labelled = Object.keys(job.label);
  const spec: TrainingSpec = {
    features: blocks
      .filter(({ owner }) => width(owner) > 0)
      .map(({ owner, rows }) => ({ owner, rows, columns: width(owner) })),
    arrangement: job.join.how === 'stack' ? 'rows' : 'columns',
    labels: blocks.filter(({ owner }) => labelled.includes(owner)).map(({ owner, rows }) => ({ owner, rows })),
    description,
    task,
    trainingRows: layout.train.length,
    testRows: layout.test.length,
    batch: train.batch,
    optimizer: train.optimizer,
    reveal: { model: job.reveal.model, metrics: job.reveal.metrics },
    fractionBits: job.precision.fractionBits,
    assumedBound: job.precision.bound,
    featureMagnitudeBits: featureBits(job),
    labelMagnitudeBits: SCALED_BITS,
    standardise: standardisation(job) === 'onShares' ? columnsOnShares(job, schemas) : undefined,
  };
  const graphs = trainingGraphs(spec);
  const parties = partyOrder(job);
  const programs = graphs.map((graph) => lower(graph, { parties }));
  const plan = planJob(programs, (data) => createHash('sha256').update(data).digest());
  const weights = initialWeights(description, train.seed);
  return {
    job,
    spec,
    plan,
    assumptions: graphs.flatMap((graph) => graph.assumptions),
    layout,
    description,
    initialWeights: weights,
    script: () =>
      trainingScript({
        spec,
        seed: train.seed,
        epochs: train.epochs,
        train: layout.train,
        test: layout.test,
        initialWeights: weights,
        metricsEvery: train.metricsEvery === 'end' ? undefined : train.metricsEvery,
      }),
  };
}

/** One party's plaintext inputs as ring words, by input name. */
export function inputWords(compiled: CompiledJob, party: string, prepared: PreparedRows): Map<string, BigUint64Array> {
  const { job, spec, layout } = compiled;
  const words = new Map<string, BigUint64Array>();
  const width = prepared.columns.length;
  const blocks = rowBlocks(job, layout);
  const encode = (values: Float64Array, magnitudeBits: number, place: (i: number) => string): BigUint64Array =>
    encodeFixed(values, spec.fractionBits, magnitudeBits, place);
  blocks
    .filter(({ owner }) => spec.features.some((block) => block.owner === owner))
    .forEach((block, i) => {
      if (block.owner !== party) return;
      const cells = prepared.matrix.subarray(block.from * width, (block.from + block.rows) * width);
      words.set(
        `${names.features}/${i}`,
        encode(
          cells,
          spec.featureMagnitudeBits,
          (cell) => `Row ${block.from + Math.floor(cell / width) + 1}, column ${prepared.columns[cell % width] ?? ''}`,
        ),
      );
    });
  blocks
    .filter(({ owner }) => Object.hasOwn(job.label, owner))
    .forEach((block, i) => {
      if (block.owner !== party || prepared.labels === undefined) return;
      const values = labelValues(compiled, prepared.labels.subarray(block.from, block.from + block.rows));
      words.set(
        `${names.labels}/${i}`,
        encode(values, spec.labelMagnitudeBits, (cell) => `Label ${cell + 1}`),
      );
    });
  return words;
}

/** Labels as the loss takes them: the value or class 0 / 1, or one-hot over the classes. */
function labelValues({ job, spec }: CompiledJob, labels: Float64Array): Float64Array {
  const classes = job.classes[Object.values(job.label)[0] ?? '']?.length ?? 0;
  if (spec.task === 'regression' || classes === 2) return labels;
  const oneHot = new Float64Array(labels.length * classes);
  labels.forEach((label, row) => (oneHot[row * classes + label] = 1));
  return oneHot;
}

/** Blocks in the order of the global row numbering: data of all parties, then test files. */
function rowBlocks(job: Job, layout: RowLayout): Block[] {
  const stacked = job.join.how === 'stack';
  const parties = dataParties(job);
  if (!stacked) return parties.map((owner) => ({ owner, from: 0, rows: layout.rows }));
  return (['data', 'test'] as const).flatMap((what) =>
    parties.flatMap((owner) => {
      const spans = layout.parties[owner];
      if (spans === undefined || spans[what].rows === 0) return [];
      return [{ owner, from: what === 'data' ? 0 : spans.data.rows, rows: spans[what].rows }];
    }),
  );
}

function featureBits(job: Job): number {
  return standardisation(job) === 'locally' ? STANDARDISED_BITS : SCALED_BITS;
}

/** Columns that are standardised on shares: numbers, neither truth values nor categories. */
function columnsOnShares(job: Job, schemas: SchemasByParty): boolean[] {
  const [first] = dataParties(job);
  const plan = columnPlan(job, first ?? '', schemas);
  return plan.features.flatMap((feature) =>
    feature.encode === 'oneHot' ? feature.categories.map(() => false) : [feature.encode === 'number'],
  );
}

/** Images are rows of square pixels where the model's first layer is a convolution. */
function inputShape(job: Job, inputs: number): number[] {
  const model = job.model;
  if (model === undefined || !('template' in model) || model.template !== 'lenet') return [inputs];
  for (const channels of [1, 3]) {
    const side = Math.sqrt(inputs / channels);
    if (Number.isInteger(side)) return [channels, side, side];
  }
  return [inputs];
}
