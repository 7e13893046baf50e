/**
 * The `join` of a job: how the rows of several parties belong together. Its schema, its defaults and shorthands written out,
 * and what follows from it for each party's key. Knows nothing of data or of how identifiers are compared.
 */
import { z } from 'zod';
import { columnNameSchema } from './dataset.ts';
import {
  MAX_KEY_COLUMNS,
  duplicatePolicies,
  identifierKinds,
  keyRuleSchema,
  unreadablePolicies,
  type JoinKey,
  type KeyRule,
} from './identifiers.ts';
import { partyName, strict } from './strict.ts';

/**
 * rows: already aligned. stack: each party its own rows. ids: the records that all have. hidden: the same without telling who
 * they are. left: all records of one party, with what the others have of them.
 */
const joinKinds = ['rows', 'stack', 'ids', 'hidden', 'left'] as const;

/** curve: nobody can test an identifier alone. keyed: quicker, for a matcher and parties who do not collude. */
const joinForms = ['curve', 'keyed'] as const;

/** In place of a matcher: two parties compare by themselves. */
export const NO_MATCHER = 'none';

/** Fewer records in common than this are not told, unless the job says otherwise. */
const DEFAULT_FLOOR = 10;
/** As the engine has it: positions are 32-bit. */
export const MAX_DECLARED_ROWS = 2 ** 28;

const keyColumns = z.union([columnNameSchema.transform((name) => [name]), z.array(columnNameSchema).min(1).max(16)]);
const ruleError = `must be ${identifierKinds.join(', ')}, or { kind, case, space, accents, dateOrder, country }`;
const rule = z.union([z.enum(identifierKinds).transform((kind) => keyRuleSchema.parse({ kind })), keyRuleSchema], {
  error: ruleError,
});
const declared = z.int().min(1).max(MAX_DECLARED_ROWS);

export const joinSchema = strict({
  how: z.enum(joinKinds),
  /** The key: a column, or several that count together; the same names at all parties, or by party. Never a feature. */
  on: z
    .union([keyColumns, z.record(partyName, keyColumns)], {
      error: 'must be a column, a list of columns, or one of these for each party',
    })
    .optional(),
  /** How key columns are read: one rule for all, or a list in the order of the columns. */
  rules: z.union([rule, z.array(rule).min(1).max(MAX_KEY_COLUMNS)], { error: ruleError }).optional(),
  duplicates: z.enum(duplicatePolicies).optional(),
  unreadable: z.enum(unreadablePolicies).optional(),
  form: z.enum(joinForms).optional(),
  matcher: partyName.optional(),
  /** Nobody learns a row of a smaller intersection. */
  floor: z.int().min(1).max(MAX_DECLARED_ROWS).optional(),
  /** Identifiers that each party declares, random ones filling up what it lacks; one number for all, or by party. */
  pad: z
    .union([declared, z.record(partyName, declared)], {
      error: 'must be a number of identifiers, or one for each party',
    })
    .optional(),
  /** hidden and left: the parties learn how many records they have in common. */
  revealCount: z.boolean().optional(),
  /** left: whose rows are all kept. */
  keep: partyName.optional(),
  /** stack: what becomes of the run when several parties hold the same record. */
  repeats: z.enum(['refuse', 'allow']).optional(),
});
export type JoinText = z.infer<typeof joinSchema>;

/** Rows that belong together by their place, or not at all. */
export interface PlacedJoin {
  readonly how: 'rows' | 'stack';
  /** Id columns, which are no features; none where rows are stacked. */
  readonly on: Readonly<Record<string, readonly string[]>>;
}

/** Rows that are compared by identifiers; those of `stack` only to find the same record at several parties. */
export interface IdentifierJoin {
  readonly how: 'stack' | 'ids' | 'hidden' | 'left';
  /** Key columns of each party with data, in order. */
  readonly on: Readonly<Record<string, readonly string[]>>;
  /** One for each key column, the same at all parties. */
  readonly rules: readonly KeyRule[];
  readonly duplicates: (typeof duplicatePolicies)[number];
  readonly unreadable: (typeof unreadablePolicies)[number];
  readonly form: (typeof joinForms)[number];
  /** A party, the dealer, or `none`. */
  readonly matcher: string;
  /** Not of `stack`. */
  readonly floor?: number | undefined;
  /** By party; who is not named declares as many as it has rows. */
  readonly pad?: Readonly<Record<string, number>> | undefined;
  /** Of `hidden` and `left`. */
  readonly revealCount?: boolean | undefined;
  /** Of `left`. */
  readonly keep?: string | undefined;
  /** Of `stack`. */
  readonly repeats?: 'refuse' | 'allow' | undefined;
}

