/**
 * Our layers, put one after the other as a file of others is read, with their weights. TensorFlow.js has an image's channels last
 * and we have them first, so a value may stand "moved": its last axis is our first one. It is moved when a layer needs it and
 * moved back when one needs that, which is local work. Knows nothing of classes of layers in files.
 */
import { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import type { Shape } from '../../../shared/layers/kind.ts';
import { MODEL_INPUT, layerSchema } from '../../../shared/layers/table.ts';
import type { KindName, Layer, LayerOf } from '../../../shared/layers/table.ts';
import { checkModel, layerOutputShape } from '../../../shared/model.ts';
import type { TrainedModel, WeightTensor } from '../../../shared/model.ts';

/** What a layer of ours gives out, or the model's input. */
export interface Value {
  readonly source: string;
  /** As the file has it, without batch. */
  readonly shape: Shape;
  readonly isMoved: boolean;
}

/** A layer without its place in the network. */
export type LayerFacts = { [K in KindName]: Omit<LayerOf<K>, 'name' | 'from'> }[KindName];

export type Weights = Readonly<Record<string, WeightTensor>>;

/** Values' shape as our layers see it. */
export function ownShape({ shape, isMoved }: Value): Shape {
  return isMoved ? [shape.at(-1) ?? 1, ...shape.slice(0, -1)] : shape;
}

const longestName = 64;

export class NetworkBuilder {
  readonly #inputShape: Shape;
  readonly #layers: Layer[] = [];
  readonly #weights = new Map<string, WeightTensor>();
  readonly #names = new Set<string>([MODEL_INPUT]);
  /** The same values with their axes the other way, by source. */
  readonly #twins = new Map<string, Value>();

  constructor(inputShape: Shape) {
    this.#inputShape = inputShape;
  }

  get input(): Value {
    return { source: MODEL_INPUT, shape: this.#inputShape, isMoved: false };
  }

  /**
   * Appends a layer that takes these values as they stand, and leaves its result as they stand.
   * @param wanted its name, if that is free.
   * @throws InputError for shapes that do not fit and attributes out of range, naming the layer.
   */
  add(facts: LayerFacts, wanted: string, inputs: readonly Value[], weights: Weights = {}): Value {
    const name = this.#unique(wanted);
    const sources = inputs.map(({ source }) => source);
    const isNext = sources.length === 1 && sources[0] === (this.#layers.at(-1)?.name ?? MODEL_INPUT);
    const layer = { ...facts, name, ...(isNext ? {} : { from: sources }) } as Layer;
    const parsed = layerSchema.safeParse(layer);
    if (!parsed.success) {
      throw new InputError(
        'tfjs-unsupported',
        `Layer ${name} (${facts.kind}) is out of range: ${z.prettifyError(parsed.error)}`,
        {
          hint: 'Change this layer, or export the model as ONNX.',
        },
      );
    }
    const out = layerOutputShape(layer, ...inputs.map(ownShape));
    this.#layers.push(layer);
    for (const [part, weight] of Object.entries(weights)) this.#weights.set(`${name}/${part}`, weight);
    const isMoved = inputs.some((value) => value.isMoved) && out.length > 1;
    return { source: name, shape: isMoved ? [...out.slice(1), out[0] ?? 1] : out, isMoved };
  }

  /** The value with its axes as the file has them. */
  plain(value: Value): Value {
    return value.isMoved ? this.#turned(value, 'last', (axes) => [...axes.slice(1), 0]) : value;
  }

  /** The value with its last axis first. */
  moved(value: Value): Value {
    if (value.isMoved || value.shape.length < 2) return value;
    return this.#turned(value, 'first', (axes) => [axes.length - 1, ...axes.slice(0, -1)]);
  }

  #turned(value: Value, suffix: string, order: (axes: readonly number[]) => readonly number[]): Value {
    const known = this.#twins.get(value.source);
    if (known !== undefined) return known;
    const axes = value.shape.map((_, axis) => axis);
    // Without the mark: the permutation itself says where axes go.
    const own = { ...value, shape: ownShape(value), isMoved: false };
    const { source } = this.add({ kind: 'permute', order: order(axes) }, `${value.source}.${suffix}`, [own]);
    const twin = { source, shape: value.shape, isMoved: !value.isMoved };
    this.#twins.set(value.source, twin).set(source, value);
    return twin;
  }

  /**
   * The whole model.
   * @throws InputError of `checkModel`.
   */
  model(): TrainedModel {
    const model = { description: { inputShape: this.#inputShape, layers: this.#layers }, weights: this.#weights };
    checkModel(model);
    return model;
  }

  #unique(wanted: string): string {
    const base = wanted.slice(0, longestName);
    let name = base;
    for (let i = 2; this.#names.has(name); i++) name = `${base.slice(0, longestName - String(i).length)}${i}`;
    this.#names.add(name);
    return name;
  }
}
