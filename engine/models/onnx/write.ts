/**
 * Writes a model as an ONNX file that any ONNX runtime takes: batches of raw features in, answers out. Every layer's main node
 * has the name of the layer, every weight its own name. Weights are stored as float32, ONNX's common denominator. The
 * description goes along as metadata, so that our own files come back as the layers they were (own-model.ts).
 * Knows nothing of shares: the weights come in the clear.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { InternalError } from '../../../shared/errors.ts';
import type { Shape } from '../../../shared/layers/kind.ts';
import type { KindName, LayerOf } from '../../../shared/layers/table.ts';
import { MODEL_INPUT } from '../../../shared/layers/table.ts';
import { checkModel, layerInputShapes, layerInputs, modelShapes } from '../../../shared/model.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataType,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.ts';
import type { GraphProto, ValueInfoProto } from './generated/onnx_pb.ts';
import { NodeList } from './nodes.ts';
import { layerWriters } from './write-layers.ts';
import type { Written } from './write-layers.ts';

/** Operator set 17 belongs to IR version 8 (ONNX 1.12); runtimes since 2022 take both. */
const opset = 17n;
const irVersion = 8n;

/** Names of the model's input and output in the file. */
const inputName = 'input';
const outputName = 'output';
/** Key of the description in the file's metadata. */
export const DESCRIPTION_KEY = 'tacit.description';

/**
 * The bytes of model.onnx. The standardisation, if any, becomes the first two nodes (Sub, Mul).
 * @throws InputError when the model is inconsistent or a weight is not finite in float32, naming the tensor.
 */
export function writeOnnx(model: TrainedModel): Uint8Array<ArrayBuffer> {
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion,
      opsetImport: [...versionsOf(model)].map(([domain, version]) => ({ domain, version })),
      producerName: 'tacit',
      graph: onnxGraphOf(model),
      metadataProps: [
        create(StringStringEntryProtoSchema, { key: DESCRIPTION_KEY, value: JSON.stringify(model.description) }),
      ],
    }),
  );
}

/** Operator sets by domain: those of an imported graph where there is one, for its nodes are written as they were read. */
function versionsOf({ description }: TrainedModel): ReadonlyMap<string, bigint> {
  const graphs = description.layers.flatMap((layer) => (layer.kind === 'operators' ? [layer.graph] : []));
  const nodes = graphs.flatMap((graph) => graph.nodes);
  return new Map([['', opset], ...nodes.map(({ domain, version }) => [domain, BigInt(version)] as const)]);
}

/** The graph of the file; the same for the same model. */
export function onnxGraphOf(model: TrainedModel): GraphProto {
  checkModel(model);
  const { description, weights, standardisation } = model;
  const { inputShape, layers } = description;
  const list = new NodeList();
  let input = inputName;
  if (standardisation !== undefined) {
    const mean = list.floats('standardise/mean', { shape: inputShape, data: standardisation.subtract });
    const factor = list.floats('standardise/factor', { shape: inputShape, data: standardisation.multiply });
    const centred = list.add('standardise/subtract', 'Sub', [input, mean]);
    input = list.add('standardise/multiply', 'Mul', [centred, factor]);
  }
  const shapes = modelShapes(description);
  const inputShapes = layerInputShapes(description);
  const values = new Map([[MODEL_INPUT, input]]);
  layers.forEach((layer, position) => {
    const written: Written = {
      list,
      inputs: layerInputs(layers, position).map((name) => values.get(name) ?? ''),
      shapes: inputShapes[position] ?? [],
      output: shapes[position] ?? [],
      weight: (part) => {
        const tensor = weights.get(`${layer.name}/${part}`);
        if (tensor === undefined) throw new InternalError('weight-unknown', `${layer.name} has no weight ${part}.`);
        return tensor;
      },
    };
    values.set(layer.name, writeLayer(layer, written));
  });
  list.renameLast(outputName);
  return create(GraphProtoSchema, {
    name: 'model',
    node: list.nodes,
    initializer: list.constants,
    input: [batchOf(inputName, inputShape)],
    output: [batchOf(outputName, shapes.at(-1) ?? [])],
  });
}

function writeLayer<K extends KindName>(layer: LayerOf<K>, written: Written): string {
  return layerWriters[layer.kind](layer, written);
}

function batchOf(name: string, shape: Shape): ValueInfoProto {
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
