/** Files of TensorFlow.js, layer class by layer class: asked on shares, they answer as TensorFlow.js itself does. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { input, layers, model, sequential } from '@tensorflow/tfjs-layers';
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { readTfjsLayers } from '../../../engine/models/tfjs-layers/read.ts';
import { inferPrivately } from '../../../main/host/inference/private-inference.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { drawn, modelJsonOf, savedModel, withDrawnWeights } from '../../helpers/tfjs-models.ts';

type Layer = Parameters<ReturnType<typeof sequential>['add']>[0];

beforeAll(async () => {
  tf.enableProdMode();
  await tf.setBackend('cpu');
});

/** Answers on the shares of two parties. */
async function answers(read: TrainedModel, shape: readonly number[], rows: Float32Array): Promise<readonly number[]> {
  const { outputs } = await inferPrivately({
    model: read,
    inputs: [
      { what: 'x', owner: 'a', tensor: { type: 'float32', shape: [2, ...shape], data: Float32Array.from(rows) } },
    ],
    parties: ['a', 'b'],
    modelOwner: 'b',
    transport: 'memory',
    signal: new AbortController().signal,
  });
  return Array.from<number | bigint, number>(outputs[0]!.data, Number);
}

/** The model as TensorFlow.js saves it, read and asked for two rows. */
async function expectSame(network: LayersModel, tokens?: number): Promise<TrainedModel> {
  withDrawnWeights(network);
  const shape = network.inputs[0]!.shape.slice(1).map(Number);
  const cells = 2 * shape.reduce((product, n) => product * n, 1);
  const rows =
    tokens === undefined
      ? drawn(cells, 99).map((v) => 2 * v)
      : Float32Array.from({ length: cells }, (_, i) => (i * 3) % tokens);
  const expected = network.predict(tf.tensor(rows, [2, ...shape])) as tf.Tensor;
  const file = await savedModel(network);
  const read = readTfjsLayers(modelJsonOf(file), () => file.data, 'model.json');
  expect(read.description.inputShape).toEqual(shape);
  const given = await answers(read, shape, rows);
  const wanted = await expected.data();
  expect(given.length).toBe(wanted.length);
  wanted.forEach((value, i) => {
    expect(Math.abs(given[i]! - value), `position ${i}: ${given[i]} for ${value}`).toBeLessThan(
      2e-3 + 0.01 * Math.abs(value),
    );
  });
  return read;
}

const chain = (...list: Layer[]): LayersModel => sequential({ layers: list });
/** Several inputs cut out of one, so that all of them are secret. */
const merged = (merge: (a: SymbolicTensor, b: SymbolicTensor) => unknown, shape = [4]): LayersModel => {
  const x = input({ shape });
  const a = layers.dense({ units: 3 }).apply(x) as SymbolicTensor;
  const b = layers.dense({ units: 3, activation: 'tanh' }).apply(x) as SymbolicTensor;
  return model({ inputs: x, outputs: merge(a, b) as SymbolicTensor });
};
const image = [5, 6, 2];
const first = [2, 5, 6];
const film = [3, 4, 4, 2];

