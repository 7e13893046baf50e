/** A graph of operators as one layer: what a model file holds that is no sequence of our own layers. */
import { z } from 'zod';
import { operatorGraphSchema } from '../operator-graph.ts';
import type { GraphWeight, OperatorGraph } from '../operator-graph.ts';
import { elementCount, mismatch, plainKind, single, size } from './kind.ts';
import type { WeightFacts } from './kind.ts';

/** Weights of a graph and of the subgraphs in it. */
export function graphWeights(graph: OperatorGraph): readonly GraphWeight[] {
  const inner = graph.nodes.flatMap(({ attributes }) =>
    attributes.flatMap((attribute) => (attribute.kind === 'graph' ? graphWeights(attribute.value) : [])),
  );
  return [...graph.weights, ...inner];
}

/** The graph with its output multiplied by a public number. */
export function scaledGraph(graph: OperatorGraph, factor: number): OperatorGraph {
  const [output] = graph.outputs;
  if (output === undefined || factor === 1) return graph;
  const scale = { name: 'scaled/factor', tensor: { type: 'float32', shape: [], values: [factor] } } as const;
  const name = 'scaled/output';
  const node = { name, operator: 'Mul', domain: '', version: 14, inputs: [output.name, scale.name], attributes: [] };
  return {
    ...graph,
    constants: [...graph.constants, scale],
    nodes: [...graph.nodes, { ...node, outputs: [name] }],
    outputs: [{ ...output, name }],
  };
}

function weightFacts({ key, role, shape }: GraphWeight): WeightFacts {
  const [rows = 1, ...rest] = shape;
  const start = role === 'factor' ? { fanIn: elementCount(rest), fanOut: rows } : 0;
  return { part: key, shape, role, start };
}

const operators = plainKind({
  /** As many inputs as the graph has, and one output, [batch, ...shape] each, for any batch. */
  attributes: {
    inputShapes: z.array(z.array(size)).min(1).max(64),
    outputShape: z.array(size),
    graph: operatorGraphSchema,
  },
  arity: [1, 64],
  outputShape(layer, inputs) {
    const wanted = layer.inputShapes.map((shape) => `[${shape.join(', ')}]`).join(' and ');
    if (inputs.length !== layer.inputShapes.length) throw mismatch(layer, wanted, single(inputs));
    const stray = inputs.find((shape, i) => shape.join() !== layer.inputShapes[i]?.join());
    if (stray !== undefined) throw mismatch(layer, wanted, stray);
    return layer.outputShape;
  },
  weights: ({ graph }) => graphWeights(graph).map(weightFacts),
});

export const operatorKinds = { operators };
