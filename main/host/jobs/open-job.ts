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

export interface PartyData {
  readonly data: Dataset;
  readonly test: Dataset | undefined;
}

export interface OpenedJob {
  /** With every choice written out (shared/resolve-job.ts). */
  readonly job: Job;
  readonly directory: string;
  readonly schemas: SchemasByParty;
  /** What all know of the model file that the job names, if it does. */
  readonly model: PublishedModel | undefined;
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
    const own = await openDataset(files(spec?.data, directory, party), signal);
    const test = spec?.test === undefined ? undefined : await openDataset(files(spec.test, directory, party), signal);
    data.set(party, { data: own, test });
    schemas[party] = {
      data: schemaForJob(own, job, party),
      ...(test === undefined ? {} : { test: schemaForJob(test, job, party) }),
    };
  }
  return { job: resolveJob(job, schemas), directory, schemas, data, model: openModel(job, directory)?.published };
}

function files(source: DataSource | undefined, directory: string, party: string): string[] {
  const found = source === undefined ? undefined : dataFiles(source, directory);
  if (found === undefined) {
    throw new InputError('job-data-not-a-file', `The data of ${party} is a registered data set, not a file.`, {
      hint: 'A local run needs "data: FILE" for every party.',
    });
  }
  return found;
}
