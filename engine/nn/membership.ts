/**
 * Slots of which nobody knows who has a row there: the table behind a hidden or a left join (docs/joins.md). Each party shares
 * its columns and a presence bit for every slot, zeros where it has no row. A slot counts where all required parties are
 * present; sums over rows are weighted by that shared bit and divided by the shared number of slots that count. Control flow,
 * shapes and messages depend on the number of slots alone. Knows nothing of how slots are found (join/) or of models.
 *
 * Presence is 0 or 1 at scale 0, so a row that does not count adds exactly zero to every sum, whatever is computed from it.
 */
import { InputError, InternalError } from '../../shared/errors.ts';
import { halvingsOf, inverseCount, REFINED_BITS } from '../functions/inverse-count.ts';
import type { Graph } from '../tensor/graph.ts';
import { privateInput, stateInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { TableSpec } from './table.ts';

export interface Membership {
  /** A slot counts where all of these have a row: all parties of a hidden join, the one whose rows are kept in a left join. */
  readonly required: readonly string[];
  /** Parties that may lack a slot that counts: their features are zero there, and a flag column at the table's end tells. */
  readonly optional: readonly string[];
  /**
   * Fewest slots that may count, and that an optional party may have among them; with fewer, all parties learn that, and nothing
   * else is done. At least 1.
   */
  readonly floor: number;
  /** Compute parties, who all have to know whether to go on. */
  readonly parties: readonly string[];
}

export type MemberSpec<Spec extends TableSpec = TableSpec> = Spec & { readonly membership: Membership };

export function hasMembership<Spec extends TableSpec>(spec: Spec): spec is MemberSpec<Spec> {
  return spec.membership !== undefined;
}

/** Names of inputs and reveals. */
export const memberNames = {
  presence: (party: string): string => `presence/${party}`,
  centres: (block: number): string => `centres/${block}`,
  squares: (block: number): string => `squares/${block}`,
  /** 1 where there are as many rows as the floor asks for, else 0. */
  reached: 'reached',
} as const;

const states = {
  presence: (party: string): string => `membership/presence/${party}`,
  /** Whether a slot counts. */
  counts: 'membership/counts',
  /** That times 2^h / the training slots that count. */
  weights: 'membership/weights',
  /** 2^h / the test slots that count. */
  testFactor: 'membership/test-factor',
} as const;

/** Fraction bits of what is told of rows whose number is not: more would tell out of how many it is. */
export const SHARE_BITS = 10;
/** What is subtracted from a cell is no larger than a cell. */
export const CENTRING_BITS = 1;
function slotsOf(spec: TableSpec): number {
  return spec.features[0]?.rows ?? 0;
}

function testRowsOf(spec: TableSpec): number {
  return slotsOf(spec) - spec.trainingRows;
}

// ---- set-up ----

/** Who has which slots: bits [slots, 1] at scale 0. */
export interface Members {
  /** The party's own bit of every slot. */
  presence(party: string): Tensor;
  /** Whether a slot counts. */
  readonly counts: Tensor;
  /** Whether it counts and the party has it. */
  counted(party: string): Tensor;
  /** Whether it counts and all parties have it. */
  readonly complete: Tensor;
}

/** Takes presence, and keeps it and what counts. A word a slot and party, opened by its owner, and one opened by all. */
export function storeMembers(graph: Graph, spec: MemberSpec): Members {
  const { required, optional } = spec.membership;
  const stranger = spec.features.find(({ owner }) => ![...required, ...optional].includes(owner));
  if (stranger !== undefined || required.length === 0)
    throw new InternalError('membership', `${stranger?.owner ?? 'Nobody'} is among those whose rows count.`);
  const bits = new Map(
    [...required, ...optional].map((party) => {
      const name = memberNames.presence(party);
      const words = privateInput(graph, name, party, [slotsOf(spec), 1], 0.01 - spec.fractionBits);
      const bit = words.timesPowerOfTwo(spec.fractionBits);
      bit.store(states.presence(party), { masked: true });
      return [party, bit];
    }),
  );
  const counts = [...bits]
    .filter(([party]) => required.includes(party))
    .map(([, bit]) => bit)
    .reduce((product, own) => product.mulRaw(own));
  counts.store(states.counts, { masked: true });
  return membersOf(spec, bits, counts);
}

/** What `storeMembers` kept. */
export function storedMembers(graph: Graph, spec: MemberSpec): Members {
  const { required, optional } = spec.membership;
  const shape = [slotsOf(spec), 1];
  const bits = new Map(
    [...required, ...optional].map((party) => [
      party,
      stateInput(graph, states.presence(party), shape, { bound: 0.01, scale: 0, masked: true, owner: party }),
    ]),
  );
  return membersOf(spec, bits, storedCounts(graph, spec));
}

function membersOf(spec: MemberSpec, bits: ReadonlyMap<string, Tensor>, counts: Tensor): Members {
  const { optional } = spec.membership;
  const presence = (party: string): Tensor => {
    const found = bits.get(party);
    if (found === undefined) throw new InternalError('membership', `${party} has no presence bits.`);
    return found;
  };
  const both = new Map(optional.map((party) => [party, counts.mulRaw(presence(party))]));
  const [first, ...others] = optional;
  return {
    presence,
    counts,
    counted: (party) => both.get(party) ?? counts,
    get complete() {
      return others.reduce((all, party) => all.mulRaw(presence(party)), both.get(first ?? '') ?? counts);
    },
  };
}

/** Reveals to all parties whether each of these has as many rows as the floor asks for. */
export function revealReached(spec: MemberSpec, groups: readonly Tensor[]): void {
  const { floor, parties } = spec.membership;
  groups
    .map((slots) => countOf(slots).atLeast(floor))
    .reduce((both, bit) => both.and(bit))
    .toNumber()
    .reveal(memberNames.reached, parties);
}

/** Reveals whether there are enough rows, and of each party that may lack some. */
export function checkMembers(spec: MemberSpec, members: Members): void {
  revealReached(spec, [members.counts, ...spec.membership.optional.map((party) => members.counted(party))]);
}

/** Rows of a group of slots, [1]. */
export function countOf(slots: Tensor): Tensor {
  return slots.sum(0).reshape([1]);
}

/** Means of columns [slots, columns] over a group of slots, [1, columns] at `scale`. Magnitudes are at most 4. */
export type Averaging = (columns: Tensor, scale: number) => Tensor;

/**
 * @param group of slots.
 * @param divisor of `inverseCount`, for at most `rows` slots.
 */
export function averageOver(group: Tensor, divisor: Tensor, rows: number): Averaging {
  return (columns, scale) =>
    group
      .matmulRaw(columns, { transposeA: true })
      .timesPowerOfTwo(-halvingsOf(rows))
      .rescaled(scale)
      .mulRaw(divisor)
      .provedBelow(2.1)
      .rescaled(scale);
}

/**
 * Keeps what steps and evaluations weight their rows by. `training` are the numbers of the training slots. Returns what makes the
 * means of a party's columns: over the training slots that count and that it has.
 *
 * Cost: one to three words a slot, opened by all; about 15 rounds for the reciprocals.
 */
export function storeWeights(
  spec: MemberSpec,
  { counts, counted }: Members,
  training: Tensor,
): (party: string) => Averaging {
  const trained = countOf(counts.gatherRows(training));
  const factor = inverseCount(trained, spec.trainingRows);
  counts.mulRaw(factor).store(states.weights, { masked: true });
  if (testRowsOf(spec) > 0)
    inverseCount(countOf(counts).sub(trained), testRowsOf(spec)).store(states.testFactor, { masked: true });
  return (party) => {
    const here = counted(party).gatherRows(training);
    const divisor = counted(party) === counts ? factor : inverseCount(countOf(here), spec.trainingRows);
    const average = averageOver(here, divisor, spec.trainingRows);
    return (columns, scale) => average(columns.gatherRows(training), scale);
  };
}

/** What the owner of a block has subtracted from its columns before it shared them; see `centred`. */
export function centresInput(graph: Graph, spec: TableSpec, block: number): Tensor {
  const { owner = '', columns = 0 } = spec.features[block] ?? {};
  return privateInput(graph, memberNames.centres(block), owner, [columns], spec.featureMagnitudeBits);
}

/**
 * The squares of a block's centred cells, which their owner knows: as an input of its own they spare a product of three secrets.
 * At a scale of `scale`; see `squareWords`.
 */
export function squaresInput(graph: Graph, spec: TableSpec, block: number, scale: number): Tensor {
  const { owner = '', rows = 0, columns = 0 } = spec.features[block] ?? {};
  const beyond = scale - spec.fractionBits;
  const magnitude = 2 * (spec.featureMagnitudeBits + CENTRING_BITS);
  const words = privateInput(graph, memberNames.squares(block), owner, [rows, columns], beyond + magnitude);
  return words.timesPowerOfTwo(-beyond);
}

// ---- steps ----

/** What the summed gradient of a batch is multiplied by for the mean over rows that count; see `weighted`. */
export function memberFactor(spec: MemberSpec, batchRows: number): number {
  return spec.trainingRows / 2 ** halvingsOf(spec.trainingRows) / batchRows;
}

/**
 * The gradient of the loss by row, times presence and 2^h / count. Together with `memberFactor`, a batch of B of S slots divides
 * its sum by the rows it has on average, B count / S: without a bias, and with no division a step; a batch of all slots divides
 * by the count. 2 rounds.
 */
export function weighted(spec: MemberSpec, gradient: Tensor, rowNumbers: Tensor): Tensor {
  const weights = stateInput(gradient.graph, states.weights, [slotsOf(spec), 1], {
    bound: spec.fractionBits + halvingsOf(spec.trainingRows) + 0.2,
    masked: true,
  });
  return gradient.mul(weights.gatherRows(rowNumbers));
}

// ---- evaluation ----

/** What belongs to rows by their numbers, [rows, width], where they count, and zero elsewhere. */
export function counted(spec: MemberSpec, perRow: Tensor, rowNumbers: Tensor): Tensor {
  return perRow.mulRaw(presenceOf(perRow.graph, spec, rowNumbers));
}

/** 1 for the rows that count, 0 for the others, [rows, 1] at scale 0. */
export function presenceOf(graph: Graph, spec: MemberSpec, rowNumbers: Tensor): Tensor {
  return storedCounts(graph, spec).gatherRows(rowNumbers);
}

function storedCounts(graph: Graph, spec: MemberSpec): Tensor {
  return stateInput(graph, states.counts, [slotsOf(spec), 1], { bound: 0.1, scale: 0, masked: true });
}

/**
 * The mean over the test rows that count, with `bits` fraction bits, of a sum over them. Means stay below 2^meanBits.
 */
export function testMean(spec: MemberSpec, sum: Tensor, meanBits: number, bits: number): Tensor {
  const halvings = halvingsOf(testRowsOf(spec));
  const factor = stateInput(sum.graph, states.testFactor, [1], {
    bound: spec.fractionBits + halvings + 0.2,
    masked: true,
  });
  return sum.timesPowerOfTwo(-halvings).rescaled(REFINED_BITS).mulRaw(factor).assumeBelow(meanBits).rescaled(bits);
}

// ---- what parties do in the clear ----

/** A party's rows of `width` words each in a table of `slotCount` slots, row i at slots[i]; zeros elsewhere. */
export function wordsInSlots(
  words: BigUint64Array,
  width: number,
  slots: Uint32Array,
  slotCount: number,
): BigUint64Array {
  const table = new BigUint64Array(slotCount * width);
  slots.forEach((slot, row) => table.set(words.subarray(row * width, (row + 1) * width), slot * width));
  return table;
}

/** A party's presence bits. */
export function presenceWords(slots: Uint32Array, slotCount: number): BigUint64Array {
  return wordsInSlots(new BigUint64Array(slots.length).fill(1n), 1, slots, slotCount);
}

/**
 * A party's rows less the mean of each of its columns that are marked, and these means, before the rows go into slots. A variance
 * on shares is a difference of two shared means; it loses as many digits as a column's mean has spreads, so the owner takes out
 * what it knows of the mean. Nobody learns it: it is added again on shares.
 */
export function centred(
  words: BigUint64Array,
  marked: readonly boolean[],
): { readonly cells: BigUint64Array; readonly centres: BigUint64Array } {
  const width = marked.length;
  const rows = words.length / Math.max(1, width);
  const sums = new Array<bigint>(width).fill(0n);
  words.forEach((word, i) => (sums[i % width]! += BigInt.asIntN(64, word)));
  const centres = BigUint64Array.from(sums, (sum, column) =>
    marked[column] === true && rows > 0 ? BigInt.asUintN(64, sum / BigInt(rows)) : 0n,
  );
  return { centres, cells: words.map((word, i) => word - centres[i % width]!) };
}

/** Squares of words at `fractionBits`, at a scale of `scale`, as their owner inputs them. */
export function squareWords(words: BigUint64Array, fractionBits: number, scale: number): BigUint64Array {
  const shift = BigInt(2 * fractionBits - scale);
  return words.map((word) => {
    const square = BigInt.asIntN(64, word) ** 2n;
    return shift > 0n ? (square + (1n << (shift - 1n))) >> shift : square << -shift;
  });
}

/**
 * Looks at what was revealed of `memberNames.reached`.
 * @throws InputError `join-below-floor` when there are too few rows: nothing else has been revealed then.
 */
export function checkReached({ floor }: Membership, words: BigUint64Array | undefined): void {
  if (words?.[0] === 1n) return;
  throw new InputError('join-below-floor', `The parties have fewer than ${floor} records in common.`, {
    hint: 'Nothing was computed. Check that all use the same kind of identifier and the same rules, or agree on another join.floor.',
  });
}
