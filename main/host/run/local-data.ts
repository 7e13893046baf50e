/**
 * This party's own files for a run: opened, compared with the schema that the others hold, and prepared. Nothing here leaves
 * the machine. Knows nothing of the engine.
 */
import { z } from 'zod';
import { joinedAgreement } from '../../../shared/agreement.ts';
import type { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import { canonicalJson } from '../../../shared/canonical.ts';
import { sortCategories } from '../../../shared/dataset.ts';
import type { DatasetSchema } from '../../../shared/dataset.ts';
import { InputError } from '../../../shared/errors.ts';
import { declaredRows } from '../../../shared/job-join.ts';
import type { Job } from '../../../shared/job.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { publishModel } from '../../../shared/published-model.ts';
import { columnPlan, jobRows } from '../../../shared/resolve-job.ts';
import type { ColumnPlan } from '../../../shared/resolve-job.ts';
import { localTrainingRows } from '../../../shared/schedule.ts';
import { openDataset } from '../datasets/dataset.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { prepareLocal } from '../datasets/prepare.ts';
import type { PreparedRows } from '../datasets/prepare.ts';
import { randomisedLabels } from '../datasets/randomised-labels.ts';
import { schemaForJob } from '../datasets/schema.ts';
import type { OwnData } from '../jobs/tasks/task.ts';
import type { JoinOutcome, OwnRows } from '../joins/join-outcome.ts';
import { joinedDataset } from '../joins/joined-dataset.ts';
import { readModelFile } from '../models/model-files.ts';

/** Absolute paths of one party's files; several stand side by side. */
export const localFilesSchema = z.strictObject({
  data: z.array(z.string()),
  test: z.array(z.string()),
  /** Of the party that owns the model. */
  model: z.string().optional(),
});
export type LocalFiles = z.infer<typeof localFilesSchema>;

/** Opens the own files and compares them with what was agreed, before anything is done for a run. */
export async function checkOwnData(
  agreement: Agreement,
  party: string,
  files: LocalFiles,
  signal: AbortSignal,
): Promise<void> {
  if (agreement.schemas[party] !== undefined) await openChecked(agreement, party, 'data', files.data, signal);
  openOwnModel(agreement, party, files);
}

/**
 * Everything that the party brings; rows are those of the joined table where rows were joined.
 * @param secret of this party alone, the same in every attempt: labels are flipped by it where the job says so.
 */
export async function prepareOwnData(
  agreement: Agreement,
  party: string,
  files: LocalFiles,
  joined: JoinOutcome | undefined,
  secret: SecretKey,
  signal: AbortSignal,
): Promise<OwnData> {
  const rows = await prepareOwnRows(agreement, party, files, joined, signal);
  return {
    rows: rows && withRandomisedLabels(agreement, rows, secret),
    model: openOwnModel(agreement, party, files),
  };
}

/** The same flips in every attempt of the run, by the party's own secret. */
function withRandomisedLabels({ job, session }: Agreement, rows: PreparedRows, secret: SecretKey): PreparedRows {
  const { labels } = rows;
  const keep = job.privacy?.labels?.keep;
  if (keep === undefined || labels === undefined) return rows;
  const key = nodeCrypto.deriveKey(secret, new TextEncoder().encode(session), 'tacit/v1/randomised-response');
  const told = randomisedLabels(nodeCrypto, key, labels, keep);
  key.erase();
  return { ...rows, labels: told };
}

/** The model's weights at the party that owns them. */
function openOwnModel({ job, model: agreed }: Agreement, party: string, files: LocalFiles): TrainedModel | undefined {
  const { model } = job;
  if (model === undefined || !('owner' in model) || model.owner !== party) return undefined;
  if (files.model === undefined) {
    throw new InputError('model-not-given', `The job needs the model of ${party}.`, {
      hint: 'Start the party with --model FILE.',
    });
  }
  const own = readModelFile(files.model);
  if (agreed === undefined || canonicalJson(publishModel(own, false)) !== canonicalJson(agreed)) {
    throw new InputError('model-not-as-agreed', `The model has other layers than the parties agreed on.`, {
      hint: 'Give the file that was named in this job, or agree anew.',
    });
  }
  return own;
}

/** Undefined for a party that brings none. */
async function prepareOwnRows(
  agreement: Agreement,
  party: string,
  files: LocalFiles,
  joined: JoinOutcome | undefined,
  signal: AbortSignal,
): Promise<PreparedRows | undefined> {
  const { job, schemas } = joined?.rows === undefined ? agreement : joinedAgreement(agreement, joined.rows);
  const own = schemas[party];
  if (own === undefined) return undefined;
  const data = await openChecked(agreement, party, 'data', files.data, signal);
  const test = own.test === undefined ? undefined : await openChecked(agreement, party, 'test', files.test, signal);
  const plan = columnPlan(job, party, schemas);
  const rows = joined?.own === undefined ? data : inJoinedOrder(data, joined.own, plan);
  const layout = jobRows(job, schemas);
  const slots = joined?.own?.slots;
  if (slots === undefined) return prepareLocal(rows, test, plan, localTrainingRows(layout, party), signal);
  const trained = new Set(layout.train);
  const training = Uint32Array.from(slots.keys()).filter((row) => trained.has(slots[row]!));
  return { ...(await prepareLocal(rows, test, plan, training, signal)), slots };
}

function inJoinedOrder(data: Dataset, own: OwnRows, plan: ColumnPlan): Dataset {
  if (data.contentDigest !== own.contentDigest) {
    throw new InputError('dataset-changed', `${data.name} has changed since its rows were joined.`, {
      hint: 'Restore the file, or agree on the job anew.',
    });
  }
  return joinedDataset(data, own.order, plan);
}

async function openChecked(
  { job, schemas }: Agreement,
  party: string,
  what: 'data' | 'test',
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Dataset> {
  if (paths.length === 0) {
    throw new InputError('data-not-given', `The job needs ${what === 'data' ? 'data' : 'a test file'} of ${party}.`, {
      hint: `Start the party with --${what} FILE.`,
    });
  }
  const dataset = await openDataset(paths, signal);
  // Names the cell that no job can use, if there is one.
  schemaForJob(dataset, job, party);
  const agreed = schemas[party]?.[what];
  if (agreed === undefined || !isAsAgreed(dataset, agreed, job, party)) {
    throw new InputError(
      'data-not-as-agreed',
      `${dataset.name} has other columns or rows than the parties agreed on.`,
      {
        hint: 'Give the file that was registered for this job, or agree anew.',
      },
    );
  }
  return dataset;
}

function isAsAgreed(dataset: Dataset, agreed: DatasetSchema, job: Job, party: string): boolean {
  if (declaredRows(job, party, dataset.rows) !== agreed.rows || dataset.rows > agreed.rows) return false;
  return agreed.columns.every(({ name, type, categories }) => {
    const column = dataset.columns.find((candidate) => candidate.name === name);
    if (column?.type !== type) return false;
    return (
      categories === undefined ||
      sortCategories(column.counts?.map(({ value }) => value) ?? []).join('\n') ===
        sortCategories(categories).join('\n')
    );
  });
}
