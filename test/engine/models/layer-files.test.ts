/** Every kind of layer in model files: what is written comes back unchanged, and TensorFlow.js answers as the description means. */
import { beforeAll, describe, expect, test } from 'vitest';
import { readOnnx } from '../../../engine/models/onnx/read.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { readTfjsLayers } from '../../../engine/models/tfjs-layers/read.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import { predictBaseline } from '../../../main/host/baseline/train.ts';
import { kinds } from '../../../shared/layers/table.ts';
import { cases, inputsOf, modelOf } from './layer-cases.ts';
import { plainForward } from './plain-forward.ts';

test('every kind is among the cases', () => {
  const seen = new Set(
    Object.values(cases).flatMap((each) => modelOf(each).description.layers.map(({ kind }) => kind)),
  );
  // Graphs of operators have tests of their own.
  seen.add('operators');
  expect(Object.keys(kinds).filter((kind) => !seen.has(kind as keyof typeof kinds))).toEqual([]);
});

describe('ONNX', () => {
  test.each(Object.entries(cases))('%s comes back unchanged', (_, each) => {
    const model = modelOf(each);
    expect(readOnnx(writeOnnx(model), 'model.onnx')).toEqual(model);
  });
});

describe('TF.js Layers', () => {
  beforeAll(async () => {
    await predictBaseline(modelOf(cases['dropout']!), inputsOf(cases['dropout']!, 1));
  });

  const can = Object.entries(cases).filter(([, { notInTfjs }]) => notInTfjs === undefined);
  const cannot = Object.entries(cases).filter(([, { notInTfjs }]) => notInTfjs !== undefined);

  test.each(can)('%s: TF.js answers as the description means, and it comes back unchanged', async (_, each) => {
    const model = modelOf(each);
    const inputs = inputsOf(each, 3);
    const answers = await predictBaseline(model, inputs);
    plainForward(model, inputs).forEach((value, i) => expect(answers[i]).toBeCloseTo(value, 4));
    const { modelJson, weights } = writeTfjsLayers(model);
    expect(readTfjsLayers(modelJson, () => weights, 'model.json')).toEqual(model);
  });

  test.each(cannot)('%s is refused with the reason', (_, each) => {
    const reason = new RegExp(each.notInTfjs!, 'u');
    expect(() => writeTfjsLayers(modelOf(each))).toThrow(reason);
  });
});
