/** What reading one node as layers needs: its inputs as rows, constants or sizes, its attributes, and where layers go. */
import type { InputError } from '../../../shared/errors.ts';
import { checkFinite } from '../../../shared/model.ts';
import type { WeightTensor } from '../../../shared/model.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import { nodeLabel } from '../../../shared/operator-graph.ts';
import { toFloat64 } from '../tensor.ts';
import type { PlainTensor } from '../tensor.ts';
import type { OnnxNode } from './graph.ts';
import { notALayer } from './layer-list.ts';
import type { LayerList, Rows, Value } from './layer-list.ts';
import { NodeAttributes } from './node-attributes.ts';

export interface ReadingContext {
  /** The file, for errors. */
  readonly what: string;
  readonly list: LayerList;
  /** Version of ONNX's own operators. */
  readonly opset: number;
  /** How many nodes and outputs take a value. */
  uses(name: string): number;
}

/** Makes layers of one node, and says what its outputs are. */
export type ReadNode = (node: NodeReading) => void;

export class NodeReading {
  readonly node: OnnxNode;
  readonly attributes: NodeAttributes;
  readonly list: LayerList;
  readonly opset: number;
  readonly #context: ReadingContext;

  constructor(node: OnnxNode, context: ReadingContext) {
    this.node = node;
    this.#context = context;
    this.list = context.list;
    this.opset = context.opset;
    this.attributes = new NodeAttributes(node, (reason) => this.unsupported(reason));
  }

  isGiven(position: number): boolean {
    return (this.node.inputs[position] ?? '') !== '';
  }

  /** Whether an output is used. */
  isUsed(position: number): boolean {
    const name = this.node.outputs[position] ?? '';
    return name !== '' && this.#context.uses(name) > 0;
  }

  /** Whether what a layer gives goes no other way than to this node, which takes it. */
  isOnlyWayOf(layer: string): boolean {
    return [...this.list.values].every(
      ([name, value]) => !('layer' in value) || value.layer !== layer || this.#context.uses(name) === 1,
    );
  }

  /** What an input is in terms of layers; undefined for constants. */
  value(position: number): Value | undefined {
    return this.list.values.get(this.node.inputs[position] ?? '');
  }

  /** An input that is rows of numbers. */
  rows(position = 0): Rows {
    const value = this.value(position);
    if (value?.kind !== 'rows' || value.whole !== undefined)
      throw this.unsupported(`takes "${this.node.inputs[position] ?? ''}", which is not rows of numbers`);
    return value;
  }

  /** All inputs as rows. */
  allRows(): Rows[] {
    return this.node.inputs.map((_, position) => this.rows(position));
  }

  constant(position: number): PlainTensor {
    const name = this.node.inputs[position] ?? '';
    const tensor = this.list.constants.get(name);
    if (tensor === undefined) throw this.unsupported(`needs "${name}" to be a constant`);
    return tensor;
  }

  /** A constant as a finite weight. */
  weight(position: number): WeightTensor {
    const tensor = this.constant(position);
    const what = `${this.#context.what}: weight "${this.node.inputs[position] ?? ''}" of ${nodeLabel(this.node)}`;
    const data = toFloat64(what, tensor);
    checkFinite(what, data);
    return { shape: tensor.shape, data };
  }

  /** A single constant number; undefined where it is left out. */
  number(position: number): number | undefined {
    return this.isGiven(position) ? this.weight(position).data[0] : undefined;
  }

  /** Public sizes, of which the batch may be one; undefined where they are left out. */
  sizes(position: number): readonly (number | 'batch')[] | undefined {
    if (!this.isGiven(position)) return undefined;
    const value = this.value(position);
    return value?.kind === 'sizes' ? value.sizes : [...toFloat64('sizes', this.constant(position))];
  }

  /** Public whole numbers, of an input or, in older operator sets, of an attribute. */
  integers(position: number, attribute: string): readonly number[] | undefined {
    const listed = this.attributes.ints(attribute) ?? this.sizes(position);
    return listed?.map((size) => {
      if (size === 'batch') throw this.unsupported(`has ${attribute} that depend on the batch`);
      return size;
    });
  }

  /** A constant that is one number for all columns, or one a column. `axis`: of the columns, counted from the end. */
  columns(position: number, count: number, axis = -1): Float64Array {
    const { shape, data } = this.weight(position);
    const place = shape.length + axis;
    const isRow = data.length === count && shape.every((n, i) => n === (i === place ? count : 1));
    if (!isRow && data.length !== 1) {
      const name = this.node.inputs[position] ?? '';
      throw this.unsupported(`combines ${count} columns with "${name}" of shape [${shape.join(', ')}]`);
    }
    return isRow ? data : new Float64Array(count).fill(data[0] ?? 0);
  }

  /** An unused name for a layer of this node. */
  name(kind: string): string {
    return this.list.name(this.node.name, kind);
  }

  /** The node is one layer of the rows it is given. */
  layer(layer: Layer, inputs: readonly Rows[] = [this.rows()]): Rows {
    const names = inputs.map((rows) => this.list.take(rows));
    const rows = this.list.push(layer, names);
    this.give(rows);
    return rows;
  }

  give(value: Value, position = 0): void {
    this.list.values.set(this.node.outputs[position] ?? '', value);
  }

  /** The same cells in another shape. */
  reshaped(rows: Rows, shape: readonly number[]): void {
    this.give({ ...rows, shape, shapedBy: this.node.name });
  }

  unsupported(reason: string): InputError {
    return notALayer(this.#context.what, nodeLabel(this.node), reason);
  }
}
