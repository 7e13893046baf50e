/** Dense layers and embeddings: rows of a table, or sums of them. */
import { z } from 'zod';
import { elementCount, init, layerKind, mismatch, single, size } from './kind.ts';

/** Over the last axis, whatever stands before it. */
const dense = layerKind({
  attributes: { inputs: size, outputs: size, useBias: z.boolean(), init },
  spec: { units: size.max(65_536), bias: z.boolean().default(true), init },
  outputShape(layer, inputs) {
    const input = single(inputs);
    if (input.at(-1) !== layer.inputs)
      throw mismatch(layer, input.length > 1 ? `[..., ${layer.inputs}]` : `[${layer.inputs}]`, input);
    return [...input.slice(0, -1), layer.outputs];
  },
  weights: ({ inputs, outputs, useBias }) => [
    { part: 'kernel', shape: [inputs, outputs], role: 'factor', start: { fanIn: inputs, fanOut: outputs } },
    ...(useBias ? [{ part: 'bias', shape: [outputs], role: 'term', start: 0 } as const] : []),
  ],
  complete: ({ units, bias, init: start }, inputs) => ({
    inputs: single(inputs).at(-1) ?? 1,
    outputs: units,
    useBias: bias,
    init: start,
  }),
});

/** A row of the table for each whole number from 0; other numbers give zeros. */
const embedding = layerKind({
  attributes: { tokens: size.max(65_536), size, init },
  spec: { tokens: size.max(65_536), size, init },
  outputShape: (layer, inputs) => [...single(inputs), layer.size],
  weights: (layer) => [
    {
      part: 'kernel',
      shape: [layer.tokens, layer.size],
      role: 'factor',
      start: { fanIn: layer.tokens, fanOut: layer.size },
    },
  ],
  complete: (spec) => spec,
});

/** Adds a trained vector to each place of a sequence [length, size]. */
const positionEmbedding = layerKind({
  attributes: { length: size, size, init },
  spec: { init },
  outputShape(layer, inputs) {
    const input = single(inputs);
    if (input.length !== 2 || input[0] !== layer.length || input[1] !== layer.size)
      throw mismatch(layer, `[${layer.length}, ${layer.size}]`, input);
    return input;
  },
  weights: (layer) => [
    {
      part: 'positions',
      shape: [layer.length, layer.size],
      role: 'term',
      start: { fanIn: layer.length, fanOut: layer.size },
    },
  ],
  complete: (spec, inputs) => {
    const [length = 1, ...rest] = single(inputs);
    return { length, size: elementCount(rest), init: spec.init };
  },
});

/** Adds sines and cosines of each place of a sequence [length, size] (Vaswani et al. 2017, section 3.5). */
const sinusoidalPositions = layerKind({
  attributes: {},
  spec: {},
  outputShape(layer, inputs) {
    const input = single(inputs);
    if (input.length !== 2) throw mismatch(layer, '[length, size]', input);
    return input;
  },
  complete: (spec) => spec,
});

export const denseKinds = { dense, embedding, positionEmbedding, sinusoidalPositions };
