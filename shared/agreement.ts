/**
 * What all parties of a run hold in common: the resolved job, the schemas of its data, and whose keys take which part. Every
 * party compiles the same plan from it, and its digest is compared before anything flows. Knows no paths and no cells.
 */
import { z } from 'zod';
import { addressSchema } from './address.ts';
import { canonicalDigest } from './canonical.ts';
import type { Sha256 } from './canonical.ts';
import { datasetSchema, schemaDigest } from './dataset.ts';
import { InputError } from './errors.ts';
import { fingerprintSchema, sessionIdSchema } from './ids.ts';
import { dataParties, partyOrder } from './job-roles.ts';
import { modelDigest, publishedModelSchema } from './published-model.ts';
import type { PublishedModel } from './published-model.ts';
import { parseJob, refusePaths } from './job.ts';
import type { Job } from './job.ts';
import { joinedSchemas } from './resolve-job.ts';
import type { SchemasByParty } from './resolve-job.ts';

const FORMAT = 1;

const memberRoles = ['compute', 'dealer'] as const;
export type MemberRole = (typeof memberRoles)[number];

const memberSchema = z.strictObject({
  fingerprint: fingerprintSchema,
  role: z.enum(memberRoles),
  /** Where its host listens; not part of the digest, as hosts move. */
  addresses: z.array(addressSchema).max(16),
});
export type Member = z.infer<typeof memberSchema>;

const fileSchema = z.strictObject({
  tacitAgreement: z.literal(FORMAT),
  session: sessionIdSchema,
  /** Read by parseJob. */
  job: z.unknown(),
  schemas: z.record(z.string(), z.strictObject({ data: datasetSchema, test: datasetSchema.optional() })),
  members: z.record(z.string(), memberSchema),
  model: publishedModelSchema.optional(),
});

export interface Agreement {
  readonly tacitAgreement: typeof FORMAT;
  readonly session: string;
  /** Resolved and without paths. */
  readonly job: Job;
  readonly schemas: SchemasByParty;
  /** Compute parties and dealer by their names in the job. */
  readonly members: Readonly<Record<string, Member>>;
  /** Where the job names a model file: what all know of it. Its digest is in the job. */
  readonly model?: PublishedModel | undefined;
}

/**
 * Reads an agreement and checks that its parts belong together. `source` names it in errors.
 * @throws InputError `agreement-invalid`, `agreement-inconsistent`, and those of parseJob.
 */
export function parseAgreement(value: unknown, source: string, sha256: Sha256): Agreement {
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InputError('agreement-invalid', `${source}: ${issue?.path.join('.') || 'agreement'}: ${issue?.message}`, {
      hint: 'Take the agreement as the program wrote it.',
    });
  }
  const agreement: Agreement = { ...parsed.data, job: parseJob(parsed.data.job, source) };
  checkAgreement(agreement, source, sha256);
  return agreement;
}

function checkAgreement({ job, schemas, members, model }: Agreement, source: string, sha256: Sha256): void {
  const inconsistent = (what: string): InputError =>
    new InputError('agreement-inconsistent', `${source}: ${what}.`, { hint: 'Make the agreement anew from the job.' });
  refusePaths(job);
  const expected = [...partyOrder(job), job.dealer];
  for (const name of expected) {
    const role: MemberRole = name === job.dealer ? 'dealer' : 'compute';
    if (members[name]?.role !== role) throw inconsistent(`${name} is not a member with the role ${role}`);
  }
  const stray = Object.keys(members).find((name) => !expected.includes(name));
  if (stray !== undefined) throw inconsistent(`${stray} has no part in the job`);
  const keys = new Set(Object.values(members).map((member) => member.fingerprint));
  if (keys.size !== expected.length) throw inconsistent('two members have one key');
  const named = job.model !== undefined && 'architecture' in job.model ? job.model.architecture : undefined;
  if (named !== (model === undefined ? undefined : modelDigest(model, sha256)))
    throw inconsistent('the model is not the one that the job names');
  for (const party of dataParties(job)) {
    for (const what of ['data', 'test'] as const) {
      const reference = job.parties[party]?.[what];
      const schema = schemas[party]?.[what];
      const fits = reference === undefined ? schema === undefined : schema !== undefined && !Array.isArray(reference);
      if (!fits) throw inconsistent(`the schema of ${party}'s ${what} is missing or not called for`);
      if (reference !== undefined && !Array.isArray(reference) && schema !== undefined) {
        if (reference.schema !== schemaDigest(schema, sha256))
          throw inconsistent(`${party}'s ${what} has another schema`);
      }
    }
  }
}

/** What the members compare before a run: everything but addresses. */
export function agreementDigest({ session, job, schemas, members }: Agreement, sha256: Sha256): string {
  const keys = Object.fromEntries(
    Object.entries(members).map(([name, { fingerprint, role }]) => [name, { fingerprint, role }]),
  );
  return canonicalDigest({ session, job, schemas, members: keys }, sha256);
}

/** The agreement as what follows the join takes it: every party with data has the rows of the joined table. */
export function joinedAgreement(agreement: Agreement, rows: number): Agreement {
  return { ...agreement, schemas: joinedSchemas(agreement.schemas, rows) };
}

/** The member that this key is, or an InputError (`not-a-member`). */
export function memberOf(agreement: Agreement, fingerprint: string): { readonly name: string } & Member {
  const entry = Object.entries(agreement.members).find(([, member]) => member.fingerprint === fingerprint);
  if (entry === undefined) {
    throw new InputError('not-a-member', `This organisation is not a party of session ${agreement.session}.`, {
      hint: 'Check that the agreement names this key, and that this is the right data folder.',
    });
  }
  return { name: entry[0], ...entry[1] };
}