const sequences: Record<string, () => LayersModel> = {
  'dense on sequences': () => chain(layers.dense({ inputShape: [3, 4], units: 2, activation: 'relu' })),
  'dense without bias': () => chain(layers.dense({ inputShape: [4], units: 2, useBias: false, activation: 'softmax' })),

  'conv1d, same, stride': () =>
    chain(layers.conv1d({ inputShape: [7, 2], filters: 3, kernelSize: 3, strides: 2, padding: 'same' })),
  'conv1d, dilated': () =>
    chain(layers.conv1d({ inputShape: [9, 2], filters: 3, kernelSize: 3, dilationRate: 2, activation: 'elu' })),
  'conv2d, same, stride': () =>
    chain(layers.conv2d({ inputShape: image, filters: 3, kernelSize: [2, 3], strides: [2, 1], padding: 'same' })),
  'conv2d, valid, dilated, without bias': () =>
    chain(layers.conv2d({ inputShape: image, filters: 3, kernelSize: 2, dilationRate: 2, useBias: false })),
  'conv2d, channels first': () =>
    chain(layers.conv2d({ inputShape: first, filters: 3, kernelSize: 2, dataFormat: 'channelsFirst' })),
  'conv3d, same': () => chain(layers.conv3d({ inputShape: film, filters: 2, kernelSize: 2, padding: 'same' })),
  'conv3d, valid, stride': () =>
    chain(layers.conv3d({ inputShape: film, filters: 3, kernelSize: [2, 1, 3], strides: [1, 2, 1] })),
  'conv2dTranspose, valid': () =>
    chain(layers.conv2dTranspose({ inputShape: [3, 2, 2], filters: 3, kernelSize: 3, strides: 2 })),
  'conv2dTranspose, same': () =>
    chain(layers.conv2dTranspose({ inputShape: [3, 2, 2], filters: 3, kernelSize: 3, strides: 2, padding: 'same' })),
  'conv2dTranspose, stride above the kernel, channels first': () =>
    chain(
      layers.conv2dTranspose({
        inputShape: [2, 3, 2],
        filters: 1,
        kernelSize: 2,
        strides: 3,
        padding: 'same',
        dataFormat: 'channelsFirst',
      }),
    ),
  conv3dTranspose: () =>
    chain(layers.conv3dTranspose({ inputShape: [2, 2, 3, 2], filters: 2, kernelSize: 2, strides: 2 })),
  'depthwiseConv2d, several each': () =>
    chain(layers.depthwiseConv2d({ inputShape: image, kernelSize: [3, 2], depthMultiplier: 2, padding: 'same' })),
  'depthwiseConv2d, stride': () =>
    chain(layers.depthwiseConv2d({ inputShape: image, kernelSize: 2, strides: [2, 2], activation: 'relu6' })),
  separableConv2d: () =>
    chain(layers.separableConv2d({ inputShape: image, filters: 3, kernelSize: 2, depthMultiplier: 2 })),
  'separableConv2d, same, stride': () =>
    chain(
      layers.separableConv2d({
        inputShape: image,
        filters: 3,
        kernelSize: 3,
        strides: [2, 2],
        padding: 'same',
        useBias: false,
        activation: 'tanh',
      }),
    ),

  'maxPooling1d, same': () =>
    chain(layers.maxPooling1d({ inputShape: [7, 2], poolSize: 3, strides: 2, padding: 'same' })),
  averagePooling1d: () => chain(layers.averagePooling1d({ inputShape: [7, 2], poolSize: 2 })),
  'maxPooling2d, same': () =>
    chain(layers.maxPooling2d({ inputShape: image, poolSize: [2, 3], strides: [2, 2], padding: 'same' })),
  'maxPooling2d, channels first': () =>
    chain(layers.maxPooling2d({ inputShape: first, poolSize: 2, dataFormat: 'channelsFirst' })),
  'averagePooling2d, same': () =>
    chain(layers.averagePooling2d({ inputShape: image, poolSize: 3, strides: 1, padding: 'same' })),
  'averagePooling2d, channels first': () =>
    chain(layers.averagePooling2d({ inputShape: first, poolSize: [2, 3], dataFormat: 'channelsFirst' })),
  maxPooling3d: () => chain(layers.maxPooling3d({ inputShape: film, poolSize: [1, 2, 2] })),
  'averagePooling3d, same': () =>
    chain(layers.averagePooling3d({ inputShape: film, poolSize: 2, strides: 1, padding: 'same' })),
  globalMaxPooling1d: () => chain(layers.globalMaxPooling1d({ inputShape: [5, 3] })),
  globalAveragePooling1d: () => chain(layers.globalAveragePooling1d({ inputShape: [5, 3] })),
  globalMaxPooling2d: () => chain(layers.globalMaxPooling2d({ inputShape: image, dataFormat: 'channelsLast' })),
  'globalAveragePooling2d, channels first': () =>
    chain(layers.globalAveragePooling2d({ inputShape: first, dataFormat: 'channelsFirst' })),

  'batchNormalization of vectors': () => chain(layers.batchNormalization({ inputShape: [6] })),
  'batchNormalization of images': () => chain(layers.batchNormalization({ inputShape: image, epsilon: 0.1 })),
  'batchNormalization without scale': () => chain(layers.batchNormalization({ inputShape: [5, 3], scale: false })),
  'batchNormalization without centre': () => chain(layers.batchNormalization({ inputShape: image, center: false })),
  layerNormalization: () => chain(layers.layerNormalization({ inputShape: [3, 6] })),
  'layerNormalization over two axes': () =>
    chain(layers.layerNormalization({ inputShape: [3, 4, 2], axis: [2, 3], epsilon: 0.01 })),
  'layerNormalization without scale and centre': () =>
    chain(layers.layerNormalization({ inputShape: [6], scale: false, center: false })),

  dropout: () => chain(layers.dropout({ inputShape: [6], rate: 0.4 }), layers.dense({ units: 2 })),
  spatialDropout1d: () => chain(layers.spatialDropout1d({ inputShape: [4, 3], rate: 0.4 }), layers.flatten()),
  'gaussianNoise, gaussianDropout, alphaDropout': () =>
    chain(
      layers.gaussianNoise({ inputShape: [6], stddev: 2 }),
      layers.gaussianDropout({ rate: 0.3 }),
      layers.alphaDropout({ rate: 0.3 }),
      layers.dense({ units: 2 }),
    ),
  'flatten after a convolution': () =>
    chain(
      layers.conv2d({ inputShape: image, filters: 3, kernelSize: 2 }),
      layers.flatten(),
      layers.dense({ units: 2 }),
    ),
  'flatten, channels first': () =>
    chain(layers.flatten({ inputShape: first, dataFormat: 'channelsFirst' }), layers.dense({ units: 2 })),
  'reshape with an open size': () => chain(layers.reshape({ inputShape: [4, 6], targetShape: [3, -1, 2] })),
  permute: () => chain(layers.permute({ inputShape: [2, 3, 4], dims: [3, 1, 2] }), layers.dense({ units: 2 })),
  repeatVector: () => chain(layers.repeatVector({ inputShape: [3], n: 4 }), layers.dense({ units: 2 })),
  zeroPadding2d: () =>
    chain(
      layers.zeroPadding2d({ inputShape: image, padding: [[1, 0], [2, 3]], dataFormat: 'channelsLast' }), // prettier-ignore
      layers.conv2d({ filters: 2, kernelSize: 3, strides: 2 }),
    ),
  'zeroPadding2d before a pool, channels first': () =>
    chain(
      layers.zeroPadding2d({ inputShape: first, padding: 1, dataFormat: 'channelsFirst' }),
      layers.maxPooling2d({ poolSize: 2, dataFormat: 'channelsFirst' }),
    ),
  cropping2D: () => chain(layers.cropping2D({ inputShape: image, cropping: [[1, 2], [0, 3]] })), // prettier-ignore
  'cropping2D, channels first': () =>
    chain(layers.cropping2D({ inputShape: first, cropping: 1, dataFormat: 'channelsFirst' })),
  'upSampling2d, nearest': () => chain(layers.upSampling2d({ inputShape: image, size: [2, 3] })),
  'upSampling2d, bilinear': () =>
    chain(layers.upSampling2d({ inputShape: image, size: [2, 2], interpolation: 'bilinear' })),
  'upSampling2d, bilinear, channels first': () =>
    chain(
      layers.upSampling2d({ inputShape: first, size: [3, 2], interpolation: 'bilinear', dataFormat: 'channelsFirst' }),
    ),
  rescaling: () => chain(layers.rescaling({ inputShape: image, scale: 1 / 127.5, offset: -1 }), layers.flatten()),

  reLU: () => chain(layers.reLU({ inputShape: image })),
  'reLU with a maximum': () => chain(layers.reLU({ inputShape: [8], maxValue: 1.5 })),
  'reLU up to 6': () => chain(layers.reLU({ inputShape: [8], maxValue: 6 })),
  leakyReLU: () => chain(layers.leakyReLU({ inputShape: image, alpha: 0.2 })),
  prelu: () => chain(layers.prelu({ inputShape: [4, 3] })),
  'prelu with a slope for each channel, after a convolution': () =>
    chain(layers.conv2d({ inputShape: image, filters: 3, kernelSize: 2 }), layers.prelu({ sharedAxes: [1, 2] })),
  elu: () => chain(layers.elu({ inputShape: [8] })),
  thresholdedReLU: () => chain(layers.thresholdedReLU({ inputShape: [8], theta: 0.7 })),
  'softmax along the last axis': () => chain(layers.softmax({ inputShape: [3, 4], axis: -1 })),

  'timeDistributed dense': () =>
    chain(layers.timeDistributed({ inputShape: [3, 4], layer: layers.dense({ units: 2, activation: 'sigmoid' }) })),
  'timeDistributed conv2d': () =>
    chain(
      layers.timeDistributed({
        inputShape: film,
        layer: layers.conv2d({ filters: 2, kernelSize: 2, padding: 'same', activation: 'relu' }),
      }),
      layers.timeDistributed({ layer: layers.maxPooling2d({ poolSize: 2 }) }),
      layers.timeDistributed({ layer: layers.flatten() }),
    ),

  simpleRNN: () => chain(layers.simpleRNN({ inputShape: [4, 3], units: 2, recurrentInitializer: 'zeros' })),
  'simpleRNN with relu, sequences': () =>
    chain(
      layers.simpleRNN({
        inputShape: [4, 3],
        units: 2,
        activation: 'relu',
        returnSequences: true,
        recurrentInitializer: 'zeros',
      }),
    ),
  'lstm as TensorFlow.js presets it': () =>
    chain(layers.lstm({ inputShape: [4, 3], units: 2, recurrentInitializer: 'zeros' })),
  'lstm with sigmoids, sequences': () =>
    chain(
      layers.lstm({
        inputShape: [4, 3],
        units: 2,
        recurrentActivation: 'sigmoid',
        returnSequences: true,
        recurrentInitializer: 'zeros',
      }),
    ),
  'lstm backwards, sequences': () =>
    chain(
      layers.lstm({
        inputShape: [4, 3],
        units: 2,
        goBackwards: true,
        returnSequences: true,
        recurrentInitializer: 'zeros',
      }),
    ),
  'gru as TensorFlow.js presets it, sequences': () =>
    chain(layers.gru({ inputShape: [4, 3], units: 2, returnSequences: true, recurrentInitializer: 'zeros' })),
  'gru with sigmoids, backwards, without bias': () =>
    chain(
      layers.gru({
        inputShape: [4, 3],
        units: 2,
        recurrentActivation: 'sigmoid',
        goBackwards: true,
        useBias: false,
        recurrentInitializer: 'zeros',
      }),
    ),
  'two recurrent layers': () =>
    chain(
      layers.gru({
        inputShape: [4, 3],
        units: 2,
        recurrentActivation: 'sigmoid',
        goBackwards: true,
        returnSequences: true,
        recurrentInitializer: 'zeros',
      }),
      layers.lstm({ units: 3, recurrentInitializer: 'zeros' }),
    ),
};

