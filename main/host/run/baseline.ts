/**
 * Plaintext training on all parties' rows, as a simulation by a launcher that holds all files: the same model, first weights,
 * batches and optimiser. No host of a session ever calls this. Knows nothing of processes.
 */
import { epochBatches } from '../../../shared/schedule.ts';
import { dataParties } from '../../../shared/job-roles.ts';
import { InternalError } from '../../../shared/errors.ts';
import type { PreparedRows } from '../datasets/prepare.ts';
import { trainBaseline } from '../baseline/train.ts';
import type { CompiledJob } from '../jobs/compile.ts';
import type { Scores } from '../results/results.ts';
import { labelUnit } from './run-results.ts';

export interface PooledBaseline {
  readonly scores: Scores;
  /** Training alone. */
  readonly seconds: number;
}

/** @param prepared each data party's rows. */
export async function pooledBaseline(
  compiled: CompiledJob,
  prepared: ReadonlyMap<string, PreparedRows>,
  signal: AbortSignal,
): Promise<PooledBaseline | undefined> {
  const { job, layout, description, initialWeights, spec } = compiled;
  const { train } = job;
  if (train === undefined || layout.test.length === 0) return undefined;
  const { features, labels } = pooledRows(compiled, prepared);
  if (spec.standardise !== undefined) standardise(features, spec.standardise, layout.train);
  function* schedule(): Generator<Uint32Array> {
    for (let epoch = 0; epoch < (train?.epochs ?? 0); epoch++) {
      yield* epochBatches(layout.train, spec.batch, train?.seed ?? 0, epoch);
    }
  }
  const { metrics, seconds } = await trainBaseline(
    {
      description,
      initialWeights,
      task: spec.task,
      data: { features, labels },
      schedule: schedule(),
      testRows: layout.test,
      optimizer: spec.optimizer,
    },
    signal,
  );
  const scores: Scores = 'rmse' in metrics ? { ...metrics, rmse: metrics.rmse * labelUnit(job) } : metrics;
  return { scores, seconds };
}

/** All rows in the order of the global numbering. */
function pooledRows(
  { job, layout, spec }: CompiledJob,
  prepared: ReadonlyMap<string, PreparedRows>,
): { features: Float64Array; labels: Float64Array } {
  const parties = dataParties(job);
  const of = (party: string): PreparedRows => {
    const rows = prepared.get(party);
    if (rows === undefined) throw new InternalError('baseline-without-rows', `The rows of ${party} are missing.`);
    return rows;
  };
  const width = spec.description.inputShape.reduce((product, size) => product * size, 1);
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
  let offset = 0;
  for (const party of parties) {
    const { matrix, columns, labels: own } = of(party);
    for (let row = 0; row < layout.rows; row++) {
      features.set(matrix.subarray(row * columns.length, (row + 1) * columns.length), row * width + offset);
    }
    offset += columns.length;
    if (own !== undefined) labels.set(own);
  }
  return { features, labels };
}

/** What the parties do on shares: marked columns by mean and population deviation of the training rows, in place. */
function standardise(features: Float64Array, columns: readonly boolean[], training: Uint32Array): void {
  const width = columns.length;
  columns.forEach((marked, column) => {
    if (!marked) return;
    const mean = training.reduce((sum, row) => sum + features[row * width + column]!, 0) / training.length;
    const squares = training.reduce((sum, row) => sum + (features[row * width + column]! - mean) ** 2, 0);
    const deviation = Math.sqrt(squares / training.length) || 1;
    for (let at = column; at < features.length; at += width) features[at] = (features[at]! - mean) / deviation;
  });
}
