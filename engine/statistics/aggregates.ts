/**
 * Aggregates over the columns of a table as one traced program: sums, variances, correlations and histograms are formed on
 * shares and revealed; what follows from them and from public numbers is left to the receivers. Knows nothing of job files.
 */
import { inverseSquareRoot } from '../functions/inverse-square-root.ts';
import { graphOptions, inputBlocks, joinBlocks, moments, total, VARIANCE_SCALE } from '../nn/table.ts';
import type { TableSpec } from '../nn/table.ts';
import { ScriptWriter } from '../runtime/script.ts';
import type { Execution } from '../runtime/script.ts';
import { Graph } from '../tensor/graph.ts';
import { concat, constant } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { covariance } from './covariance.ts';

export interface AggregateSpec extends TableSpec {
  readonly sums: boolean;
  readonly variances: boolean;
  readonly correlations: boolean;
  /** Ascending inner edges, in the column's shared units. */
  readonly histograms: readonly { readonly column: number; readonly edges: readonly number[] }[];
  /** Smaller counts of a histogram become 0. */
  readonly minimumRows: number;
  readonly receivers: readonly string[];
}

export const aggregateNames = {
  program: 'statistics',
  sums: 'sums',
  variances: 'variances',
  correlations: 'correlations',
  histogram: (column: number): string => `histogram/${column}`,
} as const;

export const CORRELATION_SCALE = 24;
/** 1 / deviation of columns whose variance is at least 4^-14. */
const INVERSE_BITS = 15;

export function aggregateGraph(spec: AggregateSpec): Graph {
  const graph = new Graph(graphOptions(spec, aggregateNames.program));
  const blocks = graph.scope('inputs', 'setup', () => inputBlocks(graph, spec));
  // Columns of different owners are figured out each by itself, in the clear by who owns it; rows of several are added up.
  const groups = spec.arrangement === 'columns' ? blocks.map((block) => [block]) : [blocks];
  const perColumn = (figure: (parts: readonly Tensor[]) => Tensor): Tensor => concat(groups.map(figure), 0);
  const reveal = (layer: string, name: string, make: () => Tensor): void =>
    graph.scope(layer, 'reveal', () => make().reveal(name, spec.receivers));
  if (spec.sums) reveal('sums', aggregateNames.sums, () => perColumn((parts) => total(parts, (part) => part.sum(0))));
  if (spec.variances || spec.correlations) {
    const found = graph.scope('variances', 'reveal', () => groups.map(moments));
    const [mean, variance] = (['mean', 'variance'] as const).map((name) =>
      concat(
        found.map((group) => group[name]),
        0,
      ),
    ) as [Tensor, Tensor];
    if (spec.variances) reveal('variances', aggregateNames.variances, () => variance.assumeBelow(0.01));
    if (spec.correlations)
      reveal('correlations', aggregateNames.correlations, () =>
        correlations(covariance(joinBlocks(spec, blocks), mean), variance),
      );
  }
  for (const { column, edges } of spec.histograms) {
    reveal('histograms', aggregateNames.histogram(column), () =>
      binCounts(cellsOf(groups, column), edges, spec.minimumRows),
    );
  }
  return graph;
}

/** Covariances over their columns' deviations, [columns, columns]; 0 for a column of variance below 4^-14. */
export function correlations(covariances: Tensor, variance: Tensor): Tensor {
  const deviation = inverseSquareRoot(variance.assumeBelow(0.01)).assumeBelow(INVERSE_BITS);
  const half = covariances.mulRaw(deviation.reshape([deviation.size, 1])).assumeBelow(0.1);
  return half.rescaled(VARIANCE_SCALE).mulRaw(deviation).assumeBelow(0.1).rescaled(CORRELATION_SCALE);
}

/** A column of the table, in parts one below the other. */
function cellsOf(groups: readonly (readonly Tensor[])[], column: number): Tensor[] {
  const { block, at } = placeOf(
    groups.map(([first]) => first?.shape[1] ?? 0),
    column,
  );
  return (groups[block] ?? []).map((part) => part.slice([0, at], [part.shape[0] ?? 0, 1]));
}

/** The block that a column of the table belongs to, and its place there, from the widths of the blocks. */
export function placeOf(widths: readonly number[], column: number): { block: number; at: number } {
  let [block, at] = [0, column];
  for (; at >= (widths[block] ?? Infinity); block++) at -= widths[block] ?? 0;
  return { block, at };
}

/** Rows in each bin, small counts as 0: one comparison a cell and edge, by who owns it, and one a bin. */
function binCounts(cells: readonly Tensor[], edges: readonly number[], minimumRows: number): Tensor {
  const rows = cells.reduce((sum, part) => sum + part.size, 0);
  const atLeast = edges.map((edge) =>
    total(cells, (part) => part.atLeast(edge).toNumber().sum(0)).provedBelow(Math.log2(rows + 1)),
  );
  const [first] = cells;
  return first === undefined
    ? concat([], 0)
    : binsOf(constant(first.graph, [rows], [1], 0), atLeast, rows, minimumRows);
}

/**
 * Rows in each bin from all rows and those at or above each edge, [1] each at scale 0; small counts as 0.
 * @param most rows that there can be.
 */
export function binsOf(all: Tensor, atLeast: readonly Tensor[], most: number, minimumRows: number): Tensor {
  const above = [all, ...atLeast];
  const bins = above.map((own, i) => {
    const next = above[i + 1];
    const bin = next === undefined ? own : own.sub(next);
    return bin.provedBelow(Math.log2(most + 1));
  });
  const counts = concat(bins, 0);
  return counts.atLeast(minimumRows).select(counts);
}

export function* aggregateScript(): Generator<Execution, void> {
  yield new ScriptWriter(1).next('step', aggregateNames.program, 0);
}
