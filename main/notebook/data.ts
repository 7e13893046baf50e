/** Rows and labels of several parties as plain arrays, for scripts. Knows nothing of files. */
import { InputError } from '../../shared/errors.ts';

/** A number, or arrays of one length of such. */
export type Nested = number | readonly Nested[];

/**
 * Its numbers row by row, and its shape.
 * @throws InputError `values-ragged`, `not-finite`.
 */
export function flat(nested: Nested): { readonly values: number[]; readonly shape: readonly number[] } {
  if (typeof nested === 'number') {
    if (!Number.isFinite(nested)) throw new InputError('not-finite', `${nested} is not a finite number.`);
    return { values: [nested], shape: [] };
  }
  const parts = nested.map(flat);
  const inner = parts[0]?.shape ?? [];
  if (parts.some(({ shape }) => shape.join() !== inner.join())) {
    throw new InputError('values-ragged', 'Arrays that stand side by side differ in length.', {
      hint: 'Give every row as many numbers.',
    });
  }
  return { values: parts.flatMap(({ values }) => values), shape: [parts.length, ...inner] };
}

/** One party's columns of all rows. */
export interface OwnedColumns {
  readonly owner: string;
  /** [rows][columns]. */
  readonly rows: readonly (readonly number[])[];
}

/** One party's labels: values, or the numbers of classes from 0. */
export interface OwnedLabels {
  readonly owner: string;
  readonly values: readonly number[];
}

/**
 * Number of rows, which all have in common.
 * @throws InputError `rows-differ`, `rows-ragged`, `not-finite` naming the owner.
 */
export function countRows(x: readonly OwnedColumns[], y?: OwnedLabels): number {
  const rows = x[0]?.rows.length ?? 0;
  if (rows === 0) throw new InputError('no-rows', 'There are no rows.', { hint: 'Give every owner’s rows.' });
  for (const { owner, rows: own } of x) {
    if (own.length !== rows) throw differ(owner, own.length, rows);
    const width = own[0]?.length ?? 0;
    const odd = own.findIndex((row) => row.length !== width);
    if (odd >= 0 || width === 0) {
      throw new InputError(
        'rows-ragged',
        `Row ${odd + 1} of ${owner} has ${own[odd]?.length ?? 0} columns, not ${width}.`,
        {
          hint: 'Give every row as many numbers.',
        },
      );
    }
    if (own.some((row) => row.some((cell) => !Number.isFinite(cell))))
      throw new InputError('not-finite', `The rows of ${owner} hold something that is not a finite number.`);
  }
  if (y !== undefined && y.values.length !== rows) throw differ(y.owner, y.values.length, rows);
  return rows;
}

function differ(owner: string, has: number, expected: number): InputError {
  return new InputError('rows-differ', `${owner} has ${has} rows, the others have ${expected}.`, {
    hint: 'Row i of every owner belongs to the same example.',
  });
}

/** The cells of one owner, row by row. */
export function cellsOf({ rows }: OwnedColumns): Float64Array<ArrayBuffer> {
  return Float64Array.from(rows.flat());
}

/** A public bound that all cells stay below: log2 of it, 0.01 at least. */
export function magnitudeBits(values: Iterable<number>): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return Math.max(0.01, Math.ceil(Math.log2(most + 2 ** -16)) + 0.01);
}
