/** Nodes and constants of an ONNX graph under construction, by value name. Knows nothing of models. */
import { create } from '@bufbuild/protobuf';
import { checkFinite } from '../../../shared/model.ts';
import type { WeightTensor } from '../../../shared/model.ts';
import { AttributeProto_AttributeType, AttributeProtoSchema, NodeProtoSchema } from './generated/onnx_pb.ts';
import type { AttributeProto, NodeProto, TensorProto } from './generated/onnx_pb.ts';
import { tensorToProto } from './tensor-proto.ts';

/** A whole number, a list of them, a number that may be broken, or a text. */
export type AttributeValue = number | readonly number[] | { readonly float: number } | string;

export class NodeList {
  readonly nodes: NodeProto[] = [];
  readonly constants: TensorProto[] = [];

  /** Appends a node; the name of its value (or of the given output) comes back. */
  add(
    name: string,
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    outputs: readonly string[] = [`${name}/output`],
  ): string {
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    this.nodes.push(create(NodeProtoSchema, { name, opType, input: [...inputs], output: [...outputs], attribute }));
    return outputs.find((output) => output !== '') ?? '';
  }

  /** A constant in float32; its name comes back. */
  floats(name: string, { shape, data }: WeightTensor): string {
    const values = Float32Array.from(data);
    checkFinite(`Weight ${name}, stored as float32,`, values);
    this.constants.push(tensorToProto({ type: 'float32', shape, data: values }, name));
    return name;
  }

  /** One number. */
  float(name: string, value: number): string {
    return this.floats(name, { shape: [], data: Float64Array.of(value) });
  }

  /** Sizes and axes. */
  integers(name: string, values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    this.constants.push(tensorToProto({ type: 'int64', shape: [values.length], data }, name));
    return name;
  }

  /** Gives the value of the last node another name. */
  renameLast(output: string): void {
    const last = this.nodes.at(-1);
    if (last === undefined) return;
    const before = last.output.find((name) => name !== '');
    last.output = last.output.map((name) => (name === before ? output : name));
  }
}

function attributeOf(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  }
  if (typeof value === 'string') {
    const s = new TextEncoder().encode(value);
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.STRING, s });
  }
  if ('float' in value) {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  }
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) });
}
