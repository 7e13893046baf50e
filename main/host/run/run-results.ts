/**
 * From what was revealed to one party to what it keeps: metrics in the clear, and the model on raw inputs and outputs.
 * Knows nothing of protocols or files.
 */
import { decodeFixed } from '../../../engine/runtime/words.ts';
import { names, revealedStandardisation } from '../../../engine/nn/training.ts';
import { weightShapes } from '../../../shared/model.ts';
import type { InputStandardisation, TrainedModel, WeightTensor } from '../../../shared/model.ts';
import { columnPlan, matrixColumns } from '../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../shared/resolve-job.ts';
import { dataParties } from '../../../shared/job-roles.ts';
import type { Job } from '../../../shared/job.ts';
import type { CompiledJob } from '../jobs/compile.ts';
import type { RunMetrics, Scores } from '../results/results.ts';
import type { MetricSum } from './checkpoint.ts';

const METRICS: readonly string[] = [names.correct, names.loss, names.squaredError];

/** The metric sums among what an execution revealed. Each is a product with a row weight: at twice the scale. */
export function metricSums(
  compiled: CompiledJob,
  epoch: number,
  revealed: ReadonlyMap<string, BigUint64Array>,
): MetricSum[] {
  return [...revealed]
    .filter(([name]) => METRICS.includes(name))
    .map(([name, words]) => ({ epoch, name, sum: decodeFixed(words, 2 * compiled.spec.fractionBits)[0] ?? 0 }));
}

/** The label's unit: regression labels are divided by a public power of two before they are shared. */
export function labelUnit(job: Job): number {
  const column = Object.values(job.label)[0] ?? '';
  const scale = job.train?.scale;
  return job.task === 'regression' && typeof scale === 'object' ? 2 ** (scale[column] ?? 0) : 1;
}

/** Metrics of the last epoch that has some, and those before it. Loss in scaled units, rmse in the label's. */
export function runMetrics(compiled: CompiledJob, sums: readonly MetricSum[]): RunMetrics | undefined {
  const rows = compiled.spec.testRows;
  const outputs = compiled.spec.task === 'regression' ? 1 : undefined;
  const epochs = [...new Set(sums.map(({ epoch }) => epoch))].sort((a, b) => a - b);
  const scoresOf = (epoch: number): Scores => {
    const mean = (name: string): number =>
      sums.reduce((total, entry) => total + (entry.epoch === epoch && entry.name === name ? entry.sum : 0), 0) / rows;
    if (outputs === undefined) return { accuracy: mean(names.correct), loss: mean(names.loss) };
    const squared = mean(names.squaredError) / outputs;
    return { rmse: Math.sqrt(squared) * labelUnit(compiled.job), loss: squared };
  };
  const last = epochs.at(-1);
  if (last === undefined) return undefined;
  const history = epochs.slice(0, -1).map((epoch) => ({ epoch: epoch + 1, ...scoresOf(epoch) }));
  return { ...scoresOf(last), ...(history.length === 0 ? {} : { history }) };
}

/** What of a party's columns is public: the powers of two they are divided by. */
export function publicStandardisation(job: Job, party: string, schemas: SchemasByParty): InputStandardisation {
  const plan = columnPlan(job, party, schemas);
  const multiply = plan.features.flatMap((feature) =>
    feature.encode === 'oneHot'
      ? feature.categories.map(() => 1)
      : [feature.encode === 'number' ? 2 ** -(feature.power ?? 0) : 1],
  );
  return { subtract: new Float64Array(multiply.length), multiply: Float64Array.from(multiply) };
}

/** The parties whose columns make up the model's input, in order: all side by side, or one where rows are stacked. */
export function inputParties(job: Job, schemas: SchemasByParty): string[] {
  const parties = dataParties(job).filter((party) => matrixColumns(columnPlan(job, party, schemas)).length > 0);
  return job.join.how === 'stack' ? parties.slice(0, 1) : parties;
}

/**
 * The model from its revealed weights, on raw inputs and in the label's unit.
 * @param standardisations of `inputParties`, in order.
 */
export function revealedModel(
  compiled: CompiledJob,
  revealed: ReadonlyMap<string, BigUint64Array>,
  standardisations: readonly InputStandardisation[],
): TrainedModel | undefined {
  const { description, spec, job } = compiled;
  const weights = new Map<string, WeightTensor>();
  const unit = labelUnit(job);
  const lastLayer = description.layers.findLast((layer) => layer.kind === 'dense')?.name;
  for (const [key, shape] of weightShapes(description)) {
    const words = revealed.get(names.weight(key));
    if (words === undefined) return undefined;
    const factor = key.startsWith(`${lastLayer}/`) ? unit : 1;
    weights.set(key, { shape, data: decodeFixed(words, spec.fractionBits).map((value) => value * factor) });
  }
  const join = (part: 'subtract' | 'multiply'): Float64Array =>
    Float64Array.from(standardisations.flatMap((each) => [...each[part]]));
  const local = { subtract: join('subtract'), multiply: join('multiply') };
  const onShares = spec.standardise === undefined ? undefined : revealedStandardisation(spec, revealed);
  return { description, weights, standardisation: onShares === undefined ? local : after(local, onShares) };
}

/** The one map that does what `first` and then `second` do: multiplications by powers of two in `first` lose nothing. */
function after(first: InputStandardisation, second: InputStandardisation): InputStandardisation {
  const factor = (column: number): number => first.multiply[column] ?? 1;
  return {
    subtract: first.subtract.map((value, column) => value + (second.subtract[column] ?? 0) / factor(column)),
    multiply: second.multiply.map((value, column) => value * factor(column)),
  };
}
