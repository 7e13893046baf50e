/**
 * The table that a job computes on: what the parties bring, side by side or one below the other, shared once in the set-up and
 * read row by row afterwards. Knows nothing of what is computed, of job files or of data formats.
 */
import { InputError } from '../../shared/errors.ts';
import type { InputStandardisation } from '../../shared/model.ts';
import { inverseSquareRoot } from '../functions/inverse-square-root.ts';
import { decodeFixed } from '../runtime/words.ts';
import type { Graph, GraphOptions } from '../tensor/graph.ts';
import { concat, constant, indexInput, linear, privateInput, stateInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  CENTRING_BITS,
  centred,
  centresInput,
  checkMembers,
  hasMembership,
  memberNames,
  squareWords,
  squaresInput,
  storeMembers,
  storeWeights,
  wordsInSlots,
} from './membership.ts';
import type { MemberSpec, Membership } from './membership.ts';

/** One party's part of the features: some columns of all rows, or all columns of some rows. */
export interface FeatureBlock {
  readonly owner: string;
  readonly rows: number;
  readonly columns: number;
}

export interface TableSpec {
  readonly features: readonly FeatureBlock[];
  /** How feature blocks make up the table: side by side or one below the other. */
  readonly arrangement: 'columns' | 'rows';
  /** Rows that statistics are taken over. */
  readonly trainingRows: number;
  readonly fractionBits: number;
  readonly assumedBound: number;
  /** log2 of the largest magnitude of a feature; inputs beyond are refused before they are shared. */
  readonly featureMagnitudeBits: number;
  /** Columns to standardise on shares, by statistics over the training rows of all parties; undefined for none. */
  readonly standardise: readonly boolean[] | undefined;
  /** Rows are slots of which nobody knows who has them; they are arranged as columns then. */
  readonly membership?: Membership;
}

/** Names of states and inputs. */
export const tableNames = {
  features: 'features',
  rowNumbers: 'rows',
  trainingRows: 'training-rows',
  mean: 'standardise/mean',
  inverseDeviation: 'standardise/inverse-deviation',
} as const;

/** Fraction bits of means, of variances, and of the factor that makes them from sums. */
export const MEAN_SCALE = 24;
export const VARIANCE_SCALE = 30;
const AVERAGE_BITS = 20;
const INVERSE_DEVIATION_BITS = 15;
/** Assumed: standardised values stay below 2^7. */
const STANDARDISED_BITS = 7;

export function graphOptions(spec: Pick<TableSpec, 'fractionBits' | 'assumedBound'>, name: string): GraphOptions {
  return { name, fractionBits: spec.fractionBits, assumedBound: spec.assumedBound, wordBits: 64 };
}

/** Rows and columns of the whole table. */
export function tableShape(spec: TableSpec): [number, number] {
  const sum = (pick: (block: FeatureBlock) => number): number =>
    spec.features.reduce((total, block) => total + pick(block), 0);
  const first = spec.features[0];
  if (first === undefined) throw new InputError('no-features', 'No party brings features.');
  if (spec.arrangement === 'rows') return [sum((b) => b.rows), first.columns];
  return [first.rows, sum((b) => b.columns) + flagColumns(spec)];
}

/** Columns at the table's end that say whether a party has the row. */
function flagColumns(spec: Pick<TableSpec, 'membership'>): number {
  return spec.membership?.optional.length ?? 0;
}

/** Every party's block, as its own. */
export function inputBlocks(graph: Graph, spec: TableSpec): Tensor[] {
  const isCentred = hasMembership(spec) && spec.standardise !== undefined;
  const magnitude = spec.featureMagnitudeBits + (isCentred ? CENTRING_BITS : 0);
  return spec.features.map(({ owner, rows, columns }, i) =>
    privateInput(graph, `${tableNames.features}/${i}`, owner, [rows, columns], magnitude),
  );
}

/** Takes every party's block, and standardises where the job says so. */
export function inputTable(graph: Graph, spec: TableSpec): Tensor {
  const blocks = inputBlocks(graph, spec);
  return hasMembership(spec) ? memberTable(graph, spec, blocks) : plainTable(graph, spec, blocks);
}

/** The whole table. */
export function joinBlocks(spec: TableSpec, blocks: readonly Tensor[]): Tensor {
  return concat(blocks, spec.arrangement === 'columns' ? 1 : 0);
}

