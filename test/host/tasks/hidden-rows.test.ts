/**
 * Statistics and answers over slots of which nobody knows who has a row there: figures are those of the rows that count, messages
 * are the same whoever is there, and with too few rows nothing is revealed but that.
 */
import { describe, expect, test } from 'vitest';
import { compileJob } from '../../../main/host/jobs/compile.ts';
import type { OwnData } from '../../../main/host/jobs/tasks/task.ts';
import type { PreparedRows } from '../../../main/host/datasets/prepare.ts';
import { disclosures } from '../../../main/host/results/disclosures.ts';
import { simulateJob } from '../../../main/host/simulation/simulate-job.ts';
import type { DatasetSchema } from '../../../shared/dataset.ts';
import { checkJob, parseJob } from '../../../shared/job.ts';
import type { Job } from '../../../shared/job.ts';
import { publishModel } from '../../../shared/published-model.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { resolveJob } from '../../../shared/resolve-job.ts';
import { fixedCrypto } from '../../helpers/fixed-crypto.ts';
import { columnOf, tableOf } from '../../helpers/simulated-job.ts';
import { noise } from '../../engine/operations/measure.ts';

const SLOTS = 64;
const widths = { a: 2, b: 1, c: 1 } as const;
type Party = keyof typeof widths;
const parties = Object.keys(widths) as Party[];

/** A party's rows: their slots, and values by row. */
interface Held {
  readonly slots: readonly number[];
  readonly cells: readonly (readonly number[])[];
}

/** Each party has the slots that `has` says, with columns far from zero and of different spreads. */
function heldBy(has: (party: Party, slot: number) => boolean): Record<Party, Held> {
  const all = parties.map((party, which): [Party, Held] => {
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => has(party, slot));
    const values = noise(SLOTS * 2, 0.2, 0.9, which + 3);
    const cells = slots.map((slot) =>
      Array.from({ length: widths[party] }, (_, column) => values[slot * 2 + column]! * (column === 1 ? 0.02 : 1)),
    );
    return [party, { slots, cells }];
  });
  return Object.fromEntries(all) as Record<Party, Held>;
}

const schema = (party: Party): DatasetSchema => ({
  columns: [
    { name: 'id', type: 'text' },
    ...Array.from({ length: widths[party] }, (_, i) => ({
      name: `${party}${i}`,
      type: 'number' as const,
      scalePower: 0,
    })),
  ],
  rows: SLOTS,
});

function jobOf(join: string, rest: Record<string, unknown>): unknown {
  return {
    name: 'hidden',
    parties: Object.fromEntries(parties.map((party) => [party, { data: `${party}.csv` }])),
    dealer: 'd',
    join: { how: join, on: 'id', ...(join === 'left' ? { keep: 'b' } : {}) },
    ...rest,
  };
}

function preparedOf({ slots, cells }: Held, party: Party): PreparedRows {
  const width = widths[party];
  return {
    matrix: Float64Array.from(cells.flat()),
    rows: slots.length,
    columns: Array.from({ length: width }, (_, i) => `${party}${i}`),
    toStandardise: [],
    standardisation: { subtract: new Float64Array(width), multiply: new Float64Array(width).fill(1) },
    labels: undefined,
    fileRows: Uint32Array.from(slots, (_, row) => row + 100),
    slots: Uint32Array.from(slots),
  };
}

async function run(value: unknown, held: Record<Party, Held>, model?: TrainedModel) {
  const schemas = Object.fromEntries(parties.map((party) => [party, { data: schema(party) }]));
  const job: Job = resolveJob(parseJob(value), schemas);
  const compiled = compileJob(job, schemas, model && publishModel(model, false));
  const owner = job.model !== undefined && 'owner' in job.model ? job.model.owner : undefined;
  const own = new Map(
    parties.map((party): [string, OwnData] => [
      party,
      { rows: preparedOf(held[party], party), model: party === owner ? model : undefined },
    ]),
  );
  const { result, cost, traffic } = await simulateJob({ compiled, schemas, own, crypto: fixedCrypto() });
  traffic.forEach(({ bytesSent }, i) => expect(bytesSent).toBe(cost.training.bytesSent[i]));
  return { job, compiled, result, traffic };
}

const scenarios = [
  { join: 'hidden', counts: (has: ReadonlySet<Party>) => has.size === 3 },
  { join: 'left', counts: (has: ReadonlySet<Party>) => has.has('b') },
] as const;

