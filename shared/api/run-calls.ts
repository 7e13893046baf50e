/** Calls about runs: start, follow, stop, look into what they left. */
import { z } from 'zod';
import { runInsightsSchema } from '../timing.ts';
import { apiErrorSchema, call, countSchema, momentSchema, nothing } from './call.ts';
import { MAX_JOB_CHARACTERS } from './job-calls.ts';

export const runStates = ['running', 'done', 'failed', 'cancelled', 'interrupted'] as const;

/** What one party is doing, since when. */
export const partyProgressSchema = z.object({
  party: z.string(),
  /** In words, with the name of a party that is waited for. */
  phase: z.string(),
  done: countSchema.optional(),
  total: countSchema.optional(),
  sinceMs: momentSchema,
  changedAtMs: momentSchema,
});
export type PartyProgress = z.infer<typeof partyProgressSchema>;

export const runViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** local: all parties on this machine, which protects nothing from its owner. */
  kind: z.enum(['local', 'session']),
  state: z.enum(runStates),
  startedAtMs: momentSchema,
  endedAtMs: momentSchema.optional(),
  attempts: countSchema,
  progress: z.array(partyProgressSchema),
  error: apiErrorSchema.optional(),
  hasInsights: z.boolean(),
});
export type RunView = z.infer<typeof runViewSchema>;

export const runFileSchema = z.object({ party: z.string(), name: z.string(), bytes: countSchema });

export const runDetailSchema = runViewSchema.extend({
  log: z.array(z.object({ atMs: momentSchema, level: z.enum(['info', 'warning', 'error']), text: z.string() })),
  files: z.array(runFileSchema),
});
export type RunDetail = z.infer<typeof runDetailSchema>;

const runId = z.string().min(1).max(128);

export const runCalls = {
  'runs.list': call(nothing, z.array(runViewSchema)),
  'runs.get': call(z.strictObject({ id: runId }), runDetailSchema),
  /** Runs a job with all its parties as processes on this machine. */
  'runs.startLocal': call(z.strictObject({ text: z.string().max(MAX_JOB_CHARACTERS) }), runViewSchema),
  /** The same with sample data that comes with the program. */
  'runs.startSample': call(nothing, runViewSchema),
  /** Goes on with a run of this machine that did not come to its end, as a new attempt, from its last checkpoint. */
  'runs.resume': call(z.strictObject({ id: runId }), runViewSchema),
  /** Ends the processes; checkpoints stay, masks in use are burnt. */
  'runs.cancel': call(z.strictObject({ id: runId }), nothing),
  'runs.insights': call(z.strictObject({ id: runId }), z.array(runInsightsSchema)),
  'runs.file': call(
    z.strictObject({ id: runId, party: z.string().min(1).max(64), name: z.string().min(1).max(64) }),
    z.object({ name: z.string(), base64: z.string() }),
  ),
};

export const runEvents = { 'runs.changed': runViewSchema };
