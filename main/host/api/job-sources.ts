/**
 * A job's text with the data sets that are registered here put in their places, so that it can be planned or run on this
 * machine. Applies what people said of the columns: `never` is refused, "*" means the features.
 */
import { isAbsolute } from 'node:path';
import { InputError } from '../../../shared/errors.ts';
import { keyColumnsOf } from '../../../shared/job-join.ts';
import { dataParties } from '../../../shared/job-roles.ts';
import type { DataSource, Job } from '../../../shared/job.ts';
import { didYouMean } from '../../../shared/nearest.ts';
import { checkJobText } from '../jobs/job-file.ts';
import type { RegisteredDataset } from '../store/datasets.ts';

/** @throws InputError with the first issue of the text. */
export function readDraft(text: string): Job {
  const checked = checkJobText(text);
  if (checked.ok) return checked.job;
  const [issue] = checked.issues;
  throw new InputError(issue?.code ?? 'job-invalid', `Line ${issue?.line ?? 1}: ${issue?.message ?? 'not a job'}.`, {
    hint: issue?.hint ?? 'Correct the text; all issues are listed beside it.',
  });
}

/** @throws InputError `model-path-relative`: drafts lie in no folder that a path could start from. */
export function checkModelPath({ model }: Job): void {
  if (model === undefined || !('file' in model) || isAbsolute(model.file)) return;
  throw new InputError('model-path-relative', `${model.file} is not a whole path.`, {
    hint: 'Write the path of the model from the root of the file system of this host.',
  });
}

/** @throws InputError for a model or a party whose data is not on this machine, and for columns that were kept back. */
export function withLocalFiles(job: Job, registered: readonly RegisteredDataset[]): Job {
  checkModelPath(job);
  const parties = { ...job.parties };
  const features = { ...job.features };
  for (const party of dataParties(job)) {
    const spec = job.parties[party];
    const { files, dataset } = locate(spec?.data, party, registered);
    const test = spec?.test === undefined ? undefined : locate(spec.test, party, registered).files;
    parties[party] = { data: files, ...(test === undefined ? {} : { test }) };
    if (dataset === undefined) continue;
    const uses = confirmedUses(dataset);
    const chosen = features[party];
    if (chosen === '*' && job.join.how !== 'stack') {
      const named = [job.label[party], ...keyColumnsOf(job, party)];
      const offered = Object.keys(uses).filter((name) => uses[name] === 'feature' && !named.includes(name));
      features[party] = offered;
    }
    const wanted = [...(chosen === '*' ? [] : (chosen ?? [])), job.label[party], ...keyColumnsOf(job, party)];
    const withheld = wanted.find((name) => name !== undefined && uses[name] === 'never');
    if (withheld !== undefined) {
      throw new InputError(
        'column-withheld',
        `${dataset.name}: the column ${JSON.stringify(withheld)} is never shared.`,
        {
          hint: 'Take it out of the job, or change its use on the page of the data set.',
        },
      );
    }
  }
  return { ...job, parties, features };
}

function confirmedUses(dataset: RegisteredDataset): Readonly<Record<string, string>> {
  if (dataset.confirmedAtMs !== undefined) return dataset.uses;
  throw new InputError('dataset-not-confirmed', `Nobody has confirmed the columns of ${dataset.name} yet.`, {
    hint: 'Open the data set, look at its columns and confirm them.',
  });
}

function locate(
  source: DataSource | undefined,
  party: string,
  registered: readonly RegisteredDataset[],
): { files: string[]; dataset: RegisteredDataset | undefined } {
  const names = Array.isArray(source) ? source : source === undefined ? [] : [source.id];
  const [name = ''] = names;
  const dataset = names.length === 1 ? registered.find((one) => one.id === name || one.name === name) : undefined;
  if (dataset !== undefined) return { files: [...dataset.paths], dataset };
  if (names.length > 0 && names.every((one) => isAbsolute(one))) return { files: names, dataset: undefined };
  const near = didYouMean(
    name,
    registered.map((one) => one.name),
  );
  throw new InputError(
    'data-not-here',
    `The data of ${party} (${name}) is not registered on this machine${near || '.'}`,
    {
      hint: 'Costs and local runs need the data of all parties here: name a registered data set or a whole path.',
    },
  );
}
