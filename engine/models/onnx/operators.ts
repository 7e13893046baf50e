/**
 * From a checked ONNX graph to the neutral operator graph, with the values of its private weights apart: floating-point and
 * 8-bit tensors of at least one axis belong to the model's owner, the rest (sizes, axes, indices, single numbers) is public.
 * Knows nothing of bytes or of what operators mean.
 */
import { InputError } from '../../../shared/errors.ts';
import type { WeightTensor } from '../../../shared/model.ts';
import type {
  ElementName,
  GraphTensor,
  GraphValue,
  GraphWeight,
  OperatorAttribute,
  OperatorGraph,
  OperatorNode,
} from '../../../shared/operator-graph.ts';
import { toGraphTensor } from '../../nn/operators/graph-tensor.ts';
import { publicTensor } from '../../nn/operators/value.ts';
import { toFloat64 } from '../tensor.ts';
import type { PlainTensor } from '../tensor.ts';
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxValue } from './graph.ts';

export interface OperatorModel {
  readonly graph: OperatorGraph;
  /** By key. */
  readonly weights: ReadonlyMap<string, WeightTensor>;
}

/** @throws InputError `onnx-type` for an element type that is not supported. */
export function operatorModel(graph: OnnxGraph): OperatorModel {
  const builder = new Builder();
  return { graph: builder.graph(graph), weights: builder.weights };
}

class Builder {
  readonly weights = new Map<string, WeightTensor>();

  graph(graph: OnnxGraph): OperatorGraph {
    const constants: { name: string; tensor: GraphTensor }[] = [];
    const weights: GraphWeight[] = [];
    const nodes: OperatorNode[] = [];
    const define = (name: string, tensor: PlainTensor): void => {
      if (!isPrivate(tensor) || isParameter(name, graph.nodes))
        constants.push({ name, tensor: graphTensor(name, tensor) });
      else {
        const key = this.#key(name);
        weights.push({ name, key, type: tensor.type, shape: tensor.shape, role: roleOf(name, tensor, graph.nodes) });
        this.weights.set(key, { shape: tensor.shape, data: toFloat64(`The weight "${name}"`, tensor) });
      }
    };
    const used = usedNames(graph);
    for (const [name, tensor] of graph.constants) if (used.has(name)) define(name, tensor);
    for (const node of graph.nodes) {
      const value = node.operator === 'Constant' && node.domain === '' ? node.attributes.get('value') : undefined;
      if (value?.kind === 'tensor') define(node.outputs[0] ?? '', value.value);
      else nodes.push(this.#node(node));
    }
    return { inputs: graph.inputs.map(graphValue), outputs: graph.outputs.map(graphValue), nodes, constants, weights };
  }

  #node({ name, operator, domain, version, inputs, outputs, attributes }: OnnxNode): OperatorNode {
    const converted = [...attributes].map(([key, attribute]) => this.#attribute(key, attribute));
    return { name, operator, domain, version, inputs, outputs, attributes: converted };
  }

  #attribute(name: string, attribute: OnnxAttribute): OperatorAttribute {
    switch (attribute.kind) {
      case 'tensor':
        return { name, kind: 'tensor', value: graphTensor(name, attribute.value) };
      case 'graph':
        return { name, kind: 'graph', value: this.graph(attribute.value) };
      default:
        return { name, ...attribute };
    }
  }

  /** A name that is safe in our own files, unique. */
  #key(name: string): string {
    const safe = name.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 80) || 'weight';
    let key = safe;
    for (let i = 2; this.weights.has(key); i++) key = `${safe}.${i}`;
    return key;
  }
}

/** What nodes take, in subgraphs too, and what the graph gives out. */
function usedNames({ nodes, outputs }: OnnxGraph): ReadonlySet<string> {
  const inner = nodes.flatMap(({ attributes }) =>
    [...attributes.values()].flatMap((attribute) =>
      attribute.kind === 'graph' ? [...usedNames(attribute.value)] : [],
    ),
  );
  return new Set([...nodes.flatMap(({ inputs }) => inputs), ...outputs.map(({ name }) => name), ...inner]);
}

/** Running statistics of batches are not trained, nor are whole numbers. */
function roleOf(name: string, { type, shape }: PlainTensor, nodes: readonly OnnxNode[]): GraphWeight['role'] {
  const isStatistic = nodes.some(
    ({ operator, inputs }) => operator === 'BatchNormalization' && inputs.slice(3).includes(name),
  );
  if (isStatistic || !type.startsWith('float')) return 'statistic';
  return shape.length > 1 ? 'factor' : 'term';
}

/** Inputs that decide what is computed, by operator: they are public however many numbers they have. */
const parameters: ReadonlyMap<string, readonly number[]> = new Map([
  ['GridSample', [1]],
  ['QLinearConv', [1, 4, 6]],
  ['QLinearMatMul', [1, 4, 6]],
  ['QuantizeLinear', [1]],
  ['Resize', [1, 2]],
  ['Upsample', [1]],
]);

function isParameter(name: string, nodes: readonly OnnxNode[]): boolean {
  return nodes.some(({ operator, inputs }) => parameters.get(operator)?.some((position) => inputs[position] === name));
}

/** Single numbers and masks are part of the model's form; so are sizes and indices. */
function isPrivate({ type, shape, data }: PlainTensor): boolean {
  const isWeight = type.startsWith('float') || type === 'int8' || type === 'uint8';
  if (!isWeight || shape.length === 0 || data.length === 0) return false;
  const values = Array.from<number | bigint, number>(data, Number);
  const isMask = values.every((value) => value === 0 || value <= LEAST_MASK) && values.some((value) => value !== 0);
  return values.every(Number.isFinite) && !isMask;
}

/** Entries of masks are 0, or below this, which exporters write for minus infinity; no weight comes near it. */
const LEAST_MASK = -(2 ** 22);

function graphTensor(name: string, tensor: PlainTensor): GraphTensor {
  const { type, shape, data } = tensor;
  if (data.length > MOST_CONSTANT_CELLS) {
    throw new InputError(
      'onnx-constant-size',
      `The constant "${name}" has ${data.length} elements; public constants may have ${MOST_CONSTANT_CELLS}.`,
      { hint: 'Keep large tables as floating-point weights.' },
    );
  }
  // The extremes that mean "to the end" are beyond what a double holds exactly, and stay huge.
  return toGraphTensor(publicTensor(type, shape, Array.from<number | bigint, number>(data, Number)));
}

/** They travel in plans and descriptions. */
const MOST_CONSTANT_CELLS = 1_000_000;

function graphValue({ name, elementType, shape }: OnnxValue): GraphValue {
  return {
    name,
    type: elementType === undefined ? null : (elementNamesOfOnnx.get(elementType) ?? null),
    shape: shape === undefined ? null : shape.map((size) => size ?? null),
  };
}

const elementNamesOfOnnx: ReadonlyMap<string, ElementName> = new Map([
  ['FLOAT', 'float32'],
  ['DOUBLE', 'float64'],
  ['FLOAT16', 'float16'],
  ['BFLOAT16', 'bfloat16'],
  ['INT8', 'int8'],
  ['INT16', 'int16'],
  ['INT32', 'int32'],
  ['INT64', 'int64'],
  ['UINT8', 'uint8'],
  ['UINT16', 'uint16'],
  ['UINT32', 'uint32'],
  ['UINT64', 'uint64'],
  ['BOOL', 'bool'],
]);
