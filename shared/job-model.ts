/**
 * The model that a job trains, with every size filled in. Knows neither files nor weights: a model file is opened elsewhere.
 */
import { InputError } from './errors.ts';
import type { ModelLayerSpec, ModelSpec } from './job.ts';
import { blockSpecSchema, expandBlock } from './layers/blocks.ts';
import type { BlockSpec } from './layers/blocks.ts';
import { elementCount } from './layers/kind.ts';
import { networkLayers, networkNames } from './layers/networks.ts';
import type { NetworkName } from './layers/networks.ts';
import type { AnyLayer, Shape } from './layers/kind.ts';
import { MODEL_INPUT, kindOf } from './layers/table.ts';
import type { Layer, LayerOf, LayerSpec } from './layers/table.ts';
import { layerInputs, layerOutputShape, modelShapes, unknownInput } from './model.ts';
import type { ModelDescription, Task } from './model.ts';
import { expandTemplate, squareImage, type ModelTemplate } from './templates.ts';

const blockKinds: readonly string[] = blockSpecSchema.options.map((option) => option.shape.kind.value);

function isBlock(spec: ModelLayerSpec): spec is BlockSpec {
  return blockKinds.includes(spec.kind);
}

function isNetwork(template: string): template is NetworkName {
  return networkNames.some((name) => name === template);
}

/** Layers as a job lists them, one after the other, with their output shapes. */
class LayerList {
  readonly layers: Layer[] = [];
  readonly #shapes: Map<string, Shape>;
  readonly #counts = new Map<string, number>();

  constructor(inputShape: Shape) {
    this.#shapes = new Map([[MODEL_INPUT, inputShape]]);
  }

  add(spec: ModelLayerSpec): void {
    const count = (this.#counts.get(spec.kind) ?? 0) + 1;
    this.#counts.set(spec.kind, count);
    const name = spec.name ?? `${spec.kind}${count}`;
    if (isBlock(spec)) {
      const [source = this.#last] = spec.from ?? [];
      const [input = []] = this.#shapesOf(name, spec.kind, [source]);
      for (const part of expandBlock(spec, name, source, input)) this.#complete(part);
    } else this.#complete({ ...spec, name });
  }

  get #last(): string {
    return this.layers.at(-1)?.name ?? MODEL_INPUT;
  }

  #complete(spec: LayerSpec): void {
    const { kind, name = kind, from, ...own } = spec;
    const inputs = this.#shapesOf(name, kind, from ?? [this.#last]);
    const common: AnyLayer = { kind, name, ...(from === undefined ? {} : { from }) };
    const given = Object.entries(kindOf(spec).complete(own, inputs, common)).filter(([, value]) => value !== undefined);
    const layer = { ...common, ...Object.fromEntries(given) } as Layer;
    this.#shapes.set(name, layerOutputShape(layer, ...inputs));
    this.layers.push(layer);
  }

  /** Shapes of what a layer takes. */
  #shapesOf(name: string, kind: string, from: readonly string[]): Shape[] {
    return from.map((source) => {
      const shape = this.#shapes.get(source);
      if (shape !== undefined) return shape;
      throw unknownInput({ name, kind }, source);
    });
  }
}

/**
 * Layers with every size filled in, whatever the last one gives out.
 * @throws InputError naming a layer that does not fit.
 */
export function describeLayers(specs: readonly ModelLayerSpec[], inputShape: readonly number[]): ModelDescription {
  const list = new LayerList(inputShape);
  for (const spec of specs) list.add(spec);
  return { inputShape, layers: list.layers };
}

/** Kinds that give twice as much for twice as much. */
const homogeneous: readonly string[] = [
  ...['relu', 'leakyRelu', 'flatten', 'reshape', 'permute', 'dropout', 'globalMaxPool', 'globalAveragePool'],
  ...['maxPool1d', 'maxPool2d', 'maxPool3d', 'averagePool1d', 'averagePool2d', 'averagePool3d'],
];

/** The dense layer whose weights the model's answers are a multiple of, if there is one: the last, or one before a rectifier. */
export function answeringDense({ layers }: ModelDescription): LayerOf<'dense'> | undefined {
  let position = layers.length - 1;
  for (;;) {
    const layer = layers[position];
    if (layer === undefined || layer.kind === 'dense') return layer;
    if (!homogeneous.includes(layer.kind)) return undefined;
    const [source] = layerInputs(layers, position);
    position = layers.findIndex(({ name }) => name === source);
  }
}

/**
 * Two classes may have one score each, as other tools write them, instead of one for the second.
 * @throws InputError where the model's answer is not what the task needs.
 */
