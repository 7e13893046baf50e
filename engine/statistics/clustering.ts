/**
 * k-means on shares (Lloyd, Least squares quantization in PCM, IEEE Transactions on Information Theory 28(2), 1982): in every
 * step each row goes to its nearest centroid, and each centroid to the mean of its rows. Nobody learns which row is where.
 * Knows nothing of job files.
 */
import { divide } from '../functions/powers.ts';
import { graphOptions, inputTable, revealStandardisation, storedTable, tableNames, tableShape } from '../nn/table.ts';
import type { TableSpec } from '../nn/table.ts';
import { ScriptWriter } from '../runtime/script.ts';
import type { Execution } from '../runtime/script.ts';
import { rowNumberWords } from '../runtime/words.ts';
import { where } from '../tensor/comparisons.ts';
import { Graph } from '../tensor/graph.ts';
import { indexInput, stateInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';

export interface ClusteringSpec extends TableSpec {
  readonly iterations: number;
  /** Public numbers of the rows that centroids start from, one a cluster. */
  readonly start: Uint32Array;
  readonly receivers: readonly string[];
}

export const clusteringNames = {
  setup: 'setup',
  step: 'assign',
  reveal: 'reveal',
  start: 'start',
  centroids: 'centroids',
  sizes: 'sizes',
} as const;

export function clusteringGraphs(spec: ClusteringSpec): Graph[] {
  return [setupGraph(spec), stepGraph(spec), revealGraph(spec)];
}

function setupGraph(spec: ClusteringSpec): Graph {
  const graph = new Graph(graphOptions(spec, clusteringNames.setup));
  graph.scope('inputs', 'setup', () => {
    const table = inputTable(graph, spec);
    table.store(tableNames.features, { masked: true });
    const start = indexInput(graph, clusteringNames.start, spec.start.length);
    table.gatherRows(start).store(clusteringNames.centroids);
  });
  return graph;
}

/** Centroids are means of rows: no larger than these. */
function centroidState(graph: Graph, spec: ClusteringSpec): Tensor {
  const [, width] = tableShape(spec);
  const { bound } = storedTable(graph, spec).node;
  return stateInput(graph, clusteringNames.centroids, [spec.start.length, width], { bound });
}

/** About 20 rounds: distances, nearest, sums, quotients. */
function stepGraph(spec: ClusteringSpec): Graph {
  const graph = new Graph(graphOptions(spec, clusteringNames.step));
  const table = storedTable(graph, spec);
  const centroids = centroidState(graph, spec);
  const [clusters = 0] = centroids.shape;
  const nearest = graph.scope('distances', 'forward', () => {
    // |x - c|^2 is least where x c - |c|^2 / 2 is largest.
    const half = centroids.mulRaw(centroids).sum(1).reshape([clusters, 1]).timesPowerOfTwo(-1);
    return centroids.matmulRaw(table, { transposeB: true }).sub(half).rescaled(spec.fractionBits).oneHotMaximum();
  });
  graph.scope('centroids', 'update', () => {
    const members = nearest.toNumber();
    const sizes = members.sum(1);
    const column = sizes.reshape([clusters, 1]);
    const means = divide(members.matmulRaw(table), column.rescaled(spec.fractionBits), { least: 0.5 });
    // A centroid without rows stays where it is.
    where(column.atLeast(1), means, centroids)
      .provedBelow(centroids.node.bound - centroids.scale)
      .store(clusteringNames.centroids);
    sizes.store(clusteringNames.sizes);
  });
  return graph;
}

function revealGraph(spec: ClusteringSpec): Graph {
  const graph = new Graph(graphOptions(spec, clusteringNames.reveal));
  const rows = tableShape(spec)[0];
  graph.scope('centroids', 'reveal', () => {
    centroidState(graph, spec).reveal(clusteringNames.centroids, spec.receivers);
    stateInput(graph, clusteringNames.sizes, [spec.start.length], { scale: 0, bound: Math.log2(rows + 1) }).reveal(
      clusteringNames.sizes,
      spec.receivers,
    );
    revealStandardisation(graph, spec, spec.receivers);
  });
  return graph;
}

/** @param trainingRows rows that columns are standardised by, where that is done on shares. */
export function* clusteringScript(spec: ClusteringSpec, trainingRows: Uint32Array): Generator<Execution, void> {
  const writer = new ScriptWriter(spec.iterations);
  const known = new Map([[clusteringNames.start, rowNumberWords(spec.start)] as [string, BigUint64Array]]);
  if (spec.standardise !== undefined) known.set(tableNames.trainingRows, rowNumberWords(trainingRows));
  yield writer.next('setup', clusteringNames.setup, 0, () => known);
  for (let iteration = 0; iteration < spec.iterations; iteration++)
    yield writer.next('step', clusteringNames.step, iteration);
  yield writer.next('reveal', clusteringNames.reveal, spec.iterations - 1);
}
