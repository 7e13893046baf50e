/**
 * One party's columns as the matrix it shares: selected, imputed, one-hot, scaled or standardised. Works on this party's
 * rows alone; knows no other party's data and no protocol.
 */
import { InputError, InternalError } from '../../../shared/errors.ts';
import type { InputStandardisation } from '../../../shared/model.ts';
import { matrixColumns, type ColumnPlan, type FeaturePlan, type LabelPlan } from '../../../shared/resolve-job.ts';
import { scanColumns, type Dataset } from './dataset.ts';
import type { ColumnCells } from './table.ts';

/** Fixed point carries |x| up to here with room to multiply; a cell beyond it, standardised or plain, is a mistake. */
const MAX_MAGNITUDE = 2 ** 16;

export interface PreparedRows {
  /** Row-major, rows x columns.length: rows of the data first, then rows of the test file. Secret: this party's cells. */
  readonly matrix: Float64Array;
  readonly rows: number;
  readonly columns: readonly string[];
  /** Positions of columns that are still to be standardised on shares, with the rows of the other parties. */
  readonly toStandardise: readonly number[];
  /** The map (x - subtract) * multiply that made the matrix from plain cells; goes into the exported model. */
  readonly standardisation: InputStandardisation;
  /** Class numbers (from 0, in the public order of classes), or numbers divided by 2^power. Secret as well. */
  readonly labels: Float64Array | undefined;
  /** Where the rows stand in the party's file, from 0; undefined: row i is row i of the file. As secret as the rows. */
  readonly fileRows?: Uint32Array | undefined;
  /** Where the rows stand in the joined table; undefined: row i is row i. As secret as the rows. */
  readonly slots?: Uint32Array;
}

/** One file's rows, placed in the matrix from row `start` on. */
interface Part {
  readonly dataset: Dataset;
  readonly start: number;
}

const place = (dataset: Dataset, row: number, column: string) =>
  `${dataset.name}, row ${(dataset.fileRows?.[row] ?? row) + 1}, column ${JSON.stringify(column)}`;

/** Position of each category of a cell, whichever way the file writes it. */
function categoryIndex(
  categories: readonly string[],
): (value: number | string, isBoolean: boolean) => number | undefined {
  const positions = new Map(categories.map((category, index) => [category, index]));
  return (value, isBoolean) => positions.get(isBoolean ? (value === 1 ? 'true' : 'false') : String(value));
}

/** Cells one by one: NaN and null are both `undefined`. */
const cellAt = (cells: ColumnCells, row: number): number | string | undefined => {
  const value = cells[row];
  return value === null || value === undefined || Number.isNaN(value) ? undefined : value;
};

/** Writes batches of one feature into its matrix columns; a missing cell is NaN in the first of them. */
type Writer = (part: Part, cells: ColumnCells, firstRow: number, rows: number) => void;

function notNumber(part: Part, row: number, column: string): InputError {
  return new InputError('dataset-cell-not-number', `${place(part.dataset, row, column)}: not a number.`, {
    hint: 'Correct the cell.',
  });
}

function outOfScale(part: Part, row: number, column: string): InputError {
  return new InputError(
    'dataset-cell-out-of-scale',
    `${place(part.dataset, row, column)}: the number is far outside the scale of its column.`,
    { hint: 'Correct the cell, or give the column a larger power under train.scale.' },
  );
}

function featureWriter(feature: FeaturePlan, matrix: Float64Array, width: number, offset: number): Writer {
  if (feature.encode === 'oneHot') {
    const indexOf = categoryIndex(feature.categories);
    return (part, cells, firstRow, rows) => {
      const isBoolean = columnType(part.dataset, feature.column) === 'boolean';
      for (let row = 0; row < rows; row++) {
        const value = cellAt(cells, row);
        const at = (part.start + firstRow + row) * width + offset;
        if (value === undefined) {
          matrix[at] = NaN;
          continue;
        }
        const index = indexOf(value, isBoolean);
        if (index === undefined) {
          throw new InputError(
            'dataset-unseen-category',
            `${place(part.dataset, firstRow + row, feature.column)}: its category is not in the job's list.`,
            {
              hint: 'List every category under "classes".',
            },
          );
        }
        matrix[at + index] = 1;
      }
    };
  }
  return (part, cells, firstRow, rows) => {
    if (!(cells instanceof Float64Array)) {
      const row = cells.findIndex((cell) => cell !== null);
      throw notNumber(part, firstRow + Math.max(row, 0), feature.column);
    }
    let at = (part.start + firstRow) * width + offset;
    for (let row = 0; row < rows; row++, at += width) matrix[at] = cells[row]!;
  };
}

