/**
 * One use of an operator: its node's attributes, its inputs as values, and how it refuses what it cannot do, by node name and
 * operator. Knows no particular operator.
 */
import { InputError } from '../../../shared/errors.ts';
import { nodeLabel } from '../../../shared/operator-graph.ts';
import type {
  ElementName,
  GraphTensor,
  OperatorAttribute,
  OperatorGraph,
  OperatorNode,
} from '../../../shared/operator-graph.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { fromGraphTensor } from './graph-tensor.ts';
import { numbersOf, shapeOf } from './value.ts';
import type { PublicTensor, TensorValue, Value } from './value.ts';

/** Traces a subgraph; its inputs in order, values of the graphs around it by name. */
export type TraceSubgraph = (graph: OperatorGraph, inputs: readonly (Value | undefined)[]) => readonly Value[];

/** What only training does. */
export interface GraphTraining {
  /** Keys of the graph's weights by the names that its nodes know them under. */
  readonly keys: ReadonlyMap<string, string>;
  /** The value of a running statistic after this step. */
  update(key: string, value: Tensor): void;
}

export interface OperatorDefinition {
  /** Every attribute that the operator understands, in any version; a node with another one is refused. */
  readonly attributes?: readonly string[];
  /** One value for each output, at least for those that the node names. */
  readonly run: (call: OperatorCall) => Value | readonly Value[];
}

/**
 * A parameter of an operator, which decides shapes or what is computed, comes from values that are not public. `sources` are the
 * inputs of the traced graph that it was computed from: whoever may, makes them public and traces again.
 */
export class PublicNeededError extends InputError {
  readonly sources: readonly string[];
  constructor(message: string, hint: string, sources: readonly string[]) {
    super('operator-needs-public', message, { hint });
    this.sources = sources;
  }
}

export type OperatorFamily = Readonly<Record<string, OperatorDefinition>>;

interface AttributeValues {
  float: number;
  int: number;
  string: string;
  floats: readonly number[];
  ints: readonly number[];
  strings: readonly string[];
  tensor: GraphTensor;
  graph: OperatorGraph;
}

export class OperatorCall {
  readonly graph: Graph;
  readonly node: OperatorNode;
  readonly inputs: readonly (Value | undefined)[];
  readonly traceSubgraph: TraceSubgraph;
  readonly #training: GraphTraining | undefined;

  constructor(
    graph: Graph,
    node: OperatorNode,
    inputs: readonly (Value | undefined)[],
    traceSubgraph: TraceSubgraph,
    training?: GraphTraining,
  ) {
    this.#training = training;
    this.graph = graph;
    this.node = node;
    this.inputs = inputs;
    this.traceSubgraph = traceSubgraph;
  }

  /** Version of the operator set. */
  get version(): number {
    return this.node.version;
  }

  // ---- training ----

  /** Whether a step of training is traced, and this input is a weight that the step can change. */
  isTrained(position: number): boolean {
    return this.#training?.keys.has(this.node.inputs[position] ?? '') === true;
  }
  /** The value of a running statistic after this step; for inputs that are trained. */
  update(position: number, value: Tensor): void {
    const key = this.#training?.keys.get(this.node.inputs[position] ?? '');
    if (key !== undefined) this.#training?.update(key, value);
  }

  // ---- refusals ----

  /** To be thrown where the operator, used like this, cannot be computed. `reason` continues "node ... (Operator) ...". */
  unsupported(reason: string, hint = 'Change the model at this node, or compute this part in the clear.'): InputError {
    return new InputError('operator-unsupported', `${nodeLabel(this.node)} ${reason}.`, { hint });
  }

  // ---- inputs ----

  isGiven(position: number): boolean {
    return this.inputs[position] !== undefined;
  }

  value(position: number): Value {
    const value = this.inputs[position];
    if (value === undefined) throw this.unsupported(`lacks its input ${position + 1}`, 'Repair the model.');
    return value;
  }

