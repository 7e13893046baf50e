/** Classification and regression: a model is trained on the table's training rows and judged on its test rows. */
import { wordsInSlots } from '../../../../engine/nn/membership.ts';
import { weightWords } from '../../../../engine/nn/model-weights.ts';
import { splitGraphs } from '../../../../engine/nn/split/graphs.ts';
import { labelScale } from '../../../../engine/nn/split/spec.ts';
import { trainingLoss } from '../../../../engine/nn/losses/table.ts';
import { trainingGraphs } from '../../../../engine/nn/training/graphs.ts';
import { trainingScript } from '../../../../engine/nn/training/script.ts';
import { names, scoreWidth } from '../../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../../engine/nn/training/spec.ts';
import { encodeFixed } from '../../../../engine/runtime/words.ts';
import { InputError, InternalError } from '../../../../shared/errors.ts';
import { initialWeights } from '../../../../shared/initialise.ts';
import { continuedModel, describeModel, modelInputShape } from '../../../../shared/job-model.ts';
import { partyOrder } from '../../../../shared/job-roles.ts';
import type { Job } from '../../../../shared/job.ts';
import { binaryLosses } from '../../../../shared/losses.ts';
import { scaledGraph } from '../../../../shared/layers/operators.ts';
import type { ModelDescription, ModelWeights, TrainedModel } from '../../../../shared/model.ts';
import { publicModel } from '../../../../shared/published-model.ts';
import type { PublishedModel } from '../../../../shared/published-model.ts';
import { jobRows, modelSizes, standardisation } from '../../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../../shared/resolve-job.ts';
import type { RowLayout } from '../../../../shared/schedule.ts';
import type { PreparedRows } from '../../datasets/prepare.ts';
import { claimFact, privacyClaims } from './privacy-claims.ts';
import { modelNoise } from './model-noise.ts';
import { splitClearWork, splitSpec } from './split.ts';
import { checkMembers, rowBlocks, SCALED_BITS, tableSpec, tableWords } from './table.ts';
import type { Task } from './task.ts';
import {
  confusionTable,
  labelUnit,
  qualityByEpoch,
  revealedModel,
  runMetrics,
  scaledLastDense,
} from './training-outcome.ts';

/** @param published what all know of the file that the model goes on from, where the job names one. */
export function trainingTask(job: Job, schemas: SchemasByParty, published: PublishedModel | undefined): Task {
  const { task, train, model } = job;
  if (train === undefined || model === undefined || (task !== 'classification' && task !== 'regression'))
    throw new InternalError('job-incomplete', 'A training job lacks model or train.');
  const layout = jobRows(job, schemas);
  const { inputs, outputs } = modelSizes(job, schemas);
  if (published?.standardised === true && standardisation(job) === 'none') {
    throw new InputError(
      'job-model-standardises',
      'The model in the file standardises its inputs itself, and the job standardises none.',
      { hint: 'Leave train.standardise on: the columns’ new statistics take the place of those in the file.' },
    );
  }
  const description =
    published === undefined
      ? describeModel(model, modelInputShape(model, inputs), outputs, task)
      : continuedModel(published.description, inputs, outputs, task);
  const unit = labelUnit(job);
  const labelled = Object.keys(job.label);
  const plain: TrainingSpec = {
    ...tableSpec(job, schemas, layout),
    labels: rowBlocks(job, layout)
      .filter(({ owner }) => labelled.includes(owner))
      .map(({ owner, rows }) => ({ owner, rows })),
    description: inScaledUnits(description, unit),
    modelOwner: 'owner' in model ? model.owner : undefined,
    task,
    testRows: layout.test.length,
    batch: train.batch,
    loss: train.loss,
    optimizer: train.optimizer,
    schedule: train.schedule,
    clip: train.clip,
    privacy: job.privacy?.gradients && { ...job.privacy.gradients, parties: partyOrder(job) },
    reveal: { model: job.reveal.model, metrics: job.reveal.metrics },
    metrics: train.metrics,
    labelMagnitudeBits: SCALED_BITS,
  };
  checkBinaryLoss(plain);
  const spec: TrainingSpec = { ...plain, modelNoise: modelNoise(job, plain) };
  const continued = (file: TrainedModel): ModelWeights => scaledLastDense(description, file.weights, 1 / unit);
  const publicWeights = (): ModelWeights => {
    const file = published && publicModel(published);
    return file === undefined ? initialWeights(description, train.seed) : continued(file);
  };
  const weights = spec.modelOwner === undefined ? publicWeights() : new Map();
  const split = splitSpec(job, spec);
  const privacy = privacyClaims(job, spec.trainingRows);
  return {
    graphs: split === undefined ? trainingGraphs(spec) : splitGraphs(split),
    layout,
    activity: 'training',
    about: [
      ['training rows', String(spec.trainingRows)],
      ['test rows', String(spec.testRows)],
      ...privacy.map(claimFact),
    ],
    privacy,
    scaleReceivers: standardisation(job) === 'locally' ? job.reveal.model : [],
    training: {
      spec,
      description: spec.description,
      initialWeights: (own) => (own === undefined ? weights : continued(own)),
    },
    clearWork: (party, own) =>
      split?.split.owner === party
        ? splitClearWork(split, train, own.model === undefined ? weights : continued(own.model), own)
        : undefined,
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
    inputs: (party, { rows, model: own }) =>
      new Map([
        ...tableWords(job, spec, layout, party, rows),
        ...labelWords(job, spec, layout, party, rows, split === undefined ? spec.fractionBits : labelScale(split)),
        ...(party !== spec.modelOwner || own === undefined
          ? []
          : weightWords({ description, weights: continued(own) }, { ...spec, standardised: 'no' })),
      ]),
    check: (revealed) => checkMembers(spec, revealed),
    quality: (party, revealed) => (job.reveal.metrics.includes(party) ? qualityByEpoch(job, spec, revealed) : []),
    outcome: ({ party, revealed, standardisations }) => ({
      metrics: job.reveal.metrics.includes(party) ? runMetrics(job, spec, revealed) : undefined,
      tables: [confusionTable(job, spec, job.reveal.metrics.includes(party) ? revealed : [])].filter(
        (table) => table !== undefined,
      ),
      model: job.reveal.model.includes(party)
        ? revealedModel(job, spec, description, revealed, standardisations)
        : undefined,
    }),
  };
}

