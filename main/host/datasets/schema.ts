/**
 * What others may know of a data set: made from its profile, for the columns that a job uses and no others. The last place
 * where values are looked at before a schema leaves the machine.
 */
import { scalePowerOf, type ColumnSchema, type DatasetSchema } from '../../../shared/dataset.ts';
import { InputError } from '../../../shared/errors.ts';
import { declaredRows, keyColumnsOf } from '../../../shared/job-join.ts';
import type { GrantedColumn } from '../../../shared/project.ts';
import { preparation } from '../../../shared/job-roles.ts';
import type { Job } from '../../../shared/job.ts';
import { standardisation } from '../../../shared/resolve-job.ts';
import { findColumn, type Dataset } from './dataset.ts';
import type { ProfiledColumn } from './profile.ts';

/**
 * Type always; categories where the job encodes them (those of integers only where it asks: ages are not classes); the power
 * of two only where the job takes it from here.
 */
function publicColumn(column: ProfiledColumn, categories: boolean, scale: boolean): ColumnSchema {
  const { name, type, counts, minimum, maximum } = column;
  const magnitude = Math.max(Math.abs(minimum ?? 0), Math.abs(maximum ?? 0));
  return {
    name,
    type,
    ...(categories && counts !== undefined ? { categories: counts.map((entry) => entry.value) } : {}),
    ...(scale && (type === 'number' || type === 'integer') ? { scalePower: scalePowerOf(magnitude) } : {}),
  };
}

function checkCells(dataset: Dataset, column: ProfiledColumn, listed: boolean): void {
  const place = (row: number) => `${dataset.name}, row ${row}, column ${JSON.stringify(column.name)}`;
  if (column.missing === dataset.rows) {
    throw new InputError(
      'dataset-column-empty',
      `${dataset.name}: the column ${JSON.stringify(column.name)} has no value in any row.`,
      { hint: 'Leave it out of features.' },
    );
  }
  if (column.notNumberRow !== undefined && !listed) {
    throw new InputError(
      'dataset-cell-not-number',
      `${place(column.notNumberRow)}: not a number, in a column of numbers.`,
      {
        hint: 'Correct the cell, or list the categories of the column under "classes".',
      },
    );
  }
  if (column.infiniteRow !== undefined) {
    throw new InputError('dataset-cell-infinite', `${place(column.infiniteRow)}: the number is infinite.`, {
      hint: 'Correct the cell.',
    });
  }
}

/** The columns of a data set that a job uses at this party: features, label, id. */
function usedColumns(dataset: Dataset, job: Job, party: string): ProfiledColumn[] {
  const label = job.label[party];
  const keys = keyColumnsOf(job, party);
  const chosen = job.features[party] ?? [];
  if (chosen === '*') {
    for (const name of [label, ...keys]) if (name !== undefined) findColumn(dataset, name);
    return [...dataset.columns];
  }
  return [...new Set([...chosen, label, ...keys])]
    .filter((name) => name !== undefined)
    .map((name) => findColumn(dataset, name));
}

/** What an owner lets the members of a project know of a data set. */
export interface GrantTerms {
  /** By column; what is not named stays unknown to them. */
  readonly uses: Readonly<Record<string, GrantedColumn['use']>>;
  /** Distinct values of category columns and labels. */
  readonly categories: boolean;
  /** The power of two above the largest value, of numbers. */
  readonly magnitudes: boolean;
}

/**
 * The columns that a grant shows, after checking their cells.
 * @throws InputError `dataset-unknown-column`, and naming the row and the column of a cell that no job can use.
 */
export function grantedColumns(dataset: Dataset, { uses, categories, magnitudes }: GrantTerms): GrantedColumn[] {
  const wanted = new Map(Object.entries(uses).map(([name, use]) => [findColumn(dataset, name).name, use]));
  return dataset.columns.flatMap((column): GrantedColumn[] => {
    const use = wanted.get(column.name);
    if (use === undefined) return [];
    if (use === 'id') return [{ name: column.name, type: column.type, use }];
    checkCells(dataset, column, false);
    const isEncoded = column.type === 'category' || use === 'label';
    return [{ ...publicColumn(column, categories && isEncoded, magnitudes), use }];
  });
}

/**
 * The schema that this party sends for a job, after checking the cells of the columns it names.
 * @throws InputError naming the row and the column of a cell that no job can use.
 */
export function schemaForJob(dataset: Dataset, job: Job, party: string): DatasetSchema {
  const label = job.label[party];
  const keys = keyColumnsOf(job, party);
  const columns = usedColumns(dataset, job, party);
  const { scale } = preparation(job);
  const open = ({ name }: ProfiledColumn): boolean => typeof scale !== 'number' && scale?.[name] === undefined;
  const rows = declaredRows(job, party, dataset.rows);
  if (rows < dataset.rows) {
    throw new InputError('join-more-rows', `${dataset.name} has ${dataset.rows} rows, and join.pad declares ${rows}.`, {
      hint: 'Declare at least as many as there are.',
    });
  }
  return {
    rows,
    columns: columns.map((column) => {
      if (keys.includes(column.name)) return { name: column.name, type: column.type };
      checkCells(dataset, column, Object.hasOwn(job.classes, column.name));
      if (column.name === label)
        return publicColumn(column, job.task === 'classification', job.task === 'regression' && open(column));
      const encoded = column.type === 'category' || Object.hasOwn(job.classes, column.name);
      return publicColumn(column, encoded, standardisation(job) !== 'locally' && open(column));
    }),
  };
}
