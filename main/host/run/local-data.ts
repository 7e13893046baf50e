/**
 * This party's own files for a run: opened, compared with the schema that the others hold, and prepared. Nothing here leaves
 * the machine. Knows nothing of the engine.
 */
import { z } from 'zod';
import type { Agreement } from '../../../shared/agreement.ts';
import { sortCategories } from '../../../shared/dataset.ts';
import type { DatasetSchema } from '../../../shared/dataset.ts';
import { InputError } from '../../../shared/errors.ts';
import { columnPlan, jobRows } from '../../../shared/resolve-job.ts';
import { localTrainingRows } from '../../../shared/schedule.ts';
import { openDataset } from '../datasets/dataset.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { prepareLocal } from '../datasets/prepare.ts';
import type { PreparedRows } from '../datasets/prepare.ts';
import { schemaForJob } from '../datasets/schema.ts';

/** Absolute paths of one party's files; several stand side by side. */
export const localFilesSchema = z.strictObject({ data: z.array(z.string()), test: z.array(z.string()) });
export type LocalFiles = z.infer<typeof localFilesSchema>;

/** Prepared rows, or undefined for a party that only computes. */
export async function prepareOwnData(
  agreement: Agreement,
  party: string,
  files: LocalFiles,
  signal: AbortSignal,
): Promise<PreparedRows | undefined> {
  const { job, schemas } = agreement;
  const own = schemas[party];
  if (own === undefined) return undefined;
  const data = await openChecked(agreement, party, 'data', files.data, signal);
  const test = own.test === undefined ? undefined : await openChecked(agreement, party, 'test', files.test, signal);
  const training = localTrainingRows(jobRows(job, schemas), party);
  return prepareLocal(data, test, columnPlan(job, party, schemas), training, signal);
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
  if (agreed === undefined || !isAsAgreed(dataset, agreed)) {
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

function isAsAgreed(dataset: Dataset, agreed: DatasetSchema): boolean {
  if (dataset.rows !== agreed.rows) return false;
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