for (const mode of ['concat', 'sum', 'mul', 'ave'] as const) {
  sequences[`bidirectional, ${mode}`] = () =>
    chain(
      layers.bidirectional({
        inputShape: [3, 2],
        layer: layers.lstm({ units: 2, returnSequences: mode !== 'mul', recurrentInitializer: 'zeros' }),
        mergeMode: mode,
      }),
    );
}
sequences['bidirectional of one that goes backwards, sigmoids'] = () =>
  chain(
    layers.bidirectional({
      inputShape: [3, 2],
      layer: layers.gru({
        units: 2,
        returnSequences: true,
        goBackwards: true,
        recurrentActivation: 'sigmoid',
        recurrentInitializer: 'zeros',
      }),
      mergeMode: 'concat',
    }),
  );

const activations = ['elu', 'hardSigmoid', 'linear', 'relu', 'relu6', 'selu', 'sigmoid', 'softmax', 'softplus', 'softsign', 'tanh', 'swish', 'mish', 'gelu', 'gelu_new'] as const; // prettier-ignore
for (const name of activations) {
  sequences[`the activation ${name}`] = () =>
    chain(layers.dense({ inputShape: [4], units: 3 }), layers.activation({ activation: name }));
}

describe('sequences of layers', () => {
  test.each(Object.entries(sequences))('%s', async (_, network) => {
    await expectSame(network());
  });

  test('embeddings of whole numbers', async () => {
    const words = chain(
      layers.embedding({ inputDim: 7, outputDim: 3, inputLength: 4 }),
      layers.globalAveragePooling1d({}),
      layers.dense({ units: 2 }),
    );
    await expectSame(words, 7);
  });
});

