/**
 * A party's data set as the joined table has it: its rows in the common order, those of one identifier as one. Read when it is
 * asked for; everything here stays with the owner. Knows nothing of other parties.
 */
import { InputError } from '../../../shared/errors.ts';
import type { Identifiers } from '../../../shared/identifiers.ts';
import type { ColumnPlan } from '../../../shared/resolve-job.ts';
import { scanColumns } from '../datasets/dataset.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { ColumnCells, Table, TableColumn } from '../datasets/table.ts';

/** Row i of the joined table is made of rows[starts[i]] .. rows[starts[i + 1] - 1] of the data set. */
export type RowOrder = Pick<Identifiers, 'rows' | 'starts'>;

/** The groups of `identifiers`, those with the numbers in `wanted`, in that order. */
export function orderOf(identifiers: RowOrder, wanted: Uint32Array): RowOrder {
  const starts = new Uint32Array(wanted.length + 1);
  wanted.forEach((which, i) => {
    starts[i + 1] = starts[i]! + identifiers.starts[which + 1]! - identifiers.starts[which]!;
  });
  const rows = new Uint32Array(starts[wanted.length]!);
  wanted.forEach((which, i) => {
    rows.set(identifiers.rows.subarray(identifiers.starts[which], identifiers.starts[which + 1]), starts[i]);
  });
  return { rows, starts };
}

/** How the cells of one identifier become one: their mean, the most frequent one, or the one that all have to have. */
type Summary = 'mean' | 'mode' | 'same';

function summaryOf(plan: ColumnPlan, column: string): Summary {
  const { label } = plan;
  if (label?.column === column) return label.encode === 'number' ? 'mean' : 'same';
  return plan.features.find((feature) => feature.column === column)?.encode === 'number' ? 'mean' : 'mode';
}

/**
 * The data set with its rows as `order` says, for the columns of `plan`. A number is the mean of the rows of one identifier, a
 * category or truth value the most frequent one (of several the first in order); empty cells do not count.
 * @throws InputError, when it is read, for rows of one identifier with different classes of the label.
 */
export function joinedDataset(dataset: Dataset, order: RowOrder, plan: ColumnPlan): Dataset {
  const columns = dataset.tables.flatMap((table) => table.columns);
  const count = order.starts.length - 1;
  const table: Table = {
    file: dataset.name,
    columns,
    scan: async (positions, visit, signal) => {
      const wanted = positions.map((position) => columns[position]!);
      const cells = await readColumns(dataset, wanted, signal);
      visit(
        cells.map((column, i) => gather(dataset, column, order, summaryOf(plan, wanted[i]!.name), wanted[i]!.name)),
        count,
      );
      return count;
    },
  };
  return { ...dataset, rows: count, preview: [], tables: [table], fileRows: firstRows(order) };
}

const firstRows = ({ rows, starts }: RowOrder): Uint32Array => starts.subarray(0, -1).map((start) => rows[start]!);

async function readColumns(
  dataset: Dataset,
  wanted: readonly TableColumn[],
  signal?: AbortSignal,
): Promise<ColumnCells[]> {
  const columns = wanted.map(({ kind }) =>
    kind === 'number' || kind === 'boolean'
      ? new Float64Array(dataset.rows)
      : new Array<string | null>(dataset.rows).fill(null),
  );
  const names = wanted.map(({ name }) => name);
  await scanColumns(
    dataset,
    names,
    (batch, which, firstRow, rows) => {
      batch.forEach((cells, i) => {
        const column = columns[which[i]!]!;
        for (let row = 0; row < rows; row++) column[firstRow + row] = cells[row] as number & string;
      });
    },
    signal,
  );
  return columns;
}

function gather(dataset: Dataset, cells: ColumnCells, order: RowOrder, summary: Summary, column: string): ColumnCells {
  const { rows, starts } = order;
  const count = starts.length - 1;
  const one = <Value>(group: readonly Value[], isMissing: (value: Value) => boolean): Value => {
    const there = group.filter((value) => !isMissing(value));
    const [first = group[0]!] = there;
    if (summary === 'same' && there.some((value) => value !== first)) throw differing(dataset, column);
    return group.length === 1 ? first : mostFrequent(there, first);
  };
  const groupAt = (i: number): number[] => [...rows.subarray(starts[i], starts[i + 1])];
  if (!(cells instanceof Float64Array)) {
    return Array.from({ length: count }, (_, i) =>
      one(
        groupAt(i).map((row) => cells[row] ?? null),
        (value) => value === null,
      ),
    );
  }
  return Float64Array.from({ length: count }, (_, i) => {
    if (starts[i + 1]! - starts[i]! === 1) return cells[rows[starts[i]!]!]!;
    const group = groupAt(i).map((row) => cells[row]!);
    if (summary !== 'mean') return one(group, Number.isNaN);
    const there = group.filter((value) => !Number.isNaN(value));
    return there.length === 0 ? NaN : there.reduce((sum, value) => sum + value, 0) / there.length;
  });
}

/** Of several that are as frequent, the least. */
function mostFrequent<Value>(values: readonly Value[], otherwise: Value): Value {
  const counts = new Map<Value, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best = otherwise;
  for (const [value, count] of counts) {
    const most = counts.get(best) ?? 0;
    if (count > most || (count === most && value < best)) best = value;
  }
  return best;
}

function differing(dataset: Dataset, column: string): InputError {
  return new InputError(
    'join-label-differs',
    `${dataset.name}: rows with the same key have different classes in the column ${JSON.stringify(column)}.`,
    { hint: 'Correct the rows, or keep the first or the last of each key: join.duplicates.' },
  );
}
