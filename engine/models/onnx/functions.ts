/**
 * Operators that a file defines by others (FunctionProto), put in place of the nodes that use them: values inside get the using
 * node's name before their own, so that no two meet. Knows nothing of what operators mean.
 */
import { create } from '@bufbuild/protobuf';
import { InputError } from '../../../shared/errors.ts';
import { AttributeProtoSchema, GraphProtoSchema, NodeProtoSchema } from './generated/onnx_pb.ts';
import type { AttributeProto, FunctionProto, GraphProto, NodeProto } from './generated/onnx_pb.ts';

/** Versions of operator sets, by domain. */
export type Versions = ReadonlyMap<string, number>;

/** A node and the versions that its operator set is taken in. */
export interface VersionedNode {
  readonly node: NodeProto;
  readonly versions: Versions;
}

/** Functions may use functions, but not themselves. */
const MOST_DEPTH = 32;
/** Of a whole file: functions that use others twice each, a few levels deep, would be more nodes than there is memory. */
const MOST_NODES = 200_000;

export class Functions {
  readonly #what: string;
  readonly #byName: ReadonlyMap<string, FunctionProto>;
  readonly #versionsOf: (definition: FunctionProto) => Versions;
  #nodes = 0;

  /** @param versionsOf the operator sets that a function names. */
  constructor(what: string, functions: readonly FunctionProto[], versionsOf: (definition: FunctionProto) => Versions) {
    this.#what = what;
    this.#byName = new Map(functions.map((definition) => [keyOf(definition.domain, definition.name), definition]));
    this.#versionsOf = versionsOf;
  }

  /** Nodes in the order of use. @throws InputError `onnx-function`. */
  expand(nodes: readonly NodeProto[], versions: Versions, depth = 0): VersionedNode[] {
    return nodes.flatMap((node, position) => {
      const definition = this.#byName.get(keyOf(node.domain, node.opType));
      if (definition === undefined) return [{ node, versions }];
      if (depth === MOST_DEPTH) {
        throw new InputError(
          'onnx-function',
          `${this.#what}: the function ${definition.name} is nested more than ${MOST_DEPTH} deep; functions may not use themselves.`,
        );
      }
      this.#nodes += definition.node.length;
      if (this.#nodes > MOST_NODES) {
        throw new InputError(
          'onnx-function',
          `${this.#what}: its functions are more than ${MOST_NODES} nodes once they are put in place.`,
        );
      }
      const prefix = node.name === '' ? `${node.opType}#${position}` : node.name;
      const body = inlined(definition, node, `${prefix}/`);
      return this.expand(body, this.#versionsOf(definition), depth + 1);
    });
  }
}

function keyOf(domain: string, name: string): string {
  return `${domain === 'ai.onnx' ? '' : domain}\n${name}`;
}

/** The function's nodes with the using node's values and attributes in place. */
function inlined(definition: FunctionProto, use: NodeProto, prefix: string): NodeProto[] {
  const names = new Map<string, string>([['', '']]);
  definition.input.forEach((name, i) => names.set(name, use.input[i] ?? ''));
  definition.output.forEach((name, i) => names.set(name, use.output[i] || `${prefix}${name}`));
  const rename = (name: string): string => names.get(name) ?? `${prefix}${name}`;
  const given = new Map(
    [...definition.attributeProto, ...use.attribute].map((attribute) => [attribute.name, attribute] as const),
  );
  const attributes = (list: readonly AttributeProto[]): AttributeProto[] =>
    list.flatMap((attribute) => {
      if (attribute.refAttrName !== '') {
        const value = given.get(attribute.refAttrName);
        // An attribute without a value takes its own preset in the operator.
        return value === undefined ? [] : [create(AttributeProtoSchema, { ...value, name: attribute.name })];
      }
      return attribute.g === undefined
        ? [attribute]
        : [create(AttributeProtoSchema, { ...attribute, g: graph(attribute.g) })];
    });
  const nodes = (list: readonly NodeProto[]): NodeProto[] =>
    list.map((node, position) =>
      create(NodeProtoSchema, {
        name: `${prefix}${node.name === '' ? `#${position}` : node.name}`,
        opType: node.opType,
        domain: node.domain,
        input: node.input.map(rename),
        output: node.output.map(rename),
        attribute: attributes(node.attribute),
      }),
    );
  const graph = (body: GraphProto): GraphProto =>
    create(GraphProtoSchema, {
      name: body.name,
      node: nodes(body.node),
      initializer: body.initializer.map((tensor) => ({ ...tensor, name: rename(tensor.name) })),
      sparseInitializer: body.sparseInitializer,
      input: body.input.map((value) => ({ ...value, name: rename(value.name) })),
      output: body.output.map((value) => ({ ...value, name: rename(value.name) })),
    });
  return nodes(definition.node);
}
