/** The optimizer that a job names. */
import { isConstant } from '../../../../shared/learning-rate.ts';
import type { ScheduleSpec } from '../../../../shared/learning-rate.ts';
import type { OptimizerSpec } from '../../../../shared/optimizers.ts';
import { adaptive } from './adaptive.ts';
import type { Optimizer } from './optimizer.ts';
import { sgd } from './sgd.ts';

export function optimizerOf(spec: OptimizerSpec, schedule: ScheduleSpec | undefined): Optimizer {
  const isScheduled = schedule !== undefined && !isConstant(schedule);
  return spec.name === 'sgd' ? sgd(spec, isScheduled) : adaptive(spec, isScheduled);
}
