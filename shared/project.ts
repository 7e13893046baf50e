/**
 * A project between organisations: its charter, which names the members and is the same for all, and the journals in which
 * each member writes down what it decides. Knows nothing of how journals travel or are kept.
 *
 * The project's id is the digest of its charter, so nobody can show two members different lists of members. A journal is a
 * chain of hashes of one author: entries come from their author's own host only, in order, and cannot be changed, left out
 * or shown in two versions without the heads telling.
 */
import { z } from 'zod';
import { parseAgreement } from './agreement.ts';
import type { Agreement } from './agreement.ts';
import { canonicalDigest } from './canonical.ts';
import type { Sha256 } from './canonical.ts';
import { columnSchema, MAX_COLUMNS } from './dataset.ts';
import { InputError } from './errors.ts';
import { digestSchema, displayNameSchema, fingerprintSchema, reasonCodeSchema } from './ids.ts';
import { partyName } from './strict.ts';
import type { Job } from './job.ts';

/** What a member may be in a job. Who brings data or receives results computes too, so holds that role beside. */
export const projectRoles = ['data', 'compute', 'dealer', 'receiver'] as const;
export type ProjectRole = (typeof projectRoles)[number];

export const MAX_MEMBERS = 33;
const momentSchema = z.int().min(0);
const reasonSchema = z.string().max(1000);

const charterMemberSchema = z.strictObject({
  fingerprint: fingerprintSchema,
  roles: z.array(z.enum(projectRoles)).min(1).max(projectRoles.length),
});

export const charterSchema = z
  .strictObject({
    tacitProject: z.literal(1),
    name: displayNameSchema,
    /** For those who are asked to join. */
    purpose: z.string().max(4000),
    nonce: z.string().regex(/^[0-9a-f]{32}$/),
    createdAtMs: momentSchema,
    creator: fingerprintSchema,
    /** By the names that they have in the project's jobs. */
    members: z.record(partyName, charterMemberSchema),
  })
  .superRefine(({ creator, members }, context) => {
    const refuse = (message: string): void => void context.addIssue({ code: 'custom', message });
    const all = Object.values(members);
    const names = Object.keys(members);
    if (all.length < 2 || all.length > MAX_MEMBERS) refuse(`a project has 2 to ${MAX_MEMBERS} members`);
    if (new Set(all.map(({ fingerprint }) => fingerprint)).size !== all.length) refuse('two members have one key');
    if (new Set(names.map((name) => name.toLowerCase())).size !== names.length) refuse('two names differ only by case');
    if (!all.some(({ fingerprint }) => fingerprint === creator)) refuse('the creator is no member');
  });
export type Charter = z.infer<typeof charterSchema>;

export const projectIdSchema = z.string().regex(/^[0-9a-f]{32}$/, 'A project id is 32 hexadecimal digits.');

export function projectId(charter: Charter, sha256: Sha256): string {
  return canonicalDigest(charter, sha256).slice(0, 32);
}

/** For which a column may be used in jobs of the project. */
export const grantedUses = ['feature', 'label', 'id'] as const;
export const grantedColumnSchema = columnSchema.extend({ use: z.enum(grantedUses) });
export type GrantedColumn = z.infer<typeof grantedColumnSchema>;

/** Begins with the proposer's key, so that two proposers never choose the same. */
export const projectJobIdSchema = z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{16}$/);

export const wishes = ['go', 'pause', 'cancel'] as const;
export type Wish = (typeof wishes)[number];

const datasetIdSchema = z.string().min(1).max(64);
const generationSchema = z.int().min(1);

/** What a member can decide, or say of a run. */
const statementSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('answered'),
    answer: z.enum(['accepted', 'declined', 'left']),
    reason: reasonSchema,
  }),
  /** What the others may know of a data set, and use of it. Takes the place of an earlier grant of it. */
  z.strictObject({
    kind: z.literal('granted'),
    dataset: datasetIdSchema,
    name: displayNameSchema,
    rows: z.int().min(1),
    /** There are at most so many rows: only jobs whose join declares as many for this member (join.pad) can use them. */
    padded: z.literal(true).optional(),
    columns: z.array(grantedColumnSchema).min(1).max(MAX_COLUMNS),
  }),
  z.strictObject({ kind: z.literal('ungranted'), dataset: datasetIdSchema }),
  z.strictObject({
    kind: z.literal('proposed'),
    job: projectJobIdSchema,
    /** Counts the edits, from 1. */
    version: z.int().min(1),
    /** Read by parseAgreement; without addresses. */
    agreement: z.unknown(),
  }),
  z.strictObject({ kind: z.literal('withdrawn'), job: projectJobIdSchema, reason: reasonSchema }),
  z.strictObject({
    kind: z.literal('voted'),
    /** Digest of the agreement: the vote is for nothing else. */
    agreement: digestSchema,
    /** `none` takes a vote back. */
    vote: z.enum(['yes', 'no', 'none']),
    reason: reasonSchema,
  }),
  z.strictObject({
    kind: z.literal('steered'),
    agreement: digestSchema,
    wish: z.enum(wishes),
    /** Raised by who starts anew what had failed or was cancelled. */
    generation: generationSchema,
    reason: reasonSchema,
  }),
  z.strictObject({
    kind: z.literal('ran'),
    agreement: digestSchema,
    generation: generationSchema,
    outcome: z.enum(['started', 'done', 'failed']),
    attempt: z.int().min(0),
    /** Of a failure; never text. */
    code: reasonCodeSchema.optional(),
    /** What was revealed to the author. */
    received: z.array(z.enum(['model', 'metrics', 'predictions', 'aggregates'])),
  }),
]);
export type Statement = z.infer<typeof statementSchema>;
export type StatementOf<Kind extends Statement['kind']> = Extract<Statement, { kind: Kind }>;

