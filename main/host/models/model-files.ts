/**
 * Opens model and tensor files from disk, with the files that they keep beside them, and writes models. Nothing outside a model's
 * folder is read, symbolic links included: the paths in a model file are its author's. Knows nothing of what models are used for.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { readNpy } from '../../../engine/models/npy.ts';
import { asLayers } from '../../../engine/models/onnx/operator-layer.ts';
import { readOnnxModel } from '../../../engine/models/onnx/read.ts';
import type { OnnxModel } from '../../../engine/models/onnx/read.ts';
import { readTensorProto } from '../../../engine/models/onnx/tensor-proto.ts';
import type { PlainTensor } from '../../../engine/models/tensor.ts';
import { readTfjs } from '../../../engine/models/tfjs.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import { InputError } from '../../../shared/errors.ts';
import type { TrainedModel } from '../../../shared/model.ts';

/**
 * Reads a model as layers: `.onnx`, or the `.json` of a TF.js model, of layers or of operators.
 * @throws InputError `file-unreadable`, `model-file-type`, `model-file-outside`, and those of the format's reader.
 */
export function readModelFile(path: string): TrainedModel {
  const read = readAnyModelFile(path);
  return read.kind === 'layers' ? read.model : asLayers(read.model, basename(path));
}

/** As `readModelFile`, and models that are graphs of operators and no layer, as what they are. */
export function readAnyModelFile(path: string): OnnxModel {
  const what = basename(path);
  const beside = (location: string): Uint8Array => readBeside(path, location);
  switch (extname(path).toLowerCase()) {
    case '.onnx':
      return readOnnxModel(readWhole(path), what, beside);
    case '.json':
      return readTfjs(new TextDecoder().decode(readWhole(path)), beside, what);
    default:
      throw notModelFile(what);
  }
}

/**
 * Writes a model: `.onnx`, or as `.json` a TF.js Layers model with weights.bin beside it.
 * @throws InputError `model-file-type`, `tfjs-unsupported` naming a layer that the format has not.
 */
export async function writeModelFile(path: string, model: TrainedModel): Promise<void> {
  switch (extname(path).toLowerCase()) {
    case '.onnx':
      await writeFile(path, writeOnnx(model));
      return;
    case '.json': {
      const { modelJson, weights } = writeTfjsLayers(model);
      await writeFile(join(dirname(path), 'weights.bin'), weights);
      await writeFile(path, modelJson);
      return;
    }
    default:
      throw notModelFile(basename(path));
  }
}

function notModelFile(what: string): InputError {
  return new InputError(
    'model-file-type',
    `${what} is not a model file: its name ends neither in .onnx nor in .json.`,
    { hint: 'Give an ONNX model, or the model.json of a TF.js model.' },
  );
}

/**
 * Reads one tensor: `.npy`, or `.pb` for an ONNX TensorProto.
 * @throws InputError `file-unreadable`, `tensor-file-type`, and those of the format's reader.
 */
export function readTensorFile(path: string): PlainTensor {
  const what = basename(path);
  switch (extname(path).toLowerCase()) {
    case '.npy':
      return readNpy(readWhole(path), what);
    case '.pb':
      return readTensorProto(readWhole(path), what);
    default:
      throw new InputError(
        'tensor-file-type',
        `${what} is not a tensor file: its name ends neither in .npy nor in .pb.`,
        {
          hint: 'Save the array with numpy.save, or give an ONNX TensorProto file.',
        },
      );
  }
}

function readWhole(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** A file that the model at `modelPath` names. */
function readBeside(modelPath: string, location: string): Uint8Array {
  const file = resolve(dirname(modelPath), location);
  let way: string;
  try {
    way = relative(realpathSync(dirname(modelPath)), realpathSync(file));
  } catch (cause) {
    throw unreadable(file, cause);
  }
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) {
    throw new InputError(
      'model-file-outside',
      `${basename(modelPath)} names the file "${location}", which lies outside the folder of the model.`,
      { hint: 'Put all files of the model into one folder.' },
    );
  }
  return readWhole(file);
}

function unreadable(path: string, cause: unknown): InputError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
  const reason = code === 'ENOENT' ? 'it does not exist' : code === 'EISDIR' ? 'it is a folder' : code;
  return new InputError('file-unreadable', `Cannot read ${path}: ${reason}.`, { cause });
}
