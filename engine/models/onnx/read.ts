/**
 * From an ONNX graph to the neutral description: models that are layers of ours, one after the other or with branches. Anything
 * else is refused before anything runs, by node name and operator, and may be fine as a graph of operators. Old spellings
 * (operator sets 6 to 12) are understood where they mean the same. Operators: https://onnx.ai/onnx/operators; what each becomes
 * stands in read-*.ts. Knows nothing of bytes or files.
 */
import { InputError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { MODEL_INPUT } from '../../../shared/layers/table.ts';
import { checkModel, modelDescriptionSchema } from '../../../shared/model.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import type { PlainTensor } from '../tensor.ts';
import { readOnnxGraph } from './graph.ts';
import type { OnnxGraph, OnnxNode, OnnxValue } from './graph.ts';
import { LayerList } from './layer-list.ts';
import { NodeReading } from './node-reading.ts';
import type { ReadingContext, ReadNode } from './node-reading.ts';
import { operatorModel } from './operators.ts';
import type { OperatorModel } from './operators.ts';
import { readOwnModel } from './own-model.ts';
import { cellReaders } from './read-cells.ts';
import { moveReaders } from './read-moves.ts';
import { productReaders } from './read-products.ts';
import { recurrentReaders } from './read-recurrent.ts';
import { windowReaders } from './read-windows.ts';
import type { ReadExternalData } from './tensor-proto.ts';

/**
 * Reads an ONNX file of our own, or one that holds supported layers.
 * @param what names the file in errors.
 * @throws InputError: those of `readOnnxGraph`; `onnx-unsupported` naming node and operator; `not-finite` naming the tensor;
 *   those of layers that do not fit each other.
 */
export function readOnnx(bytes: Uint8Array, what: string, readExternal?: ReadExternalData): TrainedModel {
  return readOwnModel(bytes, what) ?? modelFromGraph(readOnnxGraph(bytes, what, readExternal), what);
}

/** What an ONNX file holds: layers where all of it is, else operators. */
export type OnnxModel =
  | { readonly kind: 'layers'; readonly model: TrainedModel }
  | { readonly kind: 'operators'; readonly model: OperatorModel };

/**
 * Reads any ONNX file. Operators are not looked at: tracing refuses those that cannot be computed.
 * @throws InputError: those of `readOnnxGraph`; `not-finite` naming the tensor.
 */
export function readOnnxModel(bytes: Uint8Array, what: string, readExternal?: ReadExternalData): OnnxModel {
  const own = readOwnModel(bytes, what);
  return own === undefined
    ? modelOfGraph(readOnnxGraph(bytes, what, readExternal), what)
    : { kind: 'layers', model: own };
}

/** Layers where all of the graph is, else its operators. @throws InputError `not-finite` naming the tensor. */
export function modelOfGraph(graph: OnnxGraph, what: string): OnnxModel {
  try {
    return { kind: 'layers', model: modelFromGraph(graph, what) };
  } catch (cause) {
    // What is no layer, or does not fit as one, may be fine as a graph of operators.
    if (!(cause instanceof InputError) || cause.code === 'not-finite') throw cause;
    return { kind: 'operators', model: operatorModel(graph) };
  }
}

/** Converts a graph of supported layers; errors as `readOnnx`. */
function modelFromGraph(graph: OnnxGraph, what: string): TrainedModel {
  const [input, ...otherInputs] = graph.inputs;
  const [output, ...otherOutputs] = graph.outputs;
  const refused = (code: string, reason: string): InputError =>
    new InputError(code, `${what} cannot be used: ${reason}.`);
  if (input === undefined || output === undefined || otherInputs.length > 0 || otherOutputs.length > 0) {
    throw refused(
      'onnx-not-layers',
      `it has ${graph.inputs.length} inputs and ${graph.outputs.length} outputs, supported is one of each`,
    );
  }
  const inputShape = rowShape(input, refused);
  const list = new LayerList(inputShape, graph.constants);
  const isWhole = !floatTypes.includes(input.elementType ?? '');
  const rows = { kind: 'rows', layer: MODEL_INPUT, shape: inputShape } as const;
  list.values.set(input.name, isWhole ? { ...rows, whole: 'input' } : rows);
  const needed = neededNodes(graph.nodes, output.name);
  const uses = useCounts(needed, output.name);
  const context = { what, list, opset: graph.opset, uses: (name: string) => uses.get(name) ?? 0 };
  for (const node of needed) readNode(node, context);
  const answer = list.values.get(output.name);
  if (answer?.kind !== 'rows' || answer.whole !== undefined)
    throw refused('onnx-not-layers', `its output "${output.name}" is not rows of numbers`);
  list.take(answer);
  if (list.layers.length === 0) throw refused('onnx-not-layers', 'it has no layers');
  const { layers, weights, standardisation } = list;
  const model: TrainedModel = {
    description: { inputShape, layers },
    weights,
    ...(standardisation === undefined ? {} : { standardisation }),
  };
  checkAttributes(model);
  checkModel(model);
  return model;
}

function readNode(node: OnnxNode, context: ReadingContext): void {
  const reading = new NodeReading(node, context);
  if (node.domain !== '') throw reading.unsupported('is not an operator of ONNX itself');
  const read = Object.hasOwn(readers, node.operator) ? readers[node.operator] : undefined;
  if (read === undefined) throw reading.unsupported('is an operator that is not supported');
  read(reading);
  reading.attributes.finish();
}

/** What a file says may be no size or no number: descriptions that parties agree on have a schema. */
function checkAttributes({ description }: TrainedModel): void {
  const parsed = modelDescriptionSchema.safeParse(description);
  if (parsed.success) return;
  const [issue] = parsed.error.issues;
  const [, position, ...path] = issue?.path ?? [];
  const layer = description.layers[Number(position)];
  throw new InputError(
    'onnx-unsupported',
    `Layer ${layer?.name ?? ''} (${layer?.kind ?? 'model'}), ${path.join('.')}: ${issue?.message ?? 'not a layer of ours'}.`,
  );
}

/** Operators that layers are read from; Constant only gives its value a name. */
const readers: Readonly<Record<string, ReadNode>> = {
  ...productReaders,
  ...windowReaders,
  ...cellReaders,
  ...moveReaders,
  ...recurrentReaders,
  Constant: (node) => {
    const value = constantOf(node.node);
    node.attributes.ignore('value', 'value_float', 'value_floats', 'value_int', 'value_ints');
    if (value === undefined) throw node.unsupported('holds no dense tensor');
    node.list.constants.set(node.node.outputs[0] ?? '', value);
  },
};

function constantOf({ attributes }: OnnxNode): PlainTensor | undefined {
  const [value] = attributes.values();
  switch (value?.kind) {
    case 'tensor':
      return value.value;
    case 'int':
    case 'float':
      return { type: 'float64', shape: [], data: Float64Array.of(value.value) };
    case 'ints':
    case 'floats':
      return { type: 'float64', shape: [value.value.length], data: Float64Array.from(value.value) };
    default:
      return undefined;
  }
}

/** Larger rows are taken for damage: a standardisation is kept in memory cell by cell. */
const maxInputCells = 2 ** 26;

const floatTypes: readonly string[] = ['FLOAT', 'DOUBLE', 'FLOAT16', 'BFLOAT16'];

/** Shape of a row of the input. */
function rowShape(input: OnnxValue, refused: (code: string, reason: string) => InputError): readonly number[] {
  if (input.form !== 'tensor' || input.elementType === undefined || input.elementType === 'BOOL') {
    throw refused('onnx-type', `its input "${input.name}" is not a tensor of numbers`);
  }
  const shape = (input.shape ?? []).slice(1).map((cells) => {
    if (typeof cells !== 'number' || cells < 1) {
      throw refused('onnx-input-shape', `its input "${input.name}" leaves a size open beside the batch`);
    }
    return cells;
  });
  if (shape.length === 0) {
    throw refused('onnx-input-shape', `its input "${input.name}" has no shape of the form [batch, sizes ...]`);
  }
  if (elementCount(shape) > maxInputCells) {
    throw refused('onnx-input-shape', `its input "${input.name}" has ${elementCount(shape)} cells a row`);
  }
  return shape;
}

/** Nodes that the output depends on, in order. */
function neededNodes(nodes: readonly OnnxNode[], output: string): OnnxNode[] {
  const wanted = new Set([output]);
  const needed = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((name) => wanted.has(name))) return false;
    for (const name of node.inputs) wanted.add(name);
    return true;
  });
  return needed.reverse();
}

/** How many nodes, and the output, take each value. */
function useCounts(nodes: readonly OnnxNode[], output: string): ReadonlyMap<string, number> {
  const counts = new Map([[output, 1]]);
  for (const name of nodes.flatMap(({ inputs }) => inputs)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
