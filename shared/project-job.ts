/**
 * A job in a project: from what a person wrote and what the members have granted to the agreement that they vote on, and back
 * from an agreement to whether grants still cover it. Pure; every member computes the same.
 */
import type { Agreement, Member } from './agreement.ts';
import type { Sha256 } from './canonical.ts';
import { canonicalJson } from './canonical.ts';
import { schemaDigest } from './dataset.ts';
import type { DatasetReference, DatasetSchema } from './dataset.ts';
import { InputError } from './errors.ts';
import { declaredRows, identifierJoin, keyColumnsOf } from './job-join.ts';
import { dataParties, partyOrder } from './job-roles.ts';
import { shareableJob } from './job.ts';
import type { DataSource, Job, PartyReferences } from './job.ts';
import { didYouMean } from './nearest.ts';
import { checkRoles, sessionOf } from './project.ts';
import type { GrantedColumn } from './project.ts';
import type { GrantState, ProjectState } from './project-state.ts';
import { modelDigest } from './published-model.ts';
import type { PublishedModel } from './published-model.ts';
import { resolveJob } from './resolve-job.ts';
import type { PartySchemas } from './resolve-job.ts';

/** What keeps an agreement from being carried out at one of its parties. */
export interface GrantIssue {
  readonly party: string;
  readonly code: string;
  readonly message: string;
}

/**
 * The agreement that a job comes to in a project. Data sets are named as they were granted; "*" means all features granted.
 * `model`: what all may know of the file that the job names, if it names one.
 * @throws InputError naming the party, the data set or the column that stands in the way.
 */
export function agreementFor(
  project: ProjectState,
  job: Job,
  { id, version }: { readonly id: string; readonly version: number },
  sha256: Sha256,
  model?: PublishedModel,
): Agreement {
  const { charter } = project;
  checkRoles(charter, job);
  for (const party of [...partyOrder(job), job.dealer]) checkAccepted(project, party);
  const schemas: Record<string, PartySchemas> = {};
  const references: Record<string, PartyReferences> = {};
  const parties = { ...job.parties };
  for (const party of dataParties(job)) {
    const { data, test } = job.parties[party] ?? {};
    const grants = {
      data: grantNamed(project, party, data),
      test: test === undefined ? undefined : grantNamed(project, party, test),
    };
    schemas[party] = {
      data: usedSchema(grants.data, job, party),
      ...(grants.test === undefined ? {} : { test: usedSchema(grants.test, job, party) }),
    };
    references[party] = {
      data: referenceTo(grants.data, schemas[party].data, sha256),
      test:
        grants.test === undefined || schemas[party].test === undefined
          ? undefined
          : referenceTo(grants.test, schemas[party].test, sha256),
    };
    // References that a person copied stand for the same data sets, and are made anew.
    parties[party] = { data: [grants.data.name], ...(grants.test === undefined ? {} : { test: [grants.test.name] }) };
  }
  const resolved = resolveJob({ ...job, parties }, schemas);
  const members = Object.fromEntries(
    [...partyOrder(job), job.dealer].map((party): [string, Member] => [
      party,
      {
        fingerprint: charter.members[party]?.fingerprint ?? '',
        role: party === job.dealer ? 'dealer' : 'compute',
        addresses: [],
      },
    ]),
  );
  return {
    tacitAgreement: 1,
    session: sessionOf(project.id, id, version),
    job: shareableJob(resolved, references, model === undefined ? undefined : modelDigest(model, sha256)),
    schemas,
    members,
    ...(model === undefined ? {} : { model }),
  };
}

/** Where grants do not cover an agreement (any more), the party named. Empty: they do. */
export function grantIssues(project: ProjectState, { job, schemas }: Agreement): GrantIssue[] {
  return dataParties(job).flatMap((party): GrantIssue[] => {
    try {
      for (const what of ['data', 'test'] as const) {
        const source = job.parties[party]?.[what];
        if (source === undefined) continue;
        const grant = grantNamed(project, party, source);
        if (canonicalJson(usedSchema(grant, job, party)) !== canonicalJson(schemas[party]?.[what])) {
          throw new InputError('data-not-as-granted', `${party} has granted ${grant.name} with other columns or rows.`);
        }
      }
      return [];
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return [{ party, code: error.code, message: error.message }];
    }
  });
}

