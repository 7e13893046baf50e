/** Small ONNX files for tests, built node by node. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType,
  ValueInfoProtoSchema,
} from '../../engine/models/onnx/generated/onnx_pb.ts';
import type { NodeProto } from '../../engine/models/onnx/generated/onnx_pb.ts';
import { tensorToProto } from '../../engine/models/onnx/tensor-proto.ts';
import type { PlainTensor } from '../../engine/models/tensor.ts';

export interface SampleInput {
  readonly type?: TensorProto_DataType;
  /** Open if not given. A text is a free size. */
  readonly shape?: readonly (number | string)[];
}

export interface SampleModel {
  readonly nodes: readonly NodeProto[];
  readonly inputs: Readonly<Record<string, SampleInput>>;
  readonly outputs: Readonly<Record<string, SampleInput>>;
  readonly constants?: Readonly<Record<string, PlainTensor>>;
  readonly opset?: number;
}

/** A node named after its operator and its output, with whole-number attributes. */
export function sampleNode(
  opType: string,
  input: string[],
  output: string[],
  ints: Readonly<Record<string, number>> = {},
): NodeProto {
  const attribute = Object.entries(ints).map(([name, value]) =>
    create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) }),
  );
  return create(NodeProtoSchema, { name: `${opType}-${output[0] ?? ''}`, opType, input, output, attribute });
}

export function sampleOnnx({ nodes, inputs, outputs, constants = {}, opset = 17 }: SampleModel): Uint8Array {
  const info = ([name, { type = TensorProto_DataType.FLOAT, shape }]: [string, SampleInput]) => {
    const dim = shape?.map((n) =>
      typeof n === 'number'
        ? { value: { case: 'dimValue' as const, value: BigInt(n) } }
        : { value: { case: 'dimParam' as const, value: n } },
    );
    const value = { elemType: type, ...(dim === undefined ? {} : { shape: { dim } }) };
    return create(ValueInfoProtoSchema, { name, type: { value: { case: 'tensorType', value } } });
  };
  const graph = create(GraphProtoSchema, {
    name: 'test',
    node: [...nodes],
    initializer: Object.entries(constants).map(([name, tensor]) => tensorToProto(tensor, name)),
    input: Object.entries(inputs).map(info),
    output: Object.entries(outputs).map(info),
  });
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 8n, opsetImport: [{ domain: '', version: BigInt(opset) }], graph }),
  );
}

export function floats(shape: readonly number[], ...values: number[]): PlainTensor {
  return { type: 'float32', shape, data: Float32Array.from(values) };
}

export function wholes(shape: readonly number[], ...values: number[]): PlainTensor {
  return { type: 'int64', shape, data: BigInt64Array.from(values, BigInt) };
}

/** The file as another tool would have written it: without our description. */
export function withoutMetadata(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const model = fromBinary(ModelProtoSchema, bytes);
  model.metadataProps = [];
  return toBinary(ModelProtoSchema, model);
}

/** The same, but for two changes of sign at the end, which are no layer: the file is read as a graph of operators. */
export function asOperators(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const model = fromBinary(ModelProtoSchema, withoutMetadata(bytes));
  const output = model.graph?.output[0];
  if (model.graph === undefined || output === undefined) throw new Error('the model has no output');
  model.graph.node.push(
    sampleNode('Neg', [output.name], ['changed']),
    sampleNode('Neg', ['changed'], ['changed-back']),
  );
  output.name = 'changed-back';
  return toBinary(ModelProtoSchema, model);
}
