/**
 * Calls about projects: who works together, what each grants, which jobs they propose, vote on and run. What these reply is
 * known to all members alike, but for what is said of links and of this organisation's own part.
 */
import { z } from 'zod';
import { columnNameSchema } from '../dataset.ts';
import { displayNameSchema, fingerprintSchema } from '../ids.ts';
import { MAX_DECLARED_ROWS } from '../job-join.ts';
import { partyName } from '../strict.ts';
import {
  grantedColumnSchema,
  grantedUses,
  projectIdSchema,
  projectJobIdSchema,
  projectRoles,
  wishes,
} from '../project.ts';
import { jobPhases } from '../project-state.ts';
import { call, countSchema, momentSchema, nothing } from './call.ts';
import { costPreviewSchema, disclosureSchema, jobIssueSchema, MAX_JOB_CHARACTERS } from './job-calls.ts';
import { hops, linkStates } from './peer-calls.ts';

const roles = z.array(z.enum(projectRoles)).min(1).max(projectRoles.length);
const reason = z.string().max(1000);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const memberStandings = ['asked', 'accepted', 'declined', 'left'] as const;
export const votes = ['yes', 'no', 'none'] as const;

/** What is waited for: a party, a step and since when. */
export const waitingSteps = ['join', 'vote', 'go-on', 'anew', 'run', 'finish'] as const;
const waitingSchema = z.object({ party: z.string(), step: z.enum(waitingSteps), sinceMs: momentSchema });
export type WaitingView = z.infer<typeof waitingSchema>;

const projectMemberSchema = z.object({
  party: z.string(),
  fingerprint: fingerprintSchema,
  words: z.array(z.string()),
  isSelf: z.boolean(),
  roles: z.array(z.enum(projectRoles)).readonly(),
  standing: z.enum(memberStandings),
  reason: z.string(),
  sinceMs: momentSchema,
  /** Decisions that it has made, as far as they have come here. */
  entries: countSchema,
  /** Own decisions that its host holds, as far as it was asked since this host's start. */
  delivered: countSchema.optional(),
  /** Why its host takes no more of them. */
  refused: z.string().optional(),
});
export type ProjectMember = z.infer<typeof projectMemberSchema>;

const grantViewSchema = z.object({
  party: z.string(),
  dataset: z.string(),
  name: z.string(),
  rows: countSchema,
  /** There are at most so many. */
  padded: z.literal(true).optional(),
  columns: z.array(grantedColumnSchema).readonly(),
  sinceMs: momentSchema,
});
export type GrantView = z.infer<typeof grantViewSchema>;

/** A grant without its columns, of which there may be tens of thousands: they are asked for where they are shown. */
const grantSummarySchema = grantViewSchema.extend({ columns: countSchema });

const projectJobSchema = z.object({
  id: z.string(),
  name: z.string(),
  proposer: z.string(),
  version: countSchema,
  phase: z.enum(jobPhases),
  phaseSinceMs: momentSchema,
  waiting: z.array(waitingSchema),
  /** Id of its run here, once there is one. */
  run: z.string().optional(),
});
export type ProjectJob = z.infer<typeof projectJobSchema>;

const projectViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  purpose: z.string(),
  creator: z.string(),
  createdAtMs: momentSchema,
  self: z.string(),
  members: z.array(projectMemberSchema),
  grants: z.array(grantSummarySchema),
  jobs: z.array(projectJobSchema),
  /** Of this organisation's own decisions. */
  entries: countSchema,
});
export type ProjectView = z.infer<typeof projectViewSchema>;

const voteSchema = z.object({ party: z.string(), vote: z.enum(votes), reason: z.string(), sinceMs: momentSchema });

const projectJobDetailSchema = projectJobSchema.extend({
  project: z.string(),
  self: z.string(),
  digest: z.string(),
  proposedAtMs: momentSchema,
  notes: z.string(),
  versions: z.array(z.object({ version: countSchema, digest: z.string(), atMs: momentSchema })),
  votes: z.array(voteSchema),
  /** For versions that an edit has replaced. */
  voidVotes: z.array(voteSchema.extend({ version: countSchema })),
  withdrawn: z.object({ reason: z.string(), atMs: momentSchema }).optional(),
  /** Where grants do not cover it. */
  issues: z.array(z.object({ party: z.string(), code: z.string(), message: z.string() })),
  learned: z.array(disclosureSchema),
  /** What each of its parties wants of the run, and how it went there. */
  runs: z.array(
    z.object({
      party: z.string(),
      wish: z.enum(wishes),
      wishSinceMs: momentSchema,
      reason: z.string(),
      outcome: z.enum(['none', 'started', 'done', 'failed']),
      code: z.string().optional(),
      received: z.array(z.string()).readonly(),
      outcomeSinceMs: momentSchema,
    }),
  ),
  /** The text as its proposer wrote it; at the proposer only. */
  draft: z.string().optional(),
});
export type ProjectJobDetail = z.infer<typeof projectJobDetailSchema>;