function checkAccepted({ members, charter }: ProjectState, party: string): void {
  const standing = members.find((member) => member.party === party)?.standing;
  if (standing === 'accepted') return;
  const what = standing === 'asked' ? 'has not joined' : standing === 'declined' ? 'did not join' : 'has left';
  throw new InputError('member-not-joined', `${party} ${what} the project ${charter.name}.`, {
    hint: standing === 'asked' ? `Wait until ${party} has answered.` : 'Leave it out of the job.',
  });
}

function grantNamed({ grants }: ProjectState, party: string, source: DataSource | undefined): GrantState {
  const [name = ''] = Array.isArray(source) ? source : source === undefined ? [] : [source.id];
  const own = grants.filter((grant) => grant.party === party);
  const found = own.find((grant) => grant.dataset === name) ?? own.find((grant) => grant.name === name);
  if (found !== undefined) return found;
  const near = didYouMean(
    name,
    own.map((grant) => grant.name),
  );
  throw new InputError(
    'dataset-not-granted',
    `${party} has not granted a data set ${JSON.stringify(name)}${near || '.'}`,
    {
      hint:
        own.length === 0
          ? `${party} has granted none in this project yet.`
          : `It has granted: ${own.map((grant) => grant.name).join(', ')}.`,
    },
  );
}

const referenceTo = (grant: GrantState, schema: DatasetSchema, sha256: Sha256): DatasetReference => ({
  id: grant.dataset,
  schema: schemaDigest(schema, sha256),
});

/** The columns of a grant that a job uses, each for what it was granted for. */
function usedSchema(grant: GrantState, job: Job, party: string): DatasetSchema {
  const chosen = job.features[party] ?? [];
  const wanted = new Map<string, GrantedColumn['use']>();
  if (chosen === '*') {
    for (const { name, use } of grant.columns) if (use === 'feature') wanted.set(name, use);
  } else {
    for (const name of chosen) wanted.set(name, 'feature');
  }
  const label = job.label[party];
  if (label !== undefined) wanted.set(label, 'label');
  for (const name of keyColumnsOf(job, party)) wanted.set(name, 'id');
  for (const [name, use] of wanted) checkGranted(grant, name, use);
  const columns = grant.columns.filter(({ name }) => wanted.has(name)).map(({ use: _, ...column }) => column);
  if (columns.length === 0) {
    throw new InputError(
      'column-not-granted',
      `${grant.party} has granted no column of ${grant.name} that the job uses.`,
    );
  }
  const rows = declaredRows(job, party, grant.rows);
  if (grant.padded && identifierJoin(job)?.pad?.[party] === undefined) {
    throw new InputError(
      'grant-padded',
      `${party} does not tell how many rows ${grant.name} has, only that at most ${grant.rows}.`,
      {
        hint: `Join by identifiers and declare so many for ${party}: join.pad.`,
      },
    );
  }
  if (rows < grant.rows) {
    throw new InputError('join-more-rows', `${grant.name} has ${grant.rows} rows, and join.pad declares ${rows}.`, {
      hint: 'Declare at least as many as there are.',
    });
  }
  return { rows, columns };
}

function checkGranted({ party, name, columns }: GrantState, column: string, use: GrantedColumn['use']): void {
  const granted = columns.find((one) => one.name === column);
  if (granted?.use === use) return;
  const near = didYouMean(
    column,
    columns.filter((one) => one.use === use).map((one) => one.name),
  );
  throw new InputError(
    'column-not-granted',
    granted === undefined
      ? `${party} has not granted the column ${JSON.stringify(column)} of ${name}${near || '.'}`
      : `${party} has granted the column ${JSON.stringify(column)} of ${name} as ${granted.use}, not as ${use}.`,
    { hint: `Leave the column out, or ask ${party} to grant it.` },
  );
}
