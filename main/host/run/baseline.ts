/**
 * Plaintext training on all parties' rows, as a simulation by a launcher that holds all files: the same model, first weights,
 * batches and optimiser. No host of a session ever calls this. Knows nothing of processes.
 */
import { rateAt } from '../../../shared/learning-rate.ts';
import { batchSizes, epochBatches } from '../../../shared/schedule.ts';
import { dataParties } from '../../../shared/job-roles.ts';
import { InternalError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import type { Membership } from '../../../engine/nn/membership.ts';
import { flaggedParties } from '../../../shared/job-join.ts';
import type { PreparedRows } from '../datasets/prepare.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { trainBaseline } from '../baseline/train.ts';
import type { CompiledJob } from '../jobs/tasks/task.ts';
import { inLabelUnit, labelUnit } from '../jobs/tasks/training-outcome.ts';
import type { Scores } from '../../../shared/metrics.ts';

export interface PooledBaseline {
  readonly scores: Scores;
  /** Training alone. */
  readonly seconds: number;
  /** What it was computed with, and why not with more. */
  readonly backend: string;
}

/**
 * @param prepared each data party's rows.
 * @param ownModel of the party that owns the model, where one does.
 */
export async function pooledBaseline(
  compiled: CompiledJob,
  prepared: ReadonlyMap<string, PreparedRows>,
  signal: AbortSignal,
  ownModel?: TrainedModel,
): Promise<PooledBaseline | undefined> {
  const { job, layout, training } = compiled;
  const { train } = job;
  if (train === undefined || training === undefined || layout.test.length === 0) return undefined;
  const { description, initialWeights, spec } = training;
  const width = elementCount(description.inputShape);
  const { features, labels } = pooledRows(compiled, width, prepared);
  const counts = rowsThatCount(spec.membership, prepared);
  if (spec.standardise !== undefined) standardise(features, spec.standardise, width, layout.train.filter(counts));
  features.forEach((cell, at) => Number.isNaN(cell) && (features[at] = 0));
  function* schedule(): Generator<Uint32Array> {
    for (let epoch = 0; epoch < (train?.epochs ?? 0); epoch++) {
      for (const batch of epochBatches(layout.train, spec.batch, train?.seed ?? 0, epoch)) {
        const rows = batch.filter(counts);
        if (rows.length > 0) yield rows;
      }
    }
  }
  const stepsPerEpoch = batchSizes(layout.train.length, spec.batch).length;
  const length = { steps: stepsPerEpoch * train.epochs, stepsPerEpoch };
  const { metrics, seconds, backend } = await trainBaseline(
    {
      description,
      initialWeights: initialWeights(ownModel),
      task: spec.task,
      data: { features, labels },
      schedule: schedule(),
      testRows: layout.test.filter(counts),
      // In the clear nobody flips labels.
      loss: job.privacy?.labels === undefined ? spec.loss : undefined,
      metrics: spec.metrics,
      optimizer: spec.optimizer,
      clip: spec.clip,
      rate: (step) => rateAt(train.schedule, step, length),
    },
    signal,
  );
  return { scores: inLabelUnit(metrics, labelUnit(job)), seconds, backend };
}

/** Which rows of the joined table count: all of them, but for slots that nobody shows. */
function rowsThatCount(
  membership: Membership | undefined,
  prepared: ReadonlyMap<string, PreparedRows>,
): (row: number) => boolean {
  if (membership === undefined) return () => true;
  const held = membership.required.map((party) => new Set(prepared.get(party)?.slots));
  return (row) => held.every((rows) => rows.has(row));
}

/** All rows in the order of the global numbering; NaN where a party lacks a row. Flags of who has a row stand at the end. */
function pooledRows(
  { job, layout }: CompiledJob,
  width: number,
  prepared: ReadonlyMap<string, PreparedRows>,
): { features: Float64Array; labels: Float64Array } {
  const parties = dataParties(job);
  const of = (party: string): PreparedRows => {
    const rows = prepared.get(party);
    if (rows === undefined) throw new InternalError('baseline-without-rows', `The rows of ${party} are missing.`);
    return rows;
  };
  const features = new Float64Array(layout.rows * width);
  const labels = new Float64Array(layout.rows);
  if (job.join.how === 'stack') {
    for (const party of parties) {
      const { matrix, labels: own } = of(party);
      const spans = layout.parties[party];
      if (spans === undefined || own === undefined) continue;
      const { data, test } = spans;
      features.set(matrix.subarray(0, data.rows * width), data.start * width);
      features.set(matrix.subarray(data.rows * width), test.start * width);
      labels.set(own.subarray(0, data.rows), data.start);
      labels.set(own.subarray(data.rows), test.start);
    }
    return { features, labels };
  }
  features.fill(NaN);
  const flagged = flaggedParties(job, parties);
  let offset = 0;
  for (const party of parties) {
    const { matrix, columns, labels: own, slots = layout.rows } = of(party);
    const rows = typeof slots === 'number' ? Uint32Array.from({ length: slots }, (_, row) => row) : slots;
    rows.forEach((row, at) => {
      features.set(matrix.subarray(at * columns.length, (at + 1) * columns.length), row * width + offset);
      if (own !== undefined) labels[row] = own[at]!;
    });
    offset += columns.length;
    const flag = width - flagged.length + flagged.indexOf(party);
    if (flagged.includes(party)) {
      for (let row = 0; row < layout.rows; row++) features[row * width + flag] = 0;
      for (const row of rows) features[row * width + flag] = 1;
    }
  }
  return { features, labels };
}

/** What the parties do on shares: marked columns by mean and population deviation of the training rows, in place. */
function standardise(features: Float64Array, columns: readonly boolean[], width: number, training: Uint32Array): void {
  columns.forEach((marked, column) => {
    if (!marked) return;
    const there = training.filter((row) => !Number.isNaN(features[row * width + column]));
    const mean = there.reduce((sum, row) => sum + features[row * width + column]!, 0) / there.length;
    const squares = there.reduce((sum, row) => sum + (features[row * width + column]! - mean) ** 2, 0);
    const deviation = Math.sqrt(squares / there.length) || 1;
    for (let at = column; at < features.length; at += width) features[at] = (features[at]! - mean) / deviation;
  });
}
