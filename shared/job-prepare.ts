/** What happens to columns before they are shared, as a job says it. Knows no task. */
import { z } from 'zod';
import { columnNameSchema, MAX_SCALE_POWER } from './dataset.ts';
import { strict } from './strict.ts';

const scalePower = z.int().min(-MAX_SCALE_POWER).max(MAX_SCALE_POWER);

/** Public powers of two that columns are divided by, so that |x| <= 1: one for all columns, or by column name (M3). */
export const scaleSchema = z.union([scalePower, z.record(columnNameSchema, scalePower)], {
  error: 'must be a whole power of two, or one for each column',
});

/** What to put in an empty cell of a feature; statistics come from that party's training rows. */
export const missingSchema = z.union([z.enum(['refuse', 'mean', 'median', 'mode']), strict({ constant: z.number() })], {
  error: 'must be refuse, mean, median, mode or { constant: number }',
});
export type MissingPolicy = z.infer<typeof missingSchema>;

/** For tasks without `train`, which has the same keys. */
export const prepareSchema = strict({
  /** Whether columns are brought to mean 0 and deviation 1; the task's own default if not given. */
  standardise: z.boolean().optional(),
  scale: scaleSchema.optional(),
  missing: missingSchema.default('refuse'),
});
export type PrepareSpec = z.infer<typeof prepareSchema> & { standardise: boolean };