const columnType = (dataset: Dataset, name: string) => dataset.columns.find((column) => column.name === name)?.type;

function labelWriter(label: LabelPlan, labels: Float64Array): Writer {
  const indexOf = label.encode === 'class' ? categoryIndex(label.classes) : undefined;
  return (part, cells, firstRow, rows) => {
    const isBoolean = columnType(part.dataset, label.column) === 'boolean';
    for (let row = 0; row < rows; row++) {
      const value = cellAt(cells, row);
      if (value === undefined) {
        throw new InputError(
          'dataset-label-missing',
          `${place(part.dataset, firstRow + row, label.column)}: the label is missing.`,
          {
            hint: 'Labels are never filled in: complete the row or take it out.',
          },
        );
      }
      if (label.encode === 'number') {
        if (typeof value !== 'number') throw notNumber(part, firstRow + row, label.column);
        const scaled = value / 2 ** label.power;
        if (!(Math.abs(scaled) <= 1)) throw outOfScale(part, firstRow + row, label.column);
        labels[part.start + firstRow + row] = scaled;
        continue;
      }
      const index = indexOf?.(value, isBoolean);
      if (index === undefined) {
        throw new InputError(
          'dataset-unseen-class',
          `${place(part.dataset, firstRow + row, label.column)}: its class is not in the job's list.`,
          {
            hint: 'List every class under "classes".',
          },
        );
      }
      labels[part.start + firstRow + row] = index;
    }
  };
}

/** One matrix column's values in the training rows, missing ones left out. */
function trainingValues(matrix: Float64Array, width: number, offset: number, training: Uint32Array): Float64Array {
  const values = new Float64Array(training.length);
  let count = 0;
  for (const row of training) {
    const value = matrix[row * width + offset]!;
    if (!Number.isNaN(value)) values[count++] = value;
  }
  return values.subarray(0, count);
}

const meanOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

function medianOf(values: Float64Array): number {
  const sorted = values.toSorted();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The most frequent value; the least of several. */
function modeOf(values: Float64Array): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best = NaN;
  for (const [value, count] of counts) {
    const most = counts.get(best) ?? 0;
    if (count > most || (count === most && value < best)) best = value;
  }
  return best;
}

/** Replaces the missing cells of one feature, from training rows only. Categories and truth values take the mode. */
function impute(
  matrix: Float64Array,
  width: number,
  rows: number,
  offset: number,
  feature: FeaturePlan,
  missing: ColumnPlan['missing'],
  training: Uint32Array,
  parts: readonly Part[],
): void {
  let replacement: number | undefined;
  for (let row = 0; row < rows; row++) {
    const at = row * width + offset;
    if (!Number.isNaN(matrix[at])) continue;
    if (missing === 'refuse') {
      const part = parts.findLast((candidate) => candidate.start <= row)!;
      throw new InputError(
        'dataset-cell-missing',
        `${place(part.dataset, row - part.start, feature.column)}: the cell is empty.`,
        {
          hint: 'Complete it, or set train.missing to mean, median, mode or { constant: NUMBER }.',
        },
      );
    }
    replacement ??= replacementFor(matrix, width, offset, feature, missing, training);
    if (feature.encode === 'oneHot') {
      matrix[at] = 0;
      matrix[at + replacement] = 1;
    } else {
      matrix[at] = replacement;
    }
  }
}

/** A number, or for a one-hot feature the position of a category. */
function replacementFor(
  matrix: Float64Array,
  width: number,
  offset: number,
  feature: FeaturePlan,
  missing: ColumnPlan['missing'],
  training: Uint32Array,
): number {
  if (feature.encode === 'oneHot') {
    if (typeof missing === 'object') {
      throw new InputError(
        'dataset-constant-category',
        `The column ${JSON.stringify(feature.column)} has categories and empty cells; a constant cannot fill them.`,
        {
          hint: 'Set train.missing to mode.',
        },
      );
    }
    const counts = feature.categories.map((_, index) => {
      const values = trainingValues(matrix, width, offset + index, training);
      return values.reduce((sum, value) => sum + value, 0);
    });
    return counts.indexOf(Math.max(...counts));
  }
  if (typeof missing === 'object') return missing.constant;
  const values = trainingValues(matrix, width, offset, training);
  if (values.length === 0) {
    throw new InputError(
      'dataset-column-empty',
      `The column ${JSON.stringify(feature.column)} has no value in any training row.`,
      { hint: 'Leave it out of features.' },
    );
  }
  if (missing === 'mode' || feature.encode === 'boolean') return modeOf(values);
  return missing === 'median' ? medianOf(values) : meanOf(values);
}

