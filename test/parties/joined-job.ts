/** Small jobs whose rows are joined, as files. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeJob } from '../helpers/write-job.ts';

/** Writes PARTY.csv for each party from its lines, and job.yaml; returns the job's path. The last party has the label `y`. */
export async function writeJoinedJob(
  folder: string,
  files: Readonly<Record<string, readonly string[]>>,
  joined: string,
  changes: Readonly<Record<string, string | undefined>> = {},
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const parties = Object.keys(files);
  for (const [party, lines] of Object.entries(files)) {
    await writeFile(join(folder, `${party}.csv`), `${lines.join('\n')}\n`);
  }
  return writeJob(folder, {
    name: 'joined',
    parties: `{ ${parties.map((party) => `${party}: { data: ${party}.csv }`).join(', ')} }`,
    dealer: 'd',
    join: joined,
    label: `{ ${parties.at(-1)}: y }`,
    classes: '["0", "1"]',
    task: 'classification',
    model: '{ template: logistic }',
    train: '{ epochs: 2, batch: all, optimizer: { name: sgd, lr: 0.5 }, test: 0.25, seed: 1 }',
    reveal: `{ metrics: [${parties.join(', ')}] }`,
    ...changes,
  });
}

/** Lines of a file with the column `id` and a feature; with the label too where `labelled`. */
export function numberedLines(feature: string, ids: readonly (number | string)[], labelled = false): string[] {
  return [
    `id,${feature}${labelled ? ',y' : ''}`,
    ...ids.map((id, row) => `${id},${(row * 7) % 11}${labelled ? `,${row % 2}` : ''}`),
  ];
}

/** from .. to - 1 */
export const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
