/**
 * The networks of a file: sequences and graphs of layers, and networks in networks. Walks them in an order in which everything is
 * there before it is used, and leaves what a layer means to its reader. Knows no particular class of layers.
 */
import type { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import type { Shape } from '../../../shared/layers/kind.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import type { PlainTensor } from '../tensor.ts';
import { LayerCall } from './layer-call.ts';
import type { Reading } from './layer-call.ts';
import { NetworkBuilder } from './network-builder.ts';
import type { Value } from './network-builder.ts';
import { readerOf } from './readers/table.ts';
import { functionalSchema, inboundSchema, inputShapeSchema, sequentialSchema } from './schema.ts';
import type { ListedLayer, Network, Reference } from './schema.ts';

/** Networks in networks. */
const MOST_DEPTH = 32;

type Functional = z.output<typeof functionalSchema>;

/**
 * @param what names the file in errors.
 * @throws InputError `tfjs-format`, `tfjs-unsupported` naming the layer, and those of `checkModel`.
 */
export function readNetwork(network: Network, stored: ReadonlyMap<string, PlainTensor>, what: string): TrainedModel {
  const config = configOf(network, what);
  const builder = new NetworkBuilder(inputShape(config, what));
  const reader = new NetworkReader({ what, stored, network: builder });
  const output = builder.plain(reader.read(config, [builder.input], []));
  if (output.source === builder.input.source) throw unreadable(what, 'it has no layers that compute anything');
  return builder.model();
}

export function unreadable(what: string, reason: string, cause?: unknown): InputError {
  return new InputError('tfjs-format', `${what} is not a readable TF.js Layers model: ${reason}.`, {
    hint: 'Expected is the model.json that model.save() writes.',
    cause,
  });
}

type Config =
  ({ readonly kind: 'sequence' } & z.output<typeof sequentialSchema>) | ({ readonly kind: 'graph' } & Functional);

function isNetwork({ class_name: name }: { readonly class_name: string }): boolean {
  return name === 'Sequential' || name === 'Model' || name === 'Functional';
}

/** @throws InputError naming what is wrong. */
function configOf(network: Network | ListedLayer, what: string): Config {
  if (!isNetwork(network)) {
    throw new InputError(
      'tfjs-unsupported',
      `${what} is a model of class ${network.class_name}; supported are Sequential, Model and Functional.`,
      { hint: 'Rebuild the model of layers that Keras has, or export it as ONNX.' },
    );
  }
  const parsed =
    network.class_name === 'Sequential'
      ? sequentialSchema.transform((config): Config => ({ kind: 'sequence', ...config })).safeParse(network.config)
      : functionalSchema.transform((config): Config => ({ kind: 'graph', ...config })).safeParse(network.config);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw unreadable(
    what,
    `its ${network.class_name}, ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown content'}`,
    parsed.error,
  );
}

/** What one row of the model's input is. */
function inputShape(config: Config, what: string, depth = 0): Shape {
  if (config.kind === 'graph' && (config.input_layers.length !== 1 || config.output_layers.length !== 1)) {
    throw new InputError(
      'tfjs-unsupported',
      `${what} has ${config.input_layers.length} inputs and ${config.output_layers.length} outputs; supported is one of each.`,
      { hint: 'Join inputs and outputs with Concatenate, or export the model as ONNX.' },
    );
  }
  const first =
    config.kind === 'sequence'
      ? config.layers[0]
      : config.layers.find((layer) => nameOf(layer) === config.input_layers[0]?.name);
  const given = first && inputShapeSchema.safeParse(first.config).data;
  const batchShape = given ?? (config.kind === 'sequence' ? config.build_input_shape : undefined) ?? undefined;
  if (batchShape === undefined) {
    if (first !== undefined && isNetwork(first) && depth < MOST_DEPTH)
      return inputShape(configOf(first, what), what, depth + 1);
    throw unreadable(what, 'its first layer has no input shape');
  }
  return batchShape.slice(1).map((cells) => {
    if (cells !== null) return cells;
    throw unreadable(what, `its input shape [${batchShape.join(', ')}] leaves a size open beside the batch`);
  });
}

function nameOf({ name, config }: ListedLayer): string {
  return name ?? config.name ?? '';
}

/** A use of a layer in a graph, and what it takes. */
interface Use {
  readonly layer: ListedLayer;
  readonly inputs: readonly Reference[];
}

class NetworkReader {
  readonly #reading: Reading;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  read(config: Config, inputs: readonly Value[], path: readonly string[]): Value {
    if (path.length > MOST_DEPTH)
      throw unreadable(this.#reading.what, `it has networks in networks more than ${MOST_DEPTH} deep`);
    if (config.kind === 'graph') return this.#graph(config, inputs, path);
    return config.layers.reduce((value, layer) => this.#layer(layer, [value], path), this.#only(inputs, path));
  }

  #only(inputs: readonly Value[], path: readonly string[]): Value {
    const [input] = inputs;
    if (input !== undefined && inputs.length === 1) return input;
    throw unreadable(this.#reading.what, `the sequence "${path.join('/')}" is given ${inputs.length} inputs`);
  }

  #layer(listed: ListedLayer, inputs: readonly Value[], path: readonly string[]): Value {
    if (listed.class_name === 'InputLayer') return this.#only(inputs, path);
    if (isNetwork(listed)) return this.read(configOf(listed, this.#reading.what), inputs, [...path, nameOf(listed)]);
    const call = new LayerCall(this.#reading, listed, inputs, path);
    const read = readerOf(listed.class_name);
    if (read === undefined) throw call.unsupported('is of a class that is not supported');
    return read(call);
  }

  /** From the output back to the inputs, without recursion, which long chains would exhaust. */
  #graph(config: Functional, inputs: readonly Value[], path: readonly string[]): Value {
    const { what } = this.#reading;
    const [output, ...more] = config.output_layers;
    if (output === undefined || more.length > 0 || config.input_layers.length !== inputs.length)
      throw unreadable(
        what,
        `the network "${path.join('/')}" has ${config.input_layers.length} inputs and ${config.output_layers.length} outputs where one output and ${inputs.length} inputs are used`,
      );
    const layers = new Map(config.layers.map((layer) => [nameOf(layer), layer]));
    if (layers.size < config.layers.length) throw unreadable(what, 'two of its layers have one name');
    const done = new Map<string, Value>();
    config.input_layers.forEach(({ name }, i) => {
      const value = inputs[i];
      if (value !== undefined) done.set(keyOf({ name, use: 0 }), value);
    });
    const open = new Set<string>();
    const waiting = [output];
    for (let next = waiting.at(-1); next !== undefined; next = waiting.at(-1)) {
      const key = keyOf(next);
      if (done.has(key)) {
        waiting.pop();
        continue;
      }
      const use = this.#use(layers, next, path);
      const missing = use.inputs.filter((reference) => !done.has(keyOf(reference)));
      if (missing.length === 0) {
        done.set(
          key,
          this.#layer(
            use.layer,
            use.inputs.flatMap((reference) => done.get(keyOf(reference)) ?? []),
            path,
          ),
        );
      } else {
        if (open.has(key)) throw unreadable(what, `its layer "${next.name}" takes its own output, by others or itself`);
        open.add(key);
        waiting.push(...missing);
      }
    }
    return done.get(keyOf(output)) ?? this.#only(inputs, path);
  }

  /** Layers that are used several times share their weights, which ours cannot; without weights it is no matter. */
  #use(layers: ReadonlyMap<string, ListedLayer>, { name, use, output }: Reference, path: readonly string[]): Use {
    const layer = layers.get(name);
    if (layer === undefined)
      throw unreadable(this.#reading.what, `something takes the output of "${name}", which no layer is named`);
    const call = new LayerCall(this.#reading, layer, [], path);
    const parsed = inboundSchema.safeParse(layer.inbound_nodes);
    if (!parsed.success) throw call.unsupported('is used in a way that is not understood (inbound_nodes)');
    if (output !== 0) throw call.unsupported(`gives its output ${output}; supported is one output`);
    const uses = parsed.data;
    if (uses.length > 1 && (isNetwork(layer) || call.hasWeights))
      throw call.unsupported(`is used ${uses.length} times with the same weights; supported is once`);
    // The uses of a network count those inside it.
    const found = uses.length === 1 ? uses[0] : uses[use];
    if (found === undefined) throw call.unsupported(`has no use number ${use}`);
    if (found.some(({ isIdle }) => !isIdle)) throw call.unsupported('takes arguments by name');
    return { layer, inputs: found };
  }
}

function keyOf({ name, use }: Pick<Reference, 'name' | 'use'>): string {
  return `${name}\n${use}`;
}
