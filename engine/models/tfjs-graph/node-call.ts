/**
 * One node of a TensorFlow graph on its way to ONNX's operators: its attributes, its inputs, constants among them, and how it
 * refuses what it cannot mean, by name and operator. Knows no particular operator.
 */
import { InputError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import type { OnnxAttribute, OnnxNode } from '../onnx/graph.ts';
import { ints } from '../tfjs-layers/fragment.ts';
import { permuted } from '../tfjs-layers/weights.ts';
import { toFloat64 } from '../tensor.ts';
import type { PlainTensor } from '../tensor.ts';
import type { Attribute, GraphNode } from './schema.ts';

/** The graph as far as it is written. */
export interface Written {
  readonly what: string;
  readonly nodes: OnnxNode[];
  readonly constants: Map<string, PlainTensor>;
}

/** Version of ONNX's operator set that nodes are written in. */
export const OPSET = 17;

export class NodeCall {
  readonly node: GraphNode;
  /** Names of values; those that only order execution are gone. */
  readonly inputs: readonly string[];
  readonly #written: Written;

  constructor(written: Written, node: GraphNode, inputs: readonly string[]) {
    this.#written = written;
    this.node = node;
    this.inputs = inputs;
  }

  /** `reason` continues "node ... (Operator) ...". */
  unsupported(reason: string): InputError {
    return new InputError(
      'tfjs-unsupported',
      `${this.#written.what}: node "${this.node.name}" (${this.node.op}) ${reason}.`,
      { hint: 'Change the model at this node, or convert it as a layers model or to ONNX.' },
    );
  }

  // ---- attributes ----

  attribute(name: string): Attribute | undefined {
    return this.node.attr[name];
  }
  flag(name: string): boolean {
    return this.attribute(name)?.b === true;
  }
  integer(name: string, preset: number): number {
    return this.attribute(name)?.i ?? preset;
  }
  wholes(name: string): readonly number[] {
    return this.attribute(name)?.list?.i ?? [];
  }
  texts(name: string): readonly string[] {
    return this.attribute(name)?.list?.s ?? [];
  }

  // ---- inputs ----

  input(position: number): string {
    const name = this.inputs[position];
    if (name === undefined) throw this.unsupported(`lacks its input ${position + 1}`);
    return name;
  }

  constant(position: number): PlainTensor | undefined {
    return this.#written.constants.get(this.input(position));
  }

  /** A constant that decides what is computed. */
  numbers(position: number, what: string): readonly number[] {
    const tensor = this.constant(position);
    if (tensor === undefined) throw this.unsupported(`needs ${what} (input ${position + 1}) to be a constant`);
    return [...toFloat64(this.input(position), tensor)];
  }

  /** The only number of such a constant. */
  number(position: number, what: string): number {
    const [value, ...more] = this.numbers(position, what);
    if (value === undefined || more.length > 0) throw this.unsupported(`has not one number as ${what}`);
    return value;
  }

  /** Axes of a constant kernel in another order, as a constant of its own, and its shape; any other is refused. */
  kernel(position: number, order: readonly number[], shapeOf?: (shape: readonly number[]) => readonly number[]) {
    const tensor = this.constant(position);
    if (tensor === undefined) throw this.unsupported(`has a kernel (input ${position + 1}) that is no constant`);
    if (tensor.shape.length !== order.length)
      throw this.unsupported(`has a kernel of [${tensor.shape.join(', ')}], not of ${order.length} axes`);
    const { shape, data } = permuted({ shape: tensor.shape, data: toFloat64(this.input(position), tensor) }, order);
    const own = shapeOf?.(shape) ?? shape;
    if (elementCount(own) !== data.length) throw this.unsupported(`has a kernel of [${tensor.shape.join(', ')}]`);
    const name = `${this.input(position)}/${order.join('')}`;
    this.#written.constants.set(name, { type: 'float32', shape: own, data: Float32Array.from(data) });
    return { name, shape: own };
  }

  // ---- what is written ----

  /** Appends an operator; the name of its value comes back, or those of several. */
  op(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    const [name = ''] = this.several(operator, inputs, 1, attributes);
    return name;
  }

  several(
    operator: string,
    inputs: readonly string[],
    count: number,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string[] {
    const { nodes } = this.#written;
    const outputs = Array.from({ length: count }, (_, i) => `${this.node.name}/${nodes.length}.${i}`);
    const given = new Map(Object.entries(attributes));
    nodes.push({ name: this.node.name, operator, domain: '', version: OPSET, inputs, outputs, attributes: given });
    return outputs;
  }

  /** A public number. */
  scalar(value: number): string {
    return this.#constant({ type: 'float32', shape: [], data: Float32Array.of(value) });
  }

  /** Sizes, axes or places. */
  sizes(values: readonly number[]): string {
    return this.#constant({ type: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  #constant(tensor: PlainTensor): string {
    const name = `${this.node.name}/constant${this.#written.constants.size}`;
    this.#written.constants.set(name, tensor);
    return name;
  }

  /** Images with channels last: what is computed on them stands between two transposes. */
  channelsFirst(x: string, axes: number, isFirst: boolean, compute: (x: string) => string): string {
    if (isFirst) return compute(x);
    const cells = Array.from({ length: axes }, (_, axis) => axis + 1);
    const turned = this.op('Transpose', [x], { perm: ints([0, axes + 1, ...cells]) });
    return this.op('Transpose', [compute(turned)], { perm: ints([0, ...cells.map((axis) => axis + 1), 1]) });
  }
}