const graphs: Record<string, () => LayersModel> = {
  add: () => merged((a, b) => layers.add().apply([a, b])),
  'add of one number a row': () => {
    const x = input({ shape: [3, 4] });
    const gate = layers.dense({ units: 1 }).apply(layers.flatten().apply(x)) as SymbolicTensor;
    return model({ inputs: x, outputs: layers.add().apply([x, gate]) as SymbolicTensor });
  },
  multiply: () => merged((a, b) => layers.multiply().apply([a, b])),
  'multiply of channels (squeeze and excitation)': () => {
    const x = input({ shape: image });
    const maps = layers.conv2d({ filters: 3, kernelSize: 2 }).apply(x) as SymbolicTensor;
    const squeezed = layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(maps);
    const gates = layers.dense({ units: 3, activation: 'sigmoid' }).apply(squeezed);
    const shaped = layers.reshape({ targetShape: [1, 1, 3] }).apply(gates) as SymbolicTensor;
    return model({ inputs: x, outputs: layers.multiply().apply([maps, shaped]) as SymbolicTensor });
  },
  average: () => merged((a, b) => layers.average().apply([a, b])),
  maximum: () => merged((a, b) => layers.maximum().apply([a, b])),
  minimum: () => merged((a, b) => layers.minimum().apply([a, b]), [2, 4]),
  concatenate: () => merged((a, b) => layers.concatenate().apply([a, b])),
  'concatenate along places': () => merged((a, b) => layers.concatenate({ axis: 1 }).apply([a, b]), [2, 4]),
  'concatenate of channels': () => {
    const x = input({ shape: image });
    const branch = (kernelSize: number) =>
      layers.conv2d({ filters: 2, kernelSize, padding: 'same', activation: 'relu' }).apply(x) as SymbolicTensor;
    const all = layers.concatenate().apply([branch(1), branch(3), x]) as SymbolicTensor;
    return model({
      inputs: x,
      outputs: layers.globalMaxPooling2d({ dataFormat: 'channelsLast' }).apply(all) as SymbolicTensor,
    });
  },
  'dot of vectors': () => merged((a, b) => layers.dot({ axes: 1 }).apply([a, b])),
  'dot of vectors by their cosine': () => merged((a, b) => layers.dot({ axes: -1, normalize: true }).apply([a, b])),
  'dot of sequences over their features': () => merged((a, b) => layers.dot({ axes: 2 }).apply([a, b]), [2, 4]),
  'dot of sequences over their places': () => merged((a, b) => layers.dot({ axes: [1, 1] }).apply([a, b]), [2, 4]),
  'dot of a sequence and a vector': () => {
    const x = input({ shape: [4, 3] });
    const v = layers.globalAveragePooling1d({}).apply(x) as SymbolicTensor;
    return model({ inputs: x, outputs: layers.dot({ axes: [2, 1] }).apply([x, v]) as SymbolicTensor });
  },
  'a residual block, with batch normalisation': () => {
    const x = input({ shape: image });
    const conv = (from: unknown, filters: number) =>
      layers.conv2d({ filters, kernelSize: 3, padding: 'same', useBias: false }).apply(from as SymbolicTensor);
    const norm = (from: unknown) => layers.batchNormalization({}).apply(from as SymbolicTensor);
    const relu = (from: unknown) => layers.activation({ activation: 'relu' }).apply(from as SymbolicTensor);
    const start = relu(norm(conv(x, 3)));
    const way = norm(conv(relu(norm(conv(start, 3))), 3));
    const sum = relu(layers.add().apply([way as SymbolicTensor, start as SymbolicTensor]));
    const pooled = layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(sum);
    return model({
      inputs: x,
      outputs: layers.dense({ units: 2, activation: 'softmax' }).apply(pooled) as SymbolicTensor,
    });
  },
  'networks in networks': () => {
    const x = input({ shape: image });
    const inner = sequential({
      layers: [
        layers.conv2d({ inputShape: image, filters: 2, kernelSize: 2, activation: 'relu' }),
        layers.batchNormalization({}),
      ],
    });
    const y = input({ shape: [4, 5, 2] });
    const pooled = layers.averagePooling2d({ poolSize: 2 }).apply(y) as SymbolicTensor;
    const graph = model({ inputs: y, outputs: layers.flatten().apply(pooled) as SymbolicTensor });
    const joined = graph.apply(inner.apply(x)) as SymbolicTensor;
    return model({ inputs: x, outputs: layers.dense({ units: 2 }).apply(joined) as SymbolicTensor });
  },
  'a network at the head of a sequence': () =>
    sequential({
      layers: [sequential({ layers: [layers.dense({ inputShape: [3], units: 4 })] }), layers.dense({ units: 2 })],
    }),
  'a layer without weights used twice': () => {
    const x = input({ shape: [4] });
    const relu = layers.reLU();
    const once = relu.apply(layers.dense({ units: 4 }).apply(x)) as SymbolicTensor;
    const twice = relu.apply(layers.dense({ units: 4 }).apply(once)) as SymbolicTensor;
    return model({ inputs: x, outputs: layers.add().apply([once, twice]) as SymbolicTensor });
  },
};

describe('graphs of layers', () => {
  test.each(Object.entries(graphs))('%s', async (_, network) => {
    await expectSame(network());
  });
});
