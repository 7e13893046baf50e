/** Models of TensorFlow.js for tests: saved as the files that it would write, with weights that are not its first ones. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import type { LayersModel } from '@tensorflow/tfjs-layers';

export interface SavedModel {
  readonly modelTopology: object;
  readonly weightSpecs: tf.io.WeightsManifestEntry[];
  readonly data: Uint8Array<ArrayBuffer>;
}

/** What `model.save` hands to whatever keeps it. */
export async function savedModel(model: LayersModel): Promise<SavedModel> {
  let file: SavedModel | undefined;
  await model.save(
    tf.io.withSaveHandler((artifacts) => {
      file = {
        modelTopology: artifacts.modelTopology as object,
        weightSpecs: artifacts.weightSpecs!,
        data: new Uint8Array(artifacts.weightData as ArrayBuffer),
      };
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } });
    }),
  );
  return file!;
}

/** The text of model.json. */
export function modelJsonOf(file: SavedModel, paths = ['group1-shard1of1.bin']): string {
  return JSON.stringify({
    format: 'layers-model',
    modelTopology: file.modelTopology,
    weightsManifest: [{ paths, weights: file.weightSpecs }],
  });
}

/** Numbers between -1 and 1 that look drawn, the same in every run. */
export function drawn(count: number, seed = 1): Float32Array<ArrayBuffer> {
  let state = seed * 2654435761;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) | 0;
    return ((state >>> 8) % 20001) / 10000 - 1;
  });
}

/** Gives all weights, biases and statistics other values, up to `most`; variances stay positive. */
export function withDrawnWeights<M extends LayersModel>(model: M, most = 0.8): M {
  model.weights.forEach((weight, i) => {
    const values = drawn(
      weight.shape.reduce<number>((product, n) => product * (n ?? 1), 1),
      i + 1,
    );
    const isVariance = weight.originalName.endsWith('moving_variance');
    const shape = weight.shape.map((n) => n ?? 1);
    weight.write(tf.tensor(isVariance ? values.map((v) => 1.5 + v) : values.map((v) => v * most), shape));
  });
  return model;
}
