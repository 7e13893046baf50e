/**
 * Our own ONNX files come back as the layers that they were written from, whatever the kinds: the description stands in the
 * file's metadata, and counts only where writing it again gives the very same graph. A file that another tool has changed is
 * read like any other.
 */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { InputError } from '../../../shared/errors.ts';
import { modelDescriptionSchema, modelWeights } from '../../../shared/model.ts';
import type { ModelDescription, TrainedModel, WeightTensor } from '../../../shared/model.ts';
import { toFloat64 } from '../tensor.ts';
import { GraphProtoSchema, ModelProtoSchema } from './generated/onnx_pb.ts';
import type { GraphProto, ModelProto } from './generated/onnx_pb.ts';
import { recurrentFromOnnx } from './recurrent-weights.ts';
import { tensorFromProto } from './tensor-proto.ts';
import { DESCRIPTION_KEY, onnxGraphOf } from './write.ts';

/** Undefined where the file is not one that `writeOnnx` wrote, unchanged since. */
export function readOwnModel(bytes: Uint8Array, what: string): TrainedModel | undefined {
  let proto: ModelProto;
  try {
    proto = fromBinary(ModelProtoSchema, bytes);
  } catch {
    return undefined;
  }
  const description = describedBy(proto);
  if (description === undefined || proto.graph === undefined) return undefined;
  try {
    const model = modelOf(description, proto.graph, what);
    return model !== undefined && isSame(onnxGraphOf(model), proto.graph) ? model : undefined;
  } catch (cause) {
    // What does not fit its description is for the general reader to judge.
    if (cause instanceof InputError) return undefined;
    throw cause;
  }
}

function describedBy({ metadataProps }: ModelProto): ModelDescription | undefined {
  const text = metadataProps.find(({ key }) => key === DESCRIPTION_KEY)?.value;
  if (text === undefined) return undefined;
  try {
    const parsed = modelDescriptionSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Weights by their names in the file; undefined where one is missing. */
function modelOf(description: ModelDescription, graph: GraphProto, what: string): TrainedModel | undefined {
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const read = (name: string): WeightTensor | undefined => {
    const tensor = tensors.get(name);
    if (tensor === undefined) return undefined;
    const plain = tensorFromProto(tensor, `${what}: constant "${name}"`);
    return { shape: plain.shape, data: toFloat64(name, plain) };
  };
  const stored = new Map<string, WeightTensor>();
  for (const { key } of modelWeights(description)) {
    const tensor = read(key);
    if (tensor === undefined) return undefined;
    stored.set(key, tensor);
  }
  const weights = new Map(stored);
  for (const layer of description.layers) {
    if (layer.kind !== 'rnn' && layer.kind !== 'lstm' && layer.kind !== 'gru') continue;
    const tensor = (part: string): WeightTensor =>
      stored.get(`${layer.name}/${part}`) ?? { shape: [], data: new Float64Array(0) };
    for (const [part, weight] of recurrentFromOnnx(layer.kind, layer.units, tensor))
      weights.set(`${layer.name}/${part}`, weight);
  }
  const [subtract, multiply] = [read('standardise/mean'), read('standardise/factor')];
  if (subtract === undefined || multiply === undefined) return { description, weights };
  return { description, weights, standardisation: { subtract: subtract.data, multiply: multiply.data } };
}

function isSame(one: GraphProto, other: GraphProto): boolean {
  const [a, b] = [toBinary(GraphProtoSchema, one), toBinary(GraphProtoSchema, other)];
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
