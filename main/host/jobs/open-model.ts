/** The model file that a job names, opened by a launcher that holds every party's files. Knows nothing of how jobs run. */
import { resolve } from 'node:path';
import type { Job } from '../../../shared/job.ts';
import { publishModel } from '../../../shared/published-model.ts';
import type { PublishedModel } from '../../../shared/published-model.ts';
import { readModelFile } from '../models/model-files.ts';

export interface OpenedModel {
  /** Absolute. */
  readonly path: string;
  /** The party that keeps the weights to itself; undefined where they are public. */
  readonly owner: string | undefined;
  readonly published: PublishedModel;
}

/** Undefined where the job names no file. */
export function openModel({ model }: Job, directory: string): OpenedModel | undefined {
  if (model === undefined || !('file' in model)) return undefined;
  const path = resolve(directory, model.file);
  return { path, owner: model.owner, published: publishModel(readModelFile(path), model.owner === undefined) };
}
