/**
 * The neutral description of a model: layers, shapes and named weights, as every part of the program exchanges them (job
 * files, engine, model files, baseline). Knows nothing of protocols, file formats or how a layer is computed.
 *
 * Conventions: images are channels first, [channels, height, width]; flatten keeps that order. A dense kernel is
 * [inputs, outputs], a convolution kernel [filters, channels / groups, height, width]. Shapes never include the batch.
 */
import { z } from 'zod';
import { InputError, InternalError } from './errors.ts';

const size = z
  .int()
  .min(1)
  .max(2 ** 31 - 1);
const count = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const pair = z.tuple([size, size]);
/** Top, left, bottom, right, in cells. */
const padding = z.tuple([count, count, count, count]);
/** Unique within a model, stable over export and import of our own files; no slash, as weights are named layer/part. */
const name = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, 'a layer name starts with a letter; then letters, digits, _ . -');

/** One layer with every attribute spelt out; defaults are filled in by whoever builds the description. */
const layerSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('dense'), name, inputs: size, outputs: size, useBias: z.boolean() }),
  z.strictObject({ kind: z.literal('relu'), name }),
  z.strictObject({ kind: z.literal('sigmoid'), name }),
  z.strictObject({ kind: z.literal('tanh'), name }),
  /** Over the last axis. */
  z.strictObject({ kind: z.literal('softmax'), name }),
  z.strictObject({ kind: z.literal('flatten'), name }),
  z.strictObject({
    kind: z.literal('conv2d'),
    name,
    channels: size,
    filters: size,
    kernel: pair,
    stride: pair,
    dilation: pair,
    padding,
    groups: size,
    useBias: z.boolean(),
  }),
  /** Padded cells never win. */
  z.strictObject({ kind: z.literal('maxPool2d'), name, kernel: pair, stride: pair, dilation: pair, padding }),
  /** `countPadding`: whether padded cells (zeros) count in the divisor. */
  z.strictObject({
    kind: z.literal('averagePool2d'),
    name,
    kernel: pair,
    stride: pair,
    padding,
    countPadding: z.boolean(),
  }),
]);

export type Layer = z.infer<typeof layerSchema>;

/** A sequence of layers, each fed with the output of the one before. */
export const modelDescriptionSchema = z
  .strictObject({ inputShape: z.array(size).min(1).max(4), layers: z.array(layerSchema).min(1).max(10_000) })
  .readonly();

export interface ModelDescription {
  readonly inputShape: readonly number[];
  readonly layers: readonly Layer[];
}

/** One weight, row-major. */
export interface WeightTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Weights by `${layer}/kernel` and `${layer}/bias`. */
export type ModelWeights = ReadonlyMap<string, WeightTensor>;

/**
 * Per-feature map of raw inputs onto what the first layer takes: (x - subtract) * multiply, elementwise over the flattened
 * input shape.
 */
export interface InputStandardisation {
  readonly subtract: Float64Array;
  readonly multiply: Float64Array;
}

