/** A job file of single entries, as tests write it: keys with their YAML. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes job.yaml into a folder, without entries that are undefined; returns its path. */
export async function writeJob(folder: string, entries: Readonly<Record<string, string | undefined>>): Promise<string> {
  const lines = Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [`${key}: ${value}\n`]));
  const file = join(folder, 'job.yaml');
  await writeFile(file, lines.join(''));
  return file;
}
