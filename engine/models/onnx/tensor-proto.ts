/**
 * ONNX TensorProto: the tensors inside a model and the stand-alone .pb files of ONNX test data, in and out.
 * Knows nothing of graphs, nor of the file system: external data comes through an injected function.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { InputError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { leavesFolder } from '../relative-path.ts';
import { tensorBytes, tensorFromBytes } from '../tensor.ts';
import type { ElementType, HalfType, PlainTensor } from '../tensor.ts';
import {
  OptionalProtoSchema,
  SequenceProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
} from './generated/onnx_pb.ts';
import type { SequenceProto, TensorProto } from './generated/onnx_pb.ts';

/**
 * Reads a whole file that a model keeps outside itself. `location` is relative to the model's folder and was checked not
 * to leave it by name; whoever opens it must see to symbolic links.
 */
export type ReadExternalData = (location: string) => Uint8Array;

const types: ReadonlyMap<number, ElementType | HalfType> = new Map<number, ElementType | HalfType>([
  [TensorProto_DataType.FLOAT, 'float32'],
  [TensorProto_DataType.UINT8, 'uint8'],
  [TensorProto_DataType.INT8, 'int8'],
  [TensorProto_DataType.UINT16, 'uint16'],
  [TensorProto_DataType.INT16, 'int16'],
  [TensorProto_DataType.INT32, 'int32'],
  [TensorProto_DataType.INT64, 'int64'],
  [TensorProto_DataType.BOOL, 'bool'],
  [TensorProto_DataType.FLOAT16, 'float16'],
  [TensorProto_DataType.DOUBLE, 'float64'],
  [TensorProto_DataType.UINT32, 'uint32'],
  [TensorProto_DataType.UINT64, 'uint64'],
  [TensorProto_DataType.BFLOAT16, 'bfloat16'],
]);

const typeNames = new Map(Object.entries(TensorProto_DataType).map(([name, value]) => [value as number, name]));

/** Element type of an ONNX type number; undefined for strings, complex and newer small types. */
export function elementTypeOf(dataType: number | undefined): ElementType | HalfType | undefined {
  return dataType === undefined ? undefined : types.get(dataType);
}

/** ONNX's own name of an element type, for messages. */
export function dataTypeName(dataType: number | undefined): string {
  return typeNames.get(dataType ?? 0) ?? `type ${dataType}`;
}

/**
 * Reads a stand-alone TensorProto file.
 * @param what names the file in errors.
 * @throws InputError (`tensor-proto-format`, `onnx-type`, `tensor-size`).
 */
export function readTensorProto(bytes: Uint8Array, what: string): PlainTensor {
  let proto: TensorProto;
  try {
    proto = fromBinary(TensorProtoSchema, bytes);
  } catch (cause) {
    throw notATensor(what, cause);
  }
  if (proto.dataType === 0) throw notATensor(what);
  return tensorFromProto(proto, what);
}

/**
 * Reads a stand-alone SequenceProto file: a list of tensors.
 * @throws InputError as `readTensorProto`.
 */
export function readSequenceProto(bytes: Uint8Array, what: string): PlainTensor[] {
  try {
    return sequence(fromBinary(SequenceProtoSchema, bytes), what);
  } catch (cause) {
    throw cause instanceof InputError ? cause : notATensor(what, cause);
  }
}

/**
 * Reads a stand-alone OptionalProto file: a tensor, a list of tensors, or nothing.
 * @throws InputError as `readTensorProto`.
 */
export function readOptionalProto(bytes: Uint8Array, what: string): PlainTensor | PlainTensor[] | undefined {
  try {
    const { tensorValue, sequenceValue } = fromBinary(OptionalProtoSchema, bytes);
    if (tensorValue !== undefined) return tensorFromProto(tensorValue, what);
    return sequenceValue === undefined ? undefined : sequence(sequenceValue, what);
  } catch (cause) {
    throw cause instanceof InputError ? cause : notATensor(what, cause);
  }
}

function sequence({ tensorValues }: SequenceProto, what: string): PlainTensor[] {
  return tensorValues.map((tensor) => tensorFromProto(tensor, what));
}

