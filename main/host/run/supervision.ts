/**
 * What a supervisor (the launcher of local runs, later the desktop shell) and a party's process say to each other over the
 * process channel. A supervised process ends when its supervisor does. Knows nothing of how either side acts on it.
 */
import { z } from 'zod';
import { addressSchema } from '../../../shared/address.ts';
import { displayNameSchema, fingerprintSchema } from '../../../shared/ids.ts';
import { kernelPreferenceSchema, kernelReportSchema } from '../../../shared/kernel-choice.ts';
import { publicJoinSchema, runProgressSchema } from '../../../shared/progress.ts';
import { localFilesSchema } from './local-data.ts';
import { scoresSchema } from '../../../shared/metrics.ts';

/** From the supervisor. */
export const supervisorMessageSchema = z.discriminatedUnion('type', [
  /** Pins keys of which the supervisor knows that they are the peers'. */
  z.strictObject({
    type: z.literal('pin'),
    peers: z.array(
      z.strictObject({ fingerprint: fingerprintSchema, name: displayNameSchema, addresses: z.array(addressSchema) }),
    ),
  }),
  /** Takes part in a run; the agreement is read by parseAgreement. */
  z.strictObject({
    type: z.literal('run'),
    agreement: z.unknown(),
    files: localFilesSchema,
    threads: z.int().min(1),
    kernels: kernelPreferenceSchema,
  }),
  z.strictObject({ type: z.literal('stop') }),
]);
export type SupervisorMessage = z.infer<typeof supervisorMessageSchema>;

const plainErrorSchema = z.object({
  kind: z.enum(['input', 'peer', 'machine', 'internal', 'unexpected']),
  code: z.string(),
  party: z.string().optional(),
  message: z.string(),
  hint: z.string().optional(),
});

const count = z.number().min(0);

const partySummarySchema = z.object({
  traffic: z.object({
    id: z.string(),
    bytesSent: count,
    bytesReceived: count,
    rounds: count,
    predictedBytes: count,
    predictedRounds: count,
    dealerBytes: count,
    evalRounds: count,
    evalBytes: count,
  }),
  seconds: z.object({ setup: count, offline: count, online: count, evaluation: count }),
  metrics: scoresSchema.optional(),
  tables: z
    .array(
      z.object({
        name: z.string(),
        columns: z.array(z.string()).readonly(),
        rows: z.array(z.array(z.union([z.string(), z.number()])).readonly()).readonly(),
      }),
    )
    .readonly(),
  join: publicJoinSchema.extend({ cost: z.object({ bytesSent: count, seconds: count }).optional() }).optional(),
  results: z.array(z.string()).readonly(),
  activityMs: z.record(z.string(), count),
  kernels: kernelReportSchema,
});

/** From the party's process. */
export const processMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('listening'), fingerprint: fingerprintSchema, address: addressSchema }),
  runProgressSchema.extend({ type: z.literal('progress') }),
  z.object({ type: z.literal('done'), attempt: z.int(), summary: partySummarySchema.optional() }),
  z.object({ type: z.literal('failed'), error: plainErrorSchema }),
]);
export type ProcessMessage = z.infer<typeof processMessageSchema>;
