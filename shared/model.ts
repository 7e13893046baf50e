/**
 * The neutral description of a model: layers, shapes and named weights, as every part of the program exchanges them (job
 * files, engine, model files, baseline). Knows nothing of protocols, file formats or how a layer is computed; what it knows of
 * a kind of layer stands in layers/.
 *
 * Conventions: images are channels first, [channels, height, width]; flatten keeps that order. A dense kernel is
 * [inputs, outputs], a convolution kernel [filters, channels / groups, height, width]. Shapes never include the batch.
 */
import { z } from 'zod';
import { InputError } from './errors.ts';
import { elementCount, size } from './layers/kind.ts';
import type { Shape, WeightFacts } from './layers/kind.ts';
import { MODEL_INPUT, kindOf, layerSchema } from './layers/table.ts';
import type { Layer } from './layers/table.ts';

/** Layers in an order in which each takes only what stands before it: by default the layer just before. */
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

/** Weights by `${layer}/${part}`: kernel and bias, and others that a kind may have; running statistics too. */
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

export type Task = 'classification' | 'regression';

/**
 * Output shape of one layer for the shapes of its inputs, without batch.
 * @throws InputError (`model-shape-mismatch`, `model-window-too-large` ...) naming the layer.
 */
export function layerOutputShape(layer: Layer, ...inputs: readonly Shape[]): Shape {
  const kind = kindOf(layer);
  const [fewest, most] = kind.arity ?? [1, 1];
  if (inputs.length < fewest || inputs.length > most) {
    throw new InputError(
      'model-inputs-count',
      `Layer ${layer.name} (${layer.kind}) has ${inputs.length} inputs; it takes ${fewest === most ? fewest : `${fewest} to ${most}`}.`,
      { hint: 'Name its inputs under "from": earlier layers, or input.' },
    );
  }
  return kind.outputShape(layer, inputs);
}

/**
 * Names of the layers that a layer takes; `input` is the model's input.
 * @throws InputError `model-unknown-input` where it names none before it.
 */
export function layerInputs(layers: readonly Layer[], position: number): readonly string[] {
  const layer = layers[position];
  const before = layers.slice(0, position);
  if (layer?.from === undefined) return [before.at(-1)?.name ?? MODEL_INPUT];
  const stray = layer.from.find((name) => name !== MODEL_INPUT && !before.some((other) => other.name === name));
  if (stray !== undefined) throw unknownInput(layer, stray);
  return layer.from;
}

export function unknownInput(
  { name, kind }: { readonly name: string; readonly kind: string },
  stray: string,
): InputError {
  return new InputError(
    'model-unknown-input',
    `Layer ${name} (${kind}) takes the output of ${stray}, which no layer before it is named.`,
    { hint: `Name earlier layers under "from", or ${MODEL_INPUT}.` },
  );
}

/**
 * Output shape after each layer, in order; the last is the model's output.
 * @throws InputError when shapes do not fit, two layers share a name, or no layer takes what one gives out.
 */
export function modelShapes(description: ModelDescription): (readonly number[])[] {
  const { layers } = description;
  const shapes = new Map<string, Shape>();
  const taken = new Set<string>();
  const outputs = layers.map((layer, position) => {
    if (layer.name === MODEL_INPUT) {
      throw new InputError(
        'model-name-twice',
        `A layer of the model is named ${MODEL_INPUT}, like the model's input.`,
        {
          hint: 'Give the layer another name.',
        },
      );
    }
    if (shapes.has(layer.name)) {
      throw new InputError('model-name-twice', `Two layers of the model are named ${layer.name}.`, {
        hint: 'Give every layer its own name.',
      });
    }
    const inputs = layerInputs(layers, position);
    for (const name of inputs) taken.add(name);
    const given = inputs.map((name) => (name === MODEL_INPUT ? description.inputShape : (shapes.get(name) ?? [])));
    const shape = layerOutputShape(layer, ...given);
    shapes.set(layer.name, shape);
    return shape;
  });
  const unused = layers.slice(0, -1).find((layer) => !taken.has(layer.name));
  if (unused !== undefined) {
    throw new InputError(
      'model-layer-unused',
      `Layer ${unused.name} (${unused.kind}): no layer after it takes its output.`,
      { hint: 'Name it under "from" of a later layer, or leave it out.' },
    );
  }
  return outputs;
}

/** Shapes of the inputs of each layer, in order. */
export function layerInputShapes(description: ModelDescription): (readonly Shape[])[] {
  const outputs = modelShapes(description);
  const shapes = new Map(description.layers.map((layer, i) => [layer.name, outputs[i] ?? []]));
  return description.layers.map((_, position) =>
    layerInputs(description.layers, position).map((name) =>
      name === MODEL_INPUT ? description.inputShape : (shapes.get(name) ?? []),
    ),
  );
}

/** A weight of a model, by its whole name. */
export interface ModelWeight extends WeightFacts {
  readonly key: string;
  readonly layer: Layer;
}

/** All weights that the description calls for, in layer order. */
export function modelWeights(description: ModelDescription): ModelWeight[] {
  return description.layers.flatMap((layer) =>
    (kindOf(layer).weights?.(layer) ?? []).map((facts) => ({ ...facts, key: `${layer.name}/${facts.part}`, layer })),
  );
}

/** Their shapes, by name. */
export function weightShapes(description: ModelDescription): ReadonlyMap<string, readonly number[]> {
  return new Map(modelWeights(description).map(({ key, shape }) => [key, shape]));
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