export const entrySchema = z.strictObject({
  tacitEntry: z.literal(1),
  project: projectIdSchema,
  author: fingerprintSchema,
  /** From 1. */
  sequence: z.int().min(1),
  /** Hash of the author's entry before; zeros before the first. */
  previous: digestSchema,
  /** By the author's clock. */
  atMs: momentSchema,
  statement: statementSchema,
});
export type Entry = z.infer<typeof entrySchema>;

export const NO_ENTRY = '0'.repeat(64);

export function entryHash(entry: Entry, sha256: Sha256): string {
  return canonicalDigest(entry, sha256);
}

/** Where a journal ends. */
export const journalHeadSchema = z.strictObject({ sequence: z.int().min(0), hash: digestSchema });
export type JournalHead = z.infer<typeof journalHeadSchema>;

/** One digest over all journals of a project: equal at two members who hold the same entries. */
export function projectHead(heads: Readonly<Record<string, JournalHead>>, sha256: Sha256): string {
  return canonicalDigest(heads, sha256);
}

/** Name of the session in which a version of a job is run. */
export const sessionOf = (project: string, job: string, version: number): string => `${project}.${job}.${version}`;

/** Name of the member that a key is; undefined for a stranger. */
export function partyOf(charter: Charter, fingerprint: string): string | undefined {
  return Object.keys(charter.members).find((name) => charter.members[name]?.fingerprint === fingerprint);
}

/** Roles that a job asks of one of its parties, or of its dealer. */
function rolesAsked(job: Job, party: string): ProjectRole[] {
  if (party === job.dealer) return ['dealer'];
  const brings = job.parties[party]?.data !== undefined;
  const receives = Object.values(job.reveal).some((receivers) => receivers.includes(party));
  return ['compute', ...(brings ? (['data'] as const) : []), ...(receives ? (['receiver'] as const) : [])];
}

/** InputError `not-a-project-member` or `role-not-held` for a job that asks for what the charter does not give. */
export function checkRoles(charter: Charter, job: Job): void {
  for (const party of [...Object.keys(job.parties), job.dealer]) {
    const member = charter.members[party];
    if (member === undefined) {
      throw new InputError('not-a-project-member', `${party} is not a member of the project ${charter.name}.`, {
        hint: `Its members are: ${Object.keys(charter.members).join(', ')}.`,
      });
    }
    const lacking = rolesAsked(job, party).find((role) => !member.roles.includes(role));
    if (lacking !== undefined) {
      throw new InputError('role-not-held', `${party} does not have the role "${lacking}" in ${charter.name}.`, {
        hint: 'Give the part to another member, or make a project with other roles.',
      });
    }
  }
}

/**
 * The agreement of a proposal, once it is found to be one that its author may make in this project: the charter's keys and
 * roles, the session's name, the author's own job id.
 * @throws InputError `proposal-foreign`, and those of parseAgreement and checkRoles.
 */
export function readProposal(
  charter: Charter,
  project: string,
  author: string,
  { job, version, agreement: value }: StatementOf<'proposed'>,
  sha256: Sha256,
): Agreement {
  const agreement = parseAgreement(value, 'proposal', sha256);
  checkRoles(charter, agreement.job);
  const isOwn = job.startsWith(`${author.slice(0, 8)}-`) && agreement.session === sessionOf(project, job, version);
  const strangers = Object.entries(agreement.members).filter(
    ([name, { fingerprint, addresses }]) => charter.members[name]?.fingerprint !== fingerprint || addresses.length > 0,
  );
  if (!isOwn || strangers.length > 0) {
    throw new InputError('proposal-foreign', 'The proposal was made for another project, or by somebody else.', {
      hint: 'Ask its author to propose the job anew.',
    });
  }
  return agreement;
}

/** Whether a key has a part in an agreement. */
export function hasPart(agreement: Agreement, fingerprint: string): boolean {
  return Object.values(agreement.members).some((member) => member.fingerprint === fingerprint);
}
