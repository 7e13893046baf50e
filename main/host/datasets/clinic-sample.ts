/**
 * The breast cancer sample as clinics would hold it that share patients: each has some columns of most patients, in an order of
 * its own, and writes their numbers in its own way. The same files from the same sample, always. Only for data that is public.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Cell } from '../../../shared/dataset.ts';
import { PublicRandom, shuffledIndexes } from '../../../shared/shuffle.ts';
import { scanColumns, type Dataset } from './dataset.ts';
import { csvCell } from './samples.ts';

/** Of the sample; the last clinic has it. */
export const CLINIC_LABEL = 'malignant';
export const CLINIC_KEY = 'patient_id';

/** Fraction of the patients whom all clinics have. */
const IN_COMMON = 0.85;
const SEED = 569;
const FIRST_NUMBER = 100_000;
const NUMBERS = 900_000;

const fullWidth = (text: string): string =>
  text.replace(/[!-~]/gu, (character) => String.fromCodePoint(character.codePointAt(0)! + 0xfee0));

/** Equal once case, space and width of the characters no longer count. */
const writings: readonly ((number: number) => string)[] = [
  (number) => `WI-${number}`,
  (number) => `wi - ${number}`,
  (number) => fullWidth(`WI-${number}`),
];

/** Different numbers, one a patient. */
function patientNumbers(count: number): number[] {
  const random = new PublicRandom(SEED, 'split');
  const numbers = new Set<number>();
  while (numbers.size < count) numbers.add(FIRST_NUMBER + random.nextBelow(NUMBERS));
  return [...numbers];
}

/** Writes one CSV file for each clinic. */
export async function writeClinics(sample: Dataset, paths: readonly string[], signal?: AbortSignal): Promise<void> {
  const names = sample.columns.map(({ name }) => name);
  const cells = names.map((): Cell[] => []);
  await scanColumns(
    sample,
    names,
    (batch, wanted, firstRow, rows) => {
      batch.forEach((column, index) => {
        for (let row = 0; row < rows; row++) cells[wanted[index]!]![firstRow + row] = column[row] ?? null;
      });
    },
    signal,
  );
  const features = names.filter((name) => name !== CLINIC_LABEL);
  const share = Math.ceil(features.length / paths.length);
  const numbers = patientNumbers(sample.rows);
  const isKept = IN_COMMON ** (1 / paths.length);
  for (const [clinic, path] of paths.entries()) {
    const random = new PublicRandom(SEED, 'split', clinic + 1);
    const rows = shuffledIndexes(sample.rows, random).filter(() => random.nextFraction() < isKept);
    const own = features.slice(clinic * share, (clinic + 1) * share);
    if (clinic === paths.length - 1) own.push(CLINIC_LABEL);
    const written = writings[clinic % writings.length]!;
    const lines = [...rows].map((row) =>
      [written(numbers[row]!), ...own.map((name) => csvCell(cells[names.indexOf(name)]![row]))].join(','),
    );
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${[CLINIC_KEY, ...own].join(',')}\n${lines.join('\n')}\n`);
  }
}
