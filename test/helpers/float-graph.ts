/** A traced graph in doubles: no rounding, and every table replaced by the function that it stands for. */
import type { Graph } from '../../engine/tensor/graph.ts';
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
      lookUp: (node, _, values) => values().map((x) => functions[lookUps.indexOf(node.id)]?.(x) ?? NaN),
    },
    feeds,
  );
}

export const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
export const softplusOf = (x: number): number => (x > 30 ? x : Math.log1p(Math.exp(x)));
