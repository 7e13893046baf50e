/**
 * An ONNX file as a checked graph: nodes with their attributes, constants as typed arrays, inputs and outputs with shapes.
 * General: it takes any operator, and refuses only what no operator could use (damaged, cyclic, untyped or sparse content).
 * Knows nothing of what operators mean, nor of the file system.
 */
import { fromBinary } from '@bufbuild/protobuf';
import { InputError } from '../../../shared/errors.ts';
import { nodeLabel } from '../../../shared/operator-graph.ts';
import type { PlainTensor } from '../tensor.ts';
import { AttributeProto_AttributeType, ModelProtoSchema } from './generated/onnx_pb.ts';
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  ValueInfoProto,
} from './generated/onnx_pb.ts';
import { Functions } from './functions.ts';
import type { Versions } from './functions.ts';
import { dataTypeName, elementTypeOf, tensorFromProto } from './tensor-proto.ts';
import type { ReadExternalData } from './tensor-proto.ts';

/** An attribute's value. 64-bit integers come as numbers: sizes are exact, the extremes that mean "to the end" are huge. */
export type OnnxAttribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: PlainTensor }
  | { readonly kind: 'graph'; readonly value: OnnxGraph }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] };

export interface OnnxNode {
  /** The node's name, or its position (`#3`) when the file gives none; for messages, not unique. */
  readonly name: string;
  readonly operator: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  /** Version of the domain's operator set. */
  readonly version: number;
  /** Value names; an empty name is an omitted optional input or output. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** A graph's input or output. */
export interface OnnxValue {
  readonly name: string;
  /** A tensor, a list of tensors, or one of both that may be absent. */
  readonly form: 'tensor' | 'sequence' | 'optional';
  /** As ONNX spells it (`FLOAT`); undefined where a subgraph leaves it to be inferred. */
  readonly elementType: string | undefined;
  /** Sizes; a text is a named free size, undefined an unnamed one. Undefined as a whole when even the rank is open. */
  readonly shape: readonly (number | string | undefined)[] | undefined;
}

export interface OnnxGraph {
  readonly name: string;
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  /** What has to be fed: inputs without a constant of the same name. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Each takes only inputs, constants and outputs of nodes before it (or of the graph around, in a subgraph). */
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, PlainTensor>;
}

/**
 * Parses and checks an ONNX file.
 * @param what names the file in errors.
 * @throws InputError (`onnx-format`, `onnx-opset`, `onnx-type`, `onnx-attribute`, `onnx-cycle`, `onnx-undefined-value`,
 *   `onnx-duplicate-value`, `onnx-external-data`, `tensor-size`).
 */
export function readOnnxGraph(bytes: Uint8Array, what: string, readExternal?: ReadExternalData): OnnxGraph {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw damaged(what, 'it cannot be parsed', cause);
  }
  if (model.graph === undefined) throw damaged(what, 'it has no graph');
  const versionsOf = (imports: readonly OperatorSetIdProto[]): Versions => {
    const versions = new Map([['', 1]]);
    for (const { domain, version } of imports) {
      if (version < 1n || version > 1000n) {
        throw new InputError('onnx-opset', `${what}: operator set version ${version} is not a version of ONNX.`);
      }
      versions.set(ownDomain(domain), Number(version));
    }
    return versions;
  };
  const functions = new Functions(what, model.functions, ({ opsetImport }) => versionsOf(opsetImport));
  return new GraphReader(what, versionsOf(model.opsetImport), functions, readExternal).read(model.graph, new Set());
}

/** ONNX's own operators have two names for their domain. */
function ownDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function damaged(what: string, reason: string, cause?: unknown): InputError {
  return new InputError('onnx-format', `${what} is not a readable ONNX model: ${reason}.`, {
    hint: 'The file may have been cut short; fetch or export it again.',
    cause,
  });
}

/** Reads one file's graph and its subgraphs, which share version, name and external data. */
class GraphReader {
  readonly #what: string;
  readonly #versions: Versions;
  readonly #functions: Functions;
  readonly #readExternal: ReadExternalData | undefined;

