/**
 * Models of the literature written as a job file writes layers, with random weights: residual network, vision and text
 * transformers, and an acoustic model over raw audio. Sizes as published, but for what is said at each.
 */
import { z } from 'zod';
import { initialWeights } from '../../shared/initialise.ts';
import { blockSpecSchema } from '../../shared/layers/blocks.ts';
import { layerSpecSchema } from '../../shared/layers/table.ts';
import { describeLayers } from '../../shared/job-model.ts';
import type { ModelWeights, TrainedModel } from '../../shared/model.ts';
import { PublicRandom } from '../../shared/shuffle.ts';

const specSchema = z.array(z.union([layerSpecSchema, blockSpecSchema]));

/** Statistics and scales of normalisations become random too: at 0 and 1 they would hide mistakes. */
function withRandomStatistics(weights: ModelWeights): ModelWeights {
  return new Map(
    [...weights].map(([key, { shape, data }], i) => {
      const random = new PublicRandom(7, 'weights', 2 ** 30 + i);
      const part = key.split('/')[1] ?? '';
      const around = (middle: number, spread: number): Float64Array =>
        data.map(() => middle + spread * (2 * random.nextFraction() - 1));
      if (part === 'variance' || part === 'scale') return [key, { shape, data: around(1, 0.5) }];
      return [key, { shape, data: part === 'kernel' || data.some((w) => w !== 0) ? data : around(0, 0.1) }];
    }),
  );
}

function model(inputShape: readonly number[], layers: readonly object[]): TrainedModel {
  const description = describeLayers(specSchema.parse(layers), inputShape);
  return { description, weights: withRandomStatistics(initialWeights(description, 11)) };
}

/** He et al. 2016, table 1, 18 layers, for images of `side` cells. */
export function resnet18(side: number, classes: number): TrainedModel {
  return model(
    [3, side, side],
    [
      { kind: 'conv2d', filters: 64, kernel: 7, stride: 2, padding: 3, bias: false },
      { kind: 'batchNorm' },
      { kind: 'relu' },
      { kind: 'maxPool2d', kernel: 3, stride: 2, padding: 1 },
      ...[64, 128, 256, 512].flatMap((filters) => [
        { kind: 'residual', filters, stride: filters === 64 ? 1 : 2 },
        { kind: 'residual', filters },
      ]),
      { kind: 'globalAveragePool' },
      { kind: 'dense', units: classes },
    ],
  );
}

/** ViT-Ti of Touvron et al. 2021: 12 layers of width 192 with 3 heads; the mean over patches in place of a class token. */
export function vitTiny(side: number, patch: number, classes: number): TrainedModel {
  const places = (side / patch) ** 2;
  return model(
    [3, side, side],
    [
      { kind: 'conv2d', filters: 192, kernel: patch, stride: patch },
      { kind: 'reshape', shape: [192, places] },
      { kind: 'permute', order: [1, 0] },
      { kind: 'positionEmbedding' },
      ...Array.from({ length: 12 }, () => ({ kind: 'transformerEncoder', heads: 3, feedForward: 768 })),
      { kind: 'layerNorm' },
      { kind: 'permute', order: [1, 0] },
      { kind: 'globalAveragePool' },
      { kind: 'dense', units: classes },
    ],
  );
}

/** Encoder of BERT-tiny (Turc et al. 2019): 2 layers of width 128 with 2 heads, normalised after; over secret tokens. */
export function bertTiny(length: number, tokens: number): TrainedModel {
  return model(
    [length],
    [
      { kind: 'embedding', tokens, size: 128 },
      { kind: 'positionEmbedding' },
      { kind: 'layerNorm' },
      ...Array.from({ length: 2 }, () => ({
        kind: 'transformerEncoder',
        heads: 2,
        feedForward: 512,
        normFirst: false,
      })),
    ],
  );
}

/** Wav2Letter (Collobert et al. 2016) over raw audio of 16,000 samples a second: 13 convolutions in all. */
export function wav2Letter(samples: number, letters: number): TrainedModel {
  const conv = (filters: number, kernel: number, stride: number, padding: number): object[] => [
    { kind: 'conv1d', filters, kernel, stride, padding },
    { kind: 'relu' },
  ];
  return model(
    [1, samples],
    [
      ...conv(250, 250, 160, 45),
      ...conv(250, 48, 2, 23),
      ...Array.from({ length: 8 }, () => conv(250, 7, 1, 3)).flat(),
      ...conv(2000, 32, 1, 16),
      ...conv(2000, 1, 1, 0),
      { kind: 'conv1d', filters: letters, kernel: 1 },
    ],
  );
}
