/**
 * Opens a job file and all the data it names, as one launcher that holds every party's files: for plans, local runs and
 * demonstrations. In a session each host opens its own data and receives the others' schemas instead.
 */
import { InputError } from '../../../shared/errors.ts';
import { dataParties } from '../../../shared/job-roles.ts';
import type { DataSource, Job } from '../../../shared/job.ts';
import type { PublishedModel } from '../../../shared/published-model.ts';
import { resolveJob } from '../../../shared/resolve-job.ts';
import type { PartySchemas, SchemasByParty } from '../../../shared/resolve-job.ts';
import { openDataset } from '../datasets/dataset.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { schemaForJob } from '../datasets/schema.ts';
import { dataFiles, readJobFile } from './job-file.ts';
import { openModel } from './open-model.ts';
import type { OpenedModel } from './open-model.ts';

export interface PartyData {
  readonly data: Dataset;
  readonly test: Dataset | undefined;
  /** Absolute paths; several stand side by side. */
  readonly files: { readonly data: string[]; readonly test: string[] };
}

export interface OpenedJob {
  /** With every choice written out (shared/resolve-job.ts). */
  readonly job: Job;
  readonly schemas: SchemasByParty;
  /** What all know of the model file that the job names, if it does. */
  readonly model: PublishedModel | undefined;
  readonly modelFile: OpenedModel | undefined;
  /** By party that brings data. */
  readonly data: ReadonlyMap<string, PartyData>;
}

/**
 * @throws InputError for a job, a file, a column or a cell that cannot be used, naming which.
 */
export async function openJobFile(path: string, signal?: AbortSignal): Promise<OpenedJob> {
  const { job, directory } = await readJobFile(path, signal);
  const data = new Map<string, PartyData>();
  const schemas: Record<string, PartySchemas> = {};
  for (const party of dataParties(job)) {
    const spec = job.parties[party];
    const files = { data: filesOf(spec?.data, directory, party), test: filesOf(spec?.test, directory, party) };
    const own = await openDataset(files.data, signal);
    const test = spec?.test === undefined ? undefined : await openDataset(files.test, signal);
    data.set(party, { data: own, test, files });
    schemas[party] = {
      data: schemaForJob(own, job, party),
      ...(test === undefined ? {} : { test: schemaForJob(test, job, party) }),
    };
  }
  const modelFile = openModel(job, directory);
  return { job: resolveJob(job, schemas), schemas, data, model: modelFile?.published, modelFile };
}

function filesOf(source: DataSource | undefined, directory: string, party: string): string[] {
  if (source === undefined) return [];
  const paths = dataFiles(source, directory);
  if (paths === undefined) {
    throw new InputError('job-names-no-file', `parties.${party} names a registered data set, not a file.`, {
      hint: 'Write "data: FILE", relative to the job file.',
    });
  }
  return paths;
}
