/**
 * Writes a model as an ONNX file that any ONNX runtime takes: batches of raw features in, answers out. Every node has the
 * name of its layer, every constant the name of its weight. Weights are stored as float32, ONNX's common denominator.
 * Operators: https://onnx.ai/onnx/operators, set 17. Knows nothing of shares: the weights come in the clear.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { InternalError } from '../../../shared/errors.ts';
import { checkFinite, checkModel, modelShapes } from '../../../shared/model.ts';
import type { Layer, TrainedModel, WeightTensor } from '../../../shared/model.ts';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.ts';
import type { AttributeProto, NodeProto, TensorProto, ValueInfoProto } from './generated/onnx_pb.ts';
import { tensorToProto } from './tensor-proto.ts';

/** Operator set 17 belongs to IR version 8 (ONNX 1.12); runtimes since 2022 take both. */
const opset = 17n;
const irVersion = 8n;

/** Names of the model's input and output in the file. */
const inputName = 'input';
const outputName = 'output';

/**
 * The bytes of model.onnx. The standardisation, if any, becomes the first two nodes (Sub, Mul).
 * @throws InputError when the model is inconsistent or a weight is not finite in float32, naming the tensor.
 */
export function writeOnnx(model: TrainedModel): Uint8Array<ArrayBuffer> {
  checkModel(model);
  const { description, weights, standardisation } = model;
  const constants: TensorProto[] = [];
  const nodes: NodeProto[] = [];
  const constant = (name: string, tensor: WeightTensor): string => {
    const data = Float32Array.from(tensor.data);
    checkFinite(`Weight ${name}, stored as float32,`, data);
    constants.push(tensorToProto({ type: 'float32', shape: tensor.shape, data }, name));
    return name;
  };
  let value = inputName;
  let pending = description.layers.length + (standardisation === undefined ? 0 : 2);
  /** Appends a node that takes the value of the node before it. */
  const append = (name: string, opType: string, operands: string[], attribute: AttributeProto[]): void => {
    pending--;
    const output = pending === 0 ? outputName : `${name}/output`;
    nodes.push(create(NodeProtoSchema, { name, opType, input: [value, ...operands], output: [output], attribute }));
    value = output;
  };
  if (standardisation !== undefined) {
    const shape = description.inputShape;
    const { subtract, multiply } = standardisation;
    append('standardise/subtract', 'Sub', [constant('standardise/mean', { shape, data: subtract })], []);
    append('standardise/multiply', 'Mul', [constant('standardise/factor', { shape, data: multiply })], []);
  }
  for (const layer of description.layers) {
    const operands = ['kernel', 'bias'].flatMap((part) => {
      const tensor = weights.get(`${layer.name}/${part}`);
      return tensor === undefined ? [] : [constant(`${layer.name}/${part}`, tensor)];
    });
    append(layer.name, operatorOf(layer), operands, attributesOf(layer));
  }
  const outputShape = modelShapes(description).at(-1);
  if (outputShape === undefined)
    throw new InternalError('model-without-layers', 'a model without layers has no output');
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion,
      opsetImport: [{ domain: '', version: opset }],
      producerName: 'tacit',
      graph: create(GraphProtoSchema, {
        name: 'model',
        node: nodes,
        initializer: constants,
        input: [batchOf(inputName, description.inputShape)],
        output: [batchOf(outputName, outputShape)],
      }),
    }),
  );
}

function batchOf(name: string, shape: readonly number[]): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: TensorProto_DataType.FLOAT,
          shape: {
            dim: [
              { value: { case: 'dimParam', value: 'batch' } },
              ...shape.map((cells) => ({ value: { case: 'dimValue' as const, value: BigInt(cells) } })),
            ],
          },
        },
      },
    },
  });
}

function operatorOf(layer: Layer): string {
  switch (layer.kind) {
    case 'dense':
      return 'Gemm';
    case 'relu':
      return 'Relu';
    case 'sigmoid':
      return 'Sigmoid';
    case 'tanh':
      return 'Tanh';
    case 'softmax':
      return 'Softmax';
    case 'flatten':
      return 'Flatten';
    case 'conv2d':
      return 'Conv';
    case 'maxPool2d':
      return 'MaxPool';
    case 'averagePool2d':
      return 'AveragePool';
  }
}

/** Only what differs from ONNX's defaults, and what has none. */
function attributesOf(layer: Layer): AttributeProto[] {
  switch (layer.kind) {
    case 'conv2d':
      return [
        ints('kernel_shape', layer.kernel),
        ints('strides', layer.stride),
        ints('dilations', layer.dilation),
        ints('pads', layer.padding),
        int('group', layer.groups),
      ];
    case 'maxPool2d':
      return [
        ints('kernel_shape', layer.kernel),
        ints('strides', layer.stride),
        ints('dilations', layer.dilation),
        ints('pads', layer.padding),
      ];
    case 'averagePool2d':
      return [
        ints('kernel_shape', layer.kernel),
        ints('strides', layer.stride),
        ints('pads', layer.padding),
        int('count_include_pad', layer.countPadding ? 1 : 0),
      ];
    default:
      return [];
  }
}

function int(name: string, value: number): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
}

function ints(name: string, values: readonly number[]): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: values.map(BigInt) });
}