/** About half of the slots at each party. */
const some = heldBy((party, slot) => noise(SLOTS, 0, 1, parties.indexOf(party) + 20)[slot]! < 0.6 || slot % 3 === 0);

/** In the clear: the values of a party's column in the slots that `of` accepts, by slot. */
function columnIn(held: Record<Party, Held>, party: Party, column: number, of: (slot: number) => boolean): number[] {
  const { slots, cells } = held[party];
  return slots.flatMap((slot, row) => (of(slot) ? [cells[row]![column]!] : []));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const covariance = (x: readonly number[], y: readonly number[]): number =>
  mean(x.map((value, i) => (value - mean(x)) * (y[i]! - mean(y))));

describe.each(scenarios)('statistics by a $join join', ({ join, counts }) => {
  const holders = (slot: number): ReadonlySet<Party> =>
    new Set(parties.filter((party) => some[party].slots.includes(slot)));
  const inTable = (slot: number): boolean => counts(holders(slot));
  const columns = parties.flatMap((party) =>
    Array.from({ length: widths[party] }, (_, column) => ({ party, column, label: `${party}.${party}${column}` })),
  );
  const everything = {
    task: 'statistics',
    aggregates: ['count', 'sum', 'mean', 'variance', 'correlation', 'histogram'],
    histogram: { a0: [0.4, 0.41, 0.7], c0: [0.5] },
    minimumRows: 5,
    reveal: { aggregates: ['c'] },
  };

  test('figures are those of the rows that count and that the owner has', async () => {
    const { result } = await run(jobOf(join, everything), some);
    expect(result.get('a')).toEqual({});
    const table = tableOf(result.get('c'), 'aggregates');
    expect(table.rows.map(([label]) => label)).toEqual(columns.map(({ label }) => label));
    columns.forEach(({ party, column }, i) => {
      const values = columnIn(some, party, column, inTable);
      expect(columnOf(table, 'count')[i]).toBe(values.length);
      const sum = values.reduce((total, value) => total + value, 0);
      expect(Math.abs(columnOf(table, 'sum')[i]! - sum)).toBeLessThan(values.length * 2 ** -17);
      expect(Math.abs(columnOf(table, 'mean')[i]! - mean(values))).toBeLessThan(3e-5);
      expect(Math.abs(columnOf(table, 'variance')[i]! / covariance(values, values) - 1)).toBeLessThan(5e-3);
    });
    const complete = (slot: number): boolean => holders(slot).size === 3;
    const matrix = tableOf(result.get('c'), 'correlations');
    const all = columns.map(({ party, column }) => columnIn(some, party, column, complete));
    all.forEach((x, i) =>
      all.forEach((y, j) => {
        const exact = covariance(x, y) / Math.sqrt(covariance(x, x) * covariance(y, y));
        expect(Math.abs(Number(matrix.rows[i]![j + 1]) - exact)).toBeLessThan(5e-3);
      }),
    );
    const bins = tableOf(result.get('c'), 'histograms');
    const expected = ([party, edges]: readonly [Party, readonly number[]]): number[] =>
      [-Infinity, ...edges].map((from, i) => {
        const to = edges[i] ?? Infinity;
        const rows = columnIn(some, party, 0, inTable).filter((value) => value >= from && value < to).length;
        return rows < 5 ? 0 : rows;
      });
    const wanted = [...expected(['a', everything.histogram.a0]), ...expected(['c', everything.histogram.c0])];
    expect(wanted).toContain(0);
    expect(columnOf(bins, 'rows')).toEqual(wanted);
  });

  test('without a count, means and variances have ten fraction bits', async () => {
    const { result } = await run(
      jobOf(join, { ...everything, aggregates: ['mean', 'variance'], histogram: undefined }),
      some,
    );
    const table = tableOf(result.get('c'), 'aggregates');
    expect(table.columns).toEqual(['column', 'mean', 'variance']);
    columns.forEach(({ party, column }, i) => {
      const values = columnIn(some, party, column, inTable);
      const found = columnOf(table, 'mean')[i]!;
      expect(Number.isInteger(found * 2 ** 10)).toBe(true);
      expect(Math.abs(found - mean(values))).toBeLessThan(2 ** -9);
    });
  });

  test('nothing that is sent depends on who is there, but for its bytes', async () => {
    const others = heldBy((party, slot) => (slot + parties.indexOf(party)) % 4 !== 0);
    const [one, other] = [await run(jobOf(join, everything), some), await run(jobOf(join, everything), others)];
    expect(other.compiled.plan.digest).toBe(one.compiled.plan.digest);
    expect(other.traffic.map(({ bytesSent, rounds }) => [bytesSent, rounds])).toEqual(
      one.traffic.map(({ bytesSent, rounds }) => [bytesSent, rounds]),
    );
  });

  test('with fewer rows than the figures ask for, nothing else is computed', async () => {
    const rows = Math.min(...parties.map((party) => columnIn(some, party, 0, inTable).length));
    // Correlations are of rows that all have.
    const plain = { ...everything, aggregates: ['mean'], histogram: undefined };
    await run(jobOf(join, { ...plain, minimumRows: rows }), some);
    const failing = run(jobOf(join, { ...plain, minimumRows: rows + 1 }), some);
    await expect(failing).rejects.toMatchObject({ code: 'join-below-floor' });
  });

  test('the preview says that nobody is told which rows, and whether the number is', () => {
    const told = (rest: Record<string, unknown>): string =>
      disclosures(parseJob(jobOf(join, rest)))
        .find(({ party }) => party === 'c')!
        .learns.join('\n');
    expect(told(everything)).toContain(
      'over at least 10 rows, and not which\nhow many rows that is, from the count and the histogram',
    );
    expect(told({ ...everything, minimumRows: 30 })).toContain('whether there are at least 30 records to compute on');
    expect(told({ ...everything, aggregates: ['mean'], histogram: undefined })).toContain('figures to 10 bits');
  });
});

describe('answers by a left join', () => {
  const kernel = [1, 2, 4, 8, 0.5, -0.25];
  const model: TrainedModel = {
    description: {
      inputShape: [6],
      layers: [{ kind: 'dense', name: 'sum', inputs: 6, outputs: 1, useBias: true, init: undefined }],
    },
    weights: new Map([
      ['sum/kernel', { shape: [6, 1], data: Float64Array.from(kernel) }],
      ['sum/bias', { shape: [1], data: Float64Array.of(3) }],
    ]),
  };
  const inference = {
    task: 'inference',
    model: { file: 'model.onnx', owner: 'a' },
    reveal: { predictions: ['b'] },
  };

  test('the party that is kept gets one for each of its rows, by its own file', async () => {
    const { result } = await run(jobOf('left', inference), some, model);
    expect(result.get('a')).toEqual({});
    expect(result.get('c')).toEqual({});
    const table = tableOf(result.get('b'), 'predictions');
    expect(columnOf(table, 'row')).toEqual(some.b.slots.map((_, row) => row + 101));
    const answers = columnOf(table, 'answer');
    expect(answers).toHaveLength(some.b.slots.length);
    some.b.slots.forEach((slot, row) => {
      const cells = parties.flatMap((party) => {
        const at = some[party].slots.indexOf(slot);
        return Array.from({ length: widths[party] }, (_, column) => some[party].cells[at]?.[column] ?? 0);
      });
      const flags = (['a', 'c'] as const).map((party) => Number(some[party].slots.includes(slot)));
      const exact = [...cells, ...flags].reduce((sum, value, i) => sum + value * kernel[i]!, 3);
      expect(Math.abs(answers[row]! - exact)).toBeLessThan(2e-3);
    });
    expect(result.get('b')?.arrays?.['predictions']?.shape).toEqual([some.b.slots.length, 1]);
  });

  const codes = (value: unknown): string[] => {
    const checked = checkJob(value);
    return checked.ok ? [] : checked.issues.map(({ code }) => code);
  };

  test('others would learn from them which rows it has, and by a hidden join anybody: refused by name', () => {
    expect(codes(jobOf('left', inference))).toEqual([]);
    expect(codes(jobOf('left', { ...inference, reveal: { predictions: ['b', 'c'] } }))).toEqual([
      'job-left-predictions',
    ]);
    expect(codes(jobOf('hidden', inference))).toEqual(['job-join-hides-rows']);
    const clustering = { task: 'clustering', clustering: { clusters: 2 }, reveal: { model: ['a'] } };
    expect(codes(jobOf('hidden', clustering))).toEqual(['job-join-hides-rows']);
  });
});
