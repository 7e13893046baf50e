/** Calls about runs: start, follow, stop, look into what they left. */
import { z } from 'zod';
import { epochQualitySchema, publicJoinSchema, runProgressSchema } from '../progress.ts';
import { runInsightsSchema } from '../timing.ts';
import { apiErrorSchema, call, countSchema, momentSchema, nothing } from './call.ts';
import { MAX_JOB_CHARACTERS } from './job-calls.ts';

export const runStates = ['running', 'paused', 'done', 'failed', 'cancelled', 'interrupted'] as const;

/** What one party is doing, since when. */
const partyProgressSchema = runProgressSchema.omit({ quality: true, join: true }).extend({
  party: z.string(),
  /** Steps a second in this phase, once that can be told. */
  perSecond: z.number().min(0).optional(),
  sinceMs: momentSchema,
  changedAtMs: momentSchema,
});
export type PartyProgress = z.infer<typeof partyProgressSchema>;

const runViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** local: all parties on this machine, which protects nothing from its owner. */
  kind: z.enum(['local', 'session']),
  /** The project and the job that it carries out; of sessions. */
  project: z.string().optional(),
  job: z.string().optional(),
  state: z.enum(runStates),
  startedAtMs: momentSchema,
  endedAtMs: momentSchema.optional(),
  attempts: countSchema,
  progress: z.array(partyProgressSchema),
  /** What the join of the rows came to, in a run whose rows are joined. */
  join: publicJoinSchema.optional(),
  /** What was revealed to this organisation until now, in order of epochs. */
  quality: z.array(epochQualitySchema).readonly(),
  error: apiErrorSchema.optional(),
  hasInsights: z.boolean(),
});
export type RunView = z.infer<typeof runViewSchema>;

const runFileSchema = z.object({ party: z.string(), name: z.string(), bytes: countSchema });

const runDetailSchema = runViewSchema.extend({
  log: z.array(z.object({ atMs: momentSchema, level: z.enum(['info', 'warning', 'error']), text: z.string() })),
  files: z.array(runFileSchema),
});
export type RunDetail = z.infer<typeof runDetailSchema>;

/** What a rehearsal on this machine's CPU said of one party's own work, layer by layer. */
export const predictionSchema = z.object({
  planDigest: z.string(),
  madeAtMs: momentSchema,
  threads: countSchema,
  layers: z.array(z.object({ layer: z.string(), phase: z.string(), computeMs: z.number().min(0) })).readonly(),
});
export type Prediction = z.infer<typeof predictionSchema>;

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
  /** The latest rehearsal of a plan, if it is still known, and whether this host could rehearse the run's job anew. */
  'runs.prediction': call(
    z.strictObject({ id: runId, planDigest: z.string().max(128) }),
    z.object({ prediction: predictionSchema.optional(), canPredict: z.boolean() }),
  ),
  /** Rehearses a run of this machine; where its join left fewer rows than it could have, that is another plan. */
  'runs.predict': call(z.strictObject({ id: runId }), predictionSchema),
  'runs.file': call(
    z.strictObject({ id: runId, party: z.string().min(1).max(64), name: z.string().min(1).max(64) }),
    z.object({ name: z.string(), base64: z.string() }),
  ),
};

export const runEvents = { 'runs.changed': runViewSchema };