  constructor(what: string, versions: Versions, functions: Functions, readExternal: ReadExternalData | undefined) {
    this.#what = what;
    this.#versions = versions;
    this.#functions = functions;
    this.#readExternal = readExternal;
  }

  /** `outer`: the values that a subgraph sees of the graphs around it. */
  read(proto: GraphProto, outer: ReadonlySet<string>, versions = this.#versions): OnnxGraph {
    const sparse = proto.sparseInitializer[0];
    if (sparse !== undefined) {
      throw new InputError(
        'onnx-type',
        `${this.#what}: constant "${sparse.values?.name ?? ''}" is sparse, which is not supported.`,
        { hint: 'Export the model with dense tensors.' },
      );
    }
    const constants = new Map<string, PlainTensor>();
    for (const tensor of proto.initializer) {
      if (tensor.name === '') throw damaged(this.#what, 'a constant has no name');
      if (constants.has(tensor.name)) throw this.#duplicate(tensor.name);
      constants.set(
        tensor.name,
        tensorFromProto(tensor, `${this.#what}: constant "${tensor.name}"`, this.#readExternal),
      );
    }
    const inputs = proto.input.filter((input) => !constants.has(input.name)).map((input) => this.#value(input));
    const defined = new Set([...outer, ...constants.keys()]);
    const own = new Set(constants.keys());
    const define = (name: string): void => {
      if (own.has(name)) throw this.#duplicate(name);
      own.add(name);
      defined.add(name);
    };
    for (const input of inputs) define(input.name);
    const expanded = this.#functions.expand(proto.node, versions);
    const produced = new Set(expanded.flatMap(({ node }) => node.output));
    const nodes = expanded.map(({ node, versions: own }, index) => {
      const labelled = {
        name: node.name === '' ? `#${index}` : node.name,
        operator: node.opType,
        domain: ownDomain(node.domain),
        version: own.get(ownDomain(node.domain)) ?? 1,
      };
      if (node.opType === '') throw damaged(this.#what, `node "${labelled.name}" has no operator`);
      for (const input of node.input) {
        if (input === '' || defined.has(input)) continue;
        if (!produced.has(input)) throw this.#undefinedValue(`${nodeLabel(labelled)} takes`, input);
        throw new InputError(
          'onnx-cycle',
          `${this.#what}: ${nodeLabel(labelled)} takes "${input}", which only this node or a later one produces.`,
          { hint: 'The graph is cyclic or its nodes are out of order; ONNX allows neither.' },
        );
      }
      const attributes = this.#attributes(node, nodeLabel(labelled), defined, own);
      for (const output of node.output) if (output !== '') define(output);
      return { ...labelled, inputs: node.input, outputs: node.output, attributes };
    });
    const outputs = proto.output.map((output) => this.#value(output));
    for (const output of outputs) {
      if (!defined.has(output.name)) throw this.#undefinedValue('the graph gives out', output.name);
    }
    return { name: proto.name, opset: versions.get('') ?? 1, inputs, outputs, nodes, constants };
  }

  #duplicate(name: string): InputError {
    return new InputError('onnx-duplicate-value', `${this.#what}: two things produce the value "${name}".`);
  }

  #undefinedValue(who: string, name: string): InputError {
    return new InputError('onnx-undefined-value', `${this.#what}: ${who} "${name}", which nothing produces.`, {
      hint: 'The file is damaged or was cut short; export the model again.',
    });
  }

  #value(info: ValueInfoProto): OnnxValue {
    if (info.name === '') throw damaged(this.#what, 'an input or output has no name');
    const open = { name: info.name, elementType: undefined, shape: undefined };
    if (info.type === undefined) return { ...open, form: 'tensor' };
    if (info.type.value.case === 'sequenceType') return { ...open, form: 'sequence' };
    if (info.type.value.case === 'optionalType') return { ...open, form: 'optional' };
    if (info.type.value.case !== 'tensorType') {
      throw new InputError(
        'onnx-type',
        `${this.#what}: "${info.name}" is a map or a sparse tensor, which are not supported.`,
      );
    }
    const { elemType, shape } = info.type.value.value;
    if (elementTypeOf(elemType) === undefined) {
      throw new InputError(
        'onnx-type',
        `${this.#what}: "${info.name}" has elements of ${dataTypeName(elemType)}, which is not supported.`,
      );
    }
    return {
      name: info.name,
      form: 'tensor',
      elementType: dataTypeName(elemType),
      shape: shape?.dim.map(({ value }) => {
        if (value.case === undefined) return undefined;
        if (value.case === 'dimParam') return value.value === '' ? undefined : value.value;
        const cells = Number(value.value);
        if (cells < 0 || !Number.isSafeInteger(cells)) {
          throw damaged(this.#what, `"${info.name}" has a size of ${value.value}`);
        }
        return cells;
      }),
    };
  }

  #attributes(
    node: NodeProto,
    label: string,
    defined: ReadonlySet<string>,
    versions: Versions,
  ): ReadonlyMap<string, OnnxAttribute> {
    const attributes = new Map<string, OnnxAttribute>();
    for (const attribute of node.attribute) {
      if (attributes.has(attribute.name)) throw this.#duplicateAttribute(label, attribute.name);
      attributes.set(attribute.name, this.#attribute(attribute, label, defined, versions));
    }
    return attributes;
  }

  #duplicateAttribute(label: string, name: string): InputError {
    return new InputError('onnx-attribute', `${this.#what}: ${label} gives its attribute "${name}" twice.`);
  }

  #attribute(proto: AttributeProto, label: string, defined: ReadonlySet<string>, versions: Versions): OnnxAttribute {
    const unsupported = (reason: string): InputError =>
      new InputError('onnx-attribute', `${this.#what}: attribute "${proto.name}" of ${label} ${reason}.`);
    switch (proto.type === AttributeProto_AttributeType.UNDEFINED ? inferredType(proto) : proto.type) {
      case AttributeProto_AttributeType.FLOAT:
        return { kind: 'float', value: proto.f };
      case AttributeProto_AttributeType.INT:
        return { kind: 'int', value: Number(proto.i) };
      case AttributeProto_AttributeType.STRING:
        return { kind: 'string', value: new TextDecoder().decode(proto.s) };
      case AttributeProto_AttributeType.TENSOR:
        if (proto.t === undefined) throw unsupported('has no value');
        return {
          kind: 'tensor',
          value: tensorFromProto(proto.t, `${this.#what}: "${proto.name}" of ${label}`, this.#readExternal),
        };
      case AttributeProto_AttributeType.GRAPH:
        if (proto.g === undefined) throw unsupported('has no value');
        return { kind: 'graph', value: this.read(proto.g, defined, versions) };
      case AttributeProto_AttributeType.FLOATS:
        return { kind: 'floats', value: proto.floats };
      case AttributeProto_AttributeType.INTS:
        return { kind: 'ints', value: proto.ints.map(Number) };
      case AttributeProto_AttributeType.STRINGS:
        return { kind: 'strings', value: proto.strings.map((text) => new TextDecoder().decode(text)) };
      default:
        throw unsupported('is of a kind that is not supported (sparse, type, or a list of tensors or graphs)');
    }
  }
}

/** The oldest files give no type; whichever field is filled tells. */
function inferredType(proto: AttributeProto): AttributeProto_AttributeType {
  const filled: readonly [boolean, AttributeProto_AttributeType][] = [
    [proto.floats.length > 0, AttributeProto_AttributeType.FLOATS],
    [proto.ints.length > 0, AttributeProto_AttributeType.INTS],
    [proto.strings.length > 0, AttributeProto_AttributeType.STRINGS],
    [proto.t !== undefined, AttributeProto_AttributeType.TENSOR],
    [proto.g !== undefined, AttributeProto_AttributeType.GRAPH],
    [proto.s.length > 0, AttributeProto_AttributeType.STRING],
    [proto.f !== 0, AttributeProto_AttributeType.FLOAT],
  ];
  return filled.find(([present]) => present)?.[1] ?? AttributeProto_AttributeType.INT;
}
