/** A small model of every kind of layer, and inputs for it. */
import { describeLayers } from '../../../shared/job-model.ts';
import { modelLayerSchema } from '../../../shared/job.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { kinds } from '../../../shared/layers/table.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import { withSampleWeights } from './sample-models.ts';

export interface Case {
  readonly layers: readonly Record<string, unknown>[];
  readonly input: readonly number[];
  /** Why TensorFlow.js has no such layer. */
  readonly notInTfjs?: string;
  /** Whole numbers up to this as inputs. */
  readonly tokens?: number;
}

const one = (layer: Record<string, unknown>, input: readonly number[], notInTfjs?: string): Case => ({
  layers: [layer],
  input,
  ...(notInTfjs === undefined ? {} : { notInTfjs }),
});
const image = [2, 4, 6];
const activations = Object.keys(kinds).slice(
  Object.keys(kinds).indexOf('relu'),
  Object.keys(kinds).indexOf('logSoftmax') + 1,
);

export const cases: Record<string, Case> = {
  'dense on a sequence': one({ kind: 'dense', units: 3 }, [3, 2]),
  embedding: { ...one({ kind: 'embedding', tokens: 5, size: 2 }, [3]), tokens: 5 },
  positionEmbedding: one({ kind: 'positionEmbedding' }, [3, 2], 'no such layer'),
  sinusoidalPositions: one({ kind: 'sinusoidalPositions' }, [3, 4], 'no such layer'),
  conv1d: one({ kind: 'conv1d', filters: 3, kernel: 3, padding: 'same' }, [2, 5]),
  'conv1d in groups': one({ kind: 'conv1d', filters: 4, kernel: 3, groups: 2 }, [2, 5], 'groups'),
  conv2d: one({ kind: 'conv2d', filters: 3, kernel: [2, 3], padding: [1, 0, 0, 2], stride: [1, 2] }, image),
  conv3d: one({ kind: 'conv3d', filters: 2, kernel: [2, 1, 2], stride: [1, 1, 2], bias: false }, [2, 3, 2, 4]),
  convTranspose1d: one({ kind: 'convTranspose1d', filters: 2, kernel: 2 }, [2, 3], 'no such layer'),
  convTranspose2d: one({ kind: 'convTranspose2d', filters: 3, kernel: [3, 2], stride: 2 }, [2, 3, 2]),
  'convTranspose2d, same': one({ kind: 'convTranspose2d', filters: 3, kernel: 3, stride: 2, padding: 'same' }, image),
  convTranspose3d: one({ kind: 'convTranspose3d', filters: 2, kernel: 2 }, [2, 2, 2, 3]),
  maxPool1d: one({ kind: 'maxPool1d' }, [2, 6], 'no such layer'),
  maxPool2d: one({ kind: 'maxPool2d', kernel: [2, 3] }, image),
  maxPool3d: one({ kind: 'maxPool3d' }, [1, 2, 4, 2]),
  averagePool1d: one({ kind: 'averagePool1d' }, [2, 6], 'no such layer'),
  averagePool2d: one({ kind: 'averagePool2d', padding: 'same', stride: 1 }, image),
  averagePool3d: one({ kind: 'averagePool3d' }, [1, 2, 4, 2]),
  adaptiveMaxPool: one({ kind: 'adaptiveMaxPool', output: [3, 2] }, image, 'no such layer'),
  adaptiveAveragePool: one({ kind: 'adaptiveAveragePool', output: [3, 4] }, image, 'no such layer'),
  globalMaxPool: one({ kind: 'globalMaxPool' }, image),
  'globalAveragePool of sequences': one({ kind: 'globalAveragePool' }, [3, 4]),
  batchNorm: one({ kind: 'batchNorm', epsilon: 0.25 }, [3, 2, 2]),
  'batchNorm of vectors': one({ kind: 'batchNorm' }, [4]),
  layerNorm: one({ kind: 'layerNorm', axes: 2, epsilon: 0.125 }, [2, 3, 2]),
  rmsNorm: one({ kind: 'rmsNorm' }, [2, 3], 'no such layer'),
  groupNorm: one({ kind: 'groupNorm', groups: 2 }, [4, 3], 'no such layer'),
  instanceNorm: one({ kind: 'instanceNorm' }, image, 'no such layer'),
  dropout: one({ kind: 'dropout', rate: 0.25 }, [4]),
  'flatten and reshape': { layers: [{ kind: 'flatten' }, { kind: 'reshape', shape: [4, 3] }], input: [2, 6] },
  permute: one({ kind: 'permute', order: [2, 0, 1] }, image),
  pad: one({ kind: 'pad', padding: [1, 0, 2, 1] }, image),
  'pad by reflection': one({ kind: 'pad', padding: 1, mode: 'reflect' }, image, 'zeros'),
  upsample: one({ kind: 'upsample', factor: [2, 3] }, image),
  'upsample, bilinear': one({ kind: 'upsample', mode: 'bilinear' }, image, 'distances'),
  multiHeadAttention: one({ kind: 'multiHeadAttention', heads: 2, causal: true }, [3, 4], 'no such layer'),
  transformerEncoder: one({ kind: 'transformerEncoder', feedForward: 5 }, [3, 4], 'no such layer'),
  rnn: one({ kind: 'rnn', units: 3 }, [4, 2]),
  lstm: one({ kind: 'lstm', units: 3, sequences: true }, [4, 2]),
  gru: one({ kind: 'gru', units: 3, backwards: true }, [4, 2]),
  'gru, sequences backwards': one({ kind: 'gru', units: 3, backwards: true, sequences: true }, [4, 2], 'order'),
  residual: one({ kind: 'residual', filters: 3, stride: 2 }, [2, 4, 4]),
  'branches that meet': {
    layers: [
      { kind: 'dense', name: 'a', units: 3 },
      { kind: 'dense', name: 'b', units: 3, from: ['input'] },
      { kind: 'add', name: 'sum', from: ['a', 'b', 'input'] },
      { kind: 'multiply', name: 'product', from: ['a', 'sum', 'b'] },
      { kind: 'average', name: 'mean', from: ['product', 'input'] },
      { kind: 'concat', from: ['product', 'mean'] },
    ],
    input: [3],
  },
  ...Object.fromEntries(
    activations.map((kind) => [
      kind,
      one({ kind }, [2, 5], ['hardSwish', 'hardTanh'].includes(kind) ? 'no such layer' : undefined),
    ]),
  ),
};

export function modelOf({ layers, input }: Case): TrainedModel {
  const model = withSampleWeights(
    describeLayers(
      layers.map((layer) => modelLayerSchema.parse(layer)),
      input,
    ),
  );
  // A variance is not negative.
  for (const [key, { data }] of model.weights) if (key.endsWith('/variance')) data.forEach((v, i) => (data[i] = v + 1));
  return model;
}

export function inputsOf({ input, tokens }: Case, rows: number): Float64Array {
  return Float64Array.from({ length: rows * elementCount(input) }, (_, i) =>
    tokens === undefined ? ((i * 37) % 64) / 16 - 2 : (i * 3) % tokens,
  );
}
