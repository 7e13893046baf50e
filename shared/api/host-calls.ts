/** Calls about this host itself: its state, its first start, its settings. */
import { z } from 'zod';
import { addressSchema } from '../address.ts';
import { displayNameSchema, fingerprintSchema } from '../ids.ts';
import { kernelPreferenceSchema, partProbeSchema } from '../kernel-choice.ts';
import { hops } from './peer-calls.ts';
import { call, countSchema, momentSchema, nothing } from './call.ts';

const identityViewSchema = z.object({
  name: displayNameSchema,
  fingerprint: fingerprintSchema,
  /** The first eight bytes of the fingerprint as words, to be read out over the telephone. */
  words: z.array(z.string()),
  createdAtMs: momentSchema,
});

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
  /** Whether the package is here with which the plaintext baseline uses TensorFlow itself. */
  hasTensorflow: z.boolean(),
  folder: z.string(),
  startedAtMs: momentSchema,
});
export type HostStatus = z.infer<typeof hostStatusSchema>;

export const themes = ['system', 'light', 'dark', 'contrast'] as const;

export const settingsSchema = z.object({
  theme: z.enum(themes),
  /** Of the kernels. */
  threads: z.int().min(1).max(64),
  kernels: kernelPreferenceSchema,
  /** Bound on correlations that jobs store ahead, all together; from the next run on. */
  vaultGigabytes: z.int().min(1).max(100_000),
  /** Under which peers reach this host, for invitations; empty: the address it listens at. */
  addresses: z.array(addressSchema).max(16),
});
export type Settings = z.infer<typeof settingsSchema>;

/** Whether an address leads to this host, tried from this machine over the real path. */
const reachSchema = z.object({
  address: z.string(),
  isReached: z.boolean(),
  /** The step that failed, in words, and what to do. */
  failure: z.object({ hop: z.enum(hops), message: z.string(), hint: z.string() }).optional(),
});
export type Reach = z.infer<typeof reachSchema>;

/** What this machine can compute with, tried when a person asked for it. */
export const machineProbeSchema = z.object({ atMs: momentSchema, cpu: partProbeSchema, gpu: partProbeSchema });
export type MachineProbe = z.infer<typeof machineProbeSchema>;

const passphrase = z.string().max(1000);
const backupFile = z.string().max(3 << 20);

export const hostCalls = {
  'host.status': call(nothing, hostStatusSchema),
  /** First start: makes the identity and begins to listen. Refused where there is one (`identity-exists`). */
  'host.create': call(z.strictObject({ name: displayNameSchema, listen: addressSchema.optional() }), hostStatusSchema),
  /** First start with the identity and the peers of a backup. */
  'host.restore': call(
    z.strictObject({ file: backupFile, passphrase, listen: addressSchema.optional() }),
    hostStatusSchema,
  ),
  /** Identity and peers as a file under a passphrase; never the vault or running jobs. */
  'host.backup': call(z.strictObject({ passphrase }), z.object({ name: z.string(), text: z.string() })),
  'host.reach': call(z.strictObject({ address: addressSchema }), reachSchema),
  /** Tries CPU and graphics card, which takes seconds, and keeps what came of it. */
  'host.probe': call(nothing, machineProbeSchema),
  /** What came of it the last time. */
  'host.probed': call(nothing, z.object({ probe: machineProbeSchema.optional() })),
  /** What a person may send to those who help, as it would be saved. */
  'host.diagnostics': call(nothing, z.object({ name: z.string(), text: z.string() })),
  'settings.get': call(nothing, settingsSchema),
  'settings.set': call(settingsSchema.partial().strict(), settingsSchema),
};
