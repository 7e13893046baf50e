/**
 * A data file as columns that can be read in batches, in row order, with bounded memory. The one view that the rest of the
 * host has of a file; knows no format and no job.
 */

/** boolean cells are read as 0 and 1; dates as ISO text. */
export type ColumnKind = 'number' | 'boolean' | 'date' | 'text';

export interface TableColumn {
  readonly name: string;
  readonly kind: ColumnKind;
}

/** Cells of one column in one batch: for number and boolean NaN where missing, else null where missing. */
export type ColumnCells = Float64Array | readonly (string | null)[];

/** Takes one batch; `cells` has one entry for each column asked for. Valid only during the call. */
export type VisitBatch = (cells: readonly ColumnCells[], rows: number) => void;

export interface Table {
  /** Names the file in messages. */
  readonly file: string;
  readonly columns: readonly TableColumn[];
  /**
   * Reads the columns with these positions, all rows in file order, and returns the number of rows.
   * @throws InputError when the file cannot be read as it was when it was opened.
   */
  scan(positions: readonly number[], visit: VisitBatch, signal?: AbortSignal): Promise<number>;
}
