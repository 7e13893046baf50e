/**
 * The TF.js Layers format's model.json, as far as Tacit reads it: topology in Keras' terms plus a manifest of binary
 * weights. Sources: the types of @tensorflow/tfjs-core (io) and the format's guide on tensorflow.org/js. Keys that cannot
 * change what a trained layer computes (initialisers, regularisers, names of optimizers) are let pass unread.
 */
import { z } from 'zod';

const dimension = z.int().min(1).nullable();
/** Keras gives one number for equal sizes along both axes. */
const pair = z
  .union([z.int().min(1), z.tuple([z.int().min(1), z.int().min(1)])])
  .transform((value): [number, number] => (typeof value === 'number' ? [value, value] : value));
const count = z.int().min(0);

/** One layer as listed; `config` is parsed by the schema of its class. */
const listedLayerSchema = z.object({
  class_name: z.string(),
  config: z.looseObject({ name: z.string().optional() }),
});
export type ListedLayer = z.infer<typeof listedLayerSchema>;

const layerList = z.array(listedLayerSchema).min(1);
/** A network; a Sequential's config is an object with the layers, or in old files the bare list. */
const network = z.object({
  class_name: z.string(),
  config: z.union([layerList, z.object({ layers: layerList }).transform((config) => config.layers)]),
});

const quantization = z.discriminatedUnion('dtype', [
  z.object({ dtype: z.enum(['uint8', 'uint16']), scale: z.number(), min: z.number() }),
  z.object({ dtype: z.literal('float16') }),
]);

export const manifestWeightSchema = z.object({
  name: z.string().min(1),
  shape: z.array(count),
  dtype: z.string(),
  quantization: quantization.optional(),
});

export const modelJsonSchema = z.object({
  format: z.string().optional(),
  /** Files converted from Python put the network under `model_config`. */
  modelTopology: z.union([network, z.object({ model_config: network }).transform((topology) => topology.model_config)]),
  weightsManifest: z.array(
    z.object({ paths: z.array(z.string().min(1)).min(1), weights: z.array(manifestWeightSchema) }),
  ),
});

const activation = z.string().default('linear');
const dataFormat = z
  .enum(['channels_first', 'channels_last', 'channelsFirst', 'channelsLast'])
  .nullish()
  .transform((value): 'channelsFirst' | 'channelsLast' => (value?.endsWith('irst') ? 'channelsFirst' : 'channelsLast'));
const padding = z.enum(['valid', 'same']).default('valid');

export const inputShapeSchema = z
  .object({
    batch_input_shape: z.array(dimension).min(2).optional(),
    /** Keras 3 spells it so in an InputLayer. */
    batch_shape: z.array(dimension).min(2).optional(),
  })
  .transform((config) => config.batch_input_shape ?? config.batch_shape);

export const denseSchema = z.object({ units: z.int().min(1), activation, use_bias: z.boolean().default(true) });
export const activationSchema = z.object({ activation: z.string() });
export const reluSchema = z.object({
  max_value: z.number().nullish(),
  negative_slope: z.number().nullish(),
  threshold: z.number().nullish(),
});
export const softmaxSchema = z.object({ axis: z.int().default(-1) });
export const flattenSchema = z.object({ data_format: dataFormat });
export const conv2dSchema = z.object({
  filters: z.int().min(1),
  kernel_size: pair,
  strides: pair.default([1, 1]),
  padding,
  data_format: dataFormat,
  dilation_rate: pair.default([1, 1]),
  groups: z.int().min(1).default(1),
  activation,
  use_bias: z.boolean().default(true),
});
export const pool2dSchema = z.object({
  pool_size: pair.default([2, 2]),
  strides: pair.nullish(),
  padding,
  data_format: dataFormat,
});
export const zeroPadding2dSchema = z.object({
  /** One number, [vertical, horizontal], or [[top, bottom], [left, right]]. */
  padding: z
    .union([count, z.tuple([count, count]), z.tuple([z.tuple([count, count]), z.tuple([count, count])])])
    .default(1)
    .transform((value): [number, number, number, number] => {
      if (typeof value === 'number') return [value, value, value, value];
      const [vertical, horizontal] = value;
      const [top, bottom] = typeof vertical === 'number' ? [vertical, vertical] : vertical;
      const [left, right] = typeof horizontal === 'number' ? [horizontal, horizontal] : horizontal;
      return [top, left, bottom, right];
    }),
  data_format: dataFormat,
});
/** Only what tells the layout, of whatever layer has one. */
export const layoutSchema = z.object({ data_format: dataFormat });
