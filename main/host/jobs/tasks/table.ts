/**
 * The parties' rows as the table that every task computes on: who brings which block, how its cells become ring words, and what
 * was done to the columns before. Knows no task.
 */
import { checkReached, hasMembership, memberNames, presenceWords } from '../../../../engine/nn/membership.ts';
import type { Membership } from '../../../../engine/nn/membership.ts';
import { revealedStandardisation, slotWords, tableNames } from '../../../../engine/nn/table.ts';
import type { TableSpec } from '../../../../engine/nn/table.ts';
import { encodeFixed } from '../../../../engine/runtime/words.ts';
import { flaggedParties, hidesRows, slotFloor } from '../../../../shared/job-join.ts';
import { dataParties, partyOrder } from '../../../../shared/job-roles.ts';
import type { Job } from '../../../../shared/job.ts';
import type { InputStandardisation } from '../../../../shared/model.ts';
import { columnPlan, matrixColumns, standardisation } from '../../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../../shared/resolve-job.ts';
import type { RowLayout } from '../../../../shared/schedule.ts';
import type { PreparedRows } from '../../datasets/prepare.ts';

/** One block of rows that a party shares as one input. */
export interface Block {
  readonly owner: string;
  /** Rows of the party's prepared matrix. */
  readonly from: number;
  readonly rows: number;
}

/** Standardised values stay below 2^7, scaled ones are at most 1; larger cells are refused before anything is shared. */
const STANDARDISED_BITS = 7;
export const SCALED_BITS = 0.01;

/** Blocks in the order of the global row numbering: data of all parties, then test files. */
export function rowBlocks(job: Job, layout: RowLayout): Block[] {
  const stacked = job.join.how === 'stack';
  const parties = dataParties(job);
  if (!stacked) return parties.map((owner) => ({ owner, from: 0, rows: layout.rows }));
  return (['data', 'test'] as const).flatMap((what) =>
    parties.flatMap((owner) => {
      const spans = layout.parties[owner];
      if (spans === undefined || spans[what].rows === 0) return [];
      return [{ owner, from: what === 'data' ? 0 : spans.data.rows, rows: spans[what].rows }];
    }),
  );
}

/** The job's table as the engine takes it. */
export function tableSpec(job: Job, schemas: SchemasByParty, layout: RowLayout): TableSpec {
  const width = (party: string): number => matrixColumns(columnPlan(job, party, schemas)).length;
  const how = standardisation(job);
  return {
    features: rowBlocks(job, layout)
      .filter(({ owner }) => width(owner) > 0)
      .map(({ owner, rows }) => ({ owner, rows, columns: width(owner) })),
    arrangement: job.join.how === 'stack' ? 'rows' : 'columns',
    trainingRows: layout.train.length,
    fractionBits: job.precision.fractionBits,
    assumedBound: job.precision.bound,
    featureMagnitudeBits: how === 'locally' ? STANDARDISED_BITS : SCALED_BITS,
    standardise: how === 'onShares' ? columnsOnShares(job, schemas) : undefined,
    ...(hidesRows(job) ? { membership: membershipOf(job) } : {}),
  };
}

/** Which slots count behind a hidden or a left join. */
function membershipOf(job: Job): Membership {
  const holders = dataParties(job);
  const optional = flaggedParties(job, holders);
  return {
    required: holders.filter((party) => !optional.includes(party)),
    optional,
    floor: slotFloor(job),
    parties: partyOrder(job),
  };
}

/** Whether enough slots count, once that was revealed. @throws InputError `join-below-floor`: then nothing else may be computed. */
export function checkMembers(spec: TableSpec, revealed: ReadonlyMap<string, BigUint64Array>): void {
  const reached = revealed.get(memberNames.reached);
  if (reached !== undefined && hasMembership(spec)) checkReached(spec.membership, reached);
}

/** Columns that are standardised on shares: numbers, neither truth values nor categories. */
function columnsOnShares(job: Job, schemas: SchemasByParty): boolean[] {
  return inputParties(job, schemas).flatMap((party) =>
    columnPlan(job, party, schemas).features.flatMap((feature) =>
      feature.encode === 'oneHot' ? feature.categories.map(() => false) : [feature.encode === 'number'],
    ),
  );
}