/** @throws InputError `job-loss-outputs` for a loss of one score with a model of two. */
function checkBinaryLoss(spec: TrainingSpec): void {
  const { name } = trainingLoss(spec.task, spec.loss);
  const scores = scoreWidth(spec);
  if (scores === 1 || !binaryLosses.includes(name)) return;
  throw new InputError('job-loss-outputs', `The loss ${name} is of one score, and the model gives ${scores}.`, {
    hint: 'Use crossEntropy, or let the model end in one score, that of the second class.',
  });
}

/** A graph of operators answers in the label's unit, and is trained on scaled labels; a dense layer's weights are scaled instead. */
function inScaledUnits(description: ModelDescription, unit: number): ModelDescription {
  const last = description.layers.at(-1);
  if (last?.kind !== 'operators') return description;
  const scaled = { ...last, graph: scaledGraph(last.graph, 1 / unit) };
  return { ...description, layers: [...description.layers.slice(0, -1), scaled] };
}

function labelWords(
  job: Job,
  spec: TrainingSpec,
  layout: RowLayout,
  party: string,
  rows: PreparedRows | undefined,
  scale: number,
): Map<string, BigUint64Array> {
  const words = new Map<string, BigUint64Array>();
  const { labels, slots } = rows ?? {};
  rowBlocks(job, layout)
    .filter(({ owner }) => Object.hasOwn(job.label, owner))
    .forEach((block, i) => {
      if (block.owner !== party || labels === undefined) return;
      const own = slots === undefined ? labels.subarray(block.from, block.from + block.rows) : labels;
      const values = labelValues(spec, own);
      const place = (cell: number): string => `Label ${cell + 1}`;
      const encoded = encodeFixed(values, scale, spec.labelMagnitudeBits, place);
      const width = labels.length === 0 ? 1 : values.length / labels.length;
      const all = slots === undefined ? encoded : wordsInSlots(encoded, width, slots, layout.rows);
      words.set(`${names.labels}/${i}`, all);
    });
  return words;
}

/** Labels as the loss takes them: the value or class 0 / 1, or one-hot over the classes. */
function labelValues(spec: TrainingSpec, labels: Float64Array): Float64Array {
  const classes = scoreWidth(spec);
  if (spec.task === 'regression' || classes === 1) return labels;
  const oneHot = new Float64Array(labels.length * classes);
  labels.forEach((label, row) => (oneHot[row * classes + label] = 1));
  return oneHot;
}
