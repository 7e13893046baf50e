/**
 * The programs of private inference as traced graphs: a set-up in which the model's owner shares its weights, each masked
 * once, and one program for each batch size, which takes one party's rows and reveals the answers to it alone.
 * Knows nothing of files, transports or processes.
 */
import { InputError } from '../../shared/errors.ts';
import { checkFinite, elementCount, modelShapes, weightShapes } from '../../shared/model.ts';
import type { ModelDescription, TrainedModel } from '../../shared/model.ts';
import { Graph } from '../tensor/graph.ts';
import type { GraphOptions } from '../tensor/graph.ts';
import { privateInput, stateInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { encodeFixed } from '../runtime/words.ts';
import { forward } from './forward.ts';
import type { WeightTensors } from './forward.ts';

export interface InferenceSpec {
  /** Public: layers and shapes. The weights are not. */
  readonly description: ModelDescription;
  /** Whether the model subtracts and multiplies its inputs first, by private factors. */
  readonly standardised: boolean;
  readonly modelOwner: string;
  readonly fractionBits: number;
  readonly assumedBound: number;
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
  weight: (key: string): string => `weight/${key}`,
  subtract: 'standardise/subtract',
  multiply: 'standardise/multiply',
  rows: 'x',
  answers: 'y',
} as const;

/** Inputs and weights have magnitudes below 2^22 (4,194,304), or are refused before anything is shared. */
export const PLAINTEXT_BITS = 22;
/** Factors of a standardisation are small, and kept to this many fraction bits; magnitudes below 2^FACTOR_BITS. */
const FACTOR_FRACTION_BITS = 24;
const FACTOR_BITS = 14;

export function inferenceGraphs(spec: InferenceSpec, batches: readonly InferenceBatch[]): Graph[] {
  return [setupGraph(spec), ...batches.map((batch) => batchGraph(spec, batch))];
}

function options(spec: InferenceSpec, name: string): GraphOptions {
  return { name, fractionBits: spec.fractionBits, assumedBound: spec.assumedBound, wordBits: 64 };
}

/** What a product multiplies is opened under its owner's mask, once; what is only added stays as it is. */
const isFactor = (key: string): boolean => key.endsWith('/kernel');

function setupGraph(spec: InferenceSpec): Graph {
  const graph = new Graph(options(spec, inferenceNames.setup));
  for (const [key, shape] of weightShapes(spec.description)) {
    graph.scope(key.split('/')[0] ?? key, 'setup', () => {
      const name = inferenceNames.weight(key);
      privateInput(graph, name, spec.modelOwner, shape, PLAINTEXT_BITS).store(name, { masked: isFactor(key) });
    });
  }
  if (spec.standardised) {
    const inputs = elementCount(spec.description.inputShape);
    graph.scope('standardise', 'setup', () => {
      const subtract = privateInput(graph, inferenceNames.subtract, spec.modelOwner, [inputs], PLAINTEXT_BITS);
      subtract.store(inferenceNames.subtract);
      // Its words come at their own scale; the bound is that of the words.
      const bits = FACTOR_FRACTION_BITS + FACTOR_BITS - spec.fractionBits;
      const multiply = privateInput(graph, inferenceNames.multiply, spec.modelOwner, [inputs], bits);
      multiply.store(inferenceNames.multiply, { masked: true });
    });
  }
  return graph;
}

function batchGraph(spec: InferenceSpec, batch: InferenceBatch): Graph {
  const { description, fractionBits } = spec;
  const graph = new Graph(options(spec, inferenceNames.batch(batch)));
  const bound = fractionBits + PLAINTEXT_BITS;
  const weights: WeightTensors = new Map(
    [...weightShapes(description)].map(([key, shape]) => [
      key,
      stateInput(graph, inferenceNames.weight(key), shape, { bound, masked: isFactor(key) }),
    ]),
  );
  const cells = [batch.rows, ...description.inputShape];
  let x = graph.scope('inputs', 'forward', () =>
    privateInput(graph, inferenceNames.rows, batch.owner, cells, PLAINTEXT_BITS),
  );
  if (spec.standardised) x = graph.scope('standardise', 'forward', () => standardise(spec, x));
  const y = forward(description.layers, weights, x);
  graph.scope('answers', 'reveal', () => y.reveal(inferenceNames.answers, [batch.owner]));
  return graph;
}

/** (x - subtract) * multiply, elementwise over the rows' cells. */
function standardise(spec: InferenceSpec, x: Tensor): Tensor {
  const { graph } = x;
  const inputs = elementCount(spec.description.inputShape);
  const subtract = stateInput(graph, inferenceNames.subtract, [inputs], { bound: spec.fractionBits + PLAINTEXT_BITS });
  const multiply = stateInput(graph, inferenceNames.multiply, [inputs], {
    bound: FACTOR_FRACTION_BITS + FACTOR_BITS,
    scale: FACTOR_FRACTION_BITS,
    masked: true,
  });
  const rows = x.reshape([x.size / inputs, inputs]);
  return rows.sub(subtract).mulRaw(multiply).rescaled(spec.fractionBits).reshape(x.shape);
}

/**
 * The model's part of the set-up, as ring words by input name.
 * @throws InputError `weight-out-of-range`, `not-finite`, naming the tensor and the bound.
 */
export function weightWords(model: TrainedModel, spec: InferenceSpec): Map<string, BigUint64Array> {
  const words = new Map<string, BigUint64Array>();
  const add = (name: string, what: string, values: Float64Array, fractionBits: number, magnitudeBits: number): void => {
    checkFinite(what, values);
    const beyond = values.findIndex((value) => Math.abs(value) >= 2 ** magnitudeBits);
    if (beyond !== -1) {
      throw new InputError(
        'weight-out-of-range',
        `${what} holds ${values[beyond]} at position ${beyond}: magnitudes must stay below ${2 ** magnitudeBits}.`,
        { hint: 'Rescale the layer, or train again with smaller weights.' },
      );
    }
    words.set(
      name,
      encodeFixed(values, fractionBits, magnitudeBits, (i) => `${what}, position ${i},`),
    );
  };
  for (const key of weightShapes(spec.description).keys()) {
    const data = model.weights.get(key)?.data ?? new Float64Array(0);
    add(inferenceNames.weight(key), `The weight ${key}`, data, spec.fractionBits, PLAINTEXT_BITS);
  }
  if (model.standardisation !== undefined) {
    const { subtract, multiply } = model.standardisation;
    const what = 'The input standardisation';
    add(inferenceNames.subtract, `${what} (subtract)`, subtract, spec.fractionBits, PLAINTEXT_BITS);
    add(inferenceNames.multiply, `${what} (multiply)`, multiply, FACTOR_FRACTION_BITS, FACTOR_BITS);
  }
  return words;
}

/**
 * Rows as ring words.
 * @throws InputError `input-out-of-range` or `not-finite`, naming the input, the position and the bound.
 */
export function rowWords(what: string, rows: Float64Array, spec: InferenceSpec): BigUint64Array {
  checkFinite(what, rows);
  const beyond = rows.findIndex((value) => Math.abs(value) >= 2 ** PLAINTEXT_BITS);
  if (beyond !== -1) {
    throw new InputError(
      'input-out-of-range',
      `${what} holds ${rows[beyond]} at position ${beyond}: magnitudes must stay below ${2 ** PLAINTEXT_BITS}.`,
      { hint: 'Scale the inputs down.' },
    );
  }
  return encodeFixed(rows, spec.fractionBits, PLAINTEXT_BITS, (i) => `${what}, position ${i},`);
}

/** Shape of the answers to `rows` rows. */
export function answerShape(description: ModelDescription, rows: number): number[] {
  return [rows, ...(modelShapes(description).at(-1) ?? [])];
}
