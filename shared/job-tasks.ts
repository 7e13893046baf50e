/** The tasks of a job and the sections of those that do not train. Knows no data. */
import { z } from 'zod';
import { columnNameSchema } from './dataset.ts';
import { strict } from './strict.ts';

export const tasks = [
  'classification',
  'regression',
  'inference',
  'statistics',
  'clustering',
  'decomposition',
] as const;
export type Task = (typeof tasks)[number];

const aggregateKinds = ['count', 'sum', 'mean', 'variance', 'correlation', 'histogram'] as const;
export type AggregateKind = (typeof aggregateKinds)[number];
export const aggregatesSchema = z.array(z.enum(aggregateKinds)).min(1);

/** Ascending inner edges by column: one bin more than edges, each from its edge on to below the next. */
export const histogramSchema = z.record(
  columnNameSchema,
  z
    .array(z.number())
    .min(1)
    .max(64)
    .refine((edges) => edges.every((edge, i) => i === 0 || edge > edges[i - 1]!), 'must ascend'),
);

/** Aggregates over fewer rows are refused, and smaller counts of a histogram are revealed as 0. */
export const minimumRowsSchema = z.int().min(1).max(1_000_000);
export const DEFAULT_MINIMUM_ROWS = 10;

/** k-means (Lloyd 1982). */
export const clusteringSchema = strict({
  /** One look-up finds the nearest of up to 12. */
  clusters: z.int().min(2).max(12),
  iterations: z.int().min(1).max(1000).default(10),
  /** Public: which rows the centroids start from. */
  seed: z.int().min(0).default(0),
});
export type ClusteringSpec = z.infer<typeof clusteringSchema>;

/** Principal components by power iteration. */
export const decompositionSchema = strict({
  components: z.int().min(1).max(64),
  iterations: z.int().min(1).max(1000).default(20),
});
export type DecompositionSpec = z.infer<typeof decompositionSchema>;
