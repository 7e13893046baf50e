/**
 * The layers that a graph's nodes have become so far, and what its values are in terms of them. A value is rows of some layer,
 * perhaps in another shape until a layer takes it: so a flatten behind a pool costs no layer that says nothing. Knows no operator.
 */
import { InputError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { MODEL_INPUT } from '../../../shared/layers/table.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import { layerInputs, layerOutputShape } from '../../../shared/model.ts';
import type { InputStandardisation, WeightTensor } from '../../../shared/model.ts';
import type { PlainTensor } from '../tensor.ts';

/** [batch, ...shape]. */
export interface Rows {
  readonly kind: 'rows';
  /** The layer that gives them, or the model's input. */
  readonly layer: string;
  readonly shape: readonly number[];
  /** The node that gave them this shape, where the layer gives another. */
  readonly shapedBy?: string;
  /** Whole numbers, to pick rows of a table by: those of the input, or rounded ones. */
  readonly whole?: 'input' | 'rounded' | undefined;
}

/** Rows of sequences as recurrent operators have them: places or states first, the batch behind. */
export interface Sequences {
  /** [length, batch, size], [length, 1, batch, size] and [1, batch, size]. */
  readonly kind: 'places' | 'states' | 'state';
  readonly layer: string;
  /** [length, size], or [size] of one state. */
  readonly shape: readonly number[];
}

export type Value =
  | Rows
  | Sequences
  /** Public numbers of the graph's form: sizes among which the batch is open. */
  | { readonly kind: 'sizes'; readonly sizes: readonly (number | 'batch')[] }
  /** Zeros of a shape that depends on the batch. */
  | { readonly kind: 'zeros' };

/** Larger rows, and more layers, are taken for damage. */
const MOST_CELLS = 2 ** 26;
const MOST_LAYERS = 10_000;

export class LayerList {
  readonly layers: Layer[] = [];
  readonly weights = new Map<string, WeightTensor>();
  readonly values = new Map<string, Value>();
  readonly constants: Map<string, PlainTensor>;
  standardisation: InputStandardisation | undefined;
  readonly #shapes = new Map<string, readonly number[]>();
  /** Layers that give the rows of another in another shape. */
  readonly #shaped = new Map<string, string>();
  readonly #names = new Set<string>([MODEL_INPUT]);

  constructor(inputShape: readonly number[], constants: ReadonlyMap<string, PlainTensor>) {
    this.constants = new Map(constants);
    this.#shapes.set(MODEL_INPUT, inputShape);
  }

  /** Output shape of a layer, or of the model's input. */
  shapeOf(layer: string): readonly number[] {
    return this.#shapes.get(layer) ?? [];
  }

  layer(name: string): Layer | undefined {
    return this.layers.find((layer) => layer.name === name);
  }

  /** Names of the layers that a layer takes. */
  inputsOf(layer: Layer): readonly string[] {
    return layerInputs(this.layers, this.layers.indexOf(layer));
  }

  /** A layer that gives exactly these rows. */
  take({ layer, shape, shapedBy }: Rows): string {
    if (this.shapeOf(layer).join() === shape.join()) return layer;
    const key = `${layer}/${shape.join()}`;
    const known = this.#shaped.get(key);
    if (known !== undefined) return known;
    const kind = shape.length === 1 ? 'flatten' : 'reshape';
    const name = this.name(shapedBy ?? '', kind);
    this.push(kind === 'flatten' ? { kind, name } : { kind, name, shape }, [layer]);
    this.#shaped.set(key, name);
    return name;
  }

  /** @throws InputError where the layer does not fit what it takes. */
  push(layer: Layer, inputs: readonly string[]): Rows {
    const last = this.layers.at(-1)?.name ?? MODEL_INPUT;
    const full = inputs.length === 1 && inputs[0] === last ? layer : { ...layer, from: inputs };
    const shape = layerOutputShape(full, ...inputs.map((name) => this.shapeOf(name)));
    if (elementCount(shape) > MOST_CELLS || this.layers.length === MOST_LAYERS) {
      throw new InputError(
        'onnx-unsupported',
        `Layer ${layer.name} (${layer.kind}) is the ${this.layers.length + 1}th and gives rows of [${shape.join(', ')}]; ${MOST_LAYERS} layers and ${MOST_CELLS} cells a row are supported.`,
      );
    }
    this.#shapes.set(layer.name, shape);
    this.layers.push(full);
    return { kind: 'rows', layer: layer.name, shape };
  }

  /** Puts another layer in the place of one that nothing has taken yet. */
  replace(layer: Layer): Rows {
    const position = this.layers.findIndex(({ name }) => name === layer.name);
    const inputs = layerInputs(this.layers, position).map((name) => this.shapeOf(name));
    const shape = layerOutputShape(layer, ...inputs);
    this.#shapes.set(layer.name, shape);
    this.layers[position] = layer;
    return { kind: 'rows', layer: layer.name, shape };
  }

  /** The node's own name where it can serve, so that files keep their names; else the kind and a number. */
  name(wanted: string, kind: string): string {
    const usable = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/u.test(wanted) && !this.#names.has(wanted);
    let name = usable ? wanted : `${kind}1`;
    for (let i = 2; this.#names.has(name); i++) name = `${kind}${i}`;
    this.#names.add(name);
    return name;
  }
}

/** A node that is no layer of ours; as a graph of operators the model may be fine. */
export function notALayer(what: string, label: string, reason: string): InputError {
  return new InputError('onnx-unsupported', `${what}: ${label} ${reason}.`, {
    hint: 'Change this part of the model, or export it another way.',
  });
}
