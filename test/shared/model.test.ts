/** The neutral description: shapes, templates, checks. */
import { describe, expect, test } from 'vitest';
import {
  checkModel,
  expandTemplate,
  modelDescriptionSchema,
  modelShapes,
  weightShapes,
  type Layer,
  type ModelDescription,
} from '../../shared/model.ts';
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
