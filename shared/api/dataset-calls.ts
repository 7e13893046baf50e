/** Calls about the data of this organisation. What they reply is for its owner's eyes: nothing of it goes to peers by itself. */
import { z } from 'zod';
import { columnNameSchema, columnTypes } from '../dataset.ts';
import { joinKeySchema } from '../identifiers.ts';
import { call, countSchema, momentSchema, nothing } from './call.ts';

/** What jobs may do with a column. `never`: it is not offered, and a job that names it is refused here. */
export const columnUses = ['feature', 'label', 'id', 'never'] as const;
export const columnUseSchema = z.enum(columnUses);
export type ColumnUse = z.infer<typeof columnUseSchema>;

const datasetViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  files: z.array(z.string()),
  rows: countSchema,
  columns: countSchema,
  addedAtMs: momentSchema,
  /** When a person confirmed types and uses; before that, no job may use it. */
  confirmedAtMs: momentSchema.optional(),
});
export type DatasetView = z.infer<typeof datasetViewSchema>;

const columnViewSchema = z.object({
  name: columnNameSchema,
  type: z.enum(columnTypes),
  use: columnUseSchema,
  missing: countSchema,
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  mean: z.number().optional(),
  /** Rows by equal intervals from minimum to maximum, or by category. Only for the owner. */
  histogram: z.array(z.object({ label: z.string(), rows: countSchema })),
  /** Why jobs cannot use it as it is. */
  problem: z.string().optional(),
});
export type ColumnView = z.infer<typeof columnViewSchema>;

const cellSchema = z.union([z.number(), z.string(), z.null()]);

const datasetDetailSchema = datasetViewSchema.extend({
  profile: z.array(columnViewSchema),
  preview: z.array(z.array(cellSchema)),
  /** What a peer sees of it in a job that uses all columns that are not `never`. */
  shared: z.array(z.string()),
});
export type DatasetDetail = z.infer<typeof datasetDetailSchema>;

/** One row's key cells beside what a join would compare. */
const keyRowSchema = z.object({
  row: countSchema,
  cells: z
    .array(z.object({ before: cellSchema, after: z.string().optional(), problem: z.string().optional() }))
    .readonly(),
});
const keyPreviewSchema = z.object({
  rows: z.array(keyRowSchema).readonly(),
  unreadable: z.array(keyRowSchema).readonly(),
});

const datasetId = z.string().min(1).max(64);

export const datasetCalls = {
  'datasets.list': call(nothing, z.array(datasetViewSchema)),
  /** Registers files by absolute path, side by side. They stay where they are. */
  'datasets.add': call(
    z.strictObject({ paths: z.array(z.string().min(1).max(4096)).min(1).max(8) }),
    datasetViewSchema,
  ),
  'datasets.get': call(z.strictObject({ id: datasetId }), datasetDetailSchema),
  /** What the rules of a key make of the first rows, and of rows further down that they cannot read: for the owner's eyes. */
  'datasets.previewKey': call(
    z.strictObject({ id: datasetId, key: joinKeySchema, rows: z.int().min(1).max(100).default(20) }),
    keyPreviewSchema,
  ),
  /** Confirms what the columns are for. Columns that are not named keep their use. */
  'datasets.confirm': call(
    z.strictObject({ id: datasetId, uses: z.record(columnNameSchema, columnUseSchema) }),
    datasetViewSchema,
  ),
  /** Forgets it; a file that was uploaded is erased, one that was named by its path stays. */
  'datasets.remove': call(z.strictObject({ id: datasetId }), nothing),
};

export const datasetEvents = { 'datasets.changed': z.array(datasetViewSchema) };
