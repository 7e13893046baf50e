/**
 * What a party of a run tells of itself while it goes on: to its own people, to whoever supervises it, and (without quality)
 * to the other parties. It holds public facts only, but for `quality`, which is what the job has revealed to this party.
 */
import { z } from 'zod';
import { scoresSchema } from './metrics.ts';

const count = z.int().min(0);

/** Quality on the test rows, revealed after an epoch (from 1). */
export const epochQualitySchema = scoresSchema.extend({ epoch: z.int().min(1) });
export type EpochQuality = z.infer<typeof epochQualitySchema>;

/** What all members of a run know of the join of its rows. */
export const publicJoinSchema = z.strictObject({
  /** Rows of the joined table, the same at every party; undefined where the join changes none (stacked rows). */
  rows: z.int().min(1).optional(),
  /** Records that all parties have, where they know it. */
  matches: count.optional(),
  /** Records that more than one party holds. */
  repeats: count.optional(),
});
export type PublicJoin = z.infer<typeof publicJoinSchema>;

export const runProgressSchema = z.object({
  /** In words, with the name of a party that is waited for. */
  phase: z.string().max(300),
  /** Steps of the phase, and how many there are. */
  done: count.optional(),
  total: count.optional(),
  /** What is counted in place of steps. */
  unit: z.string().max(30).optional(),
  /** Counted from 1. */
  epoch: count.optional(),
  epochs: count.optional(),
  /** Whose instructions ran last. */
  layer: z.string().max(300).optional(),
  /** Once the rows are joined. */
  join: publicJoinSchema.optional(),
  /** All reveals until now, in order; left out where nothing is new. */
  quality: z.array(epochQualitySchema).readonly().optional(),
});
export type RunProgress = z.infer<typeof runProgressSchema>;
