/** Nodes and constants of a layer that is a graph of operators, as they were read, with the values of its weights. */
import { create } from '@bufbuild/protobuf';
import { graphWeights } from '../../../shared/layers/operators.ts';
import type { LayerOf } from '../../../shared/layers/table.ts';
import type { GraphTensor, OperatorAttribute, OperatorGraph } from '../../../shared/operator-graph.ts';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  NodeProtoSchema,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.ts';
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from './generated/onnx_pb.ts';
import { fromGraphTensor } from '../../nn/operators/graph-tensor.ts';
import { storedAs, tensorFromNumbers } from '../tensor.ts';
import type { PlainTensor } from '../tensor.ts';
import { tensorToProto } from './tensor-proto.ts';
import type { Written } from './write-layers.ts';

/** Nodes and constants go into `written.list`; values get the layer's name before their own, weights their names in the model. */
export function writeOperators({ name, graph }: LayerOf<'operators'>, written: Written): string {
  const [to] = graph.outputs;
  const weightNames = new Map(graphWeights(graph).map((weight) => [weight.name, `${name}/${weight.key}`]));
  const inputNames = new Map(graph.inputs.map((input, i) => [input.name, written.inputs[i] ?? '']));
  const renamed = (value: string): string =>
    value === '' ? '' : (inputNames.get(value) ?? weightNames.get(value) ?? `${name}:${value}`);
  for (const { key } of graphWeights(graph)) written.list.floats(`${name}/${key}`, written.weight(key));
  const writer = new OperatorWriter(renamed);
  written.list.constants.push(...writer.constants(graph));
  written.list.nodes.push(...writer.nodes(graph));
  return written.list.add(name, 'Identity', [renamed(to?.name ?? '')]);
}

class OperatorWriter {
  readonly #renamed: (name: string) => string;

  constructor(renamed: (name: string) => string) {
    this.#renamed = renamed;
  }

  constants(graph: OperatorGraph): TensorProto[] {
    return graph.constants.map(({ name, tensor }) => tensorToProto(plainTensor(tensor), this.#renamed(name)));
  }

  nodes(graph: OperatorGraph): NodeProto[] {
    return graph.nodes.map(({ name, operator, domain, inputs, outputs, attributes }) =>
      create(NodeProtoSchema, {
        name,
        opType: operator,
        domain,
        input: inputs.map(this.#renamed),
        output: outputs.map(this.#renamed),
        attribute: attributes.map((attribute) => this.#attribute(attribute)),
      }),
    );
  }

  #subgraph(graph: OperatorGraph): GraphProto {
    const values = (of: OperatorGraph['inputs']) =>
      of.map(({ name }) => create(ValueInfoProtoSchema, { name: this.#renamed(name) }));
    return create(GraphProtoSchema, {
      name: 'body',
      node: this.nodes(graph),
      initializer: this.constants(graph),
      input: values(graph.inputs),
      output: values(graph.outputs),
    });
  }

  #attribute(attribute: OperatorAttribute): AttributeProto {
    const { name } = attribute;
    const { FLOAT, INT, STRING, FLOATS, INTS, STRINGS, TENSOR, GRAPH } = AttributeProto_AttributeType;
    const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
    switch (attribute.kind) {
      case 'float':
        return create(AttributeProtoSchema, { name, type: FLOAT, f: attribute.value });
      case 'int':
        return create(AttributeProtoSchema, { name, type: INT, i: int64(attribute.value) });
      case 'string':
        return create(AttributeProtoSchema, { name, type: STRING, s: bytes(attribute.value) });
      case 'floats':
        return create(AttributeProtoSchema, { name, type: FLOATS, floats: [...attribute.value] });
      case 'ints':
        return create(AttributeProtoSchema, { name, type: INTS, ints: attribute.value.map(int64) });
      case 'strings':
        return create(AttributeProtoSchema, { name, type: STRINGS, strings: attribute.value.map(bytes) });
      case 'tensor':
        return create(AttributeProtoSchema, { name, type: TENSOR, t: tensorToProto(plainTensor(attribute.value), '') });
      case 'graph':
        return create(AttributeProtoSchema, { name, type: GRAPH, g: this.#subgraph(attribute.value) });
    }
  }
}

function plainTensor(tensor: GraphTensor): PlainTensor {
  const { type, shape, values } = fromGraphTensor(tensor);
  return tensorFromNumbers(storedAs(type), shape, values);
}

/** Attributes hold 64 bits: what means "to the end" is beyond what a double holds exactly. */
function int64(value: number): bigint {
  const [whole = 0n] = tensorFromNumbers('int64', [1], [value]).data;
  return BigInt(whole);
}