function checkAnswer(description: ModelDescription, outputs: number, task: Task): void {
  const answer = modelShapes(description).at(-1) ?? [];
  const last = description.layers.at(-1);
  const isPair = task === 'classification' && outputs === 1 && answer.join() === '2';
  if (answer.length !== 1 || (answer[0] !== outputs && !isPair)) {
    throw new InputError(
      'job-model-outputs',
      `The model's last layer gives ${answer.join(' x ')} values, and the label needs ${outputs}.`,
      { hint: `Let the last dense layer have ${outputs} units${answer.length > 1 ? ', after a flatten' : ''}.` },
    );
  }
  const wrongHead = answer[0] === 1 ? 'softmax' : 'sigmoid';
  if (task === 'classification' && last?.kind === wrongHead) {
    throw new InputError(
      'job-model-last-layer',
      `The model of a classification ends in a ${wrongHead} with ${answer[0]} outputs: a sigmoid is for one output, a softmax for several.`,
      { hint: `Let it end in a ${wrongHead === 'softmax' ? 'sigmoid' : 'softmax'}.` },
    );
  }
  if (task === 'regression' && last?.kind !== 'operators' && answeringDense(description) === undefined) {
    throw new InputError(
      'job-model-last-layer',
      `The model of a regression ends in a dense layer (a rectifier may follow), which gives the label's unit back; this one ends in ${last?.name ?? 'nothing'}.`,
      { hint: `Add { kind: dense, units: ${outputs} } at the end.` },
    );
  }
}

/**
 * Shape of one row of `features` columns as the model's first layer takes it, without batch: as the job says (`model.input`),
 * a square image for convolutional templates, a vector otherwise.
 * @throws InputError `job-model-input` where the columns do not make up the shape.
 */
export function modelInputShape(model: ModelSpec, features: number): readonly number[] {
  if ('template' in model) {
    const takesImages = model.template !== 'network-a' && (model.template === 'lenet' || isNetwork(model.template));
    return (takesImages ? squareImage(features) : undefined) ?? [features];
  }
  if (!('layers' in model) || model.input === undefined) return [features];
  if (elementCount(model.input) !== features) {
    throw new InputError(
      'job-model-input',
      `model.input is ${model.input.join(' x ')}, which is ${elementCount(model.input)} cells, but a row has ${features} features.`,
      { hint: 'Give the channels, height and width of an image, or the length and features of a sequence.' },
    );
  }
  return model.input;
}

/**
 * Numbers that a model answers with: 1 for a regression and for two classes (probability of the second), else one for
 * each class. A model of two classes that lists its own layers or comes from a file may have one for each, too.
 */
export function outputsFor(task: 'classification' | 'regression', classes: number): number {
  return task === 'regression' || classes === 2 ? 1 : classes;
}

/**
 * The model of a training job for rows of `inputShape`, without batch.
 * @throws InputError when the template or the layers cannot serve the task, or the model is a file (open it instead).
 */
export function describeModel(
  model: ModelSpec,
  inputShape: readonly number[],
  outputs: number,
  task: 'classification' | 'regression',
): ModelDescription {
  if ('template' in model) {
    const { template } = model;
    if (!isNetwork(template)) return expandTemplate({ ...model, template } as ModelTemplate, inputShape, outputs, task);
    return describeLayers(networkLayers(template, outputs, task === 'classification'), inputShape);
  }
  if ('layers' in model) {
    const description = describeLayers(model.layers, inputShape);
    checkAnswer(description, outputs, task);
    return description;
  }
  throw new InputError(
    'job-model-is-file',
    'This job takes its model from a file; it has to be opened to know its layers.',
    {
      hint: 'Open the model file first.',
    },
  );
}

/**
 * The model of a training job that goes on from a file, for rows of `features` columns. A classification's file may end in
 * scores, as other tools write them: the sigmoid or softmax that makes probabilities of them comes on top.
 * @throws InputError when the file's model cannot serve the task.
 */
export function continuedModel(
  file: ModelDescription,
  features: number,
  outputs: number,
  task: 'classification' | 'regression',
): ModelDescription {
  if (elementCount(file.inputShape) !== features) {
    throw new InputError(
      'job-model-input',
      `The model in the file takes ${elementCount(file.inputShape)} numbers a row, but a row has ${features} features.`,
      { hint: 'Name the columns under "features"; they stand in the order of the parties’ names.' },
    );
  }
  const scores = elementCount(modelShapes(file).at(-1) ?? []);
  const head = scores === 1 ? 'sigmoid' : 'softmax';
  const needsHead = task === 'classification' && file.layers.at(-1)?.kind !== head;
  let name: string = head;
  while (file.layers.some((layer) => layer.name === name)) name += '_';
  const description = needsHead ? { ...file, layers: [...file.layers, { kind: head, name } as const] } : file;
  checkAnswer(description, outputs, task);
  return description;
}
