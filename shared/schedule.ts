/**
 * Which rows train, which test, and which make up each batch: a function of public numbers only, so that engine, dealer
 * and baseline agree without talking. Knows nothing of columns or values.
 *
 * Rows have one global numbering: the rows of `data` first, then those of `test` files. Rows that belong together
 * (join rows) have one number at all parties; stacked rows follow each other in the order of partyOrder.
 */
import { InputError } from './errors.ts';
import { PublicRandom, shuffledIndexes } from './shuffle.ts';

export interface Split {
  /** Ascending global row numbers. */
  readonly train: Uint32Array;
  readonly test: Uint32Array;
}

/**
 * Sets aside round(fraction * rows) rows for testing, chosen by the seed.
 * @throws InputError when no row is left to train on.
 */
export function splitRows(rows: number, fraction: number, seed: number): Split {
  const tested = Math.round(fraction * rows);
  if (rows - tested < 1) {
    throw new InputError(
      'split-without-training',
      `A test fraction of ${fraction} of ${rows} rows leaves none to train on.`,
      {
        hint: 'Lower train.test or bring more rows.',
      },
    );
  }
  const order = shuffledIndexes(rows, new PublicRandom(seed, 'split'));
  return { train: order.slice(tested).sort(), test: order.slice(0, tested).sort() };
}

/** Sizes of the batches of an epoch, in order: a smaller last one is kept. */
export function batchSizes(trainingRows: number, batch: number | 'all'): number[] {
  if (batch === 'all' || batch >= trainingRows) return [trainingRows];
  const whole = Math.floor(trainingRows / batch);
  const rest = trainingRows - whole * batch;
  return [...new Array<number>(whole).fill(batch), ...(rest > 0 ? [rest] : [])];
}

/**
 * The batches of one epoch, as global row numbers. A new order each epoch, by seed and epoch (from 0); one full batch
 * keeps the order of `train`.
 */
export function epochBatches(train: Uint32Array, batch: number | 'all', seed: number, epoch: number): Uint32Array[] {
  const sizes = batchSizes(train.length, batch);
  if (sizes.length === 1) return [train];
  const order = shuffledIndexes(train.length, new PublicRandom(seed, 'epoch', epoch));
  let start = 0;
  return sizes.map((size) => {
    const rows = order.slice(start, start + size).map((position) => train[position]!);
    start += size;
    return rows;
  });
}

/** Rows start .. start + rows - 1. */
export interface RowSpan {
  readonly start: number;
  readonly rows: number;
}

/** Where one party's rows stand in the global numbering. */
export interface PartyRows {
  readonly data: RowSpan;
  readonly test: RowSpan;
}

export interface RowLayout {
  readonly rows: number;
  readonly parties: Readonly<Record<string, PartyRows>>;
  readonly train: Uint32Array;
  readonly test: Uint32Array;
}

/**
 * The global numbering and the split.
 * @param parties rows of `data` and of `test` files of each party with data, in partyOrder.
 * @param stacked whether each party brings its own rows; otherwise all bring columns of the same rows.
 * @throws InputError when parties should bring the same rows and do not.
 */
export function rowLayout(
  parties: readonly { readonly name: string; readonly data: number; readonly test: number }[],
  stacked: boolean,
  fraction: number,
  seed: number,
): RowLayout {
  const first = parties[0];
  if (!stacked) {
    for (const what of ['data', 'test'] as const) {
      const other = parties.find((party) => party[what] !== first?.[what]);
      if (first !== undefined && other !== undefined) {
        throw new InputError(
          'rows-differ',
          `${first.name} has ${first[what]} ${what} rows and ${other.name} has ${other[what]}, but "join: rows" needs the same rows in the same order.`,
          { hint: 'Join by ids, or stack if each party has its own rows.' },
        );
      }
    }
  }
  const total = (what: 'data' | 'test') =>
    stacked ? parties.reduce((sum, party) => sum + party[what], 0) : (first?.[what] ?? 0);
  const dataRows = total('data');
  const testRows = total('test');
  let dataStart = 0;
  let testStart = dataRows;
  const spans: Record<string, PartyRows> = {};
  for (const party of parties) {
    spans[party.name] = {
      data: { start: dataStart, rows: party.data },
      test: { start: testStart, rows: party.test },
    };
    if (stacked) {
      dataStart += party.data;
      testStart += party.test;
    }
  }
  const split = testRows > 0 ? undefined : splitRows(dataRows, fraction, seed);
  return {
    rows: dataRows + testRows,
    parties: spans,
    train: split?.train ?? Uint32Array.from({ length: dataRows }, (_, row) => row),
    test: split?.test ?? Uint32Array.from({ length: testRows }, (_, row) => dataRows + row),
  };
}

/** A party's training rows, numbered within its own rows: those of `data` from 0, then those of its test file. */
export function localTrainingRows(layout: RowLayout, party: string): Uint32Array {
  const span = layout.parties[party]?.data;
  if (span === undefined) return new Uint32Array();
  return layout.train.filter((row) => row >= span.start && row < span.start + span.rows).map((row) => row - span.start);
}
