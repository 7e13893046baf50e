/**
 * The key columns of a data set as identifiers for a join, and the preview that its owner sees before they are used. Everything
 * here stays with the owner. Knows nothing of the join itself.
 */
import type { Cell } from '../../../shared/dataset.ts';
import { checkKeysAgree, makeIdentifiers, previewIdentifiers } from '../../../shared/identifiers.ts';
import type { IdentifierPreview, Identifiers, JoinKey } from '../../../shared/identifiers.ts';
import { findColumn, scanColumns } from '../datasets/dataset.ts';
import type { Dataset } from '../datasets/dataset.ts';

export interface KeyPreview {
  /** Of the first rows: each cell beside what is compared. */
  readonly rows: readonly IdentifierPreview[];
  /** Rows further down that the rules cannot read. */
  readonly unreadable: readonly IdentifierPreview[];
}

/** Cells of the key columns, in the order of the key. */
async function keyCells(dataset: Dataset, key: JoinKey, signal?: AbortSignal): Promise<Cell[][]> {
  const names = key.columns.map(({ column }) => column);
  const columns = names.map(() => new Array<Cell>(dataset.rows));
  await scanColumns(
    dataset,
    names,
    (batch, wanted, firstRow, rows) => {
      batch.forEach((cells, index) => {
        const column = columns[wanted[index]!]!;
        for (let row = 0; row < rows; row++) column[firstRow + row] = cells[row] ?? null;
      });
    },
    signal,
  );
  return columns;
}

function checkTypes(dataset: Dataset, key: JoinKey): void {
  const types = key.columns.map(({ column }) => findColumn(dataset, column).type);
  checkKeysAgree([{ party: dataset.name, key, types }]);
}

/**
 * The data set's identifiers under the agreed rules.
 * @throws InputError naming column and row of what the rules do not allow, never a cell.
 */
export async function readIdentifiers(dataset: Dataset, key: JoinKey, signal?: AbortSignal): Promise<Identifiers> {
  checkTypes(dataset, key);
  return makeIdentifiers(await keyCells(dataset, key, signal), key);
}

/** What the rules make of the owner's first `count` rows, for the owner's eyes. */
export async function previewKey(
  dataset: Dataset,
  key: JoinKey,
  count: number,
  signal?: AbortSignal,
): Promise<KeyPreview> {
  checkTypes(dataset, key);
  return previewIdentifiers(await keyCells(dataset, key, signal), key, count);
}
