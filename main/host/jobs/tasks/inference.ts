/** Inference: a trained model answers all rows of the table; its weights are one party's own, or public. */
import { inferenceNames } from '../../../../engine/nn/inference.ts';
import { modelNames, weightWords } from '../../../../engine/nn/model-weights.ts';
import type { ModelSpec } from '../../../../engine/nn/model-weights.ts';
import { tableInferenceGraphs, tableInferenceScript } from '../../../../engine/nn/table-inference.ts';
import type { TableInferenceSpec } from '../../../../engine/nn/table-inference.ts';
import { decodeFixed } from '../../../../engine/runtime/words.ts';
import { InputError, InternalError } from '../../../../shared/errors.ts';
import { flaggedParties, hidesRows, joinsRows } from '../../../../shared/job-join.ts';
import { dataParties } from '../../../../shared/job-roles.ts';
import type { Job } from '../../../../shared/job.ts';
import { elementCount } from '../../../../shared/layers/kind.ts';
import { modelShapes } from '../../../../shared/model.ts';
import type { TrainedModel } from '../../../../shared/model.ts';
import { publicModel } from '../../../../shared/published-model.ts';
import type { PublishedModel } from '../../../../shared/published-model.ts';
import { jobRows, standardisation } from '../../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../../shared/resolve-job.ts';
import type { RowLayout } from '../../../../shared/schedule.ts';
import type { PreparedRows } from '../../datasets/prepare.ts';
import type { ResultTable } from '../../results/results.ts';
import { checkMembers, publicScales, tableSpec, tableWords } from './table.ts';
import type { Task } from './task.ts';

export function inferenceTask(job: Job, schemas: SchemasByParty, published: PublishedModel | undefined): Task {
  if (published === undefined)
    throw new InternalError('job-incomplete', 'An inference job lacks what all know of its model.');
  const { description } = published;
  const owner = job.model !== undefined && 'owner' in job.model ? job.model.owner : undefined;
  const layout = jobRows(job, schemas);
  const scales = columnScales(job, schemas);
  const inputs = elementCount(description.inputShape);
  if (scales.length !== inputs) {
    throw new InputError(
      'model-inputs',
      `The model takes ${inputs} numbers a row, and the parties bring ${scales.length} columns together.`,
      { hint: 'Name the columns under "features"; they stand in the order of the parties’ names.' },
    );
  }
  const model: ModelSpec = {
    description,
    modelOwner: owner,
    standardised: published.standardised
      ? owner === undefined
        ? 'publicly'
        : 'privately'
      : scales.every((factor) => factor === 1)
        ? 'no'
        : 'publicly',
    fractionBits: job.precision.fractionBits,
    assumedBound: job.precision.bound,
  };
  const spec: TableInferenceSpec = {
    ...tableSpec(job, schemas, layout),
    ...model,
    rows: layout.test,
    receivers: job.reveal.predictions,
  };
  const known = publicWords(spec, published, scales);
  return {
    graphs: tableInferenceGraphs(spec),
    layout,
    activity: 'answering',
    about: [
      ['rows', String(layout.test.length)],
      ['model of', owner ?? 'everybody: its weights are public'],
    ],
    scaleReceivers: [],
    script: () => tableInferenceScript(spec, known),
    check: (revealed) => checkMembers(spec, revealed),
    inputs: (party, own) =>
      new Map([...tableWords(job, spec, layout, party, own.rows), ...ownerWords(spec, party, own.model, scales)]),
    quality: () => [],
    outcome: ({ party, revealed, rows }) => {
      if (!job.reveal.predictions.includes(party)) return {};
      const parts = revealed.filter(({ name }) => name === inferenceNames.answers);
      const values = parts.flatMap(({ words }) => [...decodeFixed(words, spec.fractionBits)]);
      const shape = modelShapes(description).at(-1) ?? [];
      const { places, answers } = answeredRows(job, layout, rows, values, elementCount(shape));
      return {
        tables: [predictionTable(places, answers)],
        arrays: {
          predictions: {
            type: 'float32',
            shape: [answers.length, ...shape],
            data: Float32Array.from(answers.flat()),
          },
        },
      };
    },
  };
}

