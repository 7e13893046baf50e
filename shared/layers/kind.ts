/**
 * What there is to know of a kind of layer without computing it: its attributes, what it makes of shapes, its weights, and how
 * a job file writes it. One table of kinds (table.ts) is made of these. Knows nothing of protocols or file formats.
 *
 * Shapes never include the batch. Images are channels first, [channels, ...cells]; sequences are [length, features].
 */
import { z } from 'zod';
import { InputError } from '../errors.ts';

export type Shape = readonly number[];

export const size = z
  .int()
  .min(1)
  .max(2 ** 31 - 1);
export const count = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
/** As many sizes as there are axes. */
export const sizes = (axes: number) => z.array(size).length(axes).readonly();
/** Cells before and after each axis: all before, then all after, as in ONNX (top, left, bottom, right). */
export const paddings = (axes: number) =>
  z
    .array(count)
    .length(2 * axes)
    .readonly();

/** How first weights are drawn; see shared/initialise.ts. */
const initialisers = ['glorotUniform', 'glorotNormal', 'heUniform', 'heNormal', 'orthogonal', 'zeros', 'ones'] as const;
export type Initialiser = (typeof initialisers)[number];
/** Left out: He before a ReLU, Glorot otherwise. */
export const init = z.enum(initialisers).optional();

/** Inputs and outputs that one weight connects. */
export interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

export interface WeightFacts {
  /** Unique within the layer. */
  readonly part: string;
  readonly shape: Shape;
  /**
   * factor: trained, products take it; term: trained, only added; statistic: follows the batches in training and is used in
   * evaluation, without a gradient.
   */
  readonly role: 'factor' | 'term' | 'statistic';
  /** The first value, or how many inputs and outputs a drawn one connects. */
  readonly start: number | Fans;
}

/** What every layer has, besides the attributes of its kind. */
export interface AnyLayer {
  readonly kind: string;
  readonly name: string;
  /** Earlier layers whose outputs it takes, or `input`; left out: the layer before it. */
  readonly from?: readonly string[] | undefined;
  readonly init?: Initialiser | undefined;
}

type Attributes<A extends z.core.$ZodLooseShape> = z.output<z.ZodObject<A, z.core.$strict>>;

export interface LayerKind<A extends z.core.$ZodLooseShape, S extends z.core.$ZodLooseShape> {
  /** Attributes in a description, every one spelt out. */
  readonly attributes: A;
  /** The same in a job file, with defaults. */
  readonly spec: S;
  /** Fewest and most inputs; one if not given. */
  readonly arity?: readonly [number, number];
  /** @throws InputError naming the layer. */
  outputShape(layer: AnyLayer & Attributes<A>, inputs: readonly Shape[]): Shape;
  weights?(layer: Attributes<A>): readonly WeightFacts[];
  /** Fills in what follows from the shapes of the inputs. `layer` names it in errors. */
  complete(spec: Attributes<S>, inputs: readonly Shape[], layer: AnyLayer): Attributes<A>;
}

/** Checks a kind's functions against its schemas. */
export function layerKind<A extends z.core.$ZodLooseShape, S extends z.core.$ZodLooseShape>(
  kind: LayerKind<A, S>,
): LayerKind<A, S> {
  return kind;
}

/** A kind whose attributes are the same in a job file and in a description. */
export function plainKind<A extends z.core.$ZodLooseShape>(
  kind: Omit<LayerKind<A, A>, 'spec' | 'complete'>,
): LayerKind<A, A> {
  return { ...kind, spec: kind.attributes, complete: (spec) => spec };
}

export function mismatch(layer: AnyLayer, expected: string, input: Shape): InputError {
  return new InputError(
    'model-shape-mismatch',
    `Layer ${layer.name} (${layer.kind}) takes ${expected}, but is given [${input.join(', ')}].`,
    { hint: 'Check the sizes of this layer and of the one before it.' },
  );
}

/** The only input. */
export function single(inputs: readonly Shape[]): Shape {
  return inputs[0] ?? [];
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Names of `axes` spatial axes, for messages. */
export function cellNames(axes: number): string {
  return ['depth', 'height', 'width'].slice(3 - axes).join(', ');
}
