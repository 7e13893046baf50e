/**
 * Writes a model in the TF.js Layers format: model.json and one weights.bin, which tf.loadLayersModel takes as they are.
 * Sequences of layers become a Sequential, graphs a Model. Images stay channels first, as in the description, which goes along
 * as metadata, so that our own files come back as they were (own-model.ts). Weights are float32. Knows nothing of shares:
 * weights come in the clear.
 */
import { MODEL_INPUT } from '../../../shared/layers/table.ts';
import { checkFinite, checkModel, layerInputShapes, layerInputs } from '../../../shared/model.ts';
import type { ModelDescription, TrainedModel } from '../../../shared/model.ts';
import { foldStandardisation } from '../standardisation.ts';
import { storedWeights } from './weights.ts';
import { writeLayer } from './write-layers.ts';
import type { WrittenLayer } from './write-layers.ts';

export interface TfjsLayersFiles {
  /** Content of model.json; it names weights.bin beside it. */
  readonly modelJson: string;
  /** Content of weights.bin. */
  readonly weights: Uint8Array<ArrayBuffer>;
}

/**
 * The two files. The format has no per-feature standardisation, so it is folded into the first dense layer.
 * @throws InputError `tfjs-unsupported` naming a layer that the format cannot express; `not-finite` naming a weight.
 */
export function writeTfjsLayers(model: TrainedModel): TfjsLayersFiles {
  checkModel(model);
  const { description, weights } = foldStandardisation(model);
  const manifest: { name: string; shape: readonly number[]; dtype: 'float32' }[] = [];
  const chunks: Float32Array[] = [];
  for (const { name, tensor } of storedWeights(description, weights)) {
    const data = Float32Array.from(tensor.data);
    checkFinite(`Weight ${name}, stored as float32,`, data);
    manifest.push({ name, shape: tensor.shape, dtype: 'float32' });
    chunks.push(data);
  }
  const all = new Float32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  const modelJson = JSON.stringify({
    format: 'layers-model',
    generatedBy: 'tacit',
    convertedBy: null,
    modelTopology: {
      ...topology(description),
      keras_version: 'tfjs-layers 4.22.0',
      backend: 'tensor_flow.js',
    },
    weightsManifest: [{ paths: ['weights.bin'], weights: manifest }],
    userDefinedMetadata: { tacit: description },
  });
  return { modelJson, weights: new Uint8Array(all.buffer) };
}

function topology(description: ModelDescription): { class_name: string; config: Record<string, unknown> } {
  const inputShapes = layerInputShapes(description);
  const written = description.layers.map((layer, position) => writeLayer(layer, inputShapes[position]?.[0] ?? []));
  const batchShape = [null, ...description.inputShape];
  if (description.layers.every(({ from }) => from === undefined)) {
    const layers = written.flat();
    const [first] = layers;
    if (first !== undefined) first.config['batch_input_shape'] = batchShape;
    return { class_name: 'Sequential', config: { name: 'model', layers } };
  }
  const nodes: (WrittenLayer & { name: string; inbound_nodes: unknown[] })[] = [];
  const add = (layer: WrittenLayer, inputs: readonly string[]): void => {
    const inbound = inputs.length === 0 ? [] : [inputs.map((name) => [name, 0, 0, {}])];
    nodes.push({ ...layer, name: String(layer.config['name']), inbound_nodes: inbound });
  };
  add({ class_name: 'InputLayer', config: { name: MODEL_INPUT, batch_input_shape: batchShape, dtype: 'float32' } }, []);
  const last = new Map([[MODEL_INPUT, MODEL_INPUT]]);
  description.layers.forEach((layer, position) => {
    let inputs = layerInputs(description.layers, position).map((name) => last.get(name) ?? name);
    for (const part of written[position] ?? []) {
      add(part, inputs);
      inputs = [String(part.config['name'])];
    }
    last.set(layer.name, inputs[0] ?? layer.name);
  });
  return {
    class_name: 'Model',
    config: {
      name: 'model',
      layers: nodes,
      input_layers: [[MODEL_INPUT, 0, 0]],
      output_layers: [[nodes.at(-1)?.name, 0, 0]],
    },
  };
}
