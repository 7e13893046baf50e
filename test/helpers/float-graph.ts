/** A traced graph in doubles: no rounding, and every table replaced by the function that it stands for. */
import type { IntervalTable } from '../../engine/protocol/piecewise.ts';
import type { Graph, NodeInfo } from '../../engine/tensor/graph.ts';
import { PlainGraph } from './plain-graph.ts';
import type { PlainFeeds } from './plain-graph.ts';

/** `functions`: what the graph's look-ups compute, in order of their nodes. */
export function floatGraph(
  graph: Graph,
  feeds: PlainFeeds<number>,
  functions: readonly ((x: number) => number)[] = [],
): PlainGraph<number> {
  const lookUps = graph.nodes.filter((node) => node.operation.op === 'lookUp').map((node) => node.id);
  if (lookUps.length !== functions.length) throw new RangeError(`${lookUps.length} look-ups in the graph`);
  return inDoubles(graph, feeds, (node, _, x) => functions[lookUps.indexOf(node.id)]?.(x) ?? NaN);
}

/** The same, with tables as the polynomials that they hold. */
export function tableGraph(graph: Graph, feeds: PlainFeeds<number>): PlainGraph<number> {
  return inDoubles(graph, feeds, (node, table, x) => {
    const argument = graph.node(node.inputs[0] ?? -1);
    const units = x * 2 ** argument.scale - Number(table.low);
    const interval = Math.floor(units / 2 ** table.intervalBits);
    const offset = (units - interval * 2 ** table.intervalBits) / 2 ** table.offsetShift;
    const entries = 2 ** table.indexBits;
    const entry = ((interval % entries) + entries) % entries;
    const result = table.coefficients.reduce(
      (sum, row, power) => sum + Number(row[entry] ?? row.at(-1) ?? 0n) * offset ** power,
      0,
    );
    return result / 2 ** node.scale;
  });
}

function inDoubles(
  graph: Graph,
  feeds: PlainFeeds<number>,
  lookUp: (node: NodeInfo, table: IntervalTable, x: number) => number,
): PlainGraph<number> {
  return new PlainGraph<number>(
    graph,
    {
      zero: 0,
      one: 1,
      add: (a, b) => a + b,
      multiply: (a, b) => a * b,
      isLess: (a, b) => a < b,
      bit: (x, position, scale) => ((BigInt(Math.round(x * 2 ** scale)) >> BigInt(position)) & 1n) === 1n,
      fromWord: (word, scale) => Number(word) / 2 ** scale,
      coefficient: (word, inputScale, outputScale) => Number(word) * 2 ** (inputScale - outputScale),
      rescale: (_, values) => [...values],
      lookUp: (node, table, values) => values().map((x) => lookUp(node, table, x)),
    },
    feeds,
  );
}

export const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
export const softplusOf = (x: number): number => (x > 30 ? x : Math.log1p(Math.exp(x)));
