/** The training section of a job. Knows neither data nor model. */
import { z } from 'zod';
import { missingSchema, scaleSchema } from './job-prepare.ts';
import { scheduleSchema } from './learning-rate.ts';
import { lossNames, lossSchema } from './losses.ts';
import { extraMetrics } from './metrics.ts';
import { clipSchema, optimizerSchema } from './optimizers.ts';
import { strict } from './strict.ts';

export const trainSchema = strict({
  epochs: z.int().min(1).max(100_000),
  /** Rows a step; a smaller last batch is kept. */
  batch: z.union(
    [
      z.literal('all'),
      z
        .int()
        .min(1)
        .max(1 << 20),
    ],
    { error: 'must be "all" or a whole number of rows, 1 or more' },
  ),
  /** The task's own if not given: mean squared error, or cross-entropy. */
  loss: z
    .union([z.enum(lossNames).transform((name) => lossSchema.parse({ name })), lossSchema], {
      error: `must be ${lossNames.join(', ')}, or { name: ... } with its keys`,
    })
    .optional(),
  optimizer: optimizerSchema,
  /** What becomes of the learning rate. */
  schedule: scheduleSchema.default({ name: 'constant', warmup: 0 }),
  clip: clipSchema.optional(),
  /** Fraction of the rows kept for testing; 0.2 unless a party names a test file. */
  test: z.number().min(0).max(0.9).optional(),
  standardise: z.boolean().default(true),
  scale: scaleSchema.optional(),
  /** Public: shuffle, split and first weights; never a share or a mask. */
  seed: z.int().min(0).default(0),
  /** What is measured on the test rows besides accuracy, or root mean square error, and loss. */
  metrics: z.array(z.enum(extraMetrics)).default([]),
  /** Epochs between two reveals of the metrics; every reveal is a leak that the job counts. */
  metricsEvery: z
    .union([z.literal('end'), z.int().min(1)], { error: 'must be "end" or a number of epochs, 1 or more' })
    .default('end'),
  missing: missingSchema.default('refuse'),
});
export type TrainSpec = z.infer<typeof trainSchema> & { test: number };
