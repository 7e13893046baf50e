/** Every kind of layer on shares, forward and backward, against doubles and their differences. */
import { describe, expect, test } from 'vitest';
import { checkLayer, roundsOf } from './check.ts';
import type { LayerCase } from './check.ts';
import { grid } from '../operations/measure.ts';

const cases: Record<string, LayerCase> = {
  'dense over the last axis of a sequence': { layers: [{ kind: 'dense', units: 3 }], input: [2, 4] },
  'conv1d: stride, dilation, groups': {
    layers: [{ kind: 'conv1d', filters: 4, kernel: 2, stride: 2, dilation: 2, groups: 2, padding: [1, 0] }],
    input: [2, 7],
  },
  'conv2d: uneven padding': {
    layers: [{ kind: 'conv2d', filters: 2, kernel: [2, 3], padding: [0, 1, 1, 2], stride: [2, 1] }],
    input: [2, 3, 4],
  },
  'conv3d: all of it': {
    layers: [
      {
        kind: 'conv3d',
        filters: 2,
        kernel: [2, 2, 1],
        stride: [2, 1, 1],
        dilation: [1, 2, 1],
        padding: [1, 0, 0, 0, 1, 0],
      },
    ],
    input: [2, 3, 3, 2],
    rows: 1,
  },
  'conv3d: groups, same': {
    layers: [{ kind: 'conv3d', filters: 2, kernel: [3, 1, 2], padding: 'same', groups: 2, bias: false }],
    input: [2, 2, 2, 3],
  },
  'transposed conv1d': {
    layers: [{ kind: 'convTranspose1d', filters: 3, kernel: 3, stride: 2, padding: 1, outputPadding: 1 }],
    input: [2, 4],
  },
  'transposed conv2d: groups, dilation': {
    layers: [{ kind: 'convTranspose2d', filters: 4, kernel: 2, stride: [2, 1], dilation: [1, 2], groups: 2 }],
    input: [2, 2, 3],
  },
  'transposed conv3d': {
    layers: [{ kind: 'convTranspose3d', filters: 2, kernel: 2, stride: [2, 1, 1], padding: [1, 0, 0, 0, 1, 0] }],
    input: [1, 2, 2, 2],
  },
  'transposed conv2d: same': {
    layers: [{ kind: 'convTranspose2d', filters: 1, kernel: 3, stride: 2, padding: 'same' }],
    input: [2, 2, 2],
  },
  maxPool1d: { layers: [{ kind: 'maxPool1d', kernel: 3, stride: 2, padding: 1 }], input: [2, 6] },
  'maxPool2d: more cells than one look-up': { layers: [{ kind: 'maxPool2d', kernel: 4, stride: 1 }], input: [1, 4, 5] },
  'maxPool2d: dilation': { layers: [{ kind: 'maxPool2d', kernel: 2, dilation: 2, stride: 1 }], input: [1, 4, 4] },
  maxPool3d: { layers: [{ kind: 'maxPool3d', kernel: [2, 1, 2], padding: [1, 0, 0] }], input: [1, 3, 2, 4] },
  'averagePool1d without padding in the divisor': {
    layers: [{ kind: 'averagePool1d', kernel: 3, padding: 1 }],
    input: [2, 6],
  },
  'averagePool2d with it': {
    layers: [{ kind: 'averagePool2d', kernel: 2, padding: [1, 0, 0, 0], stride: 1, countPadding: true }],
    input: [1, 3, 3],
  },
  averagePool3d: { layers: [{ kind: 'averagePool3d', kernel: 2, padding: 1 }], input: [1, 3, 2, 4] },
  'adaptive average over uneven parts': { layers: [{ kind: 'adaptiveAveragePool', output: [2, 3] }], input: [2, 5, 3] },
  'adaptive maximum over uneven parts': { layers: [{ kind: 'adaptiveMaxPool', output: [2, 2] }], input: [1, 3, 4] },
  'global average': { layers: [{ kind: 'globalAveragePool' }], input: [3, 2, 3] },
  'global maximum': { layers: [{ kind: 'globalMaxPool' }], input: [2, 5] },
  'batchNorm in training, images': { layers: [{ kind: 'batchNorm' }], input: [2, 2, 3], rows: 3, isTraining: true },
  'batchNorm in training, vectors, small spread': {
    layers: [{ kind: 'batchNorm', epsilon: 0.01 }],
    input: [3],
    rows: 6,
    range: 0.3,
    isTraining: true,
  },
  'batchNorm in evaluation': { layers: [{ kind: 'batchNorm' }], input: [3, 4] },
  'layerNorm over one axis': { layers: [{ kind: 'layerNorm' }], input: [2, 6] },
  'layerNorm over two axes': { layers: [{ kind: 'layerNorm', axes: 2 }], input: [2, 2, 3] },
  rmsNorm: { layers: [{ kind: 'rmsNorm' }], input: [2, 5] },
  groupNorm: { layers: [{ kind: 'groupNorm', groups: 2 }], input: [4, 3] },
  instanceNorm: { layers: [{ kind: 'instanceNorm' }], input: [2, 2, 3] },
  'dropout in training': { layers: [{ kind: 'dropout', rate: 0.25 }], input: [7], isTraining: true },
  'dropout of whole channels': {
    layers: [{ kind: 'dropout', rate: 0.5, wholeChannels: true }],
    input: [4, 3],
    isTraining: true,
  },
  'dropout in evaluation': { layers: [{ kind: 'dropout' }], input: [3] },
  'reshape and permute': {
    layers: [
      { kind: 'reshape', shape: [2, 3] },
      { kind: 'permute', order: [1, 0] },
    ],
    input: [6],
  },
  'pad: constant': { layers: [{ kind: 'pad', padding: [1, 0, 0, 2], value: 0.5 }], input: [1, 2, 2] },
  'pad: reflect': { layers: [{ kind: 'pad', padding: 2, mode: 'reflect' }], input: [1, 3, 3] },
  'pad: replicate': { layers: [{ kind: 'pad', padding: [2, 1], mode: 'replicate' }], input: [2, 3] },
  'upsample: nearest': { layers: [{ kind: 'upsample', factor: [2, 3] }], input: [1, 2, 2] },
  'upsample: bilinear': { layers: [{ kind: 'upsample', mode: 'bilinear', factor: [2, 3] }], input: [1, 3, 2] },
  'embedding of secret numbers': {
    layers: [{ kind: 'embedding', tokens: 5, size: 3 }],
    input: [3],
    values: [0, 4, 2, 2, 1, 3],
    isDiscrete: true,
  },
  'position embedding': { layers: [{ kind: 'positionEmbedding' }], input: [3, 2] },
  'sinusoidal positions': { layers: [{ kind: 'sinusoidalPositions' }], input: [3, 4] },
  'attention: two heads': { layers: [{ kind: 'multiHeadAttention', heads: 2 }], input: [3, 4] },
  'attention: causal, heads of uneven size': {
    layers: [{ kind: 'multiHeadAttention', heads: 2, causal: true, bias: false }],
    input: [3, 6],
    rows: 1,
  },
  'attention to another sequence': {
    layers: [
      { kind: 'conv1d', name: 'memory', filters: 3, kernel: 1 },
      { kind: 'multiHeadAttention', from: ['input', 'memory'] },
    ],
    input: [2, 3],
  },
  rnn: { layers: [{ kind: 'rnn', units: 3, sequences: true }], input: [3, 2] },
  'rnn, backwards': { layers: [{ kind: 'rnn', units: 2, sequences: true, backwards: true }], input: [3, 2] },
  lstm: { layers: [{ kind: 'lstm', units: 2 }], input: [3, 2] },
  'lstm, sequences': { layers: [{ kind: 'lstm', units: 2, sequences: true, backwards: true }], input: [2, 3] },
  gru: { layers: [{ kind: 'gru', units: 2 }], input: [3, 2] },
  'a residual block': { layers: [{ kind: 'residual', filters: 2, stride: 2 }], input: [1, 4, 4], isTraining: true },
  'a residual block that keeps its shape, evaluated': { layers: [{ kind: 'residual', filters: 1 }], input: [1, 2, 2] },
  'an encoder layer, normalised first': {
    layers: [{ kind: 'transformerEncoder', heads: 2, feedForward: 3, dropout: 0.25 }],
    input: [2, 4],
    isTraining: true,
  },
  'an encoder layer, normalised last': {
    layers: [{ kind: 'transformerEncoder', feedForward: 3, normFirst: false, activation: 'relu' }],
    input: [2, 3],
  },
  'add, multiply, average and concat of branches': {
    layers: [
      { kind: 'dense', name: 'a', units: 3 },
      { kind: 'dense', name: 'b', units: 3, from: ['input'] },
      { kind: 'add', name: 'sum', from: ['a', 'b'] },
      { kind: 'multiply', name: 'product', from: ['a', 'b', 'sum'] },
      { kind: 'average', name: 'mean', from: ['sum', 'input'] },
      { kind: 'concat', from: ['product', 'mean', 'input'] },
    ],
    input: [3],
  },
};

