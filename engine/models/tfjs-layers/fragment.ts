/**
 * Layers that we have no kind for, written as a few operators of ONNX: they become one layer of kind `operators`, which is asked
 * and trained like any other. Knows nothing of files.
 */
import type { Shape } from '../../../shared/layers/kind.ts';
import type { WeightTensor } from '../../../shared/model.ts';
import type { OnnxAttribute, OnnxNode } from '../onnx/graph.ts';
import { tracedShape } from '../onnx/operator-layer.ts';
import { operatorModel } from '../onnx/operators.ts';
import type { PlainTensor } from '../tensor.ts';
import type { LayerFacts, Weights } from './network-builder.ts';

/** Version of ONNX's operator set that the nodes are written in. */
const OPSET = 17;

export const int = (value: number): OnnxAttribute => ({ kind: 'int', value });
export const ints = (value: readonly number[]): OnnxAttribute => ({ kind: 'ints', value });
export const text = (value: string): OnnxAttribute => ({ kind: 'string', value });
export const texts = (value: readonly string[]): OnnxAttribute => ({ kind: 'strings', value });
export const float = (value: number): OnnxAttribute => ({ kind: 'float', value });

export class Fragment {
  readonly #label: string;
  readonly #nodes: OnnxNode[] = [];
  readonly #constants = new Map<string, PlainTensor>();

  /** @param label names its operators in errors. */
  constructor(label: string) {
    this.#label = label;
  }

  /** Appends an operator; the name of its value comes back. `output`: which of its outputs that is. */
  op(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output = 0,
  ): string {
    const name = `value${this.#nodes.length}`;
    const outputs = [...new Array<string>(output).fill(''), name];
    const given = new Map(Object.entries(attributes));
    this.#nodes.push({ name: this.#label, operator, domain: '', version: OPSET, inputs, outputs, attributes: given });
    return name;
  }

  /** A trained weight; its name comes back. */
  weight(part: string, { shape, data }: WeightTensor): string {
    this.#constants.set(part, { type: 'float32', shape, data: Float32Array.from(data) });
    return part;
  }

  /** A public number. */
  number(name: string, value: number): string {
    return this.weight(name, { shape: [], data: Float64Array.of(value) });
  }

  /** Sizes, axes or places. */
  wholes(name: string, values: readonly number[]): string {
    this.#constants.set(name, { type: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) });
    return name;
  }

  /**
   * The layer that these operators are.
   * @param shapes of its inputs, without batch; the operators know them as `x0`, `x1` ...
   * @throws InputError by label and operator for what cannot be computed.
   */
  layer(shapes: readonly Shape[], output: string): { readonly facts: LayerFacts; readonly weights: Weights } {
    const value = (name: string, shape: Shape | undefined) =>
      ({ name, form: 'tensor', elementType: 'FLOAT', shape: shape && [undefined, ...shape] }) as const;
    const { graph, weights } = operatorModel({
      name: this.#label,
      opset: OPSET,
      inputs: shapes.map((shape, i) => value(inputName(i), shape)),
      outputs: [value(output, undefined)],
      nodes: this.#nodes,
      constants: this.#constants,
    });
    const [, ...outputShape] = tracedShape(
      graph,
      shapes.map((shape) => [2, ...shape]),
    );
    return {
      facts: { kind: 'operators', inputShapes: shapes.map((shape) => [...shape]), outputShape, graph },
      weights: Object.fromEntries(weights),
    };
  }
}

export function inputName(position: number): string {
  return `x${position}`;
}