/** What all columns are multiplied by before they are shared, as far as it is public; 1 for columns standardised locally, and for flags. */
function columnScales(job: Job, schemas: SchemasByParty): number[] {
  const scales = publicScales(job, schemas);
  const shared = standardisation(job) === 'none' ? scales : scales.map(() => 1);
  return [...shared, ...flaggedParties(job, dataParties(job)).map(() => 1)];
}

/** The model on columns as they are shared: its own factors, with the columns' scales taken back. */
function onSharedColumns(model: TrainedModel, scales: readonly number[]): TrainedModel {
  const { subtract, multiply } = model.standardisation ?? {
    subtract: new Float64Array(scales.length),
    multiply: new Float64Array(scales.length).fill(1),
  };
  return {
    ...model,
    standardisation: {
      subtract: subtract.map((value, column) => value * (scales[column] ?? 1)),
      multiply: multiply.map((value, column) => value / (scales[column] ?? 1)),
    },
  };
}

const isStandardisation = (name: string): boolean => name === modelNames.subtract || name === modelNames.multiply;

/** What of the model every party and the dealer give to every execution. */
function publicWords(
  spec: TableInferenceSpec,
  published: PublishedModel,
  scales: readonly number[],
): Map<string, BigUint64Array> {
  if (spec.modelOwner === undefined) {
    const model = publicModel(published);
    if (model === undefined)
      throw new InternalError('model-not-public', 'A model without owner has no public weights.');
    return weightWords(onSharedColumns(model, scales), spec);
  }
  if (spec.standardised !== 'publicly') return new Map();
  const factors = onSharedColumns({ description: { ...spec.description, layers: [] }, weights: new Map() }, scales);
  return weightWords(factors, { ...spec, description: factors.description });
}

/** What the model's owner brings. */
function ownerWords(
  spec: TableInferenceSpec,
  party: string,
  model: TrainedModel | undefined,
  scales: readonly number[],
): [string, BigUint64Array][] {
  if (party !== spec.modelOwner || model === undefined) return [];
  return [...weightWords(onSharedColumns(model, scales), spec)].filter(
    ([name]) => spec.standardised === 'privately' || !isStandardisation(name),
  );
}

interface AnsweredRows {
  /** By heading, what tells where a row stands. */
  readonly places: ReadonlyMap<string, readonly (string | number)[]>;
  /** Of each row. */
  readonly answers: readonly (readonly number[])[];
}

/**
 * The rows that a receiver gets answers for: all of them, with their places in its own file where they were joined and it has them;
 * of slots those in which it has a row.
 */
function answeredRows(
  job: Job,
  layout: RowLayout,
  own: PreparedRows | undefined,
  values: readonly number[],
  width: number,
): AnsweredRows {
  const at = (row: number): number[] => values.slice(row * width, (row + 1) * width);
  const fileRows = Array.from(own?.fileRows ?? [], (row) => row + 1);
  if (hidesRows(job)) {
    const slots = [...(own?.slots ?? [])];
    return { places: new Map([['row', fileRows]]), answers: slots.map(at) };
  }
  const answers = Array.from({ length: layout.rows }, (_, row) => at(row));
  if (job.join.how === 'stack') {
    const stacked = dataParties(job).flatMap((party) =>
      Array.from({ length: layout.parties[party]?.data.rows ?? 0 }, (_, row) => [party, row + 1] as const),
    );
    const places = new Map<string, readonly (string | number)[]>([
      ['party', stacked.map(([party]) => party)],
      ['row', stacked.map(([, row]) => row)],
    ]);
    return { places, answers };
  }
  const places = new Map([['row', answers.map((_, row) => row + 1)]]);
  if (joinsRows(job) && own !== undefined) places.set('own row', fileRows);
  return { places, answers };
}

/** A line for every row: where it stands, and the model's answer. */
function predictionTable(places: AnsweredRows['places'], answers: AnsweredRows['answers']): ResultTable {
  const width = answers[0]?.length ?? 1;
  const headings = Array.from({ length: width }, (_, i) => (width === 1 ? 'answer' : `answer ${i + 1}`));
  return {
    name: 'predictions',
    columns: [...places.keys(), ...headings],
    rows: answers.map((own, row) => [...[...places.values()].map((column) => column[row] ?? ''), ...own]),
  };
}
