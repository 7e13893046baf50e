/** Calls about what the host has recorded: stock of correlated randomness, audit log. */
import { z } from 'zod';
import { call, countSchema, momentSchema, nothing } from './call.ts';

const stockSchema = {
  made: countSchema,
  used: countSchema,
  left: countSchema,
  burnt: countSchema,
  bytesLeft: countSchema,
};

const vaultStockSchema = z.object({
  job: z.string(),
  name: z.string(),
  ...stockSchema,
  byLabel: z.array(z.object({ label: z.string(), ...stockSchema })),
});
export type VaultStock = z.infer<typeof vaultStockSchema>;

const activityEntrySchema = z.object({
  sequence: countSchema,
  atMs: momentSchema,
  kind: z.string(),
  /** Name and value of each part of the entry. */
  facts: z.array(z.tuple([z.string(), z.string()])),
});
export type ActivityEntry = z.infer<typeof activityEntrySchema>;

export const recordCalls = {
  'vault.stock': call(nothing, z.array(vaultStockSchema)),
  /** The newest first. */
  'activity.list': call(
    z.strictObject({ before: countSchema.optional(), limit: z.int().min(1).max(500) }),
    z.object({ entries: z.array(activityEntrySchema), head: z.object({ sequence: countSchema, hash: z.string() }) }),
  ),
  /** Recomputes the whole chain of hashes. */
  'activity.verify': call(nothing, z.object({ intact: z.boolean(), brokenAt: countSchema.optional() })),
};

export const recordEvents = { 'activity.changed': nothing };
