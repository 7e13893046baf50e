/**
 * Aggregates over slots of which nobody knows who has a row there (nn/membership.ts): every sum is weighted by the shared bit of
 * the slots that count and, for the columns of a party that may lack rows, that it has. Two programs: a set-up, which reveals
 * whether there are rows enough, and the aggregates. What an owner can do with its own cells (squares, comparisons with edges) it
 * does alone in the clear. Knows nothing of job files.
 */
import { halvingsOf, inverseCount } from '../functions/inverse-count.ts';
import {
  averageOver,
  checkMembers,
  countOf,
  revealReached,
  SHARE_BITS,
  storedMembers,
  storeMembers,
} from '../nn/membership.ts';
import type { Averaging, MemberSpec } from '../nn/membership.ts';
import { graphOptions, MEAN_SCALE, tableNames, varianceOf, VARIANCE_SCALE } from '../nn/table.ts';
import { ScriptWriter } from '../runtime/script.ts';
import type { Execution } from '../runtime/script.ts';
import { Graph } from '../tensor/graph.ts';
import { concat, privateInput, stateInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { aggregateNames, binsOf, correlations, placeOf } from './aggregates.ts';
import type { AggregateSpec } from './aggregates.ts';

export interface MemberAggregateSpec extends MemberSpec<AggregateSpec> {
  /** Of each block, the rows that count. */
  readonly counts: boolean;
  readonly means: boolean;
}

export const memberAggregateNames = {
  setup: 'setup',
  counts: 'counts',
  means: 'means',
} as const;

/** Fraction bits of a revealed figure that could have `all`. */
export function toldBits({ counts }: Pick<MemberAggregateSpec, 'counts'>, all: number): number {
  return counts ? all : SHARE_BITS;
}

export function memberAggregateGraphs(spec: MemberAggregateSpec): Graph[] {
  return [setupGraph(spec), aggregateGraph(spec)];
}

const blockName = (block: number): string => `${tableNames.features}/${block}`;

/** Takes cells and presence, and reveals whether there are rows enough for all that follows. */
function setupGraph(spec: MemberAggregateSpec): Graph {
  const graph = new Graph(graphOptions(spec, memberAggregateNames.setup));
  graph.scope('inputs', 'setup', () => {
    spec.features.forEach(({ owner, rows, columns }, i) =>
      privateInput(graph, blockName(i), owner, [rows, columns], spec.featureMagnitudeBits).store(blockName(i)),
    );
    const members = storeMembers(graph, spec);
    if (spec.correlations) revealReached(spec, [members.complete]);
    else checkMembers(spec, members);
  });
  return graph;
}

/** One party's columns. */
interface Block {
  readonly cells: Tensor;
  /** Cells less `centre`, and their squares at VARIANCE_SCALE; zero where the party has no row. */
  readonly centred: Tensor;
  readonly squares: Tensor;
  /** Roughly the columns' means, [1, columns]. */
  readonly centre: Tensor;
  /** Whether a slot counts and the party has it. */
  readonly counted: Tensor;
  readonly average: Averaging;
}

function aggregateGraph(spec: MemberAggregateSpec): Graph {
  const graph = new Graph(graphOptions(spec, aggregateNames.program));
  const slots = spec.features[0]?.rows ?? 0;
  const members = storedMembers(graph, spec);
  const { complete } = members;
  const reveal = (layer: string, name: string, make: () => Tensor): void =>
    graph.scope(layer, 'reveal', () => make().reveal(name, spec.receivers));
  const divisors = new Map<Tensor, Tensor>();
  /** Of a group's count, made once. */
  const divisorOf = (group: Tensor): Tensor => {
    const divisor = divisors.get(group) ?? inverseCount(countOf(group), slots);
    divisors.set(group, divisor);
    return divisor;
  };
  const blocks = graph.scope('inputs', 'setup', () => {
    return spec.features.map(({ owner, columns }, i): Block => {
      const bound = spec.fractionBits + spec.featureMagnitudeBits;
      const cells = stateInput(graph, blockName(i), [slots, columns], { bound, owner });
      const present = members.presence(owner);
      const centre = ownMeans(cells, present);
      const centred = cells.sub(present.mulRaw(centre));
      const counted = members.counted(owner);
      return {
        cells,
        centred,
        squares: centred.mulRaw(centred).rescaled(VARIANCE_SCALE),
        centre,
        counted,
        average: averageOver(counted, divisorOf(counted), slots),
      };
    });
  });
  const perColumn = (make: (block: Block) => Tensor): Tensor => {
    const row = concat(blocks.map(make), 1);
    return row.reshape([row.size]);
  };
  if (spec.counts)
    reveal('counts', memberAggregateNames.counts, () =>
      concat(
        blocks.map(({ counted }) => countOf(counted)),
        0,
      ),
    );
  if (spec.sums)
    reveal('sums', aggregateNames.sums, () =>
      perColumn(({ cells, counted }) => counted.matmulRaw(cells, { transposeA: true })),
    );
  const told = (figure: Tensor): Tensor => figure.rescaled(toldBits(spec, figure.scale));
  const means = (): Tensor => perColumn(({ centred, average }) => average(centred, MEAN_SCALE));
  if (spec.means)
    reveal('means', memberAggregateNames.means, () => told(means().add(perColumn(({ centre }) => centre))));
  if (spec.variances)
    reveal('variances', aggregateNames.variances, () => {
      const squares = perColumn(({ squares: own, average }) => average(own, VARIANCE_SCALE));
      return told(varianceOf(means(), squares).assumeBelow(0.01));
    });
  if (spec.correlations)
    reveal('correlations', aggregateNames.correlations, () =>
      told(correlationsOf(complete, divisorOf(complete), blocks)),
    );
  for (const { column, edges } of spec.histograms) {
    reveal('histograms', aggregateNames.histogram(column), () => {
      const { block, at } = placeOf(
        spec.features.map((block) => block.columns),
        column,
      );
      const { cells, counted } = blocks[block]!;
      const own = cells.slice([0, at], [slots, 1]);
      const above = edges.map((edge) => countOf(own.atLeast(edge).toNumber().mulRaw(counted)));
      return binsOf(countOf(counted), above, slots, spec.minimumRows);
    });
  }
  return graph;
}

/** Means of a party's columns over all its rows, [1, columns]: whoever has them computes them alone. */
function ownMeans(cells: Tensor, present: Tensor): Tensor {
  const [slots = 1, columns = 0] = cells.shape;
  const { fractionBits } = cells.graph.options;
  return cells
    .sum(0)
    .reshape([1, columns])
    .timesPowerOfTwo(-halvingsOf(slots))
    .rescaled(MEAN_SCALE)
    .mulRaw(inverseCount(countOf(present), slots))
    .provedBelow(0.1)
    .rescaled(fractionBits);
}

/** Of all columns, [columns, columns], over the slots of a group in which every party has a row. */
function correlationsOf(complete: Tensor, divisor: Tensor, blocks: readonly Block[]): Tensor {
  const [slots = 1] = complete.shape;
  const average = averageOver(complete, divisor, slots);
  const table = concat(
    blocks.map(({ centred }) => centred),
    1,
  );
  const [, width = 0] = table.shape;
  const mean = average(table, MEAN_SCALE).reshape([width]);
  const square = average(
    concat(
      blocks.map(({ squares }) => squares),
      1,
    ),
    VARIANCE_SCALE,
  ).reshape([width]);
  const products = complete
    .mulRaw(table)
    .matmulRaw(table, { transposeA: true })
    .timesPowerOfTwo(-halvingsOf(slots))
    .rescaled(VARIANCE_SCALE)
    .mulRaw(divisor)
    .provedBelow(2.1)
    .rescaled(VARIANCE_SCALE);
  const covariances = products.sub(mean.reshape([width, 1]).mulRaw(mean).rescaled(VARIANCE_SCALE)).assumeBelow(1);
  return correlations(covariances, varianceOf(mean, square));
}

export function* memberAggregateScript(): Generator<Execution, void> {
  const writer = new ScriptWriter(1);
  yield writer.next('setup', memberAggregateNames.setup, 0);
  yield writer.next('step', aggregateNames.program, 0);
}
