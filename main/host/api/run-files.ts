/** What runs left in the data folder: figures for dashboards and files for people. Reads; writes nothing. */
import { existsSync } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../../../shared/errors.ts';
import { runInsightsSchema } from '../../../shared/timing.ts';
import type { RunInsights } from '../../../shared/timing.ts';
import { resultsFolder } from '../run/folders.ts';

const INSIGHTS = 'insights.json';

/** A party's name and the folder of its results. */
export interface ResultPlace {
  readonly party: string;
  readonly folder: string;
}

/** Of a run with a data folder for each party. */
export async function partyPlaces(folder: string): Promise<ResultPlace[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && existsSync(resultsFolder(join(folder, entry.name))))
    .map(({ name }) => ({ party: name, folder: resultsFolder(join(folder, name)) }))
    .sort((a, b) => (a.party < b.party ? -1 : 1));
}

export async function readInsights(places: readonly ResultPlace[]): Promise<RunInsights[]> {
  const found: RunInsights[] = [];
  for (const { folder } of places) {
    const path = join(folder, INSIGHTS);
    if (!existsSync(path)) continue;
    const parsed = runInsightsSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    if (!parsed.success) {
      throw new InputError('insights-unreadable', `The figures in ${path} were written by another version.`, {
        hint: 'Open the run with the version that made it, or look at its report.html.',
      });
    }
    found.push(parsed.data);
  }
  return found;
}

export const hasInsights = (places: readonly ResultPlace[]): boolean =>
  places.some(({ folder }) => existsSync(join(folder, INSIGHTS)));

export interface ResultFile {
  readonly party: string;
  readonly name: string;
  readonly bytes: number;
}

export async function listFiles(places: readonly ResultPlace[]): Promise<ResultFile[]> {
  const files: ResultFile[] = [];
  for (const { party, folder } of places) {
    if (!existsSync(folder)) continue;
    for (const name of (await readdir(folder)).sort()) {
      if (name.endsWith('.part') || name === INSIGHTS) continue;
      files.push({ party, name, bytes: (await stat(join(folder, name))).size });
    }
  }
  return files;
}

/** InputError `result-unknown` for anything that is not listed. */
export async function readResult(places: readonly ResultPlace[], party: string, name: string): Promise<Buffer> {
  const place = places.find((one) => one.party === party);
  if (place !== undefined && basename(name) === name) {
    const path = join(place.folder, name);
    if (existsSync(path)) return readFile(path);
  }
  throw new InputError('result-unknown', `There is no result ${name} of ${party} in this run.`, {
    hint: 'Look at the list of its results again.',
  });
}
