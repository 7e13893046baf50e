/**
 * The program of private inference with an operator graph: every input belongs to one party, or is nobody's and comes as shares;
 * the weights belong to the model's owner, the answers go to one receiver. Inputs and weights that operators need to know (sizes, axes) are public.
 * Knows nothing of files, transports or processes.
 */
import { InputError } from '../../shared/errors.ts';
import { graphWeights } from '../../shared/layers/operators.ts';
import type { WeightTensor } from '../../shared/model.ts';
import type { ElementName, OperatorGraph } from '../../shared/operator-graph.ts';
import { encodeFixed } from '../runtime/words.ts';
import { Graph } from '../tensor/graph.ts';
import { privateInput, sharedInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { sizeOf } from '../tensor/shape.ts';
import type { Shape } from '../tensor/shape.ts';
import { PLAINTEXT_BITS } from './model-weights.ts';
import { PublicNeededError } from './operators/call.ts';
import { WIDEST_INTEGER_BITS } from './operators/elementwise.ts';
import { interpret } from './operators/interpret.ts';
import { isFloat, magnitudeBits, numbersOf, publicTensor, secretTensor } from './operators/value.ts';
import type { PublicTensor, TensorValue, Value } from './operators/value.ts';

/** One input in the clear, at its owner; without one it is given as shares, and nobody's. */
export interface OwnedInput {
  readonly name: string;
  readonly owner: string | undefined;
  /** A list for a sequence; undefined for an optional input that is absent. */
  readonly value: PublicTensor | readonly PublicTensor[] | undefined;
}

export interface GraphInferenceSpec {
  readonly graph: OperatorGraph;
  /** By key. */
  readonly weights: ReadonlyMap<string, WeightTensor>;
  readonly modelOwner: string;
  /** In the order of the graph's inputs. */
  readonly inputs: readonly OwnedInput[];
  readonly receiver: string;
  readonly fractionBits: number;
  readonly assumedBound: number;
}

/** Where an output's values come from: known already, or revealed under a key. */
export type TensorSlot =
  | { readonly kind: 'public'; readonly tensor: PublicTensor }
  | {
      readonly kind: 'revealed';
      readonly key: string;
      readonly type: ElementName;
      readonly shape: Shape;
      readonly scale: number;
    };
export type OutputSlot = TensorSlot | { readonly kind: 'sequence'; readonly items: readonly TensorSlot[] };

export interface TracedInference {
  readonly graph: Graph;
  /** In the order of the graph's outputs. */
  readonly outputs: readonly OutputSlot[];
  /** Inputs of the model that had to be public. */
  readonly publicInputs: readonly string[];
  /** Ring words of what each party brings, by party and name. */
  readonly words: ReadonlyMap<string, ReadonlyMap<string, BigUint64Array>>;
  /** Ring words of which every party brings a share, by name. */
  readonly sharedWords: ReadonlyMap<string, BigUint64Array>;
}

export const graphProgram = 'infer';
const inputName = (name: string): string => `input/${name}`;
const weightName = (key: string): string => `weight/${key}`;

/**
 * Traces the model for inputs of these shapes. Values are read only where an operator needs them in the clear.
 * @throws InputError `operator-unsupported` and others, by node name and operator; `value-out-of-range` naming the input.
 */
export function traceInference(spec: GraphInferenceSpec): TracedInference {
  const known = new Set<string>();
  for (;;) {
    try {
      return traceOnce(spec, known);
    } catch (cause) {
      if (!(cause instanceof PublicNeededError) || cause.sources.every((source) => known.has(source))) throw cause;
      cause.sources.forEach((source) => known.add(source));
    }
  }
}

function traceOnce(spec: GraphInferenceSpec, known: ReadonlySet<string>): TracedInference {
  const graph = new Graph({
    name: graphProgram,
    fractionBits: spec.fractionBits,
    assumedBound: spec.assumedBound,
    wordBits: 64,
  });
  const words = new Map<string, Map<string, BigUint64Array>>();
  const sharedWords = new Map<string, BigUint64Array>();
  const secret = (name: string, what: string, owner: string | undefined, tensor: PublicTensor): Tensor => {
    const { scale, bits } = formatOf(tensor.type, spec.fractionBits);
    const own = owner === undefined ? sharedWords : (words.get(owner) ?? new Map<string, BigUint64Array>());
    own.set(
      name,
      encodeFixed(tensor.values, scale, bits, (i) => `${what}, position ${i},`),
    );
    return graph.scope('inputs', 'forward', () => {
      if (owner === undefined) return sharedInput(graph, name, tensor.shape, bits, scale);
      words.set(owner, new Map(own));
      return privateInput(graph, name, owner, tensor.shape, bits, scale);
    });
  };
  const inputs = spec.inputs.map(({ name, owner, value }): Value | undefined => {
    const hidden = (tensor: PublicTensor, key: string, what: string): TensorValue =>
      known.has(key) || sizeOf(tensor.shape) === 0
        ? tensor
        : secretTensor(tensor.type, secret(key, `The input "${name}"${what}`, owner, tensor));
    if (value === undefined) return undefined;
    if ('kind' in value) return hidden(value, inputName(name), '');
    const items = value.map((item, i) => hidden(item, inputName(`${name}/${i}`), `, tensor ${i} of its list`));
    return { kind: 'sequence', items };
  });
  const weights = new Map<string, Value>();
  for (const { key, type, shape } of graphWeights(spec.graph)) {
    const values = spec.weights.get(key)?.data;
    if (values === undefined) throw new InputError('model-weight-missing', `The model lacks the weight ${key}.`);
    const tensor = publicTensor(type, shape, [...values]);
    const name = weightName(key);
    weights.set(
      key,
      known.has(name)
        ? tensor
        : secretTensor(type, secret(name, weightLabel(spec.graph, key), spec.modelOwner, tensor)),
    );
  }
  const outputs = interpret(spec.graph, graph, inputs, weights).map((value, i) =>
    outputSlot(graph, value, `y/${i}`, spec.receiver),
  );
  const publicInputs = spec.inputs
    .map(({ name }) => name)
    .filter((name) => [...known].some((key) => key === inputName(name) || key.startsWith(inputName(`${name}/`))));
  return { graph, outputs, publicInputs, words, sharedWords };
}

/** The weight and the node that takes it, for messages. */
function weightLabel({ nodes }: OperatorGraph, key: string): string {
  const node = nodes.find(({ inputs }) => inputs.includes(key));
  return node === undefined ? `The weight ${key}` : `The weight ${key} of node "${node.name}" (${node.operator})`;
}

function outputSlot(graph: Graph, value: Value, key: string, receiver: string): OutputSlot {
  if (value.kind !== 'sequence') return slot(graph, value, key, receiver);
  return { kind: 'sequence', items: value.items.map((item, i) => slot(graph, item, `${key}/${i}`, receiver)) };
}

function slot(graph: Graph, value: TensorValue, key: string, receiver: string): TensorSlot {
  if (value.kind === 'public') return { kind: 'public', tensor: value };
  return graph.scope('answers', 'reveal', () => {
    const numbers = numbersOf(graph, value);
    numbers.reveal(key, [receiver]);
    return { kind: 'revealed', key, type: value.type, shape: numbers.shape, scale: numbers.scale };
  });
}

/** Scale and magnitude of secret inputs of a type. */
function formatOf(type: ElementName, fractionBits: number): { scale: number; bits: number } {
  if (isFloat(type)) return { scale: fractionBits, bits: PLAINTEXT_BITS };
  return { scale: 0, bits: Math.min(magnitudeBits(type), WIDEST_INTEGER_BITS) };
}