export const memberLinkStates = [...linkStates, 'unpaired'] as const;

/** How one member's link to another stands, as that member sees it. */
const memberLinkSchema = z.object({
  from: partyName,
  to: partyName,
  state: z.enum(memberLinkStates),
  hop: z.enum(hops).optional(),
  sinceMs: momentSchema,
});
export type MemberLink = z.infer<typeof memberLinkSchema>;

export const headVerdicts = ['match', 'behind', 'ahead', 'differ', 'away'] as const;
/** behind: that member holds fewer entries than this host; ahead: more; differ: others in the place of some. */
export type HeadVerdict = (typeof headVerdicts)[number];

const headsViewSchema = z.object({
  /** One digest over all journals that this host holds. */
  head: z.string(),
  members: z.array(z.object({ party: z.string(), verdict: z.enum(headVerdicts), head: z.string().optional() })),
});
export type HeadsView = z.infer<typeof headsViewSchema>;

const id = projectIdSchema;
const job = projectJobIdSchema;
const datasetId = z.string().min(1).max(64);

/** Columns that are not named stay unknown to the others. */
const grantTerms = z.strictObject({
  id,
  dataset: datasetId,
  uses: z.record(columnNameSchema, z.enum(grantedUses)),
  categories: z.boolean(),
  magnitudes: z.boolean(),
  /** What they see in place of the number of rows, which it must not be below. */
  rows: z.int().min(1).max(MAX_DECLARED_ROWS).optional(),
});

export const projectCalls = {
  'projects.list': call(nothing, z.array(projectViewSchema)),
  'projects.create': call(
    z.strictObject({
      name: displayNameSchema,
      purpose: z.string().max(4000),
      self: z.strictObject({ party: partyName, roles }),
      members: z
        .array(z.strictObject({ fingerprint: fingerprintSchema, party: partyName, roles }))
        .min(1)
        .max(32),
    }),
    projectViewSchema,
  ),
  'projects.answer': call(
    z.strictObject({ id, answer: z.enum(['accepted', 'declined', 'left']), reason }),
    projectViewSchema,
  ),
  /** Asks the other members what they hold, and compares. */
  'projects.compareHeads': call(z.strictObject({ id }), headsViewSchema),
  /** The links between members: the own ones, and those that connected members tell of. */
  'projects.links': call(z.strictObject({ id }), z.array(memberLinkSchema)),
  /** With their columns. */
  'grants.list': call(z.strictObject({ id }), z.array(grantViewSchema)),
  /** What the members would see; tells nobody. */
  'grants.preview': call(grantTerms, grantViewSchema.omit({ party: true, sinceMs: true })),
  'grants.give': call(grantTerms, projectViewSchema),
  'grants.takeBack': call(z.strictObject({ id, dataset: datasetId }), projectViewSchema),
  /** Every issue of a text in the light of what is granted; never fails on a bad text. */
  'proposals.check': call(
    z.strictObject({ id, text: z.string().max(MAX_JOB_CHARACTERS) }),
    z.object({ issues: z.array(jobIssueSchema), learned: z.array(disclosureSchema) }),
  ),
  /** Of a text that is written, or of a job that is proposed. */
  'proposals.cost': call(
    z.union([z.strictObject({ id, text: z.string().max(MAX_JOB_CHARACTERS) }), z.strictObject({ id, job })]),
    costPreviewSchema,
  ),
  /** Proposes a draft of this project; one that was proposed before as an edit, which voids the votes. */
  'proposals.propose': call(z.strictObject({ id, draft: z.string().min(1).max(64) }), projectJobDetailSchema),
  /** Without the text, which may name 20,000 columns. */
  'proposals.get': call(z.strictObject({ id, job }), projectJobDetailSchema),
  /** What the digest covers, with every choice written out, as YAML. */
  'proposals.text': call(z.strictObject({ id, job }), z.object({ digest, text: z.string() })),
  'proposals.vote': call(z.strictObject({ id, job, digest, vote: z.enum(votes), reason }), projectJobDetailSchema),
  'proposals.withdraw': call(z.strictObject({ id, job, reason }), projectJobDetailSchema),
  'proposals.steer': call(z.strictObject({ id, job, wish: z.enum(wishes), reason }), projectJobDetailSchema),
};

export const projectEvents = {
  /** Somebody decided something, or a decision has reached somebody. */
  'projects.changed': projectViewSchema,
  'memberLinks.changed': z.object({ project: z.string(), links: z.array(memberLinkSchema) }),
};
