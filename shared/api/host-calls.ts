/** Calls about this host itself: its state, its first start, its settings. */
import { z } from 'zod';
import { addressSchema } from '../address.ts';
import { displayNameSchema, fingerprintSchema } from '../ids.ts';
import { call, countSchema, momentSchema, nothing } from './call.ts';

export const identityViewSchema = z.object({
  name: displayNameSchema,
  fingerprint: fingerprintSchema,
  /** The first eight bytes of the fingerprint as words, to be read out over the telephone. */
  words: z.array(z.string()),
  createdAtMs: momentSchema,
});
export type IdentityView = z.infer<typeof identityViewSchema>;

export const hostStatusSchema = z.object({
  /** Absent before the first start is finished. */
  identity: identityViewSchema.optional(),
  /** Where it listens for peers; absent before the first start is finished. */
  address: z.string().optional(),
  version: z.string(),
  protocol: z.int(),
  node: z.string(),
  platform: z.string(),
  cores: countSchema,
  memoryBytes: countSchema,
  folder: z.string(),
  startedAtMs: momentSchema,
});
export type HostStatus = z.infer<typeof hostStatusSchema>;

export const themes = ['system', 'light', 'dark', 'contrast'] as const;

export const settingsSchema = z.object({
  theme: z.enum(themes),
  /** Of the kernels. */
  threads: z.int().min(1).max(64),
  /** Under which peers reach this host, for invitations; empty: the address it listens at. */
  addresses: z.array(addressSchema).max(16),
});
export type Settings = z.infer<typeof settingsSchema>;

export const hostCalls = {
  'host.status': call(nothing, hostStatusSchema),
  /** First start: makes the identity and begins to listen. Refused where there is one (`identity-exists`). */
  'host.create': call(z.strictObject({ name: displayNameSchema }), hostStatusSchema),
  'settings.get': call(nothing, settingsSchema),
  'settings.set': call(settingsSchema.partial().strict(), settingsSchema),
};