function notATensor(what: string, cause?: unknown): InputError {
  return new InputError('tensor-proto-format', `${what} is not a readable ONNX tensor file (TensorProto).`, {
    hint: 'Expected is the .pb file of one dense tensor.',
    cause,
  });
}

/** Writes a stand-alone TensorProto file. */
export function writeTensorProto(tensor: PlainTensor, name = ''): Uint8Array<ArrayBuffer> {
  return toBinary(TensorProtoSchema, tensorToProto(tensor, name));
}

export function tensorToProto(tensor: PlainTensor, name: string): TensorProto {
  const dataType = [...types].find(([, type]) => type === tensor.type)?.[0] ?? 0;
  return create(TensorProtoSchema, { name, dataType, dims: tensor.shape.map(BigInt), rawData: tensorBytes(tensor) });
}

/**
 * Decodes a tensor of a model or of a stand-alone file. `what` names it in errors.
 * @throws InputError (`onnx-type`, `onnx-external-data`, `tensor-proto-format`, `tensor-size`).
 */
export function tensorFromProto(proto: TensorProto, what: string, readExternal?: ReadExternalData): PlainTensor {
  const type = elementTypeOf(proto.dataType);
  if (type === undefined) {
    throw new InputError(
      'onnx-type',
      `${what} has elements of ${dataTypeName(proto.dataType)}, which is not supported.`,
      {
        hint: 'Supported are floating-point, integer and boolean tensors.',
      },
    );
  }
  const shape = proto.dims.map(Number);
  if (shape.some((n) => !Number.isSafeInteger(n) || n < 0) || !Number.isSafeInteger(elementCount(shape))) {
    throw new InputError('tensor-proto-format', `${what} has the impossible shape [${proto.dims.join(', ')}].`);
  }
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    return tensorFromBytes(what, type, shape, externalBytes(proto, what, readExternal));
  }
  if (proto.rawData.length > 0) return tensorFromBytes(what, type, shape, proto.rawData);
  return tensorFromBytes(what, type, shape, typedFieldBytes(proto, type));
}

/** Elements that are kept in the typed repeated fields instead of raw bytes. */
function typedFieldBytes(proto: TensorProto, type: ElementType | HalfType): Uint8Array {
  const bytes = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  switch (type) {
    case 'float32':
      return bytes(Float32Array.from(proto.floatData));
    case 'float64':
      return bytes(Float64Array.from(proto.doubleData));
    case 'int64':
      return bytes(BigInt64Array.from(proto.int64Data));
    case 'uint64':
      return bytes(BigUint64Array.from(proto.uint64Data));
    case 'uint32':
      return bytes(Uint32Array.from(proto.uint64Data, Number));
    case 'int32':
      return bytes(Int32Array.from(proto.int32Data));
    case 'int16':
      return bytes(Int16Array.from(proto.int32Data));
    case 'int8':
      return bytes(Int8Array.from(proto.int32Data));
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return bytes(Uint16Array.from(proto.int32Data));
    case 'uint8':
    case 'bool':
      return bytes(Uint8Array.from(proto.int32Data));
  }
}

function externalBytes(proto: TensorProto, what: string, readExternal: ReadExternalData | undefined): Uint8Array {
  const entries = new Map(proto.externalData.map((entry) => [entry.key, entry.value]));
  const location = entries.get('location');
  const refused = (reason: string): InputError => new InputError('onnx-external-data', `${what}: ${reason}.`);
  if (location === undefined || location === '') throw refused('its external data has no location');
  if (leavesFolder(location)) throw refused(`its external data "${location}" lies outside the folder of the model`);
  if (readExternal === undefined) throw refused(`its external data "${location}" cannot be read here`);
  const file = readExternal(location);
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? file.length - offset);
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw refused(`its external data has offset ${entries.get('offset')} and length ${entries.get('length')}`);
  }
  if (offset + length > file.length) {
    throw refused(`"${location}" has ${file.length} bytes, needed are ${length} from ${offset}`);
  }
  return file.subarray(offset, offset + length);
}
