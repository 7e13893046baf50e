/**
 * The TF.js Layers format's model.json, as far as Tacit reads it: topology in Keras' terms (as TensorFlow.js, Keras 2 and Keras 3
 * write it) plus a manifest of binary weights. Sources: the types of @tensorflow/tfjs-core (io) and the format's guide on
 * tensorflow.org/js. Keys that cannot change what a trained layer computes (initialisers, regularisers, names of optimizers) are
 * let pass unread.
 */
import { z } from 'zod';
import { count, size } from '../../../shared/layers/kind.ts';
import { manifestSchema } from './manifest.ts';

/** One layer as listed; `config` is parsed by the schema of its class. */
const listedLayerSchema = z.object({
  class_name: z.string(),
  /** In graphs; equal to the one in `config`. */
  name: z.string().optional(),
  config: z.looseObject({ name: z.string().optional() }),
  inbound_nodes: z.unknown().optional(),
});
export type ListedLayer = z.infer<typeof listedLayerSchema>;

const layerList = z.array(listedLayerSchema).min(1);

/** A layer's output: its name, the number of its use, the number of its output. */
const reference = z.tuple([z.string(), count, count]).rest(z.unknown());
/** One reference, or a list. */
const references = z
  .union([reference.transform((one) => [one]), z.array(reference)])
  .transform((list) => list.map(([name, use, output]) => ({ name, use, output })));
export type Reference = z.output<typeof references>[number];

/** In old files the bare list of layers. */
export const sequentialSchema = z.preprocess(
  (config) => (Array.isArray(config) ? { layers: config as unknown[] } : config),
  z.object({ layers: layerList, build_input_shape: z.array(size.nullable()).nullish() }),
);

export const functionalSchema = z.object({
  layers: layerList,
  input_layers: references,
  output_layers: references,
});

export const networkSchema = z.object({
  class_name: z.string(),
  /** Read by class. */
  config: z.unknown(),
});
export type Network = z.infer<typeof networkSchema>;

export const modelJsonSchema = z.object({
  format: z.string().optional(),
  /** Files converted from Python put the network under `model_config`. */
  modelTopology: z.union([
    networkSchema,
    z.object({ model_config: networkSchema }).transform((topology) => topology.model_config),
  ]),
  weightsManifest: manifestSchema,
});

/** Arguments by name that change nothing: null, or training: false. */
const idle = z.record(z.string(), z.union([z.null(), z.literal(false)]));
/** Keras 3 says what a tensor is by its history. */
const tensor = z
  .object({ class_name: z.literal('__keras_tensor__'), config: z.object({ keras_history: reference }) })
  .transform(({ config }) => config.keras_history);
const tensors = z.union([tensor.transform((one) => [one]), z.array(tensor)]);

/** The uses of a layer in a graph, and what each takes. */
export const inboundSchema = z
  .array(
    z.union([
      z.object({ args: z.array(tensors).min(1), kwargs: idle.default({}) }).transform(({ args }) => args.flat()),
      reference.transform((one) => [one]),
      z.array(reference),
    ]),
  )
  .transform((uses) =>
    uses.map((use) =>
      use.map(([name, number, output, options]) => ({ name, use: number, output, isIdle: isIdle(options) })),
    ),
  );

function isIdle(options: unknown): boolean {
  return options === undefined || options === null || idle.safeParse(options).success;
}

const perAxis = (axes: number) =>
  z
    .union([size, z.array(size).length(axes)])
    .transform((value): number[] => (typeof value === 'number' ? new Array<number>(axes).fill(value) : value));

/** A name, or Keras 3's object around it. */
export const activation = z
  .union([
    z.string(),
    z
      .object({ class_name: z.string(), config: z.unknown() })
      .transform(({ class_name, config }) => (typeof config === 'string' ? config : class_name)),
  ])
  .nullish()
  .transform((name) => (name ?? 'linear').replace(/([a-z])([A-Z])/gu, '$1_$2').toLowerCase());
const dataFormat = z
  .enum(['channels_first', 'channels_last', 'channelsFirst', 'channelsLast'])
  .nullish()
  .transform((value) => value?.endsWith('irst') === true);
const useBias = z
  .boolean()
  .nullish()
  .transform((value) => value ?? true);
const oneOrMore = z.union([z.int().transform((axis) => [axis]), z.array(z.int()).min(1)]);

export const inputShapeSchema = z
  .object({
    batch_input_shape: z.array(size.nullable()).min(2).nullish(),
    /** Keras 3 spells it so in an InputLayer. */
    batch_shape: z.array(size.nullable()).min(2).nullish(),
  })
  .transform((config) => config.batch_input_shape ?? config.batch_shape ?? undefined);

