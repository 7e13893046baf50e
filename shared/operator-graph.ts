/**
 * A model as a graph of named operators (the operators of ONNX), for models that are not a plain sequence of layers: nodes in
 * an order in which they can be computed, public constants, and the names and shapes of private weights, whose values are kept
 * apart. Plain data: it travels in descriptions. Knows nothing of files, of protocols or of what an operator computes.
 */
import { z } from 'zod';
import { elementCount } from './layers/kind.ts';

export const elementNames = [
  'float16',
  'bfloat16',
  'float32',
  'float64',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
] as const;

/** Type of a tensor's elements. All floating-point types are computed as fixed point; integers and bools are exact. */
export type ElementName = (typeof elementNames)[number];

const size = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
/** Value names are the file's own: any text, never used as a key of an object. */
const valueName = z.string().max(10_000);
/** JSON has no infinities. */
const number = z.union([z.number(), z.enum(['inf', '-inf', 'nan'])]);

const graphTensorSchema = z
  .strictObject({ type: z.enum(elementNames), shape: z.array(size).max(64), values: z.array(number) })
  .refine(({ shape, values }) => elementCount(shape) === values.length, {
    message: 'a tensor has as many values as its shape asks for',
  });

/** A public tensor; bools are 0 and 1, row-major. */
export interface GraphTensor {
  readonly type: ElementName;
  readonly shape: readonly number[];
  readonly values: readonly (number | 'inf' | '-inf' | 'nan')[];
}

export type OperatorAttribute =
  | { readonly name: string; readonly kind: 'float' | 'int'; readonly value: number }
  | { readonly name: string; readonly kind: 'string'; readonly value: string }
  | { readonly name: string; readonly kind: 'floats' | 'ints'; readonly value: readonly number[] }
  | { readonly name: string; readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly name: string; readonly kind: 'tensor'; readonly value: GraphTensor }
  | { readonly name: string; readonly kind: 'graph'; readonly value: OperatorGraph };

export interface OperatorNode {
  /** For messages; not unique. */
  readonly name: string;
  readonly operator: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  /** Version of the operator set that the operator is taken from. */
  readonly version: number;
  /** Value names; an empty one is an optional input or output left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly OperatorAttribute[];
}

export interface GraphValue {
  readonly name: string;
  /** Null where a subgraph leaves it to be inferred, or the value is no tensor. */
  readonly type: ElementName | null;
  /** Sizes; a text is a named free size, null an unnamed one. Null as a whole where even the rank is open. */
  readonly shape: readonly (number | string | null)[] | null;
}

export interface OperatorGraph {
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  /** Each takes only inputs, constants, weights and outputs of nodes before it (or of the graph around, in a subgraph). */
  readonly nodes: readonly OperatorNode[];
  /** Public values. */
  readonly constants: readonly { readonly name: string; readonly tensor: GraphTensor }[];
  /** Private values of the model's owner, which training changes: `name` in this graph, `key` among the model's weights. */
  readonly weights: readonly GraphWeight[];
}

export interface GraphWeight {
  readonly name: string;
  readonly key: string;
  readonly type: ElementName;
  readonly shape: readonly number[];
  /** Trained, and taken by products (`factor`) or only added (`term`); or fixed (`statistic`). */
  readonly role: 'factor' | 'term' | 'statistic';
}

const attributeSchema: z.ZodType<OperatorAttribute> = z.discriminatedUnion('kind', [
  z.strictObject({ name: z.string(), kind: z.literal(['float', 'int']), value: z.number() }),
  z.strictObject({ name: z.string(), kind: z.literal('string'), value: z.string() }),
  z.strictObject({ name: z.string(), kind: z.literal(['floats', 'ints']), value: z.array(z.number()) }),
  z.strictObject({ name: z.string(), kind: z.literal('strings'), value: z.array(z.string()) }),
  z.strictObject({ name: z.string(), kind: z.literal('tensor'), value: graphTensorSchema }),
  z.strictObject({
    name: z.string(),
    kind: z.literal('graph'),
    get value(): z.ZodType<OperatorGraph> {
      return operatorGraphSchema;
    },
  }),
]);

const graphValueSchema = z.strictObject({
  name: valueName,
  type: z.enum(elementNames).nullable(),
  shape: z.array(z.union([size, z.string(), z.null()])).nullable(),
});

/** Name of a weight within its layer. */
const weightKeySchema = z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/);

export const operatorGraphSchema: z.ZodType<OperatorGraph> = z.strictObject({
  inputs: z.array(graphValueSchema).max(1000),
  outputs: z.array(graphValueSchema).max(1000),
  nodes: z
    .array(
      z.strictObject({
        name: valueName,
        operator: z.string(),
        domain: z.string(),
        version: z.int().min(1).max(1000),
        inputs: z.array(valueName),
        outputs: z.array(valueName),
        attributes: z.array(attributeSchema),
      }),
    )
    .max(100_000),
  constants: z.array(z.strictObject({ name: valueName, tensor: graphTensorSchema })),
  weights: z.array(
    z.strictObject({
      name: valueName,
      key: weightKeySchema,
      type: z.enum(elementNames),
      shape: z.array(size),
      role: z.enum(['factor', 'term', 'statistic']),
    }),
  ),
});

/** How errors name a node: name, then operator. */
export function nodeLabel(node: Pick<OperatorNode, 'name' | 'operator' | 'domain'>): string {
  return `node "${node.name}" (${node.domain === '' ? '' : `${node.domain}.`}${node.operator})`;
}
