/**
 * A model in TensorFlow.js: built from the program's own TF.js Layers file, so the baseline exercises the same export that
 * users get. Knows nothing of training data or schedules.
 */
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { weightsFrom } from '../../../engine/models/tfjs-layers/weights.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import { InternalError } from '../../../shared/errors.ts';
import { checkFinite } from '../../../shared/model.ts';
import type { ModelDescription, ModelWeights, TrainedModel, WeightTensor } from '../../../shared/model.ts';

/**
 * The model with its weights in float32; the caller disposes of it.
 * @throws InputError `tfjs-unsupported` naming a layer that TensorFlow.js has not.
 */
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
 * The weights as they are now, running statistics among them.
 * @throws InputError `not-finite` when one has become NaN or infinite.
 */
export function networkWeights(network: LayersModel, description: ModelDescription): ModelWeights {
  const stored = new Map<string, WeightTensor>();
  for (const weight of network.weights) {
    const value = weight.read();
    const data = Float64Array.from(value.dataSync());
    checkFinite(`Weight ${weight.originalName} of the plaintext model`, data);
    stored.set(weight.originalName, { shape: value.shape, data });
  }
  const weights = weightsFrom(description, stored);
  if (weights === undefined) {
    const names = [...stored.keys()].join(', ');
    throw new InternalError('baseline-weights', `TensorFlow.js holds other weights than the model: ${names}`);
  }
  return weights;
}
