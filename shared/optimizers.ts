/** Optimizers as a job names them, and how gradients are limited before. Knows neither shares nor models. */
import { z } from 'zod';
import { strict } from './strict.ts';

const rate = z.number().gt(0).max(1000);
const beta = z.number().min(0).lt(1);
/** Squares of gradients are averaged in fixed point: what is smaller than this says nothing. */
const epsilon = z.number().min(1e-4).max(1).default(1e-4);
const weightDecay = z.number().min(0).lt(1);

const sgdSchema = strict({
  name: z.literal('sgd'),
  lr: rate,
  momentum: beta.default(0),
  /** Part of a gradient that does not enter the momentum, but at the first step. */
  dampening: z.number().min(0).max(1).default(0),
  nesterov: z.boolean().default(false),
  weightDecay: weightDecay.default(0),
});
const adamSchema = strict({
  name: z.literal('adam'),
  lr: rate.default(0.001),
  beta1: beta.default(0.9),
  beta2: beta.default(0.999),
  epsilon,
  weightDecay: weightDecay.default(0),
});
const adamWSchema = strict({ ...adamSchema.shape, name: z.literal('adamw'), weightDecay: weightDecay.default(0.01) });
const rmspropSchema = strict({
  name: z.literal('rmsprop'),
  lr: rate.default(0.001),
  decay: beta.default(0.9),
  momentum: beta.default(0),
  epsilon,
  weightDecay: weightDecay.default(0),
});
const adagradSchema = strict({
  name: z.literal('adagrad'),
  lr: rate.default(0.01),
  /** What the sum of squares starts from. */
  initial: z.number().min(0).max(1).default(0.1),
  epsilon,
  weightDecay: weightDecay.default(0),
});

export const optimizerSchema = z.discriminatedUnion('name', [
  sgdSchema,
  adamSchema,
  adamWSchema,
  rmspropSchema,
  adagradSchema,
]);
export type OptimizerSpec = z.infer<typeof optimizerSchema>;
export type SgdSpec = z.infer<typeof sgdSchema>;
export type AdaptiveSpec = Exclude<OptimizerSpec, SgdSpec>;

/** Of every entry of the mean gradient, or of the length of all entries together; exactly one. */
export const clipSchema = z.union(
  [strict({ value: z.number().gt(0).max(4) }), strict({ norm: z.number().gt(0).max(64) })],
  {
    error: 'must be { value: NUMBER } up to 4, or { norm: NUMBER } up to 64',
  },
);
export type ClipSpec = z.infer<typeof clipSchema>;
