/**
 * One use of a layer of a file: its attributes, what it takes, its weights by name, and how it refuses what it cannot mean, by
 * layer name and class. Knows no particular class.
 */
import type { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { MODEL_INPUT } from '../../../shared/layers/table.ts';
import type { WeightTensor } from '../../../shared/model.ts';
import { toFloat64 } from '../tensor.ts';
import type { PlainTensor } from '../tensor.ts';
import { Fragment, inputName } from './fragment.ts';
import type { LayerFacts, NetworkBuilder, Value, Weights } from './network-builder.ts';
import type { ListedLayer } from './schema.ts';

/** What all layers of a file are read with. */
export interface Reading {
  /** Names the file in errors. */
  readonly what: string;
  readonly network: NetworkBuilder;
  readonly stored: ReadonlyMap<string, PlainTensor>;
}

export class LayerCall {
  readonly listed: ListedLayer;
  readonly inputs: readonly Value[];
  readonly #reading: Reading;
  /** Names of the models that it stands in. */
  readonly #path: readonly string[];
  /** Name of the layer that wraps it, under which its weights may stand. */
  readonly #wrapper: string | undefined;

  constructor(
    reading: Reading,
    listed: ListedLayer,
    inputs: readonly Value[],
    path: readonly string[],
    wrapper?: string,
  ) {
    this.#reading = reading;
    this.listed = listed;
    this.inputs = inputs;
    this.#path = path;
    this.#wrapper = wrapper;
  }

  get network(): NetworkBuilder {
    return this.#reading.network;
  }

  /** Its name in the file. */
  get fileName(): string {
    return this.listed.config.name ?? '';
  }

  /** Its name in our model: the file's where it can serve, so that our own files come back unchanged; else its class. */
  get name(): string {
    const own = this.fileName;
    return /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/u.test(own) && own !== MODEL_INPUT ? own : this.listed.class_name;
  }

  /** The same use of the layer that this one wraps. */
  wrapped(listed: ListedLayer): LayerCall {
    return new LayerCall(this.#reading, listed, this.inputs, this.#path, this.fileName);
  }

  // ---- refusals ----

  /** `reason` continues "layer ... (Class) ...". */
  unsupported(reason: string): InputError {
    return this.#refusal('tfjs-unsupported', `layer ${this.#label} ${reason}`);
  }

  #refusal(code: string, reason: string): InputError {
    return new InputError(code, `${this.#reading.what}: ${reason}.`, {
      hint:
        code === 'tfjs-format'
          ? 'Expected is the model.json that model.save() writes.'
          : 'Change this layer, or export the model as ONNX.',
    });
  }

  get #label(): string {
    const names = [...this.#path, ...(this.#wrapper === undefined ? [] : [this.#wrapper]), this.fileName];
    return `"${names.join('/')}" (${this.listed.class_name})`;
  }

  /** @throws InputError `tfjs-format` naming layer and attribute. */
  config<T>(schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(this.listed.config);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw this.#refusal(
      'tfjs-format',
      `layer ${this.#label}, ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown content'}`,
    );
  }

  // ---- values ----

  /** The only thing that it takes. */
  get input(): Value {
    const [input] = this.inputs;
    if (input === undefined || this.inputs.length > 1)
      throw this.unsupported(`takes ${this.inputs.length} inputs, supported is one`);
    return input;
  }

  /** The input with its axes as the file has them. */
  get plain(): Value {
    return this.network.plain(this.input);
  }

  /** Appends a layer of ours, named after this one. */
  add(
    facts: LayerFacts,
    inputs: readonly Value[],
    { suffix, weights }: { readonly suffix?: string; readonly weights?: Weights } = {},
  ): Value {
    return this.network.add(facts, suffix === undefined ? this.name : `${this.name}.${suffix}`, inputs, weights);
  }

  /**
   * Appends a layer of operators, which take the inputs with their axes as the file has them.
   * @throws InputError naming this layer and the operator that cannot be computed.
   */
  operators(
    inputs: readonly Value[],
    build: (fragment: Fragment, ...names: string[]) => string,
    suffix?: string,
  ): Value {
    const plain = inputs.map((input) => this.network.plain(input));
    const fragment = new Fragment(this.fileName);
    const output = build(fragment, ...inputs.map((_, i) => inputName(i)));
    const { facts, weights } = fragment.layer(
      plain.map(({ shape }) => shape),
      output,
    );
    return this.add(facts, plain, { weights, ...(suffix === undefined ? {} : { suffix }) });
  }

  // ---- weights ----

  /**
   * A weight by the layer's name; converted files put the names of models and cells around it.
   * @param half of a layer in two directions.
   * @throws InputError `tfjs-format` where there is none, or no telling which.
   */
  weight(part: string, half?: 'forward' | 'backward'): WeightTensor {
    const found = this.#find(part, half);
    const name = `${this.fileName}/${half === undefined ? '' : `${half}/`}${part}`;
    if (found === undefined)
      throw this.#refusal('tfjs-format', `it has no weight "${name}", which layer ${this.#label} needs`);
    const [key, tensor] = found;
    if (tensor.type !== 'float32')
      throw this.unsupported(`has its weight "${key}" as ${tensor.type}; supported is float32`);
    return { shape: tensor.shape, data: toFloat64(key, tensor) };
  }

  /** Whether any weight of the file stands under its name. */
  get hasWeights(): boolean {
    return [...this.#reading.stored.keys()].some((key) => key.split('/').slice(0, -1).includes(this.fileName));
  }

  has(part: string): boolean {
    return this.#find(part, undefined) !== undefined;
  }

  /** A weight, or one of equal numbers where the layer goes without. */
  weightOr(isThere: boolean, part: string, shape: readonly number[], value: number): WeightTensor {
    return isThere ? this.weight(part) : { shape, data: new Float64Array(elementCount(shape)).fill(value) };
  }

  /** A weight of as many numbers as the shape has, in that shape. */
  shaped(part: string, shape: readonly number[]): WeightTensor {
    const { shape: own, data } = this.weight(part);
    if (data.length !== elementCount(shape))
      throw this.unsupported(`has its weight ${part} in the shape [${own.join(', ')}], not [${shape.join(', ')}]`);
    return { shape, data };
  }

  #find(part: string, half: string | undefined): [string, PlainTensor] | undefined {
    const { stored } = this.#reading;
    const exact = `${this.fileName}/${part}`;
    const own = half === undefined ? stored.get(exact) : undefined;
    if (own !== undefined) return [exact, own];
    const names = [this.fileName, ...(this.#wrapper === undefined ? [] : [this.#wrapper])];
    const matches = [...stored].flatMap(([key, tensor]) => {
      const segments = key.replace(/:0$/u, '').split('/');
      if (segments.pop() !== part || !segments.some((segment) => names.includes(segment))) return [];
      if (half !== undefined && !segments.some((segment) => segment.startsWith(`${half}_`))) return [];
      return [{ key, tensor, rank: [...this.#path, ...names].filter((name) => segments.includes(name)).length }];
    });
    const best = Math.max(...matches.map(({ rank }) => rank));
    const [first, ...more] = matches.filter(({ rank }) => rank === best);
    if (more.length > 0)
      throw this.#refusal(
        'tfjs-format',
        `there is no telling which weight "${part}" belongs to layer ${this.#label}: ${more.map(({ key }) => key).join(', ')} or ${first?.key ?? ''}`,
      );
    return first && [first.key, first.tensor];
  }
}
