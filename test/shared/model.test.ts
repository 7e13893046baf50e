/** The neutral description: shapes, templates, checks. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { kinds } from '../../shared/layers/table.ts';
import type { Layer } from '../../shared/layers/table.ts';
import { expandTemplate } from '../../shared/templates.ts';
import {
  checkModel,
  modelDescriptionSchema,
  modelShapes,
  modelWeights,
  weightShapes,
  type ModelDescription,
} from '../../shared/model.ts';
import { initialWeights } from '../../shared/initialise.ts';
import { describeLayers, describeModel, modelInputShape } from '../../shared/job-model.ts';
import { modelLayerSchema } from '../../shared/job.ts';
import { convolutional, mlp, standardisedLogistic } from '../engine/models/sample-models.ts';

const dense = (name: string, inputs: number, outputs: number): Layer => ({
  kind: 'dense',
  name,
  inputs,
  outputs,
  useBias: true,
});

describe('templates', () => {
  test('linear and logistic are one dense layer', () => {
    expect(expandTemplate({ template: 'linear' }, [30], 1, 'regression').layers).toEqual([dense('dense1', 30, 1)]);
    expect(expandTemplate({ template: 'logistic' }, [30], 1, 'classification').layers.at(-1)?.kind).toBe('sigmoid');
    expect(expandTemplate({ template: 'logistic' }, [30], 3, 'classification').layers.at(-1)?.kind).toBe('softmax');
  });

  test('mlp alternates dense layers and activations, with a head only for classes', () => {
    const mlpOf = { template: 'mlp', hidden: [128, 64], activation: 'relu' } as const;
    const kinds = (description: ModelDescription): string => description.layers.map((layer) => layer.kind).join(' ');
    expect(kinds(expandTemplate(mlpOf, [64], 10, 'classification'))).toBe('dense relu dense relu dense softmax');
    expect(kinds(expandTemplate(mlpOf, [64], 2, 'regression'))).toBe('dense relu dense relu dense');
    expect(modelShapes(expandTemplate(mlpOf, [1, 8, 8], 10, 'classification')).at(-1)).toEqual([10]);
  });

  test.each([
    [[784], 400],
    [[1, 28, 28], 400],
    [[3072], 400],
    [[3, 36, 36], 576],
  ])('lenet over %j has %i features before its dense layers', (inputShape, features) => {
    const description = expandTemplate({ template: 'lenet' }, inputShape, 10, 'classification');
    const first = description.layers.find((layer) => layer.kind === 'dense');
    expect(first).toMatchObject({ inputs: features, outputs: 120 });
    expect(modelShapes(description).at(-1)).toEqual([10]);
  });

  test.each([
    [{ template: 'linear' }, [3], 'classification', 'template-task'],
    [{ template: 'logistic' }, [3], 'regression', 'template-task'],
    [{ template: 'lenet' }, [50], 'classification', 'template-not-an-image'],
    [{ template: 'lenet' }, [16], 'classification', 'model-window-too-large'],
  ] as const)('%j over %j for %s is refused', (template, inputShape, task, code) => {
    expect(() => expandTemplate(template, inputShape, 2, task)).toThrow(expect.objectContaining({ code }));
  });
});

describe('checks', () => {
  test('shapes and weights of the samples agree', () => {
    for (const model of [mlp, standardisedLogistic, convolutional]) {
      checkModel(model);
      expect(modelDescriptionSchema.parse(model.description)).toEqual(model.description);
    }
    expect(weightShapes(convolutional.description).get('conv1/kernel')).toEqual([3, 2, 3, 2]);
  });

  test('a layer that does not fit is named', () => {
    const description = { inputShape: [3], layers: [dense('first', 3, 4), dense('second', 5, 1)] };
    expect(() => modelShapes(description)).toThrow('Layer second (dense) takes [5], but is given [4].');
  });

  test('a name twice, missing, strange, misshapen and infinite weights are refused', () => {
    const twice = { inputShape: [3], layers: [dense('a', 3, 3), dense('a', 3, 1)] };
    expect(() => modelShapes(twice)).toThrow(expect.objectContaining({ code: 'model-name-twice' }));
    const without = new Map(mlp.weights);
    without.delete('dense2/bias');
    expect(() => checkModel({ ...mlp, weights: without })).toThrow(
      expect.objectContaining({ code: 'model-weight-missing' }),
    );
    const strange = new Map([...mlp.weights, ['other/kernel', { shape: [1], data: Float64Array.of(1) }]] as const);
    expect(() => checkModel({ ...mlp, weights: strange })).toThrow(
      expect.objectContaining({ code: 'model-weight-unknown' }),
    );
    const shape = new Map([...mlp.weights, ['dense2/bias', { shape: [3], data: Float64Array.of(1, 2, 3) }]] as const);
    expect(() => checkModel({ ...mlp, weights: shape })).toThrow(
      'Weight dense2/bias has shape [3], the layer needs [4].',
    );
    const infinite = new Map([
      ...mlp.weights,
      ['dense2/bias', { shape: [4], data: Float64Array.of(1, 2, NaN, 3) }],
    ] as const);
    expect(() => checkModel({ ...mlp, weights: infinite })).toThrow('Weight dense2/bias holds NaN at position 2.');
    const standardisation = { subtract: Float64Array.of(1), multiply: Float64Array.of(1, 1, 1) };
    expect(() => checkModel({ ...mlp, standardisation })).toThrow(
      expect.objectContaining({ code: 'model-standardisation-size' }),
    );
  });

  test('groups that do not divide and padding as large as a pool are refused', () => {
    const conv = convolutional.description.layers[0]!;
    const pool = convolutional.description.layers[2]!;
    expect(() => modelShapes({ inputShape: [2, 9, 7], layers: [{ ...conv, groups: 2 } as Layer] })).toThrow(
      expect.objectContaining({ code: 'model-groups-uneven' }),
    );
    expect(() => modelShapes({ inputShape: [2, 9, 7], layers: [{ ...pool, padding: [0, 2, 0, 0] } as Layer] })).toThrow(
      expect.objectContaining({ code: 'model-pool-padding' }),
    );
  });
});

test('every kind of layer and block is documented', () => {
  const text = readFileSync('docs/layers.md', 'utf8');
  const names = [...Object.keys(kinds), 'transformerEncoder', 'residual'];
  expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});

describe('listed layers', () => {
  const describeAll = (layers: readonly Record<string, unknown>[], input: readonly number[]): ModelDescription =>
    describeLayers(
      layers.map((layer) => modelLayerSchema.parse(layer)),
      input,
    );

  test.each([
    ['network-a', [784], 'dense batchNorm relu dense batchNorm relu dense softmax', 784],
    ['network-b', [1, 28, 28], 'conv2d batchNorm relu averagePool2d', 256],
    ['network-c', [1, 28, 28], 'conv2d batchNorm relu averagePool2d', 800],
  ] as const)('%s is the benchmark of CrypTen', (template, input, kindsOfIt, features) => {
    const model = { template } as const;
    const description = describeModel(model, modelInputShape(model, 784), 10, 'classification');
    expect(description.inputShape).toEqual(input);
    expect(description.layers.map(({ kind }) => kind).join(' ')).toContain(kindsOfIt);
    expect(description.layers.find((layer) => layer.kind === 'dense')).toMatchObject({ inputs: features });
    expect(modelShapes(description).at(-1)).toEqual([10]);
  });

  test('a name may not be that of the input, and inputs are counted', () => {
    const dense1 = dense('input', 2, 1);
    expect(() => modelShapes({ inputShape: [2], layers: [dense1] })).toThrow('named input');
    expect(() => describeAll([{ kind: 'relu', from: ['input', 'input'] }], [2])).toThrow(
      'Layer relu1 (relu) has 2 inputs; it takes 1.',
    );
  });

  test('heads, groups and mirrors that do not fit are named', () => {
    expect(() => describeAll([{ kind: 'multiHeadAttention', heads: 3 }], [2, 4])).toThrow('3 heads do not divide');
    expect(() => describeAll([{ kind: 'groupNorm', groups: 3 }], [4, 2])).toThrow('3 groups do not divide');
    expect(() => describeAll([{ kind: 'pad', padding: 2, mode: 'reflect' }], [1, 2, 2])).toThrow('mirror');
    expect(() => describeAll([{ kind: 'convTranspose1d', filters: 1, kernel: 2, outputPadding: 1 }], [1, 3])).toThrow(
      'is not below its stride',
    );
  });

  test('running statistics are no trained weights', () => {
    const roles = modelWeights(describeAll([{ kind: 'batchNorm' }], [3])).map(({ part, role }) => `${part} ${role}`);
    expect(roles).toEqual(['scale factor', 'bias term', 'mean statistic', 'variance statistic']);
  });

  test.each([
    ['glorotUniform', 2 / 60],
    ['glorotNormal', 2 / 60],
    ['heUniform', 2 / 40],
    ['heNormal', 2 / 40],
  ])('%s has the variance of its source', (init, variance) => {
    const weights = initialWeights(describeAll([{ kind: 'dense', units: 20, init }], [40]), 5).get(
      'dense1/kernel',
    )!.data;
    const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length;
    const found = weights.reduce((sum, w) => sum + (w - mean) ** 2, 0) / weights.length;
    expect(found / variance).toBeGreaterThan(0.85);
    expect(found / variance).toBeLessThan(1.15);
  });

  test('orthogonal columns are orthonormal', () => {
    const { data } = initialWeights(describeAll([{ kind: 'dense', units: 3, init: 'orthogonal' }], [7]), 1).get(
      'dense1/kernel',
    )!;
    for (let a = 0; a < 3; a++)
      for (let b = 0; b < 3; b++) {
        const product = Array.from({ length: 7 }, (_, i) => data[i * 3 + a]! * data[i * 3 + b]!).reduce(
          (x, y) => x + y,
        );
        expect(product).toBeCloseTo(a === b ? 1 : 0, 12);
      }
  });
});
