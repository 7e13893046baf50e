/**
 * Any model of TensorFlow.js: layers, or a graph of operators. Knows nothing of the file system: weight files come through an
 * injected function.
 */
import type { OnnxModel } from './onnx/read.ts';
import { isGraphModel, readGraphModel } from './tfjs-graph/read.ts';
import type { ReadShard } from './tfjs-layers/manifest.ts';
import { parseModelJson, readLayersModel } from './tfjs-layers/read.ts';

/**
 * @param modelJson the text of model.json.
 * @param what names the file in errors.
 * @throws InputError of the format's reader.
 */
export function readTfjs(modelJson: string, readShard: ReadShard, what: string): OnnxModel {
  const json = parseModelJson(modelJson, what);
  return isGraphModel(json)
    ? readGraphModel(json, readShard, what)
    : { kind: 'layers', model: readLayersModel(json, readShard, what) };
}