  tensor(position: number): TensorValue {
    const value = this.value(position);
    if (value.kind === 'sequence') throw this.unsupported(`takes a tensor as input ${position + 1}, not a sequence`);
    return value;
  }

  optionalTensor(position: number): TensorValue | undefined {
    return this.isGiven(position) ? this.tensor(position) : undefined;
  }

  /** All inputs from a position on, as tensors. */
  tensors(from = 0): readonly TensorValue[] {
    return this.inputs.slice(from).map((_, i) => this.tensor(from + i));
  }

  /** An input as symbolic numbers, public or not. */
  numbers(position: number): Tensor {
    return numbersOf(this.graph, this.tensor(position));
  }

  type(position: number): ElementName {
    return this.tensor(position).type;
  }

  /**
   * An input that is a parameter, not data: it must be public. Never for data, which nobody may be asked to give away.
   * @param what names it in the refusal of a secret: "its axes".
   */
  publicTensor(position: number, what: string): PublicTensor {
    const value = this.tensor(position);
    if (value.kind === 'public') return value;
    throw new PublicNeededError(
      `${nodeLabel(this.node)} needs ${what} (input ${position + 1}, "${this.node.inputs[position] ?? ''}") to be public, but the values are secret.`,
      'Make it a constant of the model, or compute it from shapes.',
      sourcesOf(value.tensor),
    );
  }

  publicNumbers(position: number, what: string): readonly number[] {
    return this.publicTensor(position, what).values;
  }

  // ---- attributes ----

  attribute<K extends OperatorAttribute['kind']>(name: string, kind: K): AttributeValues[K] | undefined {
    const found = this.node.attributes.find((attribute) => attribute.name === name);
    if (found === undefined) return undefined;
    if (found.kind !== kind) throw this.unsupported(`has the attribute "${name}" as ${found.kind}, not as ${kind}`);
    return found.value as AttributeValues[K];
  }

  int(name: string, preset: number): number {
    return this.attribute(name, 'int') ?? preset;
  }
  float(name: string, preset: number): number {
    return this.attribute(name, 'float') ?? preset;
  }
  ints(name: string): readonly number[] | undefined {
    return this.attribute(name, 'ints');
  }
  /** A text that must be one of those given. */
  choice<const T extends string>(name: string, choices: readonly [T, ...T[]]): T {
    const given = this.attribute(name, 'string') ?? choices[0];
    const found = choices.find((choice) => choice === given);
    if (found === undefined)
      throw this.unsupported(`has the attribute ${name} = "${given}"; known are ${choices.join(', ')}`);
    return found;
  }
  tensorAttribute(name: string): PublicTensor | undefined {
    const tensor = this.attribute(name, 'tensor');
    return tensor === undefined ? undefined : fromGraphTensor(tensor);
  }
  subgraph(name: string): OperatorGraph {
    const graph = this.attribute(name, 'graph');
    if (graph === undefined) throw this.unsupported(`lacks its subgraph "${name}"`, 'Repair the model.');
    return graph;
  }

  /** An axis of an input, counted from the end where negative. */
  axis(axis: number, rank = shapeOf(this.tensor(0)).length): number {
    const normal = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(normal) || normal < 0 || normal >= rank)
      throw this.unsupported(`names axis ${axis} of a tensor of rank ${rank}`, 'Repair the model.');
    return normal;
  }
}

/** Names of the inputs of the traced graph that a tensor was computed from. */
function sourcesOf(tensor: Tensor): readonly string[] {
  const { graph } = tensor;
  const seen = new Set([tensor.node.id]);
  const names = new Set<string>();
  for (const id of seen) {
    const { operation, inputs } = graph.node(id);
    if (operation.op === 'input' || operation.op === 'state') names.add(operation.name);
    inputs.forEach((input) => seen.add(input));
  }
  return [...names];
}
