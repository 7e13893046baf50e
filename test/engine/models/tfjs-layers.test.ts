/** The TF.js Layers format: TF.js itself loads what is written and answers the same; its own files are read. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { input, layers, loadLayersModel, model as tfjsModel, sequential } from '@tensorflow/tfjs-layers';
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { foldStandardisation } from '../../../engine/models/standardisation.ts';
import { readTfjsLayers } from '../../../engine/models/tfjs-layers/read.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import { InputError } from '../../../shared/errors.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { modelJsonOf, savedModel } from '../../helpers/tfjs-models.ts';
import { plainForward } from './plain-forward.ts';
import { convolutional, mlp, standardisedLogistic, withSampleWeights } from './sample-models.ts';

beforeAll(async () => {
  tf.enableProdMode();
  await tf.setBackend('cpu');
});

const codeOf = (code: string) => expect.objectContaining({ code, kind: 'input' });

function sampleInputs(model: TrainedModel, rows: number): Float64Array {
  const width = elementCount(model.description.inputShape);
  return Float64Array.from({ length: rows * width }, (_, i) => ((i * 37) % 64) / 32 - 1);
}

function worstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, cell, i) => Math.max(most, Math.abs(cell - b[i]!)), 0);
}

/** What TF.js answers with the written files. */
async function tfjsAnswers(model: TrainedModel, inputs: Float64Array): Promise<ArrayLike<number>> {
  const { modelJson, weights } = writeTfjsLayers(model);
  const { modelTopology, weightsManifest } = JSON.parse(modelJson) as {
    modelTopology: object;
    weightsManifest: [{ paths: string[]; weights: tf.io.WeightsManifestEntry[] }];
  };
  expect(weightsManifest[0].paths).toEqual(['weights.bin']);
  const weightSpecs = weightsManifest[0].weights;
  const loaded = await loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData: weights.buffer }));
  const { inputShape } = model.description;
  const shape = [inputs.length / elementCount(inputShape), ...inputShape];
  return (loaded.predict(tf.tensor(Float32Array.from(inputs), shape)) as tf.Tensor).dataSync();
}

describe('written files', () => {
  test.each([
    ['a perceptron', mlp],
    ['a convolutional network', convolutional],
    ['lenet', withSampleWeights(expandTemplate({ template: 'lenet' }, [256], 10, 'classification'))],
  ])('%s: TF.js answers as the description means, and the files come back unchanged', async (_, model) => {
    const inputs = sampleInputs(model, 3);
    expect(worstDifference(await tfjsAnswers(model, inputs), plainForward(model, inputs))).toBeLessThan(1e-5);
    const { modelJson, weights } = writeTfjsLayers(model);
    expect(readTfjsLayers(modelJson, () => weights, 'model.json').weights).toEqual(model.weights);
    // Zero padding of its own becomes part of the layer again, so the description is the same as well.
    expect(readTfjsLayers(modelJson, () => weights, 'model.json').description).toEqual(model.description);
  });

  test('a standardisation is folded into the first dense layer', async () => {
    const inputs = Float64Array.of(101, -2.25, 0.5, 88, -1, 3);
    const expected = plainForward(standardisedLogistic, inputs);
    expect(worstDifference(plainForward(foldStandardisation(standardisedLogistic), inputs), expected)).toBeLessThan(
      1e-12,
    );
    expect(worstDifference(await tfjsAnswers(standardisedLogistic, inputs), expected)).toBeLessThan(1e-5);
  });

  const conv = convolutional.description.layers[0] as Extract<Layer, { kind: 'conv2d' }>;
  const pool = convolutional.description.layers[2] as Extract<Layer, { kind: 'maxPool2d' }>;
  test.each<[string, Layer]>([
    ['groups', { ...conv, groups: 2, filters: 4 }],
    ['stride with dilation', { ...conv, stride: [2, 2], dilation: [2, 2] }],
    ['a dilated pool', { ...pool, dilation: [2, 2] }],
    ['a max pool padded at one side', { ...pool, padding: [1, 0, 0, 0] }],
  ])('%s cannot be written and is refused by name', (_, layer) => {
    const model = withSampleWeights({ inputShape: [2, 9, 7], layers: [layer] });
    expect(() => writeTfjsLayers(model)).toThrow(codeOf('tfjs-unsupported'));
    expect(() => writeTfjsLayers(model)).toThrow(layer.name);
  });

  test('a factor for each cell before a convolution is refused', () => {
    const cells = elementCount(convolutional.description.inputShape);
    const multiply = Float64Array.from({ length: cells }, (_, i) => i + 1);
    const standardisation = { subtract: new Float64Array(cells), multiply };
    expect(() => writeTfjsLayers({ ...convolutional, standardisation })).toThrow(
      codeOf('standardisation-not-foldable'),
    );
  });
});

