/**
 * Reads the TF.js Layers format, of TensorFlow.js itself and of Keras' converter: sequences and graphs of layers, weights in any
 * number of files, plain or quantised. A file means what TensorFlow.js computes from it; rows stay as the file has them, images
 * with channels last where it says so. Knows nothing of the file system: shards come through an injected function.
 */
import type { TrainedModel } from '../../../shared/model.ts';
import { readWeights } from './manifest.ts';
import type { ReadShard } from './manifest.ts';
import { readNetwork, unreadable } from './network.ts';
import { ownModel } from './own-model.ts';
import { modelJsonSchema } from './schema.ts';

/** @throws InputError `tfjs-format` for what is not JSON. */
export function parseModelJson(modelJson: string, what: string): unknown {
  try {
    return JSON.parse(modelJson);
  } catch (cause) {
    throw unreadable(what, 'it is not JSON', cause);
  }
}

/**
 * @param what names the file in errors.
 * @throws InputError (`tfjs-format`, `tfjs-shards`, `tfjs-unsupported` naming the layer, `not-finite` naming the weight,
 *   and those of `checkModel`).
 */
export function readLayersModel(json: unknown, readShard: ReadShard, what: string): TrainedModel {
  const parsed = modelJsonSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw unreadable(what, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown content'}`, parsed.error);
  }
  const { modelTopology, weightsManifest } = parsed.data;
  const stored = readWeights(weightsManifest, readShard, what);
  return ownModel(json, stored) ?? readNetwork(modelTopology, stored, what);
}

/** The same from the text of model.json. */
export function readTfjsLayers(modelJson: string, readShard: ReadShard, what: string): TrainedModel {
  return readLayersModel(parseModelJson(modelJson, what), readShard, what);
}
