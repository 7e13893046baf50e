/** Runs one layer, forward and backward, on shares and in doubles, for tests of layers. */
import { expect } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import { forward } from '../../../engine/nn/forward.ts';
import type { TrainingPass } from '../../../engine/nn/layers/layer.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { sizeOf } from '../../../engine/tensor/shape.ts';
import { concat, constant, sharedInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { describeLayers } from '../../../shared/job-model.ts';
import { modelLayerSchema } from '../../../shared/job.ts';
import { modelShapes, modelWeights } from '../../../shared/model.ts';
import type { ModelDescription } from '../../../shared/model.ts';
import { build, plainModel } from '../../helpers/plain-layers.ts';
import type { Plain } from '../../helpers/plain-layers.ts';
import { expectClose, noise, onUnit, run } from '../operations/measure.ts';

export interface LayerCase {
  /** As a job file writes them. */
  readonly layers: readonly Record<string, unknown>[];
  /** Of one row. */
  readonly input: readonly number[];
  readonly rows?: number;
  /** Values of the input; noise in [-range, range) if not given. */
  readonly values?: readonly number[];
  readonly range?: number;
  /** Leaves the gradient of the input out, where there is none. */
  readonly isDiscrete?: boolean;
  readonly isTraining?: boolean;
  /** Seed of the noise. */
  readonly seed?: number;
}

/** The layers with all sizes filled in. */
function describe(layers: LayerCase['layers'], input: readonly number[]): ModelDescription {
  const specs = layers.map((layer) => modelLayerSchema.parse(layer));
  return describeLayers(specs, input);
}

const dropoutMask = (shape: readonly number[], kept: number): Plain =>
  build(shape, (index) => (index.reduce((a, b) => a + b, 0) % 3 === 0 ? 0 : onUnit(kept)));

/** First values of weights that tell parts and places apart. */
function weightValues(part: string, size: number, seed: number): number[] {
  if (part === 'variance') return noise(size, 0.5, 2, seed);
  if (part === 'scale') return noise(size, 0.5, 1.5, seed);
  return noise(size, -0.8, 0.8, seed);
}

/**
 * Compares outputs, and gradients of a fixed random combination of them with respect to input and weights, with doubles and
 * their differences; in training also the running statistics.
 */
export async function checkLayer(spec: LayerCase): Promise<void> {
  const { input, rows = 2, range = 1.5, isTraining = false, isDiscrete = false, seed = 1 } = spec;
  const description = describe(spec.layers, input);
  const shape = [rows, ...input];
  const x: Plain = { shape, data: spec.values ?? noise(sizeOf(shape), -range, range, seed) };
  const facts = modelWeights(description);
  const weights = new Map(
    facts.map(({ key, part, shape: own }, i) => [
      key,
      { shape: own, data: weightValues(part, sizeOf(own), seed + 7 + i) },
    ]),
  );
  const trained = facts.filter(({ role }) => role !== 'statistic').map(({ key }) => key);
  const outShape = [rows, ...(modelShapes(description).at(-1) ?? [])];
  const direction = noise(sizeOf(outShape), -1, 1, seed + 3);

  // In doubles.
  const statistics = new Map<string, Plain>();
  const factors = new Map(
    description.layers.flatMap((layer) =>
      layer.kind === 'dropout' ? [[layer.name, 1 / (1 - layer.rate)] as const] : [],
    ),
  );
  const maskShapes = new Map<string, readonly number[]>();
  const training: TrainingPass | undefined = isTraining
    ? {
        mask: (layer, maskShape, kept) => {
          maskShapes.set(layer, maskShape);
          return constant(traced!, dropoutMask(maskShape, kept).data, maskShape);
        },
        update: (key, value) => updates.set(key, value),
      }
    : undefined;
  const updates = new Map<string, Tensor>();
  let traced: Graph | undefined;
  const combine = (xs: Plain, ws: typeof weights): number => {
    const { data } = plainModel(description, ws, xs, plainTraining);
    return data.reduce((sum, y, i) => sum + y * direction[i]!, 0);
  };
  const plainTraining = isTraining
    ? {
        mask: (layer: string) => dropoutMask(maskShapes.get(layer)!, factors.get(layer)!),
        update: (key: string, value: Plain) => statistics.set(key, value),
      }
    : undefined;

  // On shares: everything side by side in one revealed vector.
  const result = await run(
    [
      { values: x.data, shape, magnitudeBits: 3 },
      ...[...weights.values()].map(({ data, shape: own }) => ({ values: data, shape: own, magnitudeBits: 2 })),
    ],
    (...args) => {
      const [xs, ...ws] = args;
      traced = xs!.graph;
      const tensors = new Map([...weights.keys()].map((key, i) => [key, ws[i]!]));
      const y = forward(description.layers, tensors, xs!, training);
      const wanted = [...(isDiscrete ? [] : [xs!]), ...trained.map((key) => tensors.get(key)!)];
      const derivatives = wanted.length === 0 ? [] : gradients([[y, constant(traced, direction, outShape)]], wanted);
      const flat = [y, ...[...updates.values()], ...derivatives].map((t) =>
        t.reshape([t.size]).rescaled(traced!.options.fractionBits),
      );
      return concat(flat, 0);
    },
  );
  const expected = [...plainModel(description, weights, x, plainTraining).data];
  for (const key of updates.keys()) expected.push(...statistics.get(key)!.data);
  const difference = (change: (by: number) => number): number => (change(1e-5) - change(-1e-5)) / 2e-5;
  if (!isDiscrete) {
    x.data.forEach((v, i) =>
      expected.push(difference((by) => combine({ shape, data: x.data.with(i, v + by) }, weights))),
    );
  }
  for (const key of trained) {
    const weight = weights.get(key)!;
    weight.data.forEach((v, i) =>
      expected.push(
        difference((by) => combine(x, new Map([...weights, [key, { ...weight, data: weight.data.with(i, v + by) }]]))),
      ),
    );
  }
  expectClose(result.values, expected);
}

/** Rounds of the forward pass of the layers over secret inputs and weights, with the first opening and without the reveal. */
export function roundsOf(spec: Pick<LayerCase, 'layers' | 'input' | 'rows' | 'isTraining'>): number {
  const { input, rows = 2, isTraining = false } = spec;
  const description = describe(spec.layers, input);
  const graph = new Graph({ name: 'rounds', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const x = sharedInput(graph, 'x', [rows, ...input], 3);
  const weights = new Map(modelWeights(description).map(({ key, shape }) => [key, sharedInput(graph, key, shape, 3)]));
  const training: TrainingPass = {
    mask: (_, shape) => constant(graph, new Array<number>(sizeOf(shape)).fill(2), shape),
    update: () => undefined,
  };
  forward(description.layers, weights, x, isTraining ? training : undefined).reveal('y', ['a']);
  const plan = planJob([lower(graph, { parties: ['a', 'b'] })], nodeCrypto.sha256);
  const cost = plan.programs.get('rounds')?.cost;
  expect(cost).toBeDefined();
  return (cost?.rounds ?? 0) - 1;
}
