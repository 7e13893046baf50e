/** Whole models with random weights on shares against the same in doubles. */
import { expect, test } from 'vitest';
import { inferPrivately } from '../../../main/host/inference/private-inference.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { PublicRandom } from '../../../shared/shuffle.ts';
import { plainForward } from '../models/plain-forward.ts';
import { bertTiny, resnet18, vitTiny, wav2Letter } from '../../helpers/whole-models.ts';

/** Cells in [-1, 1), or whole numbers below `tokens`. */
function inputs(model: TrainedModel, tokens?: number): Float64Array<ArrayBuffer> {
  const random = new PublicRandom(3, 'epoch');
  const size = model.description.inputShape.reduce((product, n) => product * n, 1);
  return Float64Array.from({ length: size }, () =>
    tokens === undefined ? Math.round((2 * random.nextFraction() - 1) * 2 ** 16) / 2 ** 16 : random.nextBelow(tokens),
  );
}

const cases: [name: string, model: () => TrainedModel, tokens?: number][] = [
  ['ResNet-18', () => resnet18(32, 10)],
  ['ViT-tiny', () => vitTiny(12, 4, 10)],
  ['BERT-tiny', () => bertTiny(16, 200), 200],
  ['Wav2Letter', () => wav2Letter(4000, 40)],
];

test.each(cases)(
  '%s',
  async (_name, make, tokens) => {
    const model = make();
    const x = inputs(model, tokens);
    const { outputs } = await inferPrivately({
      model,
      inputs: [
        { what: 'x', owner: 'b', tensor: { type: 'float64', shape: [1, ...model.description.inputShape], data: x } },
      ],
      parties: ['a', 'b'],
      modelOwner: 'a',
      transport: 'memory',
      memoryBytes: 6 * 2 ** 30,
      signal: new AbortController().signal,
    });
    const exact = plainForward(model, x);
    const answers = [...(outputs[0]?.data as Float32Array)];
    expect(answers.length).toBe(exact.length);
    const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const gap = answers.reduce((most, value, i) => Math.max(most, Math.abs(value - (exact[i] ?? NaN))), 0);
    expect(largest).toBeGreaterThan(0.01);
    expect(gap / largest).toBeLessThan(0.01);
  },
  300_000,
);
