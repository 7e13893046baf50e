/** Layers that move values, repeat them, mix neighbours by public weights, or drop them in training. */
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { count, elementCount, layerKind, mismatch, plainKind, single, size } from './kind.ts';
import { imageOf, spread } from './windows.ts';

/**
 * In training each cell is 0 with this probability, and divided by 1 - rate otherwise; nothing in evaluation. `wholeChannels`
 * drops all cells of a channel together.
 */
const dropout = plainKind({
  attributes: { rate: z.number().min(0).lt(1).default(0.5), wholeChannels: z.boolean().default(false) },
  outputShape: (_layer, inputs) => single(inputs),
});

const flatten = plainKind({ attributes: {}, outputShape: (_layer, inputs) => [elementCount(single(inputs))] });

const reshape = plainKind({
  attributes: { shape: z.array(size).min(1).max(5).readonly() },
  outputShape(layer, inputs) {
    const input = single(inputs);
    if (elementCount(input) !== elementCount(layer.shape))
      throw mismatch(layer, `${elementCount(layer.shape)} values`, input);
    return layer.shape;
  },
});

/** Axis i of the result is axis order[i] of the input, counted from 0 without the batch. */
const permute = plainKind({
  attributes: { order: z.array(count).min(1).max(5).readonly() },
  outputShape(layer, inputs) {
    const input = single(inputs);
    if ([...layer.order].sort((a, b) => a - b).join() !== input.map((_, axis) => axis).join())
      throw mismatch(layer, `${layer.order.length} axes in an order that names each once`, input);
    return layer.order.map((axis) => input[axis] ?? 1);
  },
});

/** Cells around the input, axis by axis: a constant, the mirror image without the border, or the border itself. */
const pad = layerKind({
  attributes: {
    before: z.array(count).min(1).max(5).readonly(),
    after: z.array(count).min(1).max(5).readonly(),
    mode: z.enum(['constant', 'reflect', 'replicate']),
    value: z.number(),
  },
  spec: {
    /** Cells on every side of an image, or cells before and after each axis of cells (all before, then all after). */
    padding: z.union([count, z.array(count).min(2).max(6)]),
    mode: z.enum(['constant', 'reflect', 'replicate']).default('constant'),
    value: z.number().min(-1000).max(1000).default(0),
  },
  outputShape(layer, inputs) {
    const input = single(inputs);
    if (layer.before.length !== input.length || layer.after.length !== input.length)
      throw mismatch(layer, `${layer.before.length} axes`, input);
    if (layer.mode === 'reflect' && input.some((n, i) => Math.max(layer.before[i] ?? 0, layer.after[i] ?? 0) >= n)) {
      throw new InputError(
        'model-pad-too-large',
        `Layer ${layer.name} (${layer.kind}): a mirror image of [${input.join(', ')}] is not that large.`,
        { hint: 'Pad by less than the input has cells, or use mode: replicate.' },
      );
    }
    return input.map((n, axis) => n + (layer.before[axis] ?? 0) + (layer.after[axis] ?? 0));
  },
  complete({ padding, ...spec }, inputs, layer) {
    const axes = single(inputs).length - 1;
    const both = spread(padding, 2 * axes);
    if (both.length !== 2 * axes) throw mismatch(layer, `${both.length / 2} axes of cells`, single(inputs));
    return { ...spec, before: [0, ...both.slice(0, axes)], after: [0, ...both.slice(axes)] };
  },
});

/** Images with whole multiples of their cells: repeated (nearest), or mixed by distance between cell centres (bilinear). */
const upsample = layerKind({
  attributes: { factors: z.array(size).min(1).max(3).readonly(), mode: z.enum(['nearest', 'bilinear']) },
  spec: {
    factor: z.union([size, z.array(size).min(1).max(3)]).default(2),
    mode: z.enum(['nearest', 'bilinear']).default('nearest'),
  },
  outputShape(layer, inputs) {
    const [channels, cells] = imageOf(layer, single(inputs), layer.factors.length);
    return [channels, ...cells.map((n, axis) => n * (layer.factors[axis] ?? 1))];
  },
  complete: ({ factor, mode }, inputs) => ({ factors: spread(factor, single(inputs).length - 1), mode }),
});

export const arrangeKinds = { dropout, flatten, reshape, permute, pad, upsample };
