/**
 * Splits a sample file between the parties of a demonstration, as if each had brought its own. Only for data that is public:
 * a real party never sees another's file.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import { scanColumns, type Dataset } from './dataset.ts';

/** One party's share of a sample: which columns, under which names, and which rows. */
export interface SamplePart {
  /** The CSV file to write; its folder is made where it is missing. */
  readonly path: string;
  /** Column of the sample and its name in the new file, in order. */
  readonly columns: readonly { readonly from: string; readonly name: string }[];
  /** Whether the row (from 0) goes to this party. */
  readonly takes: (row: number) => boolean;
}

export const csvCell = (cell: number | string | null | undefined): string => {
  if (cell === null || cell === undefined || Number.isNaN(cell)) return '';
  const text = String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Writes one CSV file for each part. The sample has to be a single file. */
export async function splitSample(sample: Dataset, parts: readonly SamplePart[], signal?: AbortSignal): Promise<void> {
  const names = [...new Set(parts.flatMap((part) => part.columns.map((column) => column.from)))];
  const place = new Map(names.map((name, index) => [name, index]));
  const files: WriteStream[] = [];
  for (const part of parts) {
    await mkdir(dirname(part.path), { recursive: true });
    const file = createWriteStream(part.path);
    file.write(`${part.columns.map((column) => csvCell(column.name)).join(',')}\n`);
    files.push(file);
  }
  try {
    await scanColumns(
      sample,
      names,
      (cells, _wanted, firstRow, rows) => {
        parts.forEach((part, index) => {
          let text = '';
          for (let row = 0; row < rows; row++) {
            if (!part.takes(firstRow + row)) continue;
            text += `${part.columns.map((column) => csvCell(cells[place.get(column.from)!]?.[row])).join(',')}\n`;
          }
          files[index]!.write(text);
        });
      },
      signal,
    );
  } finally {
    await Promise.all(files.map((file) => finished(file.end())));
  }
}
