/**
 * From what a training revealed to one party to what it keeps: metrics in the clear, and the model on raw inputs and outputs.
 * Knows nothing of protocols or files.
 */
import { metricSums } from '../../../../engine/nn/training/totals.ts';
import { classCount, isSquared, metricNames, names } from '../../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../../engine/nn/training/spec.ts';
import type { Revealed } from '../../../../engine/runtime/script.ts';
import { decodeFixed } from '../../../../engine/runtime/words.ts';
import { answeringDense } from '../../../../shared/job-model.ts';
import type { Job } from '../../../../shared/job.ts';
import { weightShapes } from '../../../../shared/model.ts';
import type {
  InputStandardisation,
  ModelDescription,
  ModelWeights,
  TrainedModel,
  WeightTensor,
} from '../../../../shared/model.ts';
import type { EpochQuality } from '../../../../shared/progress.ts';
import { ratesOf } from '../../../../shared/metrics.ts';
import type { Scores } from '../../../../shared/metrics.ts';
import type { ResultTable, RunMetrics } from '../../results/results.ts';
import { tableStandardisation } from './table.ts';

/** The label's unit: regression labels are divided by a public power of two before they are shared. */
export function labelUnit(job: Job): number {
  const column = Object.values(job.label)[0] ?? '';
  const scale = job.train?.scale;
  return job.task === 'regression' && typeof scale === 'object' ? 2 ** (scale[column] ?? 0) : 1;
}

/** The accuracy that is expected on true labels, where the told ones are flipped at random; between 0 and 1. */
function trueAccuracy({ privacy }: Job, told: number): number {
  const keep = privacy?.labels?.keep ?? 1;
  return Math.min(1, Math.max(0, (told - (1 - keep)) / (2 * keep - 1)));
}

/** Errors of scaled labels, in the label's unit; the loss stays as it is. */
export function inLabelUnit(scores: Scores, unit: number): Scores {
  const { rmse, mae } = scores;
  return {
    ...scores,
    ...(rmse === undefined ? {} : { rmse: rmse * unit }),
    ...(mae === undefined ? {} : { mae: mae * unit }),
  };
}

/** What was revealed of each metric, by epoch from 0. */
function sumsByEpoch(
  spec: TrainingSpec,
  revealed: readonly Revealed[],
): ReadonlyMap<number, ReadonlyMap<string, Float64Array>> {
  const known = metricNames(spec);
  const epochs = new Map<number, Map<string, Float64Array>>();
  for (const { epoch, name, words } of revealed) {
    if (!known.includes(name)) continue;
    const sums = epochs.get(epoch) ?? new Map<string, Float64Array>();
    epochs.set(epoch, sums.set(name, metricSums(spec, name, words)));
  }
  return epochs;
}

/** Every reveal of the metrics, by epoch. Loss in scaled units, errors in the label's. */
export function qualityByEpoch(job: Job, spec: TrainingSpec, revealed: readonly Revealed[]): EpochQuality[] {
  const scoresOf = (sums: ReadonlyMap<string, Float64Array>): Scores => {
    const mean = (name: string): number => (sums.get(name)?.[0] ?? 0) / spec.testRows;
    if (spec.task === 'classification') {
      const [confusion, area] = [sums.get(names.confusion), sums.get(names.auc)];
      return {
        accuracy: trueAccuracy(job, mean(names.correct)),
        ...(confusion === undefined ? {} : ratesOf(confusion)),
        ...(area === undefined ? {} : { auc: area[0] }),
        loss: mean(names.loss),
      };
    }
    const squared = mean(names.squaredError);
    const absolute = mean(spec.loss?.name === 'l1' ? names.loss : names.absoluteError);
    return inLabelUnit(
      {
        rmse: Math.sqrt(squared),
        ...(spec.metrics?.includes('mae') === true ? { mae: absolute } : {}),
        loss: isSquared(spec) ? squared : mean(names.loss),
      },
      labelUnit(job),
    );
  };
  return [...sumsByEpoch(spec, revealed)]
    .sort(([a], [b]) => a - b)
    .map(([epoch, sums]) => ({ epoch: epoch + 1, ...scoresOf(sums) }));
}

/** The last confusion matrix that was revealed, by the names of the classes: rows, or shares of rows whose number is hidden. */
export function confusionTable(job: Job, spec: TrainingSpec, revealed: readonly Revealed[]): ResultTable | undefined {
  const last = [...sumsByEpoch(spec, revealed)].sort(([a], [b]) => a - b).at(-1)?.[1];
  const counts = last?.get(names.confusion);
  if (counts === undefined) return undefined;
  const classes = job.classes[Object.values(job.label)[0] ?? ''] ?? [];
  const width = classCount(spec);
  const unit = spec.membership === undefined ? 1 : spec.testRows;
  return {
    name: 'confusion',
    columns: ['true class', ...classes.map((name) => `answered ${name}`)],
    rows: classes.map((name, row) => [
      name,
      ...Array.from(counts.subarray(row * width, (row + 1) * width), (count) => count / unit),
    ]),
  };
}

/** Metrics of the last epoch that has some, and those before it. */
export function runMetrics(job: Job, spec: TrainingSpec, revealed: readonly Revealed[]): RunMetrics | undefined {
  const history = qualityByEpoch(job, spec, revealed);
  const last = history.pop();
  if (last === undefined) return undefined;
  const { epoch: _, ...scores } = last;
  return { ...scores, ...(history.length === 0 ? {} : { history }) };
}

/** The weights of a model whose answers are a multiple of a dense layer's weights, so that they are `factor` times as large. */
export function scaledLastDense(description: ModelDescription, weights: ModelWeights, factor: number): ModelWeights {
  const last = answeringDense(description);
  if (last === undefined) return weights;
  return new Map(
    [...weights].map(([key, { shape, data }]) => [
      key,
      { shape, data: key.startsWith(`${last.name}/`) ? data.map((value) => value * factor) : data },
    ]),
  );
}

/**
 * The model from its revealed weights, on raw inputs and in the label's unit.
 * @param description of the model that gives answers in the label's unit.
 * @param standardisations of `inputParties`, in order.
 */
export function revealedModel(
  job: Job,
  spec: TrainingSpec,
  description: ModelDescription,
  revealed: readonly Revealed[],
  standardisations: readonly InputStandardisation[],
): TrainedModel | undefined {
  const latest = new Map(revealed.map(({ name, words }) => [name, words]));
  const weights = new Map<string, WeightTensor>();
  for (const [key, shape] of weightShapes(description)) {
    const words = latest.get(names.weight(key));
    if (words === undefined) return undefined;
    weights.set(key, { shape, data: decodeFixed(words, spec.fractionBits) });
  }
  const inUnits = scaledLastDense(description, weights, labelUnit(job));
  return { description, weights: inUnits, standardisation: tableStandardisation(job, spec, standardisations, latest) };
}
