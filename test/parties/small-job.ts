/** A job of two parties and a dealer that is over in a moment, as files and as an agreement. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { openDataset } from '../../main/host/datasets/dataset.ts';
import { schemaForJob } from '../../main/host/datasets/schema.ts';
import { readJobFile } from '../../main/host/jobs/job-file.ts';
import type { Agreement } from '../../shared/agreement.ts';
import { schemaDigest } from '../../shared/dataset.ts';
import { shareableJob } from '../../shared/job.ts';
import { resolveJob } from '../../shared/resolve-job.ts';
import { writeJob } from '../helpers/write-job.ts';

const ROWS = 40;

/** Writes a.csv (two features), b.csv (one feature and the label) and job.yaml, undefined keys left out; returns the job's path. */
export async function writeSmallJob(
  folder: string,
  changes: Readonly<Record<string, string | undefined>> = {},
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const rows = Array.from({ length: ROWS }, (_, row) => [row % 7, (row * 3) % 11, row % 5, row % 7 > 3 ? 'yes' : 'no']);
  await writeFile(join(folder, 'a.csv'), `x,y\n${rows.map(([x, y]) => `${x},${y}\n`).join('')}`);
  await writeFile(join(folder, 'b.csv'), `z,outcome\n${rows.map(([, , z, outcome]) => `${z},${outcome}\n`).join('')}`);
  return writeJob(folder, {
    name: 'small',
    parties: '{ a: { data: a.csv }, b: { data: b.csv } }',
    dealer: 'd',
    join: '{ how: rows }',
    label: '{ b: outcome }',
    task: 'classification',
    model: '{ template: logistic }',
    train: '{ epochs: 3, batch: all, optimizer: { name: sgd, lr: 0.5 }, test: 0.25, seed: 1 }',
    reveal: '{ model: [a], metrics: [a, b] }',
    ...changes,
  });
}

/** The agreement on it between keys that are known. */
export async function agreeOnSmallJob(
  file: string,
  members: Agreement['members'],
  session = 'small-1',
): Promise<Agreement> {
  const { job, directory } = await readJobFile(file);
  const schemas: Record<string, { data: ReturnType<typeof schemaForJob> }> = {};
  for (const party of ['a', 'b']) {
    schemas[party] = { data: schemaForJob(await openDataset([join(directory, `${party}.csv`)]), job, party) };
  }
  const references = Object.fromEntries(
    Object.entries(schemas).map(([party, { data }]) => [
      party,
      { data: { id: party, schema: schemaDigest(data, nodeCrypto.sha256) } },
    ]),
  );
  return { tacitAgreement: 1, session, job: shareableJob(resolveJob(job, schemas), references), schemas, members };
}