/** With every default filled in. */
export type JobJoin = PlacedJoin | IdentifierJoin;

/** The join of a job whose parties compare identifiers before anything else. */
export function identifierJoin(job: { readonly join: JobJoin }): IdentifierJoin | undefined {
  return 'rules' in job.join ? job.join : undefined;
}

/** Whether the job's rows are known only once the parties have joined them. */
export function joinsRows(job: { readonly join: JobJoin }): boolean {
  return job.join.how === 'ids' || hidesRows(job);
}

/** Whether the joined table has slots of which nobody knows who has them. */
export function hidesRows({ join }: { readonly join: JobJoin }): boolean {
  return join.how === 'hidden' || join.how === 'left';
}

/** Fewest slots that may count where rows are hidden: as the join has it, and as many as statistics ask for. */
export function slotFloor(job: { readonly join: JobJoin; readonly minimumRows?: number | undefined }): number {
  return Math.max(identifierJoin(job)?.floor ?? 1, job.minimumRows ?? 1);
}

/** Of these parties, those that may lack rows of the joined table; the model is told by a column for each, at the end. */
export function flaggedParties(job: { readonly join: JobJoin }, holders: readonly string[]): string[] {
  const join = identifierJoin(job);
  return join?.how === 'left' ? holders.filter((party) => party !== join.keep) : [];
}

/** Columns that a party's rows are joined on. */
export function keyColumnsOf(job: { readonly join: JobJoin }, party: string): readonly string[] {
  return job.join.on[party] ?? [];
}

/** A party's key, as the agreed rules read it. */
export function joinKeyOf(join: IdentifierJoin, party: string): JoinKey {
  const columns = (join.on[party] ?? []).map((column, index) => ({ column, ...join.rules[index]! }));
  return { columns, duplicates: join.duplicates, unreadable: join.unreadable };
}

/** Identifiers that a party declares in place of its rows: at least so many rows its data set may have. */
export function declaredRows(job: { readonly join: JobJoin }, party: string, rows: number): number {
  return identifierJoin(job)?.pad?.[party] ?? rows;
}

/** A join as it is agreed on: rules for every column, forms, floors and names settled. */
export function writeOutJoin(text: JoinText | undefined, holders: readonly string[], dealer: string): JobJoin {
  const how = text?.how ?? 'rows';
  const on = forAll(text?.on ?? {}, Array.isArray, holders);
  if (text === undefined || how === 'rows' || (how === 'stack' && Object.keys(on).length === 0)) {
    return { how: how === 'stack' ? how : 'rows', on };
  }
  const { rules = keyRuleSchema.parse({}), form = 'curve', pad } = text;
  const columns = Math.max(0, ...Object.values(on).map((names) => names.length));
  const byThemselves = holders.length === 2 && form === 'curve' && (how === 'ids' || how === 'stack');
  return {
    how,
    on,
    rules: Array.isArray(rules) ? rules : Array.from({ length: columns }, () => rules),
    duplicates: text.duplicates ?? (how === 'stack' ? 'first' : 'refuse'),
    unreadable: text.unreadable ?? 'refuse',
    form,
    matcher: text.matcher ?? (byThemselves ? NO_MATCHER : dealer),
    ...(how === 'stack' ? { repeats: text.repeats ?? 'refuse' } : { floor: text.floor ?? DEFAULT_FLOOR }),
    ...(pad === undefined ? {} : { pad: forAll(pad, (value) => typeof value === 'number', holders) }),
    ...(how === 'hidden' || how === 'left' ? { revealCount: text.revealCount ?? false } : {}),
    ...(text.keep === undefined ? {} : { keep: text.keep }),
  };
}

function forAll<T>(
  value: T | Record<string, T>,
  isOne: (value: T | Record<string, T>) => boolean,
  parties: readonly string[],
): Record<string, T> {
  return isOne(value) ? Object.fromEntries(parties.map((party) => [party, value as T])) : (value as Record<string, T>);
}
