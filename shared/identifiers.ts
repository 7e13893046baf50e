/**
 * How the key columns of a data set become identifiers that are equal at two parties exactly when they mean the same thing:
 * normalisation, several columns in one, duplicates. All of it happens at the owner, on its own rows, before a join; rules are
 * public and agreed, cells never leave. Knows nothing of files or of how identifiers are compared.
 */
import { z } from 'zod';
import type { Cell, ColumnType } from './dataset.ts';
import { columnNameSchema } from './dataset.ts';
import { InputError } from './errors.ts';

/** What a key column holds; decides how it is read, before case, space and accents (which are for text only). */
export const identifierKinds = ['text', 'number', 'date', 'phone', 'email'] as const;
export type IdentifierKind = (typeof identifierKinds)[number];

/** Longest normalised cell, in UTF-8 bytes. */
const MAX_CELL_BYTES = 65_536;
export const MAX_KEY_COLUMNS = 16;

const ruleShape = {
  kind: z.enum(identifierKinds).default('text'),
  /** fold: upper and lower case are the same, and so are ß and ss. */
  case: z.enum(['fold', 'keep']).default('fold'),
  /** collapse: outer space goes, inner space becomes one blank. */
  space: z.enum(['collapse', 'remove', 'keep']).default('collapse'),
  /** strip: é is e. */
  accents: z.enum(['strip', 'keep']).default('keep'),
  /** Order of day, month and year where a date is not written year first. */
  dateOrder: z.enum(['dmy', 'mdy']).optional(),
  /** Country calling code that national telephone numbers get, such as "49". */
  country: z
    .string()
    .regex(/^[1-9]\d{0,2}$/u, 'must be a country calling code, such as "49"')
    .optional(),
};
/** How a key column is read, whatever its name. */
export const keyRuleSchema = z.strictObject(ruleShape);
export type KeyRule = z.infer<typeof keyRuleSchema>;

export const keyColumnSchema = z.strictObject({ column: columnNameSchema, ...ruleShape });
export type KeyColumn = z.infer<typeof keyColumnSchema>;

/** Rows with the same identifier: refuse the data, keep the first or the last row, or aggregate the group's features. */
export const duplicatePolicies = ['refuse', 'first', 'last', 'aggregate'] as const;
/** Cells that their kind cannot read: refuse the data, or leave the row out of the join. Empty cells are always left out. */
export const unreadablePolicies = ['refuse', 'leaveOut'] as const;

export const joinKeySchema = z.strictObject({
  columns: z.array(keyColumnSchema).min(1).max(MAX_KEY_COLUMNS),
  duplicates: z.enum(duplicatePolicies).default('refuse'),
  unreadable: z.enum(unreadablePolicies).default('refuse'),
});
export type JoinKey = z.infer<typeof joinKeySchema>;

/** Identifiers one after another; identifier i is bytes[offsets[i]] .. bytes[offsets[i + 1]] - 1. */
export interface PackedIdentifiers {
  readonly bytes: Uint8Array;
  /** One more than there are identifiers. */
  readonly offsets: Uint32Array;
}

export interface Identifiers {
  /** Different from each other. */
  readonly packed: PackedIdentifiers;
  /** Data rows of identifier i: rows[starts[i]] .. rows[starts[i + 1] - 1]; one row each unless duplicates are aggregated. */
  readonly rows: Uint32Array;
  readonly starts: Uint32Array;
  /** Rows left out because a key cell is empty, or unreadable. */
  readonly rowsWithoutKey: number;
  /** Rows that were not the only ones with their identifier. */
  readonly rowsRepeated: number;
}

/** A cell as the join sees it; undefined where there is nothing. */
type Normalised = { readonly text: string } | { readonly problem: string } | undefined;

const problem = (text: string): Normalised => ({ problem: text });