export const wrapperSchema = z.object({ layer: listedLayerSchema });
export const bidirectionalSchema = z.object({
  layer: listedLayerSchema,
  merge_mode: z.string().nullish(),
  /** Keras can have another layer for the way back. */
  backward_layer: listedLayerSchema.nullish(),
});
export const denseSchema = z.object({ units: size, activation, use_bias: useBias });
export const activationSchema = z.object({ activation });
export const reluSchema = z.object({
  max_value: z.number().nullish(),
  negative_slope: z.number().nullish(),
  threshold: z.number().nullish(),
});
export const leakyReluSchema = z
  .object({ alpha: z.number().nullish(), negative_slope: z.number().nullish() })
  .transform(({ alpha, negative_slope: slope }) => alpha ?? slope ?? 0.3);
export const alphaSchema = z.object({ alpha: z.number().nullish() }).transform(({ alpha }) => alpha ?? 1);
export const thetaSchema = z.object({ theta: z.number().nullish() }).transform(({ theta }) => theta ?? 1);
export const softmaxSchema = z.object({ axis: oneOrMore.default([-1]) });
/** Whether channels come first. */
export const layoutSchema = z.object({ data_format: dataFormat }).transform((config) => config.data_format);
const windowKeys = (axes: number) => ({
  padding: z.enum(['valid', 'same', 'causal']).default('valid'),
  data_format: dataFormat,
  strides: perAxis(axes).nullish(),
});
export const convolutionSchema = (axes: number) =>
  z.object({
    ...windowKeys(axes),
    filters: size.optional(),
    kernel_size: perAxis(axes),
    dilation_rate: perAxis(axes).nullish(),
    groups: size.nullish(),
    depth_multiplier: size.nullish(),
    output_padding: z.unknown().optional(),
    activation,
    use_bias: useBias,
  });
export const poolSchema = (axes: number) => z.object({ ...windowKeys(axes), pool_size: perAxis(axes).nullish() });
export const globalPoolSchema = z.object({
  data_format: dataFormat,
  keepdims: z.boolean().nullish(),
});
/** One number, one an axis, or a pair an axis; along one axis, just the pair. Cells before and after each axis. */
const border = (axes: number) =>
  z
    .union([
      count,
      z.array(z.union([count, z.tuple([count, count])])).length(axes),
      ...(axes === 1 ? [z.tuple([count, count]).transform((pair): [number, number][] => [pair])] : []),
    ])
    .transform((value): [number, number][] =>
      typeof value === 'number'
        ? Array.from({ length: axes }, () => [value, value])
        : value.map((cells) => (typeof cells === 'number' ? [cells, cells] : cells)),
    );
export const paddingSchema = (axes: number) =>
  z.object({ padding: border(axes).default(border(axes).parse(1)), data_format: dataFormat });
export const croppingSchema = (axes: number) =>
  z.object({ cropping: border(axes).default(border(axes).parse(axes === 1 ? 1 : 0)), data_format: dataFormat });
export const upSamplingSchema = (axes: number) =>
  z.object({
    size: perAxis(axes).default(new Array<number>(axes).fill(2)),
    data_format: dataFormat,
    interpolation: z.string().default('nearest'),
  });
export const dropoutSchema = z.object({
  rate: z.number(),
  noise_shape: z.unknown().optional(),
  data_format: dataFormat,
});
export const reshapeSchema = z.object({ target_shape: z.array(z.int().nullable()).min(1) });
export const permuteSchema = z.object({ dims: z.array(size).min(1) });
export const repeatSchema = z.object({ n: size });
export const embeddingSchema = z.object({
  input_dim: size,
  output_dim: size,
  mask_zero: z.boolean().nullish(),
});
export const normalisationSchema = z.object({
  axis: oneOrMore.default([-1]),
  epsilon: z.number().default(1e-3),
  momentum: z.number().default(0.99),
  center: z.boolean().default(true),
  scale: z.boolean().default(true),
});
const numbers = z.union([z.number(), z.array(z.number()).min(1)]);
export const rescalingSchema = z.object({ scale: numbers, offset: numbers.default(0) });
export const preluSchema = z.object({});
export const concatenateSchema = z.object({ axis: z.int().default(-1) });
export const dotSchema = z.object({
  axes: z.union([z.int().transform((axis) => [axis, axis]), z.array(z.int()).length(2)]),
  normalize: z.boolean().nullish(),
});
export const recurrentSchema = z.object({
  units: size,
  activation,
  /** Absent in a SimpleRNN. */
  recurrent_activation: activation,
  use_bias: useBias,
  return_sequences: z.boolean().nullish(),
  return_state: z.boolean().nullish(),
  go_backwards: z.boolean().nullish(),
  stateful: z.boolean().nullish(),
  time_major: z.boolean().nullish(),
  reset_after: z.boolean().nullish(),
});
