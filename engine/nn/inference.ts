/**
 * The programs of private inference as traced graphs: a set-up in which the model's owner shares its weights, each masked
 * once, and one program for each batch size, which takes one party's rows and reveals the answers to it alone.
 * Knows nothing of files, transports or processes.
 */
import { checkFinite, modelShapes } from '../../shared/model.ts';
import type { ModelDescription } from '../../shared/model.ts';
import { Graph } from '../tensor/graph.ts';
import type { GraphOptions } from '../tensor/graph.ts';
import { privateInput } from '../tensor/tensor.ts';
import { checkRange, encodeFixed } from '../runtime/words.ts';
import { forward } from './forward.ts';
import { modelTensors, PLAINTEXT_BITS, standardiseRows, storeModel } from './model-weights.ts';
import type { ModelSpec } from './model-weights.ts';

export interface InferenceSpec extends ModelSpec {
  readonly modelOwner: string;
}

/** A batch size for rows of one party. */
export interface InferenceBatch {
  readonly owner: string;
  readonly rows: number;
}

/** Names of programs, inputs and reveals. */
export const inferenceNames = {
  setup: 'weights',
  batch: ({ owner, rows }: InferenceBatch): string => `infer-${owner}-${rows}`,
  rows: 'x',
  answers: 'y',
} as const;

export function inferenceGraphs(spec: InferenceSpec, batches: readonly InferenceBatch[]): Graph[] {
  return [setupGraph(spec), ...batches.map((batch) => batchGraph(spec, batch))];
}

function options(spec: InferenceSpec, name: string): GraphOptions {
  return { name, fractionBits: spec.fractionBits, assumedBound: spec.assumedBound, wordBits: 64 };
}

function setupGraph(spec: InferenceSpec): Graph {
  const graph = new Graph(options(spec, inferenceNames.setup));
  storeModel(graph, spec);
  return graph;
}

function batchGraph(spec: InferenceSpec, batch: InferenceBatch): Graph {
  const { description } = spec;
  const graph = new Graph(options(spec, inferenceNames.batch(batch)));
  const weights = modelTensors(graph, spec);
  const cells = [batch.rows, ...description.inputShape];
  const rows = graph.scope('inputs', 'forward', () =>
    privateInput(graph, inferenceNames.rows, batch.owner, cells, PLAINTEXT_BITS),
  );
  const x = graph.scope('standardise', 'forward', () => standardiseRows(spec, rows));
  const y = forward(description.layers, weights, x);
  graph.scope('answers', 'reveal', () => y.reveal(inferenceNames.answers, [batch.owner]));
  return graph;
}

/**
 * Rows as ring words.
 * @throws InputError `input-out-of-range` or `not-finite`, naming the input, the position and the bound.
 */
export function rowWords(what: string, rows: Float64Array, spec: InferenceSpec): BigUint64Array {
  checkFinite(what, rows);
  const range = { fractionBits: spec.fractionBits, magnitudeBits: PLAINTEXT_BITS };
  checkRange('input-out-of-range', what, rows, range);
  return encodeFixed(rows, spec.fractionBits, PLAINTEXT_BITS, (i) => `${what}, position ${i},`);
}

/** Shape of the answers to `rows` rows. */
export function answerShape(description: ModelDescription, rows: number): number[] {
  return [rows, ...(modelShapes(description).at(-1) ?? [])];
}
