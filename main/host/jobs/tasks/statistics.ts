/** Statistics: aggregates over the parties' columns for the named receivers, in the columns' own units. */
import {
  aggregateGraph,
  aggregateNames,
  aggregateScript,
  CORRELATION_SCALE,
} from '../../../../engine/statistics/aggregates.ts';
import type { AggregateSpec } from '../../../../engine/statistics/aggregates.ts';
import {
  memberAggregateGraphs,
  memberAggregateNames,
  memberAggregateScript,
  toldBits,
} from '../../../../engine/statistics/member-aggregates.ts';
import type { MemberAggregateSpec } from '../../../../engine/statistics/member-aggregates.ts';
import { hasMembership } from '../../../../engine/nn/membership.ts';
import { MEAN_SCALE, VARIANCE_SCALE } from '../../../../engine/nn/table.ts';
import { decodeFixed } from '../../../../engine/runtime/words.ts';
import { InputError } from '../../../../shared/errors.ts';
import { didYouMean } from '../../../../shared/nearest.ts';
import type { AggregateKind } from '../../../../shared/job-tasks.ts';
import type { Job } from '../../../../shared/job.ts';
import { jobRows, standardisation } from '../../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../../shared/resolve-job.ts';
import type { ResultTable } from '../../results/results.ts';
import { checkMembers, publicScales, tableColumns, tableSpec, tableWords } from './table.ts';
import type { TableColumn } from './table.ts';
import type { Task } from './task.ts';

export function statisticsTask(job: Job, schemas: SchemasByParty): Task {
  const layout = jobRows(job, schemas);
  const rows = layout.train.length;
  const { minimumRows = 1, aggregates = [] } = job;
  if (rows < minimumRows) {
    throw new InputError(
      'statistics-too-few-rows',
      `The job has ${rows} rows; aggregates are revealed over ${minimumRows} rows or more.`,
      { hint: 'Bring more rows, or agree on a smaller "minimumRows".' },
    );
  }
  if (standardisation(job) !== 'none') {
    throw new InputError('statistics-standardised', 'Statistics of standardised columns say nothing.', {
      hint: 'Take "standardise" out of prepare.',
    });
  }
  const columns = tableColumns(job, schemas);
  const scales = publicScales(job, schemas);
  const wants = (...kinds: AggregateKind[]): boolean => kinds.some((kind) => aggregates.includes(kind));
  const table = tableSpec(job, schemas, layout);
  const isHidden = hasMembership(table);
  const plain: AggregateSpec = {
    ...table,
    sums: wants('sum') || (wants('mean') && !isHidden),
    variances: wants('variance'),
    correlations: wants('correlation'),
    histograms: Object.entries(job.histogram ?? {}).map(([name, edges]) => {
      const column = columnNamed(columns, name);
      return { column, edges: edges.map((edge) => edge * (scales[column] ?? 1)) };
    }),
    minimumRows,
    receivers: job.reveal.aggregates,
  };
  const hidden: MemberAggregateSpec | undefined = hasMembership(table)
    ? { ...plain, membership: table.membership, counts: wants('count'), means: wants('mean') }
    : undefined;
  const spec = hidden ?? plain;
  return {
    graphs: hidden === undefined ? [aggregateGraph(plain)] : memberAggregateGraphs(hidden),
    layout,
    activity: 'adding up',
    about: [
      [isHidden ? 'slots' : 'rows', String(rows)],
      ['aggregates', aggregates.join(', ')],
    ],
    scaleReceivers: [],
    script: () => (isHidden ? memberAggregateScript() : aggregateScript()),
    inputs: (party, own) => tableWords(job, spec, layout, party, own.rows),
    check: (revealed) => checkMembers(spec, revealed),
    quality: () => [],
    outcome: ({ party, revealed }) => {
      if (!job.reveal.aggregates.includes(party)) return {};
      const words = new Map(revealed.map((one) => [one.name, one.words]));
      return { tables: tables(job, spec, columns, scales, figuresOf(spec, hidden, rows, words), words) };
    },
  };
}

/** Figures by column, in the shared units. */
interface Figures {
  readonly counts: (column: number) => number;
  readonly means: (column: number) => number;
  /** Fraction bits of variances and correlations. */
  readonly varianceBits: number;
  readonly correlationBits: number;
}

