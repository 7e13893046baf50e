/**
 * Learning-rate schedules: a public function of the step, as a multiple of the optimizer's rate. The same at every party, the
 * dealer and the plaintext baseline. Knows nothing of optimizers.
 */
import { z } from 'zod';
import { strict } from './strict.ts';

const fraction = z.number().gt(0).max(1);
/** Steps in which the rate rises from 0, linearly, before anything else happens. */
const warmup = z.int().min(0).max(1_000_000).default(0);

export const scheduleSchema = z.discriminatedUnion('name', [
  strict({ name: z.literal('constant'), warmup }),
  /** Times `factor` after every so many epochs. */
  strict({ name: z.literal('step'), epochs: z.int().min(1), factor: fraction.default(0.1), warmup }),
  /** Times `factor` after every epoch. */
  strict({ name: z.literal('exponential'), factor: fraction, warmup }),
  /** Half a cosine from 1 to `end` over the whole training (Loshchilov, Hutter: SGDR, ICLR 2017). */
  strict({ name: z.literal('cosine'), end: z.number().min(0).max(1).default(0), warmup }),
  /**
   * From `start` up to 1 in the part `rise` of the steps, then down to `end`, both by half a cosine (Smith, Topin:
   * Super-convergence, 2018).
   */
  strict({
    name: z.literal('oneCycle'),
    start: fraction.default(0.04),
    end: fraction.default(0.0001),
    rise: z.number().gt(0).lt(1).default(0.3),
  }),
]);
export type ScheduleSpec = z.infer<typeof scheduleSchema>;

export interface TrainingLength {
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/** Half a cosine from `from` to `to`, for t from 0 to 1. */
function halfCosine(from: number, to: number, t: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * Math.min(1, t)))) / 2;
}

/** The multiple of the rate at a step, counted from 0; between 0 and 1. */
export function rateAt(schedule: ScheduleSpec, step: number, { steps, stepsPerEpoch }: TrainingLength): number {
  const last = Math.max(1, steps - 1);
  if (schedule.name === 'oneCycle') {
    const top = schedule.rise * last;
    return step <= top
      ? halfCosine(schedule.start, 1, step / top)
      : halfCosine(1, schedule.end, (step - top) / (last - top));
  }
  if (step < schedule.warmup) return (step + 1) / (schedule.warmup + 1);
  const epoch = Math.floor(step / stepsPerEpoch);
  switch (schedule.name) {
    case 'constant':
      return 1;
    case 'step':
      return schedule.factor ** Math.floor(epoch / schedule.epochs);
    case 'exponential':
      return schedule.factor ** epoch;
    case 'cosine':
      return halfCosine(1, schedule.end, (step - schedule.warmup) / Math.max(1, last - schedule.warmup));
  }
}

/** Whether every step has the same rate. */
export function isConstant(schedule: ScheduleSpec): boolean {
  return schedule.name === 'constant' && schedule.warmup === 0;
}
