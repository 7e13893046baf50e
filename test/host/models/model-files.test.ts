/** Model and tensor files on a real disk, and paths that try to leave a model's folder. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterAll, expect, test } from 'vitest';
import { writeNpy } from '../../../engine/models/npy.ts';
import { ModelProtoSchema } from '../../../engine/models/onnx/generated/onnx_pb.ts';
import { writeTensorProto } from '../../../engine/models/onnx/tensor-proto.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import { readModelFile, readTensorFile } from '../../../main/host/models/model-files.ts';
import { mlp } from '../../engine/models/sample-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-models-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (...parts: string[]): string => join(folder, ...parts);
const codeOf = (code: string) => expect.objectContaining({ code, kind: 'input' });

mkdirSync(at('model', 'weights'), { recursive: true });

/** The sample with its first kernel in another file. */
function externalModel(location: string): Uint8Array {
  const proto = fromBinary(ModelProtoSchema, writeOnnx(mlp));
  const tensor = proto.graph!.initializer.find(({ name }) => name === 'dense1/kernel')!;
  tensor.rawData = new Uint8Array(0);
  tensor.dataLocation = 1;
  tensor.externalData = [{ $typeName: 'onnx.StringStringEntryProto', key: 'location', value: location }];
  return toBinary(ModelProtoSchema, proto);
}
const kernel = new Uint8Array(Float32Array.from(mlp.weights.get('dense1/kernel')!.data).buffer);

test('ONNX, with weights inside and beside', () => {
  writeFileSync(at('model', 'a.onnx'), writeOnnx(mlp));
  expect(readModelFile(at('model', 'a.onnx'))).toEqual(mlp);
  writeFileSync(at('model', 'weights', 'k.bin'), kernel);
  writeFileSync(at('model', 'b.ONNX'), externalModel('weights/k.bin'));
  expect(readModelFile(at('model', 'b.ONNX'))).toEqual(mlp);
});

test('TF.js Layers', () => {
  const { modelJson, weights } = writeTfjsLayers(mlp);
  writeFileSync(at('model', 'model.json'), modelJson);
  expect(() => readModelFile(at('model', 'model.json'))).toThrow(codeOf('file-unreadable'));
  writeFileSync(at('model', 'weights.bin'), weights);
  expect(readModelFile(at('model', 'model.json'))).toEqual(mlp);
});

test('weights outside the folder are refused: by path and through a link', () => {
  writeFileSync(at('outside.bin'), kernel);
  writeFileSync(at('model', 'up.onnx'), externalModel('../outside.bin'));
  expect(() => readModelFile(at('model', 'up.onnx'))).toThrow(codeOf('onnx-external-data'));
  symlinkSync(at('outside.bin'), at('model', 'link.bin'));
  writeFileSync(at('model', 'link.onnx'), externalModel('link.bin'));
  expect(() => readModelFile(at('model', 'link.onnx'))).toThrow(codeOf('model-file-outside'));
  symlinkSync(folder, at('model', 'above'));
  writeFileSync(at('model', 'above.onnx'), externalModel('above/outside.bin'));
  expect(() => readModelFile(at('model', 'above.onnx'))).toThrow(codeOf('model-file-outside'));
});

test('tensors', () => {
  const tensor = { type: 'float32', shape: [2, 1], data: Float32Array.of(1, -2) } as const;
  writeFileSync(at('x.npy'), writeNpy(tensor));
  writeFileSync(at('x.pb'), writeTensorProto(tensor));
  expect(readTensorFile(at('x.npy'))).toEqual(tensor);
  expect(readTensorFile(at('x.pb'))).toEqual(tensor);
});

test.each([
  ['nothing.onnx', 'file-unreadable', 'it does not exist'],
  ['model.onnx', 'file-unreadable', 'it is a folder'],
  ['x.h5', 'model-file-type', 'neither in .onnx nor in .json'],
])('%s is refused', (name, code, text) => {
  mkdirSync(at('model.onnx'), { recursive: true });
  expect(() => readModelFile(at(name))).toThrow(codeOf(code));
  expect(() => readModelFile(at(name))).toThrow(text);
  expect(() => readTensorFile(at('x.csv'))).toThrow(codeOf('tensor-file-type'));
});
