/**
 * Reads the TF.js Layers format: Sequential models of supported layers, weights in any number of shards, plain float32 or
 * quantised to uint8, uint16 or float16. Models whose images are channels last become channels first (kernels and the rows
 * of the dense layer after a flatten are reordered), so they take channels-first images afterwards.
 * Knows nothing of the file system: shards come through an injected function.
 */
import type { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { checkFinite, checkModel, layerOutputShape } from '../../../shared/model.ts';
import { MODEL_INPUT } from '../../../shared/layers/table.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import type { TrainedModel, WeightTensor } from '../../../shared/model.ts';
import { leavesFolder } from '../relative-path.ts';
import { samePadding } from '../../../shared/layers/same-padding.ts';
import { elementBytes, tensorFromBytes, toFloat64 } from '../tensor.ts';
import { ownModel } from './own-model.ts';
import {
  activationSchema,
  conv2dSchema,
  denseSchema,
  flattenSchema,
  inputShapeSchema,
  layoutSchema,
  modelJsonSchema,
  pool2dSchema,
  reluSchema,
  softmaxSchema,
  zeroPadding2dSchema,
} from './schema.ts';
import type { ListedLayer, manifestWeightSchema } from './schema.ts';

/** Reads a whole weight file; the path is relative to model.json and was checked not to leave its folder by name. */
export type ReadShard = (path: string) => Uint8Array;

type ManifestWeight = z.infer<typeof manifestWeightSchema>;
type Padding = readonly [number, number, number, number];

/**
 * @param what names the file in errors.
 * @throws InputError (`tfjs-format`, `tfjs-shards`, `tfjs-unsupported` naming the layer, `not-finite` naming the weight,
 *   and those of `checkModel`).
 */
export function readTfjsLayers(modelJson: string, readShard: ReadShard, what: string): TrainedModel {
  let json: unknown;
  try {
    json = JSON.parse(modelJson);
  } catch (cause) {
    throw notAModel(what, 'it is not JSON', cause);
  }
  if (typeof json === 'object' && json !== null && 'format' in json && json.format === 'graph-model') {
    throw notAModel(what, 'it holds a graph model, not a layers model');
  }
  const parsed = modelJsonSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw notAModel(what, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown content'}`, parsed.error);
  }
  const { modelTopology, weightsManifest } = parsed.data;
  const weights = new Map<string, WeightTensor>();
  for (const group of weightsManifest) readGroup(group, readShard, what, weights);
  const own = ownModel(json, weights);
  if (own !== undefined) return own;
  if (modelTopology.class_name !== 'Sequential') {
    throw new InputError(
      'tfjs-unsupported',
      `${what} is a model of class ${modelTopology.class_name}; supported is Sequential.`,
      {
        hint: 'Rebuild the model as a sequence of layers, or export it as ONNX.',
      },
    );
  }
  return new TopologyReader(what, weights).read(modelTopology.config);
}

function notAModel(what: string, reason: string, cause?: unknown): InputError {
  return new InputError('tfjs-format', `${what} is not a readable TF.js Layers model: ${reason}.`, {
    hint: 'Expected is the model.json that model.save() writes.',
    cause,
  });
}

/** One group of the manifest: its files joined, then its weights one after the other. */
function readGroup(
  group: { readonly paths: readonly string[]; readonly weights: readonly ManifestWeight[] },
  readShard: ReadShard,
  what: string,
  into: Map<string, WeightTensor>,
): void {
  const shards = group.paths.map((path) => {
    if (!leavesFolder(path)) return readShard(path);
    throw new InputError('tfjs-shards', `${what}: its weight file "${path}" lies outside the folder of the model.`);
  });
  const bytes = new Uint8Array(shards.reduce((sum, shard) => sum + shard.length, 0));
  let offset = 0;
  for (const shard of shards) {
    bytes.set(shard, offset);
    offset += shard.length;
  }
  offset = 0;
  for (const weight of group.weights) {
    if (weight.dtype !== 'float32') {
      throw new InputError(
        'tfjs-unsupported',
        `${what}: weight "${weight.name}" is of type ${weight.dtype}; supported is float32.`,
      );
    }
    const { quantization } = weight;
    const stored = quantization?.dtype ?? 'float32';
    const length = elementCount(weight.shape) * (stored === 'float16' ? 2 : elementBytes[stored]);
    const name = `${what}: weight "${weight.name}"`;
    const data = toFloat64(name, tensorFromBytes(name, stored, weight.shape, bytes.subarray(offset, offset + length)));
    offset += length;
    if (quantization !== undefined && quantization.dtype !== 'float16') {
      data.forEach((value, i) => (data[i] = value * quantization.scale + quantization.min));
    }
    checkFinite(name, data);
    if (into.has(weight.name)) throw notAModel(what, `it lists the weight "${weight.name}" twice`);
    into.set(weight.name, { shape: weight.shape, data });
  }
  if (offset !== bytes.length) {
    throw new InputError(
      'tfjs-shards',
      `${what}: its weight files ${group.paths.join(', ')} hold ${bytes.length} bytes, the manifest lists ${offset}.`,
      { hint: 'The files do not belong together, or one was cut short.' },
    );
  }
}

class TopologyReader {
  readonly #what: string;
  readonly #stored: ReadonlyMap<string, WeightTensor>;
  readonly #layers: Layer[] = [];
  readonly #weights = new Map<string, WeightTensor>();
  readonly #names = new Set<string>([MODEL_INPUT]);
  /** Channels-first shape after the layers so far, without batch. */
  #shape: readonly number[] = [];
  #channelsLast = false;
  /** Zeros that a ZeroPadding2D adds before the next convolution. */
  #zeros: Padding | undefined;
  /** [channels, height, width] whose flattened cells the file orders channels last; the next dense layer is reordered. */
  #reorder: readonly number[] | undefined;

  constructor(what: string, stored: ReadonlyMap<string, WeightTensor>) {
    this.#what = what;
    this.#stored = stored;
  }

  read(listed: readonly ListedLayer[]): TrainedModel {
    const [first] = listed;
    const batchShape = first === undefined ? undefined : this.#config(first, inputShapeSchema);
    const fileShape = batchShape?.slice(1).map((cells) => {
      if (cells === null)
        throw notAModel(this.#what, `its input shape [${batchShape.join(', ')}] leaves a size open beside the batch`);
      return cells;
    });
    if (fileShape === undefined) throw notAModel(this.#what, 'its first layer has no input shape');
    const firstImageLayer = listed.find(({ class_name }) =>
      /^(?:Conv2D|MaxPooling2D|AveragePooling2D|ZeroPadding2D)$/u.test(class_name),
    );
    if (firstImageLayer !== undefined) {
      this.#channelsLast = this.#config(firstImageLayer, layoutSchema).data_format === 'channelsLast';
    }
    const [height = 0, width = 0, channels = 0] = fileShape;
    const inputShape = this.#channelsLast && fileShape.length === 3 ? [channels, height, width] : fileShape;
    this.#shape = inputShape;
    for (const layer of listed) this.#layer(layer);
    const last = listed.at(-1);
    if (last !== undefined && this.#reorder !== undefined) {
      throw this.#unsupported(last, 'gives out image cells channels last, with no dense layer after the flatten');
    }
    if (last !== undefined && this.#zeros !== undefined)
      throw this.#unsupported(last, 'pads, but no convolution follows');
    const model = { description: { inputShape, layers: this.#layers }, weights: this.#weights };
    checkModel(model);
    return model;
  }

  #layer(layer: ListedLayer): void {
    if (this.#zeros !== undefined && layer.class_name !== 'Conv2D' && layer.class_name !== 'AveragePooling2D') {
      throw this.#unsupported(layer, 'follows a ZeroPadding2D; supported there are Conv2D and AveragePooling2D');
    }
    switch (layer.class_name) {
      case 'InputLayer':
      case 'Dropout':
        return;
      case 'Dense':
        return this.#dense(layer);
      case 'Activation':
        return this.#activation(
          layer,
          this.#config(layer, activationSchema).activation,
          this.#name(layer, 'activation'),
        );
      case 'ReLU': {
        const { max_value: maximum, negative_slope: slope, threshold } = this.#config(layer, reluSchema);
        if (typeof maximum === 'number' || (slope ?? 0) !== 0 || (threshold ?? 0) !== 0) {
          throw this.#unsupported(layer, 'has a maximum, a slope or a threshold');
        }
        return this.#activation(layer, 'relu', this.#name(layer, 'relu'));
      }
      case 'Softmax': {
        const { axis } = this.#config(layer, softmaxSchema);
        if (axis !== -1 && axis !== this.#shape.length) throw this.#unsupported(layer, `works along axis ${axis}`);
        return this.#activation(layer, 'softmax', this.#name(layer, 'softmax'));
      }
      case 'Flatten':
        return this.#flatten(layer);
      case 'Conv2D':
        return this.#convolution(layer);
      case 'MaxPooling2D':
      case 'AveragePooling2D':
        return this.#pool(layer);
      case 'ZeroPadding2D':
        this.#checkLayout(layer);
        this.#zeros = this.#config(layer, zeroPadding2dSchema).padding;
        return;
      default:
        throw this.#unsupported(layer, 'is of a class that is not supported');
    }
  }

  #dense(layer: ListedLayer): void {
    const { units, activation, use_bias: useBias } = this.#config(layer, denseSchema);
    const name = this.#name(layer, 'dense');
    const kernel = this.#weightOf(layer, 'kernel');
    const inputs = elementCount(this.#shape);
    const image = this.#reorder;
    this.#reorder = undefined;
    this.#weights.set(
      `${name}/kernel`,
      image === undefined || kernel.shape[0] !== inputs ? kernel : rowsChannelsFirst(kernel, image),
    );
    if (useBias) this.#weights.set(`${name}/bias`, this.#weightOf(layer, 'bias'));
    this.#push({ kind: 'dense', name, inputs, outputs: units, useBias });
    if (activation !== 'linear') this.#activation(layer, activation, this.#unique(`${name}.${activation}`));
  }

  #activation(layer: ListedLayer, activation: string, name: string): void {
    switch (activation) {
      case 'linear':
        return;
      case 'relu':
      case 'sigmoid':
      case 'tanh':
      case 'softmax':
        this.#push({ kind: activation, name });
        return;
      default:
        throw this.#unsupported(
          layer,
          `has the activation ${activation}; supported are relu, sigmoid, tanh and softmax`,
        );
    }
  }

  #flatten(layer: ListedLayer): void {
    const reorders = this.#config(layer, flattenSchema).data_format === 'channelsFirst';
    if (this.#shape.length === 3) {
      if (this.#channelsLast && reorders)
        throw this.#unsupported(layer, 'takes channels first where images are channels last');
      const [channels = 0, ...cells] = this.#shape;
      const differs = channels > 1 && elementCount(cells) > 1;
      if (differs && (this.#channelsLast || reorders)) this.#reorder = this.#shape;
    }
    this.#push({ kind: 'flatten', name: this.#name(layer, 'flatten') });
  }

  #convolution(layer: ListedLayer): void {
    const config = this.#config(layer, conv2dSchema);
    this.#checkLayout(layer);
    const name = this.#name(layer, 'conv');
    const { kernel_size: kernel, strides: stride, dilation_rate: dilation, groups } = config;
    const padding = this.#padding(layer, config.padding, kernel, stride, dilation);
    this.#weights.set(`${name}/kernel`, filtersFirst(this.#weightOf(layer, 'kernel')));
    if (config.use_bias) this.#weights.set(`${name}/bias`, this.#weightOf(layer, 'bias'));
    this.#push({
      kind: 'conv2d',
      name,
      channels: this.#shape[0] ?? 0,
      filters: config.filters,
      kernel,
      stride,
      dilation,
      padding,
      groups,
      useBias: config.use_bias,
    });
    if (config.activation !== 'linear')
      this.#activation(layer, config.activation, this.#unique(`${name}.${config.activation}`));
  }

  #pool(layer: ListedLayer): void {
    const config = this.#config(layer, pool2dSchema);
    this.#checkLayout(layer);
    const kernel = config.pool_size;
    const stride = config.strides ?? kernel;
    const name = this.#name(layer, 'pool');
    const countPadding = this.#zeros !== undefined;
    const padding = this.#padding(layer, config.padding, kernel, stride, [1, 1]);
    if (layer.class_name === 'MaxPooling2D') {
      this.#push({ kind: 'maxPool2d', name, kernel, stride, dilation: [1, 1], padding });
    } else {
      this.#push({ kind: 'averagePool2d', name, kernel, stride, padding, countPadding });
    }
  }

  #padding(
    layer: ListedLayer,
    mode: 'valid' | 'same',
    kernel: readonly [number, number],
    stride: readonly [number, number],
    dilation: readonly [number, number],
  ): [number, number, number, number] {
    const zeros = this.#zeros ?? [0, 0, 0, 0];
    if (mode === 'valid') {
      this.#zeros = undefined;
      return [...zeros];
    }
    if (this.#zeros !== undefined) throw this.#unsupported(layer, 'pads "same" after a ZeroPadding2D');
    const vertical = samePadding(this.#shape[1] ?? 0, kernel[0], stride[0], dilation[0]);
    const horizontal = samePadding(this.#shape[2] ?? 0, kernel[1], stride[1], dilation[1]);
    return [Math.floor(vertical / 2), Math.floor(horizontal / 2), Math.ceil(vertical / 2), Math.ceil(horizontal / 2)];
  }

  #checkLayout(layer: ListedLayer): void {
    if ((this.#config(layer, layoutSchema).data_format === 'channelsLast') !== this.#channelsLast) {
      throw this.#unsupported(layer, 'has its channels elsewhere than the layers before it');
    }
  }

  /** A weight by the layer's name; converted files put the model's name before it. */
  #weightOf(layer: ListedLayer, part: string): WeightTensor {
    const name = `${layer.config.name ?? ''}/${part}`;
    const exact = this.#stored.get(name);
    if (exact !== undefined) return exact;
    const [match, ...more] = [...this.#stored].filter(([key]) => key.endsWith(`/${name}`));
    if (match === undefined || more.length > 0) throw notAModel(this.#what, `it has no weight "${name}"`);
    return match[1];
  }

  #push(layer: Layer): void {
    this.#shape = layerOutputShape(layer, this.#shape);
    this.#layers.push(layer);
  }

  /** The layer's own name where it can serve, so that our own files come back unchanged; else the kind and a number. */
  #name(layer: ListedLayer, kind: string): string {
    const own = layer.config.name ?? '';
    return this.#unique(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/u.test(own) ? own : kind);
  }

  #unique(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.#names.has(name); i++) name = `${wanted}${i}`;
    this.#names.add(name);
    return name;
  }

  #config<T>(layer: ListedLayer, schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(layer.config);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw notAModel(
      this.#what,
      `layer ${label(layer)}, ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown content'}`,
    );
  }

  #unsupported(layer: ListedLayer, reason: string): InputError {
    return new InputError('tfjs-unsupported', `${this.#what}: layer ${label(layer)} ${reason}.`, {
      hint: 'Change this layer, or export the model as ONNX.',
    });
  }
}

