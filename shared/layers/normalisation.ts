/**
 * Normalisation: (x - mean) / sqrt(variance + epsilon) over some cells, times a trained scale, plus a trained bias. They
 * differ in the cells that mean and variance are taken over. Variances are divided by the number of cells.
 */
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { layerKind, mismatch, single, size } from './kind.ts';
import type { AnyLayer, Shape, WeightFacts } from './kind.ts';

const epsilon = z.number().min(1e-6).max(1);
const defaultEpsilon = epsilon.default(1e-3);

function affine(shape: Shape): WeightFacts[] {
  return [
    { part: 'scale', shape, role: 'factor', start: 1 },
    { part: 'bias', shape, role: 'term', start: 0 },
  ];
}

function channelsFirst(layer: AnyLayer & { readonly channels: number }, input: Shape): Shape {
  if (input[0] !== layer.channels) throw mismatch(layer, `[${layer.channels}, ...]`, input);
  return input;
}

/**
 * Over batch and cells of each channel, in training; by running statistics, in evaluation. Running statistics become
 * momentum times themselves plus 1 - momentum times those of the batch, as in Keras and ONNX. For one to three axes of cells,
 * or none.
 */
const batchNorm = layerKind({
  attributes: { channels: size, epsilon, momentum: z.number().min(0).lt(1) },
  spec: { epsilon: defaultEpsilon, momentum: z.number().min(0).lt(1).default(0.9) },
  outputShape: (layer, inputs) => channelsFirst(layer, single(inputs)),
  weights: ({ channels }) => [
    ...affine([channels]),
    { part: 'mean', shape: [channels], role: 'statistic', start: 0 },
    { part: 'variance', shape: [channels], role: 'statistic', start: 1 },
  ],
  complete: (spec, inputs) => ({ ...spec, channels: single(inputs)[0] ?? 1 }),
});

/** Over the last axes, which have this shape. */
const layerNorm = layerKind({
  attributes: { shape: z.array(size).min(1).max(4).readonly(), epsilon },
  spec: { axes: z.int().min(1).max(4).default(1), epsilon: defaultEpsilon },
  outputShape(layer, inputs) {
    const input = single(inputs);
    if (input.slice(-layer.shape.length).join() !== layer.shape.join() || input.length < layer.shape.length)
      throw mismatch(layer, `[..., ${layer.shape.join(', ')}]`, input);
    return input;
  },
  weights: ({ shape }) => affine(shape),
  complete(spec, inputs, layer) {
    const input = single(inputs);
    if (spec.axes > input.length) throw mismatch(layer, `at least ${spec.axes} axes`, input);
    return { shape: input.slice(-spec.axes), epsilon: spec.epsilon };
  },
});

/** Over the last axis, without mean and bias (Zhang and Sennrich 2019). */
const rmsNorm = layerKind({
  attributes: { size, epsilon },
  spec: { epsilon: defaultEpsilon },
  outputShape(layer, inputs) {
    const input = single(inputs);
    if (input.at(-1) !== layer.size) throw mismatch(layer, `[..., ${layer.size}]`, input);
    return input;
  },
  weights: (layer) => affine([layer.size]).slice(0, 1),
  complete: (spec, inputs) => ({ ...spec, size: single(inputs).at(-1) ?? 1 }),
});

/** Over the cells of neighbouring channels. */
const groupNorm = layerKind({
  attributes: { channels: size, groups: size, epsilon },
  spec: { groups: size, epsilon: defaultEpsilon },
  outputShape(layer, inputs) {
    if (layer.channels % layer.groups !== 0) {
      throw new InputError(
        'model-groups-uneven',
        `Layer ${layer.name} (${layer.kind}): ${layer.groups} groups do not divide ${layer.channels} channels.`,
        { hint: 'Let the channels be a multiple of the groups.' },
      );
    }
    return channelsFirst(layer, single(inputs));
  },
  weights: ({ channels }) => affine([channels]),
  complete: (spec, inputs) => ({ ...spec, channels: single(inputs)[0] ?? 1 }),
});

/** Over the cells of each channel of one row. */
const instanceNorm = layerKind({
  attributes: { channels: size, epsilon },
  spec: { epsilon: defaultEpsilon },
  outputShape(layer, inputs) {
    const input = single(inputs);
    if (input.length < 2) throw mismatch(layer, `[${layer.channels}, ...cells]`, input);
    return channelsFirst(layer, input);
  },
  weights: ({ channels }) => affine([channels]),
  complete: (spec, inputs) => ({ ...spec, channels: single(inputs)[0] ?? 1 }),
});

export const normalisationKinds = { batchNorm, layerNorm, rmsNorm, groupNorm, instanceNorm };
