/**
 * From what a training revealed to one party to what it keeps: metrics in the clear, and the model on raw inputs and outputs.
 * Knows nothing of protocols or files.
 */
import { metricSum } from '../../../../engine/nn/training/totals.ts';
import { isSquared, names } from '../../../../engine/nn/training/spec.ts';
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
import type { RunMetrics, Scores } from '../../results/results.ts';
import { tableStandardisation } from './table.ts';

const METRICS: readonly string[] = [names.correct, names.loss, names.squaredError];

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

/** Every reveal of the metrics, by epoch. Loss in scaled units, rmse in the label's. */
export function qualityByEpoch(job: Job, spec: TrainingSpec, revealed: readonly Revealed[]): EpochQuality[] {
  const sums = revealed
    .filter(({ name }) => METRICS.includes(name))
    .map(({ epoch, name, words }) => ({ epoch, name, sum: metricSum(spec, name, words) }));
  const epochs = [...new Set(sums.map(({ epoch }) => epoch))].sort((a, b) => a - b);
  const scoresOf = (epoch: number): Scores => {
    const mean = (name: string): number =>
      sums.reduce((total, entry) => total + (entry.epoch === epoch && entry.name === name ? entry.sum : 0), 0) /
      spec.testRows;
    if (spec.task === 'classification')
      return { accuracy: trueAccuracy(job, mean(names.correct)), loss: mean(names.loss) };
    const squared = mean(names.squaredError);
    return { rmse: Math.sqrt(squared) * labelUnit(job), loss: isSquared(spec) ? squared : mean(names.loss) };
  };
  return epochs.map((epoch) => ({ epoch: epoch + 1, ...scoresOf(epoch) }));
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