describe('files of TF.js', () => {
  /** Channels last, as most models are, with activations inside layers and generated names. */
  function picture(): LayersModel {
    return sequential({
      layers: [
        layers.conv2d({ inputShape: [9, 7, 2], filters: 3, kernelSize: [3, 2], padding: 'same', activation: 'relu' }),
        layers.maxPooling2d({ poolSize: 2, padding: 'same' }),
        layers.zeroPadding2d({
          padding: [
            [0, 1],
            [2, 0],
          ],
        }),
        layers.conv2d({ filters: 4, kernelSize: 2, strides: [1, 2], useBias: false, biasInitializer: 'randomNormal' }),
        layers.reLU(),
        layers.averagePooling2d({ poolSize: [2, 2], strides: [1, 1], padding: 'same' }),
        layers.flatten(),
        layers.dropout({ rate: 0.5 }),
        layers.dense({ units: 6, activation: 'tanh', biasInitializer: 'randomNormal' }),
        layers.dense({ units: 3, activation: 'linear' }),
        layers.softmax(),
      ],
    });
  }

  test('a channels-last network in several shards takes images as they are, and answers the same', async () => {
    const network = picture();
    const file = await savedModel(network);
    const shards = new Map([
      ['a.bin', file.data.subarray(0, 101)],
      ['b.bin', file.data.subarray(101, 102)],
      ['c.bin', file.data.subarray(102)],
    ]);
    const model = readTfjsLayers(modelJsonOf(file, [...shards.keys()]), (path) => shards.get(path)!, 'm');
    expect(model.description.inputShape).toEqual([9, 7, 2]);
    const inputs = Float64Array.from({ length: 2 * 126 }, (_, i) => ((i * 29) % 64) / 32 - 1);
    const expected = (network.predict(tf.tensor(Float32Array.from(inputs), [2, 9, 7, 2])) as tf.Tensor).dataSync();
    expect(worstDifference(plainForward(model, inputs), expected)).toBeLessThan(1e-5);
  });

  test.each(['uint8', 'uint16', 'float16'] as const)('weights quantised to %s', async (dtype) => {
    const file = await savedModel(picture());
    const exact = readTfjsLayers(modelJsonOf(file), () => file.data, 'm');
    const parts: Uint8Array[] = [];
    let offset = 0;
    const weightSpecs = file.weightSpecs.map((spec) => {
      const cells = elementCount(spec.shape);
      const values = new Float32Array(file.data.slice(offset, offset + 4 * cells).buffer);
      offset += 4 * cells;
      const min = Math.min(...values);
      const scale = (Math.max(...values) - min) / (dtype === 'uint8' ? 255 : 65535) || 1;
      // float16: every finite half is exact, so any will do; here the nearest power of two that is not subnormal.
      const half = (value: number): number =>
        (value < 0 ? 0x8000 : 0) | (Math.max(1, Math.round(Math.log2(Math.abs(value) || 1)) + 15) << 10);
      const codes = [...values].map((value) => (dtype === 'float16' ? half(value) : Math.round((value - min) / scale)));
      const stored = dtype === 'uint8' ? Uint8Array.from(codes) : Uint16Array.from(codes);
      parts.push(new Uint8Array(stored.buffer));
      const quantization = dtype === 'float16' ? { dtype } : { dtype, min, scale };
      return { ...spec, quantization: { ...quantization, original_dtype: 'float32' as const } };
    });
    const data = Uint8Array.from(parts.flatMap((part) => [...part]));
    const model = readTfjsLayers(modelJsonOf({ ...file, weightSpecs }), () => data, 'm');
    const tolerance = { uint8: 0.01, uint16: 1e-4, float16: Infinity }[dtype];
    for (const [key, tensor] of exact.weights) {
      const read = model.weights.get(key)!;
      expect(read.shape).toEqual(tensor.shape);
      expect(worstDifference(read.data, tensor.data)).toBeLessThan(tolerance);
      if (dtype === 'float16') for (const value of read.data) expect(Math.abs(Math.log2(Math.abs(value)) % 1)).toBe(0);
    }
  });

  test('a graph as Keras 3 spells it, with its names of weights, is the same model', async () => {
    const x = input({ shape: [4] });
    const a = layers.dense({ name: 'a', units: 3, activation: 'tanh' }).apply(x) as SymbolicTensor;
    const b = layers.dense({ name: 'b', units: 3 }).apply(x) as SymbolicTensor;
    const sum = layers.add({ name: 'sum' }).apply([a, b]) as SymbolicTensor;
    const file = await savedModel(
      tfjsModel({ inputs: x, outputs: layers.softmax({ name: 'last', axis: -1 }).apply(sum) as never }),
    );
    type Reference = [string, number, number];
    const { config } = file.modelTopology as {
      config: {
        layers: { name: string; inbound_nodes: unknown[] }[];
        input_layers: Reference[];
        output_layers: Reference[];
      };
    };
    const tensor = ([name, use, output]: Reference) => ({
      class_name: '__keras_tensor__',
      config: { shape: [null, 3], dtype: 'float32', keras_history: [name, use, output] },
    });
    const listed = config.layers.map((layer) => ({
      ...layer,
      inbound_nodes: (layer.inbound_nodes as Reference[][]).map((use) => {
        const all = use.map(tensor);
        return { args: all.length === 1 ? all : [all], kwargs: { training: false, mask: null } };
      }),
    }));
    const modelTopology = {
      model_config: {
        class_name: 'Functional',
        config: {
          ...config,
          layers: listed,
          input_layers: config.input_layers[0],
          output_layers: config.output_layers[0],
        },
      },
    };
    const weightSpecs = file.weightSpecs.map((spec) => ({ ...spec, name: `functional_1/${spec.name}` }));
    const read = readTfjsLayers(modelJsonOf({ ...file, modelTopology, weightSpecs }), () => file.data, 'm');
    expect(read).toEqual(readTfjsLayers(modelJsonOf(file), () => file.data, 'm'));
    expect(read.description.layers.map(({ kind }) => kind)).toEqual(['dense', 'dense', 'tanh', 'add', 'softmax']);
  });

  test('a network of dense layers converted from Python: model_config, prefixed weight names', () => {
    const json = {
      modelTopology: {
        keras_version: '2.8.0',
        model_config: {
          class_name: 'Sequential',
          config: [
            { class_name: 'InputLayer', config: { batch_input_shape: [null, 2], name: 'in/put' } },
            {
              class_name: 'Dense',
              config: { name: 'dense', units: 1, activation: 'sigmoid', kernel_regularizer: null },
            },
          ],
        },
      },
      weightsManifest: [
        {
          paths: ['w.bin'],
          weights: [
            { name: 'sequential/dense/kernel', shape: [2, 1], dtype: 'float32' },
            { name: 'sequential/dense/bias', shape: [1], dtype: 'float32' },
          ],
        },
      ],
    };
    const model = readTfjsLayers(JSON.stringify(json), () => new Uint8Array(Float32Array.of(2, -3, 0.5).buffer), 'm');
    expect(model.description.layers.map((layer) => layer.name)).toEqual(['dense', 'dense.sigmoid']);
    expect(model.weights.get('dense/kernel')!.data).toEqual(Float64Array.of(2, -3));
  });
});

