/** Small models for the tests of this folder: every layer kind, with weights that are exact in float32. */
import type { ModelDescription, TrainedModel, WeightTensor } from '../../../shared/model.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { weightShapes } from '../../../shared/model.ts';

/** Multiples of 1/64 in (-1, 1), different for each weight. */
export function withSampleWeights(description: ModelDescription): TrainedModel {
  let state = 1;
  const weights = new Map<string, WeightTensor>();
  for (const [key, shape] of weightShapes(description)) {
    const data = Float64Array.from({ length: elementCount(shape) }, () => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return ((state >> 16) % 64) / 64 - 0.5;
    });
    weights.set(key, { shape, data });
  }
  return { description, weights };
}

export const mlp = withSampleWeights(
  expandTemplate({ template: 'mlp', hidden: [5, 4], activation: 'relu' }, [3], 3, 'classification'),
);

export const standardisedLogistic: TrainedModel = {
  ...withSampleWeights(expandTemplate({ template: 'logistic' }, [3], 1, 'classification')),
  standardisation: { subtract: Float64Array.of(100, -2, 0.5), multiply: Float64Array.of(0.0625, 4, 1) },
};

/** Uneven sizes, all kinds of padding, and two channels, so that a mixed-up axis shows. */
export const convolutional = withSampleWeights({
  inputShape: [2, 9, 7],
  layers: [
    {
      kind: 'conv2d',
      name: 'conv1',
      channels: 2,
      filters: 3,
      kernel: [3, 2],
      stride: [1, 1],
      dilation: [1, 1],
      padding: [1, 0, 1, 1],
      groups: 1,
      useBias: true,
    },
    { kind: 'relu', name: 'relu1' },
    { kind: 'maxPool2d', name: 'pool1', kernel: [2, 2], stride: [2, 1], dilation: [1, 1], padding: [0, 0, 0, 0] },
    {
      kind: 'conv2d',
      name: 'conv2',
      channels: 3,
      filters: 4,
      kernel: [2, 2],
      stride: [1, 2],
      dilation: [1, 1],
      padding: [0, 2, 1, 0],
      groups: 1,
      useBias: false,
    },
    { kind: 'tanh', name: 'tanh1' },
    { kind: 'averagePool2d', name: 'pool2', kernel: [2, 2], stride: [1, 1], padding: [1, 1, 0, 0], countPadding: true },
    {
      kind: 'averagePool2d',
      name: 'pool3',
      kernel: [2, 2],
      stride: [1, 1],
      padding: [0, 0, 1, 1],
      countPadding: false,
    },
    { kind: 'flatten', name: 'flatten1' },
    { kind: 'dense', name: 'dense1', inputs: 64, outputs: 3, useBias: false },
    { kind: 'softmax', name: 'softmax1' },
  ],
});