function label(layer: ListedLayer): string {
  return `"${layer.config.name ?? ''}" (${layer.class_name})`;
}

/** TF.js's [height, width, channels, filters] to [filters, channels, height, width]. */
function filtersFirst({ shape, data }: WeightTensor): WeightTensor {
  const [height = 0, width = 0, channels = 0, filters = 0] = shape;
  const result = new Float64Array(data.length);
  let target = 0;
  for (let f = 0; f < filters; f++) {
    for (let c = 0; c < channels; c++) {
      for (let cell = 0; cell < height * width; cell++)
        result[target++] = data[(cell * channels + c) * filters + f] ?? 0;
    }
  }
  return { shape: [filters, channels, height, width], data: result };
}

/** Rows of a dense kernel from channels-last to channels-first order of the flattened image [channels, height, width]. */
function rowsChannelsFirst({ shape, data }: WeightTensor, image: readonly number[]): WeightTensor {
  const [channels = 0, height = 0, width = 0] = image;
  const outputs = shape[1] ?? 0;
  const result = new Float64Array(data.length);
  let row = 0;
  for (let c = 0; c < channels; c++) {
    for (let cell = 0; cell < height * width; cell++) {
      const source = (cell * channels + c) * outputs;
      result.set(data.subarray(source, source + outputs), row++ * outputs);
    }
  }
  return { shape, data: result };
}