/** Mean and population standard deviation in two passes; a constant column keeps its scale. */
function standardiser(values: Float64Array): { subtract: number; multiply: number } {
  const mean = meanOf(values);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance);
  return { subtract: mean, multiply: deviation > 1e-12 * Math.max(1, Math.abs(mean)) ? 1 / deviation : 1 };
}

/**
 * Prepares this party's rows.
 * @param test the party's test file, if the job names one.
 * @param training positions of the training rows in the matrix; statistics come from these only.
 * @returns matrix and labels in memory: 8 bytes a cell.
 * @throws InputError naming file, row and column, never the value.
 */
export async function prepareLocal(
  dataset: Dataset,
  test: Dataset | undefined,
  plan: ColumnPlan,
  training: Uint32Array,
  signal?: AbortSignal,
): Promise<PreparedRows> {
  const parts: Part[] = [
    { dataset, start: 0 },
    ...(test === undefined ? [] : [{ dataset: test, start: dataset.rows }]),
  ];
  const rows = dataset.rows + (test?.rows ?? 0);
  const columns = matrixColumns(plan);
  const width = columns.length;
  if (training.some((row) => row >= rows))
    throw new InternalError('training-row-outside', 'A training row is not among the rows of this party.');
  const matrix = new Float64Array(rows * width);
  const labels = plan.label === undefined ? undefined : new Float64Array(rows);

  const offsets: number[] = [];
  let next = 0;
  for (const feature of plan.features) {
    offsets.push(next);
    next += feature.encode === 'oneHot' ? feature.categories.length : 1;
  }
  const names = plan.features.map((feature) => feature.column);
  const writers = plan.features.map((feature, index) => featureWriter(feature, matrix, width, offsets[index]!));
  if (plan.label !== undefined && labels !== undefined) {
    names.push(plan.label.column);
    writers.push(labelWriter(plan.label, labels));
  }
  for (const part of parts) {
    await scanColumns(
      part.dataset,
      names,
      (cells, wanted, firstRow, count) =>
        wanted.forEach((name, index) => writers[name]!(part, cells[index]!, firstRow, count)),
      signal,
    );
  }

  const subtract = new Float64Array(width);
  const multiply = new Float64Array(width).fill(1);
  const toStandardise: number[] = [];
  plan.features.forEach((feature, index) => {
    const offset = offsets[index]!;
    impute(matrix, width, rows, offset, feature, plan.missing, training, parts);
    if (feature.encode !== 'number') return;
    if (plan.standardise === 'locally') {
      const found = standardiser(trainingValues(matrix, width, offset, training));
      subtract[offset] = found.subtract;
      multiply[offset] = found.multiply;
    } else {
      multiply[offset] = 2 ** -(feature.power ?? 0);
      if (plan.standardise === 'onShares') toStandardise.push(offset);
    }
    const limit = plan.standardise === 'locally' || feature.power === undefined ? MAX_MAGNITUDE : 1;
    scaleColumn(matrix, width, rows, offset, subtract[offset]!, multiply[offset], limit, feature.column, parts);
  });
  const { fileRows } = dataset;
  return { matrix, rows, columns, toStandardise, standardisation: { subtract, multiply }, labels, fileRows };
}

function scaleColumn(
  matrix: Float64Array,
  width: number,
  rows: number,
  offset: number,
  subtract: number,
  multiply: number,
  limit: number,
  column: string,
  parts: readonly Part[],
): void {
  for (let row = 0, at = offset; row < rows; row++, at += width) {
    const value = (matrix[at]! - subtract) * multiply;
    if (!(Math.abs(value) <= limit)) {
      const part = parts.findLast((candidate) => candidate.start <= row)!;
      throw outOfScale(part, row - part.start, column);
    }
    matrix[at] = value;
  }
}