function figuresOf(
  spec: AggregateSpec,
  hidden: MemberAggregateSpec | undefined,
  rows: number,
  words: ReadonlyMap<string, BigUint64Array>,
): Figures {
  const values = (name: string, scale: number): Float64Array =>
    decodeFixed(words.get(name) ?? new BigUint64Array(0), scale);
  if (hidden === undefined) {
    const sums = values(aggregateNames.sums, spec.fractionBits);
    return {
      counts: () => rows,
      means: (column) => (sums[column] ?? 0) / rows,
      varianceBits: VARIANCE_SCALE,
      correlationBits: CORRELATION_SCALE,
    };
  }
  const counts = values(memberAggregateNames.counts, 0);
  const means = values(memberAggregateNames.means, toldBits(hidden, MEAN_SCALE));
  const blocks = spec.features.flatMap(({ columns: own }, block) => new Array<number>(own).fill(block));
  return {
    counts: (column) => counts[blocks[column] ?? 0] ?? 0,
    means: (column) => means[column] ?? 0,
    varianceBits: toldBits(hidden, VARIANCE_SCALE),
    correlationBits: toldBits(hidden, CORRELATION_SCALE),
  };
}

/** Position of a column by its name; PARTY.COLUMN where several parties have one of that name. */
function columnNamed(columns: readonly TableColumn[], name: string): number {
  const matches = columns.flatMap(({ label, name: own }, i) => (label === name || own === name ? [i] : []));
  const [first, second] = matches;
  if (first !== undefined && second === undefined) return first;
  const known = columns.map(({ label }) => label);
  throw new InputError(
    'job-unknown-column',
    first === undefined
      ? `The job asks for a histogram of ${JSON.stringify(name)}, which is no column${didYouMean(name, known) || '.'}`
      : `Several parties have a column ${JSON.stringify(name)}.`,
    { hint: `Columns are: ${known.join(', ')}.` },
  );
}

function tables(
  job: Job,
  spec: AggregateSpec,
  columns: readonly TableColumn[],
  scales: readonly number[],
  { counts, means, varianceBits, correlationBits }: Figures,
  words: ReadonlyMap<string, BigUint64Array>,
): ResultTable[] {
  const { aggregates = [] } = job;
  const values = (name: string, scale: number): Float64Array =>
    decodeFixed(words.get(name) ?? new BigUint64Array(0), scale);
  const sums = values(aggregateNames.sums, spec.fractionBits);
  const variances = values(aggregateNames.variances, varianceBits);
  const kinds = (['count', 'sum', 'mean', 'variance'] as const).filter((kind) => aggregates.includes(kind));
  const figure = (kind: (typeof kinds)[number], column: number): number => {
    const scale = scales[column] ?? 1;
    switch (kind) {
      case 'count':
        return counts(column);
      case 'sum':
        return (sums[column] ?? 0) / scale;
      case 'mean':
        return means(column) / scale;
      case 'variance':
        return Math.max(0, variances[column] ?? 0) / scale ** 2;
    }
  };
  const found: ResultTable[] = [];
  if (kinds.length > 0) {
    const lines = columns.map(({ label }, column) => [label, ...kinds.map((kind) => figure(kind, column))]);
    found.push({ name: 'aggregates', columns: ['column', ...kinds], rows: lines });
  }
  if (spec.correlations) {
    const matrix = values(aggregateNames.correlations, correlationBits);
    const width = columns.length;
    found.push({
      name: 'correlations',
      columns: ['column', ...columns.map(({ label }) => label)],
      rows: columns.map(({ label }, row) => [label, ...matrix.slice(row * width, (row + 1) * width)]),
    });
  }
  const bins = spec.histograms.flatMap(({ column, edges }) => {
    const inBins = values(aggregateNames.histogram(column), 0);
    const ends = edges.map((edge) => edge / (scales[column] ?? 1));
    return [...inBins].map((count, i) => [columns[column]?.label ?? '', ends[i - 1] ?? '', ends[i] ?? '', count]);
  });
  if (bins.length > 0) found.push({ name: 'histograms', columns: ['column', 'from', 'below', 'rows'], rows: bins });
  return found;
}
