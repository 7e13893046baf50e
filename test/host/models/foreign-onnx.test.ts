/** Models of every kind of layer as ONNX files without our description: read by their operators they answer alike, on shares. */
import { expect, test } from 'vitest';
import { asLayers } from '../../../engine/models/onnx/operator-layer.ts';
import { readOnnxModel } from '../../../engine/models/onnx/read.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { inferPrivately } from '../../../main/host/inference/private-inference.ts';
import { cases, inputsOf, modelOf } from '../../engine/models/layer-cases.ts';
import { plainForward } from '../../engine/models/plain-forward.ts';
import { withoutMetadata } from '../../helpers/onnx-models.ts';

test.each(Object.entries(cases))('%s', async (_, each) => {
  const model = modelOf(each);
  const read = readOnnxModel(withoutMetadata(writeOnnx(model)), 'model.onnx');
  const inputs = inputsOf(each, 2);
  const { outputs } = await inferPrivately({
    model: read.kind === 'layers' ? read.model : asLayers(read.model, 'model.onnx'),
    inputs: [
      {
        what: 'x',
        owner: 'a',
        tensor: { type: 'float32', shape: [2, ...each.input], data: Float32Array.from(inputs) },
      },
    ],
    parties: ['a', 'b'],
    modelOwner: 'b',
    transport: 'memory',
    signal: new AbortController().signal,
  });
  const answers = outputs[0]?.data ?? [];
  const expected = plainForward(model, inputs);
  expect(answers.length).toBe(expected.length);
  expected.forEach((value, i) =>
    expect(Math.abs(value - Number(answers[i])), `position ${i}`).toBeLessThan(4e-3 + 0.01 * Math.abs(value)),
  );
});
