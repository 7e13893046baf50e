/**
 * What a column is, from all its cells: type, missing cells, range, categories, and where it breaks its own rule. For its
 * owner only; what others may know of it is made in schema.ts. Knows no file format.
 */
import {
  MAX_CATEGORIES,
  MAX_NAME_LENGTH,
  sortCategories,
  type ColumnProfile,
  type ColumnType,
} from '../../../shared/dataset.ts';
import type { ColumnCells, TableColumn } from './table.ts';

/** Counts values until there are too many to be categories. */
class Counts<Value extends string | number> {
  #rows: Map<Value, number> | undefined = new Map();

  add(value: Value): void {
    if (this.#rows === undefined) return;
    this.#rows.set(value, (this.#rows.get(value) ?? 0) + 1);
    if (this.#rows.size > MAX_CATEGORIES) this.#rows = undefined;
  }

  /** No categories after all. */
  discard(): void {
    this.#rows = undefined;
  }

  /** In public order, or undefined when there were too many or none. */
  list(): { value: string; rows: number }[] | undefined {
    if (this.#rows === undefined || this.#rows.size === 0) return undefined;
    const rows = new Map([...this.#rows].map(([value, count]) => [String(value), count]));
    return sortCategories(rows.keys()).map((value) => ({ value, rows: rows.get(value)! }));
  }
}

export interface ProfiledColumn extends ColumnProfile {
  /** First row (from 1) with text, in a column where at least half of the cells are numbers. */
  readonly notNumberRow?: number;
  /** First row (from 1) with an infinite number. */
  readonly infiniteRow?: number;
}

export class ColumnProfiler {
  readonly #column: TableColumn;
  readonly #numbers = new Counts<number>();
  readonly #texts = new Counts<string>();
  #rows = 0;
  #missing = 0;
  #minimum = Infinity;
  #maximum = -Infinity;
  #mean = 0;
  #whole = true;
  #numbersInText = 0;
  #firstText: number | undefined;
  #infinite: number | undefined;

  constructor(column: TableColumn) {
    this.#column = column;
  }

  add(cells: ColumnCells): void {
    if (cells instanceof Float64Array) this.#addNumbers(cells);
    else this.#addTexts(cells);
  }

  #addNumbers(cells: Float64Array): void {
    for (const value of cells) {
      this.#rows++;
      if (Number.isNaN(value)) {
        this.#missing++;
        continue;
      }
      if (!Number.isFinite(value)) this.#infinite ??= this.#rows;
      if (value < this.#minimum) this.#minimum = value;
      if (value > this.#maximum) this.#maximum = value;
      this.#mean += (value - this.#mean) / (this.#rows - this.#missing);
      if (this.#whole && !Number.isSafeInteger(value)) this.#whole = false;
      if (this.#whole) this.#numbers.add(value);
    }
  }

  #addTexts(cells: readonly (string | null)[]): void {
    for (const value of cells) {
      this.#rows++;
      if (value === null) {
        this.#missing++;
        continue;
      }
      if (value.trim() !== '' && !Number.isNaN(Number(value))) this.#numbersInText++;
      else this.#firstText ??= this.#rows;
      if (value.length > MAX_NAME_LENGTH) this.#texts.discard();
      else this.#texts.add(value);
    }
  }

  #type(): ColumnType {
    const { kind } = this.#column;
    if (kind === 'boolean' || kind === 'date') return kind;
    if (kind === 'number') return this.#whole && this.#rows > this.#missing ? 'integer' : 'number';
    return this.#texts.list() === undefined || this.#isBrokenNumber() ? 'text' : 'category';
  }

  #isBrokenNumber(): boolean {
    const present = this.#rows - this.#missing;
    return this.#numbersInText > 0 && this.#numbersInText * 2 >= present && this.#firstText !== undefined;
  }

  /** The profile of all cells added. */
  result(): ProfiledColumn {
    const type = this.#type();
    const numeric = (this.#column.kind === 'number' || this.#column.kind === 'boolean') && this.#rows > this.#missing;
    const found = numeric ? (this.#whole ? this.#numbers.list() : undefined) : this.#texts.list();
    const counts =
      type === 'boolean' ? found?.map(({ value, rows }) => ({ value: value === '1' ? 'true' : 'false', rows })) : found;
    return {
      name: this.#column.name,
      type,
      missing: this.#missing,
      ...(numeric ? { minimum: this.#minimum, maximum: this.#maximum, mean: this.#mean } : {}),
      ...(counts === undefined ? {} : { counts }),
      ...(this.#isBrokenNumber() ? { notNumberRow: this.#firstText! } : {}),
      ...(this.#infinite === undefined ? {} : { infiniteRow: this.#infinite }),
    };
  }
}
