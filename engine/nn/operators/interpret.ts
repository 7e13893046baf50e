/**
 * Traces an operator graph on values, node after node: what depends on public values only is computed at once, the rest becomes
 * nodes of the traced graph. Shapes follow from tracing. Knows no particular operator (table.ts).
 */
import { InputError } from '../../../shared/errors.ts';
import { nodeLabel } from '../../../shared/operator-graph.ts';
import type { OperatorGraph, OperatorNode } from '../../../shared/operator-graph.ts';
import type { Graph } from '../../tensor/graph.ts';
import { OperatorCall } from './call.ts';
import type { GraphTraining } from './call.ts';
import { fromGraphTensor } from './graph-tensor.ts';
import { operatorOf } from './table.ts';
import type { Value } from './value.ts';

/** Values by name; inner scopes see outer ones. */
class Scope {
  readonly #outer: Scope | undefined;
  readonly #values = new Map<string, Value>();

  constructor(outer?: Scope) {
    this.#outer = outer;
  }
  get(name: string): Value | undefined {
    return this.#values.get(name) ?? this.#outer?.get(name);
  }
  set(name: string, value: Value): void {
    if (name !== '') this.#values.set(name, value);
  }
}

/**
 * Outputs of `operators` in order.
 * @param inputs in the order of the graph's inputs; undefined where an optional one is absent.
 * @param weights by key.
 * @param update takes running statistics after a step of training; not given: batches are normalised by those that there are.
 * @throws InputError `operator-unsupported` and others, naming node and operator.
 */
export function interpret(
  operators: OperatorGraph,
  graph: Graph,
  inputs: readonly (Value | undefined)[],
  weights: ReadonlyMap<string, Value>,
  update?: GraphTraining['update'],
): readonly Value[] {
  const keys = new Map(operators.weights.map(({ name, key }) => [name, key]));
  return trace(operators, graph, inputs, weights, undefined, update && { keys, update });
}

function trace(
  operators: OperatorGraph,
  graph: Graph,
  inputs: readonly (Value | undefined)[],
  weights: ReadonlyMap<string, Value>,
  outer: Scope | undefined,
  training?: GraphTraining,
): readonly Value[] {
  const scope = new Scope(outer);
  for (const { name, tensor } of operators.constants) scope.set(name, fromGraphTensor(tensor));
  for (const { name, key } of operators.weights) {
    const weight = weights.get(key);
    if (weight === undefined) throw new InputError('model-weight-missing', `The model lacks the weight ${key}.`);
    scope.set(name, weight);
  }
  operators.inputs.forEach(({ name }, i) => {
    const value = inputs[i];
    if (value !== undefined) scope.set(name, value);
  });
  // A body may run often: its statistics stay as they are.
  const traceSubgraph = (subgraph: OperatorGraph, given: readonly (Value | undefined)[]): readonly Value[] =>
    trace(subgraph, graph, given, weights, scope);
  for (const node of operators.nodes) {
    const results = graph.scope(node.name, 'forward', () =>
      labelled(node, () => {
        const values = node.inputs.map((name) => (name === '' ? undefined : scope.get(name)));
        return applyOperator(new OperatorCall(graph, node, values, traceSubgraph, training));
      }),
    );
    node.outputs.forEach((name, i) => {
      const result = results[i];
      if (result !== undefined) scope.set(name, result);
      else if (name !== '')
        throw new InputError(
          'operator-unsupported',
          `${nodeLabel(node)} does not give its output ${i + 1}, "${name}".`,
        );
    });
  }
  return operators.outputs.map(({ name }) => {
    const value = scope.get(name);
    if (value === undefined) throw new InputError('onnx-undefined-value', `Nothing produces the output "${name}".`);
    return value;
  });
}

function applyOperator(call: OperatorCall): readonly Value[] {
  const { node } = call;
  const definition = operatorOf(node);
  if (definition === undefined) {
    throw call.unsupported(
      'is an operator that is not supported on secret data',
      'docs/conformance.md lists all operators that are; rewrite the model with them.',
    );
  }
  const unknown = node.attributes.find(({ name }) => definition.attributes?.includes(name) !== true);
  if (unknown !== undefined) throw call.unsupported(`has the attribute "${unknown.name}", which is not supported`);
  const result = definition.run(call);
  return 'kind' in result ? [result] : result;
}

/** Errors of what an operator is made of name its node. */
function labelled<T>(node: OperatorNode, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (!(cause instanceof InputError) || cause.message.startsWith('node "')) throw cause;
    throw new InputError(cause.code, `${nodeLabel(node)}: ${cause.message}`, {
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      cause,
    });
  }
}