/** A model with its values, as model files hold it. */
export interface TrainedModel {
  readonly description: ModelDescription;
  readonly weights: ModelWeights;
  /** Absent: inputs go to the first layer as they are. */
  readonly standardisation?: InputStandardisation;
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Cells along one axis that a sliding window yields; less than 1 when the window does not fit. */
function windowCount(
  cells: number,
  before: number,
  after: number,
  kernel: number,
  dilation: number,
  stride: number,
): number {
  return Math.floor((cells + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
}

function slide(
  layer: Layer,
  shape: readonly number[],
  channels: number,
  dilation: readonly [number, number],
): number[] {
  if (layer.kind !== 'conv2d' && layer.kind !== 'maxPool2d' && layer.kind !== 'averagePool2d') {
    throw new InternalError('layer-without-window', `layer ${layer.name} (${layer.kind}) has no window`);
  }
  const { kernel, stride, padding } = layer;
  const height = windowCount(shape[1] ?? 0, padding[0], padding[2], kernel[0], dilation[0], stride[0]);
  const width = windowCount(shape[2] ?? 0, padding[1], padding[3], kernel[1], dilation[1], stride[1]);
  if (height < 1 || width < 1) {
    throw new InputError(
      'model-window-too-large',
      `Layer ${layer.name} (${layer.kind}): its ${kernel.join('x')} window does not fit an image of ${shape.slice(1).join('x')}.`,
      { hint: 'Use a smaller window, padding, or larger images.' },
    );
  }
  return [channels, height, width];
}

/**
 * Output shape of one layer for an input shape, both without batch.
 * @throws InputError (`model-shape-mismatch`, `model-window-too-large`) naming the layer.
 */
export function layerOutputShape(layer: Layer, input: readonly number[]): readonly number[] {
  const mismatch = (expected: string): InputError =>
    new InputError(
      'model-shape-mismatch',
      `Layer ${layer.name} (${layer.kind}) takes ${expected}, but is given [${input.join(', ')}].`,
      {
        hint: 'Check the sizes of this layer and of the one before it.',
      },
    );
  switch (layer.kind) {
    case 'dense':
      if (input.length !== 1 || input[0] !== layer.inputs) throw mismatch(`[${layer.inputs}]`);
      return [layer.outputs];
    case 'relu':
    case 'sigmoid':
    case 'tanh':
      return input;
    case 'softmax':
      if (input.length !== 1) throw mismatch('a vector');
      return input;
    case 'flatten':
      return [elementCount(input)];
    case 'conv2d':
      if (input.length !== 3 || input[0] !== layer.channels) throw mismatch(`[${layer.channels}, height, width]`);
      if (layer.channels % layer.groups !== 0 || layer.filters % layer.groups !== 0) {
        throw new InputError(
          'model-groups-uneven',
          `Layer ${layer.name} (conv2d): ${layer.groups} groups do not divide ${layer.channels} channels and ${layer.filters} filters.`,
        );
      }
      return slide(layer, input, layer.filters, layer.dilation);
    case 'maxPool2d':
    case 'averagePool2d':
      if (input.length !== 3) throw mismatch('[channels, height, width]');
      if (
        layer.padding[0] >= layer.kernel[0] ||
        layer.padding[2] >= layer.kernel[0] ||
        layer.padding[1] >= layer.kernel[1] ||
        layer.padding[3] >= layer.kernel[1]
      ) {
        throw new InputError(
          'model-pool-padding',
          `Layer ${layer.name} (${layer.kind}): its padding is as large as its window.`,
        );
      }
      return slide(layer, input, input[0] ?? 0, layer.kind === 'maxPool2d' ? layer.dilation : [1, 1]);
  }
}

/**
 * Output shape after each layer, in order; the last is the model's output.
 * @throws InputError when shapes do not fit or two layers share a name.
 */
export function modelShapes(description: ModelDescription): (readonly number[])[] {
  const names = new Set<string>();
  let shape = description.inputShape;
  return description.layers.map((layer) => {
    if (names.has(layer.name)) {
      throw new InputError('model-name-twice', `Two layers of the model are named ${layer.name}.`, {
        hint: 'Give every layer its own name.',
      });
    }
    names.add(layer.name);
    shape = layerOutputShape(layer, shape);
    return shape;
  });
}

/** Shapes of all weights that the description calls for, in layer order, kernel before bias. */
export function weightShapes(description: ModelDescription): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const layer of description.layers) {
    if (layer.kind === 'dense') {
      shapes.set(`${layer.name}/kernel`, [layer.inputs, layer.outputs]);
      if (layer.useBias) shapes.set(`${layer.name}/bias`, [layer.outputs]);
    } else if (layer.kind === 'conv2d') {
      shapes.set(`${layer.name}/kernel`, [layer.filters, layer.channels / layer.groups, ...layer.kernel]);
      if (layer.useBias) shapes.set(`${layer.name}/bias`, [layer.filters]);
    }
  }
  return shapes;
}

/**
 * Checks that layers fit each other, that exactly the weights called for are there, in their shapes, and that all are finite.
 * @throws InputError naming the layer or the tensor.
 */
export function checkModel(model: TrainedModel): void {
  modelShapes(model.description);
  const expected = weightShapes(model.description);
  for (const [key, shape] of expected) {
    const tensor = model.weights.get(key);
    if (tensor === undefined) throw new InputError('model-weight-missing', `The model lacks the weight ${key}.`);
    if (tensor.shape.join() !== shape.join() || tensor.data.length !== elementCount(shape)) {
      throw new InputError(
        'model-weight-shape',
        `Weight ${key} has shape [${tensor.shape.join(', ')}], the layer needs [${shape.join(', ')}].`,
      );
    }
    checkFinite(`Weight ${key}`, tensor.data);
  }
  for (const key of model.weights.keys()) {
    if (!expected.has(key))
      throw new InputError('model-weight-unknown', `The model has no layer for the weight ${key}.`);
  }
  const standardisation = model.standardisation;
  if (standardisation !== undefined) {
    const inputs = elementCount(model.description.inputShape);
    for (const [part, data] of Object.entries(standardisation) as [string, Float64Array][]) {
      if (data.length !== inputs) {
        throw new InputError(
          'model-standardisation-size',
          `The input standardisation (${part}) has ${data.length} values for ${inputs} inputs.`,
        );
      }
      checkFinite(`Input standardisation (${part})`, data);
    }
  }
}

/** @throws InputError (`not-finite`) naming the tensor and the first position with NaN or infinity. */
export function checkFinite(what: string, data: ArrayLike<number>): void {
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) {
      throw new InputError('not-finite', `${what} holds ${String(data[i])} at position ${i}.`, {
        hint: 'Only finite numbers can be used; repair or retrain the model.',
      });
    }
  }
}