function normaliseText(text: string, rule: KeyColumn): string {
  let result = text.normalize('NFKC');
  // Accents before space: an accent that stands alone leaves a blank behind.
  if (rule.accents === 'strip') result = result.normalize('NFD').replace(/\p{M}+/gu, '');
  if (rule.space === 'collapse') result = result.trim().replace(/\s+/gu, ' ');
  if (rule.space === 'remove') result = result.replace(/\s+/gu, '');
  // By way of upper case, which has one form for what lower case has several of (ß and ss, two small sigmas); by way of lower
  // case before, for the capital ß, which is its own upper case.
  if (rule.case === 'fold') result = result.toLowerCase().toUpperCase().toLowerCase();
  return result.normalize('NFC');
}

function normaliseNumber(cell: string | number): Normalised {
  if (typeof cell === 'number') {
    return Number.isSafeInteger(cell) ? { text: String(cell) } : problem('is not a whole number below 2^53');
  }
  const digits = cell.trim();
  return /^[+-]?\d{1,100}$/u.test(digits) ? { text: String(BigInt(digits)) } : problem('is not a whole number');
}

function normaliseDate(text: string, rule: KeyColumn): Normalised {
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?$/u.exec(text);
  const local = rule.dateOrder === undefined ? null : /^(\d{1,2})[./-](\d{1,2})[./-](\d{4})$/u.exec(text);
  if (iso === null && local === null) {
    return problem(rule.dateOrder === undefined ? 'is not a date like 2026-11-23' : 'is not a date');
  }
  const [, first = '', second = '', third = ''] = iso ?? local ?? [];
  const [year, month, day] =
    iso !== null ? [first, second, third] : rule.dateOrder === 'dmy' ? [third, second, first] : [third, first, second];
  const written = `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
  const parsed = new Date(`${written}T00:00:00Z`);
  const exists = !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(written);
  return exists ? { text: written } : problem('is a day that does not exist');
}

function normalisePhone(text: string, rule: KeyColumn): Normalised {
  let digits = text
    .normalize('NFKC')
    .replace(/\(0\)/gu, (zero, at: number) => (/^\s*(?:\+|00)/u.test(text) && at > 0 ? '' : zero))
    .replace(/[\s().\-/]/gu, '');
  if (digits.startsWith('00')) digits = `+${digits.slice(2)}`;
  if (!digits.startsWith('+')) {
    if (rule.country === undefined) return problem('has no country code, and the rule gives none');
    digits = `+${rule.country}${digits.replace(/^0/u, '')}`;
  }
  return /^\+[1-9]\d{4,14}$/u.test(digits) ? { text: digits } : problem('is not a telephone number');
}

function normaliseEmail(text: string): Normalised {
  const address = text.trim().normalize('NFKC').toLowerCase();
  return /^[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)*$/u.test(address) ? { text: address } : problem('is not an e-mail address');
}

/** What the rule makes of a cell. */
export function normaliseCell(cell: Cell, rule: KeyColumn): Normalised {
  if (cell === null || (typeof cell === 'number' && Number.isNaN(cell))) return undefined;
  if (typeof cell === 'string') {
    if (cell.trim() === '') return undefined;
    if (!cell.isWellFormed()) return problem('is not valid Unicode');
  }
  switch (rule.kind) {
    case 'number':
      return normaliseNumber(cell);
    case 'date':
      return normaliseDate(String(cell).trim(), rule);
    case 'phone':
      return normalisePhone(String(cell), rule);
    case 'email':
      return normaliseEmail(String(cell));
    case 'text': {
      const text = normaliseText(String(cell), rule);
      return text === '' ? problem('has nothing left when it is normalised') : { text };
    }
  }
}

const encoder = new TextEncoder();

/** Collects identifiers in one growing array: a million small ones would cost more than what is in them. */
class Packer {
  #bytes = new Uint8Array(65_536);
  #used = 0;
  readonly #ends: number[] = [0];

  get count(): number {
    return this.#ends.length - 1;
  }

  /** Each part's UTF-8 behind its length in four bytes, little end first: no two lists of parts give the same bytes. */
  add(parts: readonly string[], row: number): void {
    for (const part of parts) {
      // UTF-8 takes at most three bytes for a UTF-16 unit
      this.#reserve(4 + 3 * part.length);
      const { written } = encoder.encodeInto(part, this.#bytes.subarray(this.#used + 4));
      if (written > MAX_CELL_BYTES) {
        throw new InputError('join-key-too-long', `Row ${row + 1} has a key of ${written} bytes.`, {
          hint: `Keys have at most ${MAX_CELL_BYTES} bytes; is this the right column?`,
        });
      }
      new DataView(this.#bytes.buffer).setUint32(this.#used, written, true);
      this.#used += 4 + written;
    }
    this.#ends.push(this.#used);
  }

  result(): PackedIdentifiers {
    return { bytes: this.#bytes.slice(0, this.#used), offsets: Uint32Array.from(this.#ends) };
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#used + bytes));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}

/** The parts of a row's key; undefined where one is missing, or unreadable and to be left out. */
function keyParts(columns: readonly ArrayLike<Cell>[], key: JoinKey, row: number): string[] | undefined {
  const parts: string[] = [];
  let isMissing = false;
  key.columns.forEach((rule, which) => {
    const normalised = normaliseCell(columns[which]?.[row] ?? null, rule);
    if (normalised === undefined) isMissing = true;
    else if ('text' in normalised) parts.push(normalised.text);
    else if (key.unreadable === 'leaveOut') isMissing = true;
    else {
      throw new InputError(
        'join-key-unreadable',
        `Column ${JSON.stringify(rule.column)}, row ${row + 1}: the cell ${normalised.problem}.`,
        { hint: `Correct it, choose another kind than "${rule.kind}", or leave unreadable rows out of the join.` },
      );
    }
  });
  return isMissing ? undefined : parts;
}

/**
 * Identifiers of all rows, in order of their rows. `columns` are the cells of key.columns, in that order.
 * @throws InputError `join-key-unreadable` or `join-key-duplicate`, naming column and rows, never cells.
 */
export function makeIdentifiers(columns: readonly ArrayLike<Cell>[], key: JoinKey): Identifiers {
  const rowCount = columns[0]?.length ?? 0;
  const known = new Map<string, number>();
  const packer = new Packer();
  const firstRow: number[] = [];
  /** Identifier of each row, -1 for rows without a key. */
  const identifierOf = new Int32Array(rowCount).fill(-1);
  let withKey = 0;
  for (let row = 0; row < rowCount; row++) {
    const parts = keyParts(columns, key, row);
    if (parts === undefined) continue;
    withKey++;
    const name = parts.length === 1 ? parts[0]! : parts.map((part) => `${part.length}:${part}`).join('');
    const earlier = known.get(name);
    if (earlier === undefined) {
      known.set(name, packer.count);
      identifierOf[row] = packer.count;
      packer.add(parts, row);
      firstRow.push(row);
      continue;
    }
    if (key.duplicates === 'refuse') {
      throw new InputError('join-key-duplicate', `Rows ${firstRow[earlier]! + 1} and ${row + 1} have the same key.`, {
        hint: 'Choose what to do with duplicates: first, last or aggregate.',
      });
    }
    identifierOf[row] = earlier;
  }
  const { count } = packer;
  const sizes = new Uint32Array(count);
  for (const identifier of identifierOf) if (identifier >= 0) sizes[identifier]!++;
  const rowsRepeated = sizes.reduce((sum, size) => sum + (size > 1 ? size : 0), 0);
  const grouped = key.duplicates === 'aggregate';
  const starts = new Uint32Array(count + 1);
  sizes.forEach((size, i) => (starts[i + 1] = starts[i]! + (grouped ? size : 1)));
  const rows = new Uint32Array(starts[count]!);
  const filled = new Uint32Array(count);
  identifierOf.forEach((identifier, row) => {
    if (identifier < 0) return;
    if (grouped) rows[starts[identifier]! + filled[identifier]!++] = row;
    else if (key.duplicates === 'last' || filled[identifier] === 0) {
      rows[identifier] = row;
      filled[identifier] = 1;
    }
  });
  return { packed: packer.result(), rows, starts, rowsWithoutKey: rowCount - withKey, rowsRepeated };
}

/** A row of the preview: for its owner's eyes only. */
export interface IdentifierPreview {
  readonly row: number;
  /** For each key column the cell as it is, and what is compared or why it cannot be. */
  readonly cells: readonly { readonly before: Cell; readonly after?: string; readonly problem?: string }[];
}

/** What the rules make of the first `count` rows, and of rows that they cannot read: `count` of those at most. */
export function previewIdentifiers(
  columns: readonly ArrayLike<Cell>[],
  key: JoinKey,
  count: number,
): { readonly rows: readonly IdentifierPreview[]; readonly unreadable: readonly IdentifierPreview[] } {
  const rows: IdentifierPreview[] = [];
  const unreadable: IdentifierPreview[] = [];
  const rowCount = columns[0]?.length ?? 0;
  for (let row = 0; row < rowCount && (row < count || unreadable.length < count); row++) {
    const cells = key.columns.map((rule, which) => {
      const before = columns[which]?.[row] ?? null;
      const normalised = normaliseCell(before, rule);
      if (normalised === undefined) return { before };
      return 'text' in normalised ? { before, after: normalised.text } : { before, problem: normalised.problem };
    });
    if (row < count) rows.push({ row, cells });
    else if (cells.some((cell) => 'problem' in cell)) unreadable.push({ row, cells });
  }
  return { rows, unreadable };
}

/** What each kind can be read from. */
const readable: Readonly<Record<IdentifierKind, readonly ColumnType[]>> = {
  text: ['text', 'category', 'integer', 'boolean'],
  number: ['integer', 'text', 'category'],
  date: ['date', 'text', 'category'],
  phone: ['text', 'category', 'integer'],
  email: ['text', 'category'],
};

/** A party's rules and the types of their columns, in order. */
export interface PartyKey {
  readonly party: string;
  readonly key: JoinKey;
  readonly types: readonly ColumnType[];
}

/**
 * Whether all parties' keys can be compared: as many columns, the same kinds and rules, readable types.
 * @throws InputError `join-key-type` or `join-key-rules`, naming party and column.
 */
export function checkKeysAgree(keys: readonly PartyKey[]): void {
  const [first, ...others] = keys;
  if (first === undefined) return;
  for (const { party, key, types } of keys) {
    key.columns.forEach(({ column, kind }, which) => {
      const type = types[which];
      if (type !== undefined && readable[kind].includes(type)) return;
      throw new InputError(
        'join-key-type',
        `Column ${JSON.stringify(column)} of ${party} is of type ${type ?? 'unknown'} and cannot be read as ${kind}.`,
        { hint: `Use a column of type ${readable[kind].join(', ')}, or another kind.` },
      );
    });
  }
  for (const other of others) {
    if (other.key.columns.length !== first.key.columns.length) {
      throw new InputError(
        'join-key-rules',
        `${first.party} joins on ${first.key.columns.length} columns and ${other.party} on ${other.key.columns.length}.`,
        { hint: 'All parties need the same key columns in the same order.' },
      );
    }
    other.key.columns.forEach((rule, which) => {
      const mine = first.key.columns[which]!;
      const differing = (['kind', 'case', 'space', 'accents'] as const).find((name) => rule[name] !== mine[name]);
      const textual = differing === 'kind' || mine.kind === 'text';
      if (differing !== undefined && textual) {
        throw new InputError(
          'join-key-rules',
          `${first.party} reads ${JSON.stringify(mine.column)} with ${differing} "${mine[differing]}", ` +
            `${other.party} its ${JSON.stringify(rule.column)} with "${rule[differing]}".`,
          { hint: 'Use the same kind and the same rules at all parties.' },
        );
      }
      const type = other.types[which];
      const mineType = first.types[which];
      // an integer column has lost its leading zeros; text has them
      if (mine.kind === 'text' && (type === 'integer') !== (mineType === 'integer')) {
        throw new InputError(
          'join-key-type',
          `Column ${JSON.stringify(mine.column)} of ${first.party} is of type ${mineType}, ` +
            `${JSON.stringify(rule.column)} of ${other.party} of type ${type}.`,
          { hint: 'Read both as numbers (kind: number), or import both as text.' },
        );
      }
    });
  }
}