function plainTable(graph: Graph, spec: TableSpec, blocks: readonly Tensor[]): Tensor {
  const table = joinBlocks(spec, blocks);
  if (spec.standardise === undefined) return table;
  const { mean, variance } = moments([table.gatherRows(indexInput(graph, tableNames.trainingRows, spec.trainingRows))]);
  const { multiply, shift } = affine(mean, variance, spec.standardise);
  // x's mask serves the product, so the table is not opened again before its truncation.
  return standardised(table.mulRaw(multiply).sub(shift));
}

/** The same by the slots that count, of columns that their owners have centred; zeros stay where a party has no row. */
function memberTable(graph: Graph, spec: MemberSpec, blocks: readonly Tensor[]): Tensor {
  const members = storeMembers(graph, spec);
  checkMembers(spec, members);
  const flags = spec.membership.optional.map((party) => members.presence(party).rescaled(spec.fractionBits));
  const features = concat(blocks, 1);
  const table = (columns: Tensor): Tensor => concat([columns, ...flags], 1);
  // Rows that are only answered have no weights.
  if (spec.trainingRows === 0) return table(features);
  const training = indexInput(graph, tableNames.trainingRows, spec.trainingRows);
  const averaging = storeWeights(spec, members, training);
  if (spec.standardise === undefined) return table(features);
  const owner = (block: number): string => spec.features[block]?.owner ?? '';
  const averages = blocks.map((_, i) => averaging(owner(i)));
  const perColumn = (parts: readonly Tensor[]): Tensor => concat(parts, 1).reshape([features.shape[1] ?? 0]);
  const mean = perColumn(averages.map((average, i) => average(blocks[i]!, MEAN_SCALE)));
  const square = perColumn(
    averages.map((average, i) => average(squaresInput(graph, spec, i, VARIANCE_SCALE), VARIANCE_SCALE)),
  );
  const centres = concat(
    blocks.map((_, i) => centresInput(graph, spec, i)),
    0,
  );
  const { multiply, shift } = affine(mean, varianceOf(mean, square), spec.standardise, centres);
  let from = 0;
  const shifts = blocks.map((block, i) => {
    const width = block.shape[1] ?? 0;
    const part = shift.slice([from], [width]).reshape([1, width]);
    from += width;
    return members.presence(owner(i)).matmulRaw(part);
  });
  return table(standardised(features.mulRaw(multiply).sub(concat(shifts, 1))));
}

/**
 * A party's rows, of encoded words, as the inputs of its block where rows are slots: row i in slots[i], zeros elsewhere, and
 * where columns are standardised centred ones and their squares.
 */
export function slotWords(
  spec: MemberSpec,
  block: number,
  words: BigUint64Array,
  slots: Uint32Array,
): Map<string, BigUint64Array> {
  const { rows = 0, columns = 0 } = spec.features[block] ?? {};
  const name = `${tableNames.features}/${block}`;
  if (spec.standardise === undefined) return new Map([[name, wordsInSlots(words, columns, slots, rows)]]);
  const from = spec.features.slice(0, block).reduce((sum, other) => sum + other.columns, 0);
  const { cells, centres } = centred(words, spec.standardise.slice(from, from + columns));
  const placed = wordsInSlots(cells, columns, slots, rows);
  return new Map([
    [name, placed],
    [memberNames.centres(block), centres],
    [memberNames.squares(block), squareWords(placed, spec.fractionBits, VARIANCE_SCALE)],
  ]);
}

/** Takes the table in and keeps it under one mask for the whole job. */
export function storeTable(graph: Graph, spec: TableSpec): void {
  inputTable(graph, spec).store(tableNames.features, { masked: true });
}

/** The party that all blocks belong to, if there is one: it then knows whatever is computed from them alone. */
export function onlyOwner(blocks: readonly { readonly owner: string }[]): string | undefined {
  const [first, ...rest] = blocks;
  return rest.every(({ owner }) => owner === first?.owner) ? first?.owner : undefined;
}

/** Nobody's where rows may count or not. */
function tableOwner(spec: TableSpec): string | undefined {
  return hasMembership(spec) ? undefined : onlyOwner(spec.features);
}

/** The whole table as it was stored. */
export function storedTable(graph: Graph, spec: TableSpec): Tensor {
  const magnitude = spec.standardise === undefined ? spec.featureMagnitudeBits : STANDARDISED_BITS;
  return stateInput(graph, tableNames.features, tableShape(spec), {
    bound: spec.fractionBits + magnitude,
    masked: true,
    owner: tableOwner(spec),
  });
}

/** The rows of the stored table that are given by public numbers, [index length, columns]. */
export function tableRows(graph: Graph, spec: TableSpec, index: Tensor): Tensor {
  return storedTable(graph, spec).gatherRows(index);
}

