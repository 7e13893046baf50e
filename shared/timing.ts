/**
 * What a run leaves behind for dashboards: one party's figures, measured beside predicted. Written into its results folder
 * as insights.json; versioned, since files outlive programs. Knows nothing of how they are measured or drawn.
 */
import { z } from 'zod';
import { kernelReportSchema } from './kernel-choice.ts';
import { scoresSchema } from './metrics.ts';

/** Parts of a party's wall time, in the order in which they are shown; they add up to it. */
export const activities = [
  'compute',
  'upload',
  'readback',
  'fill',
  'serialise',
  'send',
  'wait',
  'offline',
  'other',
] as const;
export type ActivityName = (typeof activities)[number];

const amount = z.number().min(0);
const activityMsSchema = z.object({
  compute: amount,
  /** Of a graphics card; files of earlier versions lack them. */
  upload: amount.default(0),
  readback: amount.default(0),
  fill: amount,
  serialise: amount,
  send: amount,
  wait: amount,
  offline: amount,
  other: amount,
});

const waitsSchema = z.array(z.object({ party: z.string(), ms: amount }));

export const runInsightsSchema = z.object({
  tacitInsights: z.literal(1),
  /** The party whose figures these are. */
  party: z.string(),
  title: z.string(),
  startedAtMs: amount,
  planDigest: z.string(),
  /** What computed, and why; files of earlier versions lack it. */
  kernels: kernelReportSchema.optional(),
  seconds: z.object({ setup: amount, offline: amount, online: amount }),
  traffic: z.object({
    bytesSent: amount,
    bytesReceived: amount,
    rounds: amount,
    predictedBytes: amount,
    predictedRounds: amount,
    dealerBytes: amount,
    evalRounds: amount,
    evalBytes: amount,
  }),
  wallMs: amount,
  activityMs: activityMsSchema,
  /** `activityMs.wait` by the party that was waited for. */
  waits: waitsSchema,
  /** Bytes and rounds are the plan's, which the run has to keep; time is measured. */
  layers: z.array(
    z.object({
      layer: z.string(),
      phase: z.string(),
      bytesSent: amount,
      bytesOpened: amount,
      rounds: amount,
      multiplyAdds: amount,
      dealerBytes: amount,
      computeMs: amount,
    }),
  ),
  programs: z.array(
    z.object({ program: z.string(), kind: z.string(), executions: amount, rounds: amount, bytesSent: amount }),
  ),
  /** In order; of a long run, the beginning and the end. `startMs` since 1970. */
  executions: z.array(
    z.object({
      program: z.string(),
      execution: z.int(),
      startMs: amount,
      wallMs: amount,
      activityMs: activityMsSchema,
      waits: waitsSchema,
    }),
  ),
  executionsInAll: z.int().min(0),
  /** The first and latest executions of every program, moment by moment; see engine/runtime/profiler.ts. */
  details: z
    .array(
      z.object({
        program: z.string(),
        execution: z.int(),
        startMs: amount,
        wallMs: amount,
        moments: z.array(
          z.object({
            round: z.int().min(0),
            activity: z.enum(activities),
            peer: z.string().optional(),
            bytes: amount.optional(),
            /** Since the start of the execution. */
            startMs: amount,
            ms: amount,
          }),
        ),
      }),
    )
    .default([]),
  /** What went to and came from each other compute party, openings and reveals. */
  links: z
    .array(
      z.object({
        peer: z.string(),
        bytesSent: amount,
        bytesReceived: amount,
        messagesSent: amount,
        messagesReceived: amount,
        sendMs: amount,
        waitMs: amount,
      }),
    )
    .default([]),
  /** Layers of the model and what each is fed with; shapes without batch. */
  model: z
    .array(z.object({ layer: z.string(), kind: z.string(), inputs: z.array(z.string()), shape: z.array(z.number()) }))
    .default([]),
  metrics: z
    .object({
      ...scoresSchema.shape,
      /** After which, counted from 1. */
      epoch: z.int().optional(),
      baseline: scoresSchema.optional(),
      history: z.array(scoresSchema.extend({ epoch: z.int() })).optional(),
    })
    .optional(),
});
export type RunInsights = z.infer<typeof runInsightsSchema>;
export type ExecutionDetail = RunInsights['details'][number];
export type ModelNode = RunInsights['model'][number];
