/**
 * What a training job consists of, as far as the engine is concerned, and the names under which its programs keep and reveal
 * values. Knows nothing of how any of it is computed.
 */
import { modelShapes } from '../../../shared/model.ts';
import type { ModelDescription } from '../../../shared/model.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { scoreLayers } from '../forward.ts';
import { tableNames } from '../table.ts';
import type { TableSpec } from '../table.ts';
import type { ModelNoise } from './noisy-model.ts';
import type { PrivateGradients } from './private-gradients.ts';
import type { ScheduleSpec } from '../../../shared/learning-rate.ts';
import type { LossSpec } from '../../../shared/losses.ts';
import type { ExtraMetric } from '../../../shared/metrics.ts';
import type { ClipSpec, OptimizerSpec } from '../../../shared/optimizers.ts';

export interface TrainingSpec extends TableSpec {
  /** Label blocks, one below the other. */
  readonly labels: readonly { readonly owner: string; readonly rows: number }[];
  readonly description: ModelDescription;
  /** Whose the first weights are; undefined where they are public. */
  readonly modelOwner?: string | undefined;
  readonly task: 'classification' | 'regression';
  readonly testRows: number;
  readonly batch: number | 'all';
  /** The task's own if not given. */
  readonly loss?: LossSpec | undefined;
  readonly optimizer: OptimizerSpec;
  /** Of the learning rate; constant if not given. */
  readonly schedule?: ScheduleSpec;
  readonly clip?: ClipSpec | undefined;
  /** Cuts every row's gradient and adds noise. */
  readonly privacy?: PrivateGradients | undefined;
  /** Added to every weight when the model is revealed. */
  readonly modelNoise?: ModelNoise | undefined;
  readonly reveal: { readonly model: readonly string[]; readonly metrics: readonly string[] };
  /** Measured besides accuracy, or squared error, and loss. */
  readonly metrics?: readonly ExtraMetric[];
  readonly labelMagnitudeBits: number;
}

/** Names of programs, states, inputs and reveals, for whoever drives the executions. */
export const names = {
  ...tableNames,
  setup: 'setup',
  step: (rows: number): string => `step-${rows}`,
  evaluate: 'evaluate',
  metrics: 'metrics',
  reveal: 'reveal',
  labels: 'labels',
  rowWeights: 'row-weights',
  correct: 'correct',
  loss: 'loss',
  squaredError: 'squared-error',
  absoluteError: 'absolute-error',
  confusion: 'confusion',
  auc: 'auc',
  weight: (key: string): string => `weight/${key}`,
  /** A state of the optimizer for a weight. */
  optimizer: (state: string, key: string): string => `${state}/${key}`,
  /** A public factor of the optimizer. */
  factor: (name: string): string => `factor/${name}`,
  /** Factors of a dropout layer. */
  mask: (layer: string): string => `mask/${layer}`,
} as const;

/** Assumed: weights stay below 2^22. */
export const WEIGHT_MAGNITUDE_BITS = 22;

/** Width of the model's scores. */
export function scoreWidth(spec: TrainingSpec): number {
  return sizeOf(modelShapes({ ...spec.description, layers: scoreLayers(spec.description) }).at(-1) ?? [1]);
}

/** Whether there are test rows and somebody to learn how the model does on them. */
export function isEvaluated(spec: TrainingSpec): boolean {
  return spec.testRows > 0 && spec.reveal.metrics.length > 0;
}

/** Whether the loss of a regression is the squared error, which is a metric anyway. */
export function isSquared({ loss }: TrainingSpec): boolean {
  return loss === undefined || loss.name === 'mse';
}

/** Classes of the label: one score stands for two. */
export function classCount(spec: TrainingSpec): number {
  return Math.max(2, scoreWidth(spec));
}

/** Names of what is summed over test rows and revealed. */
export function metricNames(spec: TrainingSpec): string[] {
  const wants = (metric: ExtraMetric): boolean => spec.metrics?.includes(metric) ?? false;
  if (spec.task === 'classification') {
    const extra = [...(wants('confusion') ? [names.confusion] : []), ...(wants('auc') ? [names.auc] : [])];
    return [names.correct, names.loss, ...extra];
  }
  const isMeasured = wants('mae') && spec.loss?.name !== 'l1';
  const own = isSquared(spec) ? [names.squaredError] : [names.squaredError, names.loss];
  return isMeasured ? [...own, names.absoluteError] : own;
}
