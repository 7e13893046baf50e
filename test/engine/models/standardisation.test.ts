/** Standardisation folded into a model: the same answers for raw inputs. */
import { describe, expect, test } from 'vitest';
import { foldStandardisation } from '../../../engine/models/standardisation.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import { describeLayers } from '../../../shared/job-model.ts';
import { layerSpecSchema } from '../../../shared/layers/table.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { plainForward } from './plain-forward.ts';

const inputs = Float64Array.from({ length: 32 }, (_, i) => Math.sin(i) * 8);

function model(layers: readonly object[], inputShape: number[], multiply: (i: number) => number): TrainedModel {
  const description = describeLayers(
    layers.map((layer) => layerSpecSchema.parse(layer)),
    inputShape,
  );
  const standardisation = {
    subtract: new Float64Array(16),
    multiply: Float64Array.from({ length: 16 }, (_, i) => multiply(i)),
  };
  return { description, weights: initialWeights(description, 3), standardisation };
}

const convolution = [
  { kind: 'upsample', factor: 2 },
  { kind: 'pad', padding: 1 },
  { kind: 'conv2d', filters: 2, kernel: 3 },
  { kind: 'relu' },
  { kind: 'flatten' },
  { kind: 'dense', units: 2 },
];

describe('answers for raw inputs stay the same', () => {
  test.each([
    ['one factor, a convolution', model(convolution, [1, 4, 4], () => 1 / 16)],
    ['a factor each, a dense layer', model([{ kind: 'dense', units: 3 }], [16], (i) => 1 / (i + 1))],
  ])('%s', (_name, standardised) => {
    const folded = foldStandardisation(standardised);
    expect(folded.standardisation).toBeUndefined();
    const [before, after] = [standardised, folded].map((one) => plainForward(one, inputs));
    expect(after!.length).toBe(before!.length);
    after!.forEach((answer, i) => expect(answer).toBeCloseTo(before![i]!, 9));
  });
});

test('a factor each before a convolution, or a border that is not zero, is refused', () => {
  const several = model(convolution, [1, 4, 4], (i) => 1 / (i + 1));
  const bordered = model([{ kind: 'pad', padding: 1, value: 1 }, ...convolution.slice(2)], [1, 4, 4], () => 0.5);
  for (const one of [several, bordered])
    expect(() => foldStandardisation(one)).toThrow(expect.objectContaining({ code: 'standardisation-not-foldable' }));
});