/** One party's cells as ring words, by input name; none where it brings no rows. */
export function tableWords(
  job: Job,
  spec: TableSpec,
  layout: RowLayout,
  party: string,
  prepared: PreparedRows | undefined,
): Map<string, BigUint64Array> {
  const words = new Map<string, BigUint64Array>();
  if (prepared === undefined) return words;
  const { matrix, columns, slots } = prepared;
  const width = columns.length;
  if (slots !== undefined) words.set(memberNames.presence(party), presenceWords(slots, layout.rows));
  rowBlocks(job, layout)
    .filter(({ owner }) => spec.features.some((block) => block.owner === owner))
    .forEach((block, i) => {
      if (block.owner !== party) return;
      const cells =
        slots === undefined ? matrix.subarray(block.from * width, (block.from + block.rows) * width) : matrix;
      const place = (cell: number): string =>
        `Row ${block.from + Math.floor(cell / width) + 1}, column ${columns[cell % width] ?? ''}`;
      const own = encodeFixed(cells, spec.fractionBits, spec.featureMagnitudeBits, place);
      if (slots === undefined || !hasMembership(spec)) words.set(`${tableNames.features}/${i}`, own);
      else for (const [name, placed] of slotWords(spec, i, own, slots)) words.set(name, placed);
    });
  return words;
}

/** The parties whose columns make up the table's columns, in order: all side by side, or one where rows are stacked. */
export function inputParties(job: Job, schemas: SchemasByParty): string[] {
  const parties = dataParties(job).filter((party) => matrixColumns(columnPlan(job, party, schemas)).length > 0);
  return job.join.how === 'stack' ? parties.slice(0, 1) : parties;
}

/** What of a party's columns is public: the powers of two they are divided by. */
export function publicStandardisation(job: Job, party: string, schemas: SchemasByParty): InputStandardisation {
  const plan = columnPlan(job, party, schemas);
  const multiply = plan.features.flatMap((feature) =>
    feature.encode === 'oneHot'
      ? feature.categories.map(() => 1)
      : [feature.encode === 'number' ? 2 ** -(feature.power ?? 0) : 1],
  );
  return { subtract: new Float64Array(multiply.length), multiply: Float64Array.from(multiply) };
}

/** Several parties' standardisations as that of all columns; the flags of parties that may lack a row stay as they are. */
function joinStandardisations(job: Job, all: readonly InputStandardisation[]): InputStandardisation {
  const flags = flaggedParties(job, dataParties(job));
  const join = (part: 'subtract' | 'multiply', ofFlag: number): Float64Array =>
    Float64Array.from([...all.flatMap((each) => [...each[part]]), ...flags.map(() => ofFlag)]);
  return { subtract: join('subtract', 0), multiply: join('multiply', 1) };
}

/** The public factors of all columns of the table, in order. */
export function publicScales(job: Job, schemas: SchemasByParty): number[] {
  return inputParties(job, schemas).flatMap((party) => [...publicStandardisation(job, party, schemas).multiply]);
}

/**
 * What was done to all columns of the table, by their owners and then on shares.
 * @param standardisations of `inputParties`, in order.
 * @param revealed words by name.
 */
export function tableStandardisation(
  job: Job,
  spec: TableSpec,
  standardisations: readonly InputStandardisation[],
  revealed: ReadonlyMap<string, BigUint64Array>,
): InputStandardisation {
  const local = joinStandardisations(job, standardisations);
  const onShares = spec.standardise === undefined ? undefined : revealedStandardisation(spec, revealed);
  return onShares === undefined ? local : after(local, onShares);
}

/** The one map that does what `first` and then `second` do: multiplications by powers of two in `first` lose nothing. */
function after(first: InputStandardisation, second: InputStandardisation): InputStandardisation {
  const factor = (column: number): number => first.multiply[column] ?? 1;
  return {
    subtract: first.subtract.map((value, column) => value + (second.subtract[column] ?? 0) / factor(column)),
    multiply: second.multiply.map((value, column) => value * factor(column)),
  };
}

/** One column of the table, for people. */
export interface TableColumn {
  readonly name: string;
  /** With its party where columns of several parties stand side by side. */
  readonly label: string;
}

/** Columns of the table in order. */
export function tableColumns(job: Job, schemas: SchemasByParty): TableColumn[] {
  const stacked = job.join.how === 'stack';
  return inputParties(job, schemas).flatMap((party) =>
    matrixColumns(columnPlan(job, party, schemas)).map((name) => ({
      name,
      label: stacked ? name : `${party}.${name}`,
    })),
  );
}
