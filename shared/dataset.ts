/**
 * What a data set is to others (its schema, which may leave the machine once granted) and to its owner (its profile,
 * which never does). Knows nothing of files or of how the columns were read.
 */
import { z } from 'zod';
import { canonicalDigest, type Sha256 } from './canonical.ts';

/** More columns than this are refused: a schema is read by people and sent to every party. */
export const MAX_COLUMNS = 20_000;
/** A text column with more distinct values than this has no category list, and cannot be a feature. */
export const MAX_CATEGORIES = 100;
/** Longest column name and longest category, in UTF-16 code units. */
export const MAX_NAME_LENGTH = 256;
/** Scales are powers of two between 2^-MAX_SCALE_POWER and 2^MAX_SCALE_POWER. */
export const MAX_SCALE_POWER = 48;

/**
 * number: real; integer: whole numbers; boolean: true / false; category: text with few distinct values; text: any other
 * text; date: a day or a moment. Only the first four can be features or labels.
 */
export const columnTypes = ['number', 'integer', 'boolean', 'category', 'text', 'date'] as const;
export type ColumnType = (typeof columnTypes)[number];

/** A cell that is empty, NaN, or one of the usual markers is `null`; booleans are 0 and 1; categories and dates are text. */
export type Cell = number | string | null;

export const columnNameSchema = z.string().min(1).max(MAX_NAME_LENGTH);

/** What other parties may know of a column. `scalePower` is the least p with |x| <= 2^p in every row (M3): a rough magnitude. */
export const columnSchema = z.strictObject({
  name: columnNameSchema,
  type: z.enum(columnTypes),
  /** Distinct values in public order (see sortCategories); only for category and boolean, or an integer used as a label. */
  categories: z.array(z.string().max(MAX_NAME_LENGTH)).max(MAX_CATEGORIES).optional(),
  scalePower: z.int().min(-MAX_SCALE_POWER).max(MAX_SCALE_POWER).optional(),
});
export type ColumnSchema = z.infer<typeof columnSchema>;

/** What other parties may know of a data set; its digest stands for it in a job. */
export const datasetSchema = z.strictObject({
  rows: z.int().min(1),
  columns: z.array(columnSchema).min(1).max(MAX_COLUMNS),
});
export type DatasetSchema = z.infer<typeof datasetSchema>;

export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 digest: 64 hexadecimal digits');

/** How a job names a data set in a session: its owner's id for it and the digest of its schema. Never of its content. */
export const datasetReferenceSchema = z.strictObject({
  id: z.string().min(1).max(64),
  schema: digestSchema,
});
export type DatasetReference = z.infer<typeof datasetReferenceSchema>;

/** What only the owner sees of a column. */
export interface ColumnProfile {
  readonly name: string;
  readonly type: ColumnType;
  readonly missing: number;
  /** Numbers, integers and booleans with at least one value. */
  readonly minimum?: number;
  readonly maximum?: number;
  readonly mean?: number;
  /** Category, boolean, and integers with at most MAX_CATEGORIES distinct values: value and how many rows have it. */
  readonly counts?: readonly { readonly value: string; readonly rows: number }[];
}

/** Digest on which parties compare a schema. */
export function schemaDigest(schema: DatasetSchema, sha256: Sha256): string {
  return canonicalDigest(schema, sha256);
}

/**
 * The one public order of categories: by value where all are decimal numbers, else by UTF-16 code units.
 * The same set gives the same order at every party, whatever its locale.
 */
export function sortCategories(categories: Iterable<string>): string[] {
  const distinct = [...new Set(categories)];
  const numeric = distinct.every((text) => /^-?\d+(\.\d+)?$/.test(text));
  return distinct.sort((a, b) => (numeric && Number(a) !== Number(b) ? Number(a) - Number(b) : a < b ? -1 : 1));
}

/** The least whole p, within the limits, such that magnitude <= 2^p. */
export function scalePowerOf(magnitude: number): number {
  if (magnitude === 0) return 0;
  let power = Math.ceil(Math.log2(magnitude));
  if (magnitude > 2 ** power) power++;
  else if (magnitude <= 2 ** (power - 1)) power--;
  return Math.max(-MAX_SCALE_POWER, Math.min(MAX_SCALE_POWER, power));
}