/** A sum over `count` rows as a mean, at the given scale. 2 rounds. */
export function meanOver(sum: Tensor, count: number, scale: number): Tensor {
  // First by the power of two below the number of rows, which is exact, then by the rest: the factor keeps all its bits.
  const halvings = Math.floor(Math.log2(count));
  return sum
    .timesRaw(2 ** -halvings, halvings)
    .rescaled(scale)
    .timesRaw(2 ** halvings / count, AVERAGE_BITS)
    .rescaled(scale);
}

/**
 * Means and variances (over the count, not one less) of columns, at MEAN_SCALE and VARIANCE_SCALE, over rows in parts one below the
 * other: who owns a part adds up its squares alone.
 */
export function moments(parts: readonly Tensor[]): { mean: Tensor; variance: Tensor } {
  const count = parts.reduce((rows, part) => rows + (part.shape[0] ?? 0), 0);
  const mean = meanOver(
    total(parts, (part) => part.sum(0)),
    count,
    MEAN_SCALE,
  );
  const square = meanOver(
    total(parts, (part) => part.mulRaw(part).sum(0)),
    count,
    VARIANCE_SCALE,
  );
  return { mean, variance: varianceOf(mean, square) };
}

/** The sum of a figure over parts. */
export function total(parts: readonly Tensor[], figure: (part: Tensor) => Tensor): Tensor {
  return linear(
    'total',
    parts.map((part) => [1n, figure(part)] as const),
  );
}

export function varianceOf(mean: Tensor, square: Tensor): Tensor {
  return square.sub(mean.mulRaw(mean).rescaled(VARIANCE_SCALE));
}

/**
 * x is standardised to x multiply - shift: (x - mean) / deviation for marked columns, x for others; the shift is at twice the
 * graph's scale. Features are scaled to |x| <= 1 beforehand, so that sums of squares fit (corrections M3). Mean, with the
 * `centres` that were taken out before, and inverse deviation are kept as states, for the receivers of the model.
 */
function affine(
  mean: Tensor,
  variance: Tensor,
  columns: readonly boolean[],
  centres?: Tensor,
): { multiply: Tensor; shift: Tensor } {
  const { graph } = mean;
  const width = columns.length;
  const marked = constant(graph, columns.map(Number), [width], 0);
  const unmarked = constant(
    graph,
    columns.map((column) => Number(!column)),
    [width],
  );
  const subtract = mean.mulRaw(marked);
  const multiply = inverseSquareRoot(variance.assumeBelow(0.01))
    .mulRaw(marked)
    .add(unmarked)
    .assumeBelow(INVERSE_DEVIATION_BITS);
  (centres === undefined ? subtract : subtract.add(centres)).store(tableNames.mean);
  multiply.store(tableNames.inverseDeviation);
  return { multiply, shift: subtract.mulRaw(multiply).rescaled(2 * graph.options.fractionBits) };
}

/** x multiply - shift, at the graph's scale. */
function standardised(raw: Tensor): Tensor {
  return raw.assumeBelow(STANDARDISED_BITS).rescaled(raw.graph.options.fractionBits);
}

/** Reveals mean and inverse deviation of the columns, where they were taken on shares. */
export function revealStandardisation(graph: Graph, spec: TableSpec, receivers: readonly string[]): void {
  if (spec.standardise === undefined) return;
  const shape = [spec.standardise.length];
  const state = (name: string, scale: number, magnitudeBits: number): Tensor =>
    stateInput(graph, name, shape, { scale, bound: scale + magnitudeBits, owner: tableOwner(spec) });
  state(tableNames.mean, MEAN_SCALE, 1).reveal(tableNames.mean, receivers);
  state(tableNames.inverseDeviation, spec.fractionBits, INVERSE_DEVIATION_BITS).reveal(
    tableNames.inverseDeviation,
    receivers,
  );
}

/** Mean and inverse deviation of all columns from their revealed words; flags stay as they are. */
export function revealedStandardisation(
  spec: TableSpec,
  revealed: ReadonlyMap<string, BigUint64Array>,
): InputStandardisation | undefined {
  const [mean, inverse] = [revealed.get(tableNames.mean), revealed.get(tableNames.inverseDeviation)];
  if (mean === undefined || inverse === undefined) return undefined;
  const flags = (value: number): number[] => new Array<number>(flagColumns(spec)).fill(value);
  return {
    subtract: Float64Array.from([...decodeFixed(mean, MEAN_SCALE), ...flags(0)]),
    multiply: Float64Array.from([...decodeFixed(inverse, spec.fractionBits), ...flags(1)]),
  };
}