/** Between kinks, so that differences are right. */
const spread = grid(-3.3, 3.4, 16);

for (const layer of [
  { kind: 'relu' },
  { kind: 'relu6' },
  { kind: 'leakyRelu', slope: 0.2 },
  { kind: 'elu', alpha: 0.7 },
  { kind: 'selu' },
  { kind: 'gelu' },
  { kind: 'gelu', approximate: true },
  { kind: 'silu' },
  { kind: 'mish' },
  { kind: 'softplus' },
  { kind: 'softsign' },
  { kind: 'sigmoid' },
  { kind: 'hardSigmoid' },
  { kind: 'hardSwish' },
  { kind: 'tanh' },
  { kind: 'hardTanh', low: -1.1, high: 2.1 },
  { kind: 'softmax' },
  { kind: 'logSoftmax' },
])
  cases[`${layer.kind} ${JSON.stringify(layer)}`] = { layers: [layer], input: [2, 4], values: spread };

describe('forward and backward', () => {
  test.each(Object.entries(cases))('%s', async (_, spec) => {
    await checkLayer(spec);
  });
});

describe('rounds', () => {
  const image = [2, 4, 4];
  test.each([
    ['conv2d', [{ kind: 'conv2d', filters: 2, kernel: 3 }], image, 2],
    ['convTranspose2d', [{ kind: 'convTranspose2d', filters: 2, kernel: 3 }], image, 2],
    ['conv3d', [{ kind: 'conv3d', filters: 2, kernel: 2 }], [1, 2, 2, 2], 2],
    [
      'conv2d, batchNorm (evaluated), relu',
      [{ kind: 'conv2d', filters: 2, kernel: 3 }, { kind: 'batchNorm' }, { kind: 'relu' }],
      image,
      14,
    ],
    ['layerNorm', [{ kind: 'layerNorm' }], [3, 4], 13],
    ['rmsNorm', [{ kind: 'rmsNorm' }], [3, 4], 12],
    ['multiHeadAttention', [{ kind: 'multiHeadAttention', heads: 2 }], [3, 4], 21],
    ['transformerEncoder', [{ kind: 'transformerEncoder', heads: 2, feedForward: 8 }], [3, 4], 54],
    ['embedding', [{ kind: 'embedding', tokens: 8, size: 4 }], [3], 5],
    ['upsample, bilinear', [{ kind: 'upsample', mode: 'bilinear' }], image, 1],
    ['adaptiveAveragePool', [{ kind: 'adaptiveAveragePool', output: [3, 3] }], image, 1],
    ['maxPool3d', [{ kind: 'maxPool3d' }], [1, 4, 4, 4], 5],
    ['rnn over 3', [{ kind: 'rnn', units: 2 }], [3, 3], 15],
    ['lstm over 2', [{ kind: 'lstm', units: 2 }], [2, 3], 24],
    ['lstm over 3', [{ kind: 'lstm', units: 2 }], [3, 3], 36],
    ['gru over 2', [{ kind: 'gru', units: 2 }], [2, 3], 21],
    ['gru over 3', [{ kind: 'gru', units: 2 }], [3, 3], 35],
  ] as const)('%s', (_, layers, input, rounds) => {
    expect(roundsOf({ layers, input })).toBe(rounds);
  });

  test('batchNorm in training', () => {
    expect(roundsOf({ layers: [{ kind: 'batchNorm' }], input: image, isTraining: true })).toBe(13);
  });

  test('a residual sum is truncated with the convolution before it', () => {
    const layers = [
      { kind: 'conv2d', name: 'a', filters: 2, kernel: 1 },
      { kind: 'add', from: ['a', 'input'] },
      { kind: 'relu' },
    ];
    expect(roundsOf({ layers, input: image })).toBe(5);
  });
});
