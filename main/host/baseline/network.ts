/**
 * A model in TensorFlow.js: built from the program's own TF.js Layers file and read back through it, so the baseline
 * exercises the same export that users get. Knows nothing of training data or schedules.
 */
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { readTfjsLayers } from '../../../engine/models/tfjs-layers/read.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import { InternalError } from '../../../shared/errors.ts';
import type { ModelWeights, TrainedModel } from '../../../shared/model.ts';

/** The model with its weights in float32; the caller disposes of it. */
export async function loadNetwork(model: TrainedModel): Promise<LayersModel> {
  const { modelJson, weights } = writeTfjsLayers(model);
  const { modelTopology, weightsManifest } = JSON.parse(modelJson) as {
    modelTopology: object;
    weightsManifest: [{ weights: tf.io.WeightsManifestEntry[] }];
  };
  const weightData = weights.buffer;
  return loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }));
}

/** The variables that training changes. */
export function networkVariables(network: LayersModel): tf.Variable[] {
  return network.trainableWeights.map((weight) => {
    const value = weight.read();
    if (value instanceof tf.Variable) return value;
    throw new InternalError(
      'baseline-not-a-variable',
      `TensorFlow.js holds ${weight.name} in something else than a variable`,
    );
  });
}

/**
 * The weights as they are now.
 * @throws InputError `not-finite` when one has become NaN or infinite.
 */
export async function networkWeights(network: LayersModel): Promise<ModelWeights> {
  let weights: ModelWeights | undefined;
  await network.save(
    tf.io.withSaveHandler((artifacts) => {
      const { modelTopology, weightSpecs, weightData } = artifacts;
      if (modelTopology === undefined || weightSpecs === undefined || !(weightData instanceof ArrayBuffer)) {
        throw new InternalError('baseline-artifacts', 'TensorFlow.js saved a model without its weights');
      }
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
      const json = JSON.stringify({ modelTopology, weightsManifest });
      ({ weights } = readTfjsLayers(json, () => new Uint8Array(weightData), 'the plaintext model'));
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } });
    }),
  );
  if (weights === undefined) throw new InternalError('baseline-not-saved', 'TensorFlow.js did not save the model');
  return weights;
}