export type Task = 'classification' | 'regression';

/** Ready-made models that a job can name; `hidden` lists the units of the hidden layers. */
export type ModelTemplate =
  | { readonly template: 'linear' }
  | { readonly template: 'logistic' }
  | { readonly template: 'mlp'; readonly hidden: readonly number[]; readonly activation: 'relu' | 'sigmoid' | 'tanh' }
  | { readonly template: 'lenet' };

/** Layers that turn scores into the model's answer: none (regression), sigmoid (one output), softmax (several). */
function head(outputs: number, task: Task): Layer[] {
  if (task === 'regression') return [];
  return outputs === 1 ? [{ kind: 'sigmoid', name: 'sigmoid' }] : [{ kind: 'softmax', name: 'softmax' }];
}

/** The image that a row of `width` cells holds, one channel or three, channels first. */
function squareImage(width: number): readonly number[] {
  for (const channels of [1, 3]) {
    const side = Math.sqrt(width / channels);
    if (Number.isInteger(side)) return [channels, side, side];
  }
  throw new InputError(
    'template-not-an-image',
    `The template lenet needs square images, but a row has ${width} features.`,
    {
      hint: 'Use rows of side x side or 3 x side x side cells, channels first, or the template mlp.',
    },
  );
}

/**
 * Expands a template. `inputShape` is [features], or [channels, height, width] for images; `outputs` is 1 for a binary
 * classification (probability of the second class) and the number of classes otherwise. The last layer of a
 * classification is the sigmoid or softmax, so the model answers with probabilities.
 * lenet: LeCun et al. 1998, figure 2, with ReLU and max pooling; images smaller than 32 x 32 are padded by 2.
 * @throws InputError when the template cannot serve the task or the input.
 */
export function expandTemplate(
  template: ModelTemplate,
  inputShape: readonly number[],
  outputs: number,
  task: Task,
): ModelDescription {
  const width = elementCount(inputShape);
  if (template.template === 'linear' && task !== 'regression') {
    throw new InputError('template-task', 'The template linear serves regression only.', { hint: 'Use logistic.' });
  }
  if (template.template === 'logistic' && task !== 'classification') {
    throw new InputError('template-task', 'The template logistic serves classification only.', { hint: 'Use linear.' });
  }
  const layers: Layer[] = [];
  const dense = (name: string, inputs: number, units: number): void => {
    layers.push({ kind: 'dense', name, inputs, outputs: units, useBias: true });
  };
  if (template.template !== 'lenet') {
    let inputs = width;
    const hidden = template.template === 'mlp' ? template.hidden : [];
    hidden.forEach((units, i) => {
      dense(`dense${i + 1}`, inputs, units);
      if (template.template === 'mlp')
        layers.push({ kind: template.activation, name: `${template.activation}${i + 1}` });
      inputs = units;
    });
    dense(`dense${hidden.length + 1}`, inputs, outputs);
    layers.push(...head(outputs, task));
    return { inputShape: [width], layers };
  }
  const image = inputShape.length === 3 ? inputShape : squareImage(width);
  const conv = (index: number, channels: number, filters: number, pad: number): void => {
    layers.push(
      {
        kind: 'conv2d',
        name: `conv${index}`,
        channels,
        filters,
        kernel: [5, 5],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [pad, pad, pad, pad],
        groups: 1,
        useBias: true,
      },
      { kind: 'relu', name: `relu${index}` },
      {
        kind: 'maxPool2d',
        name: `pool${index}`,
        kernel: [2, 2],
        stride: [2, 2],
        dilation: [1, 1],
        padding: [0, 0, 0, 0],
      },
    );
  };
  conv(1, image[0] ?? 1, 6, Math.min(image[1] ?? 0, image[2] ?? 0) < 32 ? 2 : 0);
  conv(2, 6, 16, 0);
  const features = elementCount(modelShapes({ inputShape: image, layers }).at(-1) ?? []);
  layers.push({ kind: 'flatten', name: 'flatten' });
  dense('dense1', features, 120);
  layers.push({ kind: 'relu', name: 'relu3' });
  dense('dense2', 120, 84);
  layers.push({ kind: 'relu', name: 'relu4' });
  dense('dense3', 84, outputs);
  layers.push(...head(outputs, task));
  return { inputShape: image, layers };
}
