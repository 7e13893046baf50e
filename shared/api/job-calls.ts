/** Calls about jobs before they run: drafts, what is wrong with a text, what it costs, who learns what. */
import { z } from 'zod';
import { kernelReportSchema } from '../kernel-choice.ts';
import { projectIdSchema } from '../project.ts';
import { call, countSchema, momentSchema, nothing } from './call.ts';

export const MAX_JOB_CHARACTERS = 1 << 20;
const jobText = z.string().max(MAX_JOB_CHARACTERS);
const draftId = z.string().min(1).max(64);

const draftSchema = z.object({
  id: z.string(),
  name: z.string(),
  text: z.string(),
  changedAtMs: momentSchema,
  /** The project that it is written for, and the job there that it was proposed as. */
  project: z.string().optional(),
  job: z.string().optional(),
});
export type Draft = z.infer<typeof draftSchema>;

export const jobIssueSchema = z.object({
  code: z.string(),
  /** From 1. */
  line: z.int().min(1),
  /** `train.optimizer.lr`; empty for the whole text. */
  place: z.string(),
  message: z.string(),
  hint: z.string().optional(),
});
export type JobIssue = z.infer<typeof jobIssueSchema>;

export const disclosureSchema = z.object({ party: z.string(), role: z.string(), learns: z.array(z.string()) });
export type DisclosureView = z.infer<typeof disclosureSchema>;

const jobCheckSchema = z.object({
  issues: z.array(jobIssueSchema),
  /** Only of a job without issues. */
  learned: z.array(disclosureSchema),
});
export type JobCheckView = z.infer<typeof jobCheckSchema>;

const layerCostSchema = z.object({
  layer: z.string(),
  phase: z.string(),
  bytesSent: z.number(),
  bytesOpened: z.number(),
  rounds: countSchema,
  multiplyAdds: z.number(),
  dealerBytes: z.number(),
  computeMs: z.number(),
});

/** Of a join of identifiers: rows that it can leave, and bytes with the fewest and the most records in common. */
const joinCostSchema = z.object({
  rows: z.object({ least: countSchema, most: countSchema }).optional(),
  participants: z.array(z.object({ id: z.string(), leastBytes: countSchema, mostBytes: countSchema })).readonly(),
  seconds: z.number(),
});
export type JoinCost = z.infer<typeof joinCostSchema>;

/**
 * Bytes and rounds are exact; times were measured by rehearsing on this machine. Where rows are joined first, the plan and its
 * costs are those of the most rows that the join can leave.
 */
export const costPreviewSchema = z.object({
  planDigest: z.string(),
  join: joinCostSchema.optional(),
  trainingRows: countSchema,
  testRows: countSchema,
  executions: countSchema,
  rounds: countSchema,
  parties: z.array(
    z.object({ id: z.string(), bytesSent: z.number(), bytesReceived: z.number(), dealerBytes: z.number() }),
  ),
  layers: z.array(layerCostSchema),
  /** What the times were measured on. */
  kernels: kernelReportSchema,
  /** One party's own work, on a machine like this one. */
  localMs: z.number(),
  dealerMs: z.number(),
  /** Bytes on the busiest link, in its busiest direction. */
  bytesPerLink: z.number(),
  assumptions: z.array(z.string()),
});
export type CostPreview = z.infer<typeof costPreviewSchema>;

export const jobCalls = {
  'drafts.list': call(nothing, z.array(draftSchema)),
  /** Without an id, a new one; for a project, where one is named. */
  'drafts.save': call(
    z.strictObject({ id: draftId.optional(), text: jobText, project: projectIdSchema.optional() }),
    draftSchema,
  ),
  'drafts.remove': call(z.strictObject({ id: draftId }), nothing),
  /** Every issue of a text with its line; never fails on a bad text. */
  'jobs.check': call(z.strictObject({ text: jobText }), jobCheckSchema),
  /** Needs the data of all parties on this machine: a job whose other schemas are not known is refused by name. */
  'jobs.cost': call(z.strictObject({ text: jobText }), costPreviewSchema),
};
