/**
 * A graph of operators as a model of layers, for jobs and training: one layer that holds the graph, and a last softmax or sigmoid
 * apart, because losses take what stands before it. Knows nothing of bytes.
 */
import { InputError } from '../../../shared/errors.ts';
import { graphWeights } from '../../../shared/layers/operators.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import { checkModel } from '../../../shared/model.ts';
import type { TrainedModel, WeightTensor } from '../../../shared/model.ts';
import type { OperatorGraph } from '../../../shared/operator-graph.ts';
import { PublicNeededError } from '../../nn/operators/call.ts';
import { interpret } from '../../nn/operators/interpret.ts';
import { secretTensor } from '../../nn/operators/value.ts';
import { Graph } from '../../tensor/graph.ts';
import { privateInput } from '../../tensor/tensor.ts';
import type { OperatorModel } from './operators.ts';

const layerName = 'operators';

/**
 * @param what names the file in errors.
 * @throws InputError `onnx-not-a-layer` for a graph that is not one map of batches of numbers; `operator-unsupported` and others
 *   by node name and operator.
 */
export function asLayers(model: OperatorModel, what: string): TrainedModel {
  const refused = (reason: string): InputError =>
    new InputError('onnx-not-a-layer', `${what} cannot be trained or used in a job: ${reason}.`, {
      hint: 'tacit infer takes any model whose operators are supported.',
    });
  const [input] = model.graph.inputs;
  const [output] = model.graph.outputs;
  if (input === undefined || output === undefined || model.graph.inputs.length > 1 || model.graph.outputs.length > 1)
    throw refused(
      `it has ${model.graph.inputs.length} inputs and ${model.graph.outputs.length} outputs, not one of each`,
    );
  if (input.type?.includes('float') !== true)
    throw refused(`its input "${input.name}" is of ${input.type ?? 'no'} type`);
  const inputShape = (input.shape ?? []).slice(1).map((n) => {
    if (typeof n !== 'number') throw refused(`its input "${input.name}" leaves a size open beside the batch`);
    return n;
  });
  if (inputShape.length === 0) throw refused(`its input "${input.name}" has no shape of the form [batch, sizes ...]`);
  const whole = graphWeights(model.graph).find(({ type }) => !type.startsWith('float'));
  if (whole !== undefined) throw refused(`its weight ${whole.key} holds whole numbers`);
  const [two, three] = [2, 3].map((batch) => tracedShape(model.graph, [[batch, ...inputShape]]));
  const [rows, ...outputShape] = two ?? [];
  if (rows !== 2 || three?.join() !== [3, ...outputShape].join())
    throw refused(
      `its output is [${two?.join(', ')}] for two rows and [${three?.join(', ')}] for three: no row for each`,
    );
  if (outputShape.some((size) => size < 1)) throw refused(`its output is [${two?.join(', ')}], which is nothing`);
  const { graph, last } = withoutLast(model.graph, outputShape.length);
  const layers: Layer[] = [{ kind: 'operators', name: layerName, inputShapes: [inputShape], outputShape, graph }];
  if (last !== undefined) layers.push({ kind: last, name: last });
  const weights = new Map<string, WeightTensor>();
  for (const { key } of graphWeights(graph)) {
    const weight = model.weights.get(key);
    if (weight !== undefined) weights.set(`${layerName}/${key}`, weight);
  }
  const trained: TrainedModel = { description: { inputShape, layers }, weights };
  checkModel(trained);
  return trained;
}

/**
 * Shape of the first output for secret inputs of these shapes.
 * @throws InputError `operator-unsupported` and others by node name and operator, for what cannot be computed.
 */
export function tracedShape(graph: OperatorGraph, shapes: readonly (readonly number[])[]): readonly number[] {
  const traced = new Graph({ name: 'shapes', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const secret = (name: string, of: readonly number[]) =>
    secretTensor('float32', privateInput(traced, name, 'owner', of, 22));
  const inputs = shapes.map((shape, i) => secret(`input${i}`, shape));
  const weights = new Map(graphWeights(graph).map(({ key, shape: of }) => [key, secret(key, of)]));
  try {
    const [output] = interpret(graph, traced, inputs, weights);
    return output?.kind === 'secret' ? output.tensor.shape : [];
  } catch (cause) {
    if (!(cause instanceof PublicNeededError)) throw cause;
    throw new InputError('operator-unsupported', cause.message, { hint: cause.hint ?? '', cause });
  }
}

/** The graph without a softmax over rows or a sigmoid at its end. `axes`: of an answer, without batch. */
function withoutLast(graph: OperatorGraph, axes: number): { graph: OperatorGraph; last?: 'softmax' | 'sigmoid' } {
  const [output] = graph.outputs;
  const end = graph.nodes.find(({ outputs }) => outputs[0] === output?.name);
  const [source] = end?.inputs ?? [];
  if (end === undefined || end.domain !== '' || source === undefined || graph.outputs.length !== 1) return { graph };
  const axis = end.attributes.find(({ name }) => name === 'axis');
  const isRows = axis === undefined || axis.value === -1 || axis.value === 1;
  const kind = end.operator === 'Sigmoid' ? 'sigmoid' : end.operator === 'Softmax' && isRows ? 'softmax' : undefined;
  if (kind === undefined || output === undefined || axes !== 1 || graph.nodes.length === 1) return { graph };
  return {
    graph: {
      ...graph,
      nodes: graph.nodes.filter((node) => node !== end),
      outputs: [{ name: source, type: output.type, shape: output.shape }],
    },
    last: kind,
  };
}