describe('refusals', () => {
  interface Json {
    format: string;
    modelTopology: {
      class_name: string;
      config: { layers: { class_name: string; config: Record<string, unknown> }[] };
    };
    weightsManifest: { paths: string[]; weights: { name: string; dtype: string; shape: number[] }[] }[];
  }
  const { modelJson, weights } = writeTfjsLayers(mlp);
  const changed = (change: (json: Json) => void): string => {
    const json = JSON.parse(modelJson) as Json;
    change(json);
    return JSON.stringify(json);
  };
  const layer = (json: Json, i: number) => json.modelTopology.config.layers[i]!;

  test.each<[string, string, string, (json: Json) => void]>([
    ['a class', 'tfjs-unsupported', '"relu1" (Lambda)', (json) => (layer(json, 1).class_name = 'Lambda')],
    [
      'an activation',
      'tfjs-unsupported',
      '"relu1" (Activation) has the activation hard_tanh',
      (json) => (layer(json, 1).config['activation'] = 'hardTanh'),
    ],
    ['places that are hidden', 'tfjs-unsupported', '"relu1"', (json) => (layer(json, 1).class_name = 'Masking')],
    ['a model of another class', 'tfjs-unsupported', 'Prophet', (json) => (json.modelTopology.class_name = 'Prophet')],
    ['a graph without inputs', 'tfjs-format', 'input_layers', (json) => (json.modelTopology.class_name = 'Functional')],
    ['no layers', 'tfjs-format', '', (json) => (json.modelTopology.config.layers = [])],
    ['no input shape', 'tfjs-format', 'input shape', (json) => delete layer(json, 0).config['batch_input_shape']],
    ['units as text', 'tfjs-format', '"dense1" (Dense), units', (json) => (layer(json, 0).config['units'] = '5')],
    ['units that do not fit', 'model-weight-shape', 'dense1/kernel', (json) => (layer(json, 0).config['units'] = 4)],
    ['a weight missing', 'tfjs-format', 'dense2/kernel', (json) => (json.weightsManifest[0]!.weights[2]!.name = 'x')],
    [
      'a weight twice',
      'tfjs-format',
      'dense1/kernel',
      (json) => (json.weightsManifest[0]!.weights[2]!.name = 'dense1/kernel'),
    ],
    [
      'a weight of integers',
      'tfjs-unsupported',
      'dense1/kernel',
      (json) => (json.weightsManifest[0]!.weights[0]!.dtype = 'int32'),
    ],
    ['shards too short', 'tensor-size', '', (json) => json.weightsManifest[0]!.weights[0]!.shape.push(99)],
    ['shards too long', 'tfjs-shards', 'weights.bin', (json) => json.weightsManifest[0]!.weights.pop()],
    ['a shard elsewhere', 'tfjs-shards', '../w.bin', (json) => (json.weightsManifest[0]!.paths = ['../w.bin'])],
  ])('%s', (_, code, text, change) => {
    const read = () => readTfjsLayers(changed(change), () => weights, 'm');
    expect(read).toThrow(codeOf(code));
    expect(read).toThrow(text);
  });

  test('a file with any character changed is read or refused, and nothing else', () => {
    for (const model of [standardisedLogistic, convolutional]) {
      const files = writeTfjsLayers(model);
      for (let at = 0; at < files.modelJson.length; at += 2) {
        const other = files.modelJson[at] === '9' ? '0' : '9';
        const damaged = files.modelJson.slice(0, at) + other + files.modelJson.slice(at + 1);
        try {
          readTfjsLayers(damaged, () => files.weights, 'm');
        } catch (error) {
          expect(error, damaged.slice(Math.max(0, at - 20), at + 20)).toBeInstanceOf(InputError);
        }
      }
    }
  });

  test('text that is not JSON, JSON that is no model, a weight that is not a number', () => {
    expect(() => readTfjsLayers(modelJson.slice(0, -9), () => weights, 'm')).toThrow(codeOf('tfjs-format'));
    expect(() => readTfjsLayers('[1, 2]', () => weights, 'm')).toThrow(codeOf('tfjs-format'));
    const bad = weights.slice();
    new Float32Array(bad.buffer)[1] = NaN;
    expect(() => readTfjsLayers(modelJson, () => bad, 'm')).toThrow('weight "dense1/kernel" holds NaN at position 1');
  });
});
