/**
 * Principal components on shares: power iteration on the covariances, one component after the other, each taken out of the
 * covariances when it is found (Hotelling, Journal of Educational Psychology 24, 1933). Only components and their variances
 * are revealed. Knows nothing of job files.
 */
import { inverseSquareRoot } from '../functions/inverse-square-root.ts';
import { graphOptions, inputTable, moments, revealStandardisation, tableNames, tableShape } from '../nn/table.ts';
import type { TableSpec } from '../nn/table.ts';
import { ScriptWriter } from '../runtime/script.ts';
import type { Execution } from '../runtime/script.ts';
import { encodeFixed, rowNumberWords } from '../runtime/words.ts';
import { Graph } from '../tensor/graph.ts';
import { knownInput, stateInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { covariance } from './covariance.ts';

export interface DecompositionSpec extends TableSpec {
  readonly components: number;
  /** Of each component. */
  readonly iterations: number;
  /** Public start of each component: a vector of length 1. */
  readonly start: Float64Array;
  readonly receivers: readonly string[];
}

export const decompositionNames = {
  setup: 'setup',
  step: 'iterate',
  found: 'found',
  reveal: 'reveal',
  start: 'start',
  /** State: covariances over the number of columns, so that every eigenvalue is at most 1 where columns are standardised. */
  matrix: 'matrix',
  vector: 'vector',
  component: 'component',
  variance: 'variance',
} as const;

/** Scale of matrix and vectors. */
const SCALE = 24;
/** Scale of a squared length: small eigenvalues make short vectors. */
const LENGTH_SCALE = 40;

export const componentScale = SCALE;

export function decompositionGraphs(spec: DecompositionSpec): Graph[] {
  const reveal = spec.standardise === undefined ? [] : [standardisationGraph(spec)];
  return [setupGraph(spec), stepGraph(spec), foundGraph(spec), ...reveal];
}

const widthOf = (spec: DecompositionSpec): number => tableShape(spec)[1];

function setupGraph(spec: DecompositionSpec): Graph {
  const graph = new Graph(graphOptions(spec, decompositionNames.setup));
  const table = graph.scope('inputs', 'setup', () => inputTable(graph, spec));
  graph.scope('covariances', 'setup', () => {
    const { mean } = moments([table]);
    const matrix = covariance(table, mean)
      .timesRaw(1 / widthOf(spec), SCALE)
      .assumeBelow(0.1);
    matrix.rescaled(SCALE).store(decompositionNames.matrix);
  });
  graph.scope('vector', 'setup', () => startVector(graph, spec).store(decompositionNames.vector));
  return graph;
}

function startVector(graph: Graph, spec: DecompositionSpec): Tensor {
  return knownInput(graph, decompositionNames.start, [widthOf(spec)], 0.01).rescaled(SCALE);
}

function state(graph: Graph, name: string, shape: readonly number[]): Tensor {
  return stateInput(graph, name, shape, { scale: SCALE, bound: SCALE + 0.1 });
}

/** Matrix times column: no longer than the column, as no eigenvalue exceeds 1. */
function apply(matrix: Tensor, column: Tensor): Tensor {
  return matrix
    .matmulRaw(column.reshape([column.size, 1]))
    .assumeBelow(0.1)
    .rescaled(SCALE)
    .reshape([column.size]);
}

function squaredLength(column: Tensor, scale: number): Tensor {
  return column.mulRaw(column).sum(0).assumeBelow(0.1).rescaled(scale);
}

/** v = C v / |C v|. 14 rounds. */
function stepGraph(spec: DecompositionSpec): Graph {
  const graph = new Graph(graphOptions(spec, decompositionNames.step));
  const width = widthOf(spec);
  graph.scope('vector', 'update', () => {
    const matrix = state(graph, decompositionNames.matrix, [width, width]);
    const next = apply(matrix, state(graph, decompositionNames.vector, [width]));
    const inverse = inverseSquareRoot(squaredLength(next, LENGTH_SCALE));
    next.mulRaw(inverse).assumeBelow(0.1).rescaled(SCALE).store(decompositionNames.vector);
  });
  return graph;
}

/** Reveals the vector and its variance, takes it out of the matrix, and starts the next one. */
function foundGraph(spec: DecompositionSpec): Graph {
  const graph = new Graph(graphOptions(spec, decompositionNames.found));
  const width = widthOf(spec);
  graph.scope('component', 'reveal', () => {
    const matrix = state(graph, decompositionNames.matrix, [width, width]);
    const nearly = state(graph, decompositionNames.vector, [width]);
    // One step of Newton's method for 1 / |v| at |v| near 1: v (3 - |v|^2) / 2.
    const factor = squaredLength(nearly, SCALE).neg().addNumber(3).timesPowerOfTwo(-1);
    const vector = nearly.mulRaw(factor).assumeBelow(0.1).rescaled(SCALE);
    const variance = vector.mulRaw(apply(matrix, vector)).sum(0).assumeBelow(0.1).rescaled(SCALE);
    vector.reveal(decompositionNames.component, spec.receivers);
    variance.reveal(decompositionNames.variance, spec.receivers);
    const scaled = vector.mulRaw(variance).assumeBelow(0.1).rescaled(SCALE);
    const part = scaled.reshape([width, 1]).mulRaw(vector).assumeBelow(0.1).rescaled(SCALE);
    matrix.sub(part).store(decompositionNames.matrix);
    startVector(graph, spec).store(decompositionNames.vector);
  });
  return graph;
}

function standardisationGraph(spec: DecompositionSpec): Graph {
  const graph = new Graph(graphOptions(spec, decompositionNames.reveal));
  graph.scope('standardise', 'reveal', () => revealStandardisation(graph, spec, spec.receivers));
  return graph;
}

/** @param trainingRows rows that columns are standardised by, where that is done on shares. */
export function* decompositionScript(spec: DecompositionSpec, trainingRows: Uint32Array): Generator<Execution, void> {
  const { components, iterations, fractionBits, start } = spec;
  const writer = new ScriptWriter(components * iterations);
  const first = new Map([
    [decompositionNames.start, encodeFixed(start, fractionBits, 0.01, (i) => `Entry ${i + 1} of the start`)],
  ] as [string, BigUint64Array][]);
  const known = new Map(first);
  if (spec.standardise !== undefined) known.set(tableNames.trainingRows, rowNumberWords(trainingRows));
  yield writer.next('setup', decompositionNames.setup, 0, () => known);
  for (let component = 0; component < components; component++) {
    for (let iteration = 0; iteration < iterations; iteration++)
      yield writer.next('step', decompositionNames.step, component);
    yield writer.next('reveal', decompositionNames.found, component, () => first);
  }
  if (spec.standardise !== undefined) yield writer.next('reveal', decompositionNames.reveal, components - 1);
}
