/**
 * Reads TF.js graph models: a TensorFlow graph of operators and the values of its constants. It becomes a graph of ONNX's
 * operators, and from there our layers where all of it is; only what the outputs need is looked at. Knows
 * nothing of the file system, nor of particular operators.
 */
import { InputError } from '../../../shared/errors.ts';
import type { OnnxGraph, OnnxValue } from '../onnx/graph.ts';
import { modelOfGraph } from '../onnx/read.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { tensorFromNumbers, toFloat64 } from '../tensor.ts';
import type { PlainTensor } from '../tensor.ts';
import { readWeights } from '../tfjs-layers/manifest.ts';
import type { ReadShard } from '../tfjs-layers/manifest.ts';
import { NodeCall, OPSET } from './node-call.ts';
import type { Written } from './node-call.ts';
import { converters } from './operators.ts';
import { graphModelSchema } from './schema.ts';
import type { GraphNode } from './schema.ts';

/** Whether model.json says that it is one. */
export function isGraphModel(json: unknown): boolean {
  return typeof json === 'object' && json !== null && 'format' in json && json.format === 'graph-model';
}

/**
 * @param what names the file in errors.
 * @throws InputError `tfjs-format`, `tfjs-shards`, `tfjs-unsupported` naming node and operator, `not-finite` and others naming the
 *   weight.
 */
export function readGraphModel(json: unknown, readShard: ReadShard, what: string): OnnxModel {
  const parsed = graphModelSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw damaged(what, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown content'}`, parsed.error);
  }
  const { modelTopology, weightsManifest, signature } = parsed.data;
  const weights = readWeights(weightsManifest, readShard, what);
  const nodes = new Map(modelTopology.node.map((node) => [node.name, node]));
  if (nodes.size < modelTopology.node.length) throw damaged(what, 'two of its nodes have one name');
  const written: Written = { what, nodes: [], constants: new Map() };
  const reader = new GraphReader(written, nodes, weights);
  const named = (ends: Readonly<Record<string, { readonly name?: string | undefined }>> | undefined): string[] =>
    Object.entries(ends ?? {}).map(([key, { name }]) => name ?? key);
  const outputs = named(signature?.outputs);
  const ends = outputs.length > 0 ? outputs : sinks(modelTopology.node);
  const values = ends.map((name) => reader.value(name));
  const inputs = named(signature?.inputs);
  const placeholders = modelTopology.node.filter(({ op }) => op === 'Placeholder').map(({ name }) => name);
  const given = (inputs.length > 0 ? inputs.map((name) => split(name).node) : placeholders).filter((name) =>
    nodes.has(name),
  );
  const graph: OnnxGraph = {
    name: what,
    opset: OPSET,
    inputs: given.map((name) => reader.input(name)),
    outputs: values.map((name) => ({ name, form: 'tensor', elementType: 'FLOAT', shape: undefined })),
    nodes: written.nodes,
    constants: written.constants,
  };
  return modelOfGraph(graph, what);
}

function damaged(what: string, reason: string, cause?: unknown): InputError {
  return new InputError('tfjs-format', `${what} is not a readable TF.js graph model: ${reason}.`, {
    hint: 'Expected is the model.json that the converter of TensorFlow.js writes.',
    cause,
  });
}

/** Nodes whose values no other takes. */
function sinks(nodes: readonly GraphNode[]): string[] {
  const taken = new Set(nodes.flatMap(({ input }) => input.map((name) => split(name).node)));
  return nodes.filter(({ name, op }) => !taken.has(name) && op !== 'Const' && op !== 'NoOp').map(({ name }) => name);
}

/** `node`, `node:1` for a further output, `^node` where only the order matters. */
function split(name: string): { node: string; output: number; isControl: boolean } {
  const isControl = name.startsWith('^');
  const [, node = name, output = '0'] = /^\^?(.*?)(?::(\d+))?$/u.exec(name) ?? [];
  return { node, output: Number(output), isControl };
}

const elementTypes: Readonly<Record<string, string>> = { DT_FLOAT: 'FLOAT', '1': 'FLOAT', DT_INT32: 'INT64', '3': 'INT64', DT_BOOL: 'BOOL', '10': 'BOOL' }; // prettier-ignore

const identities: ReadonlySet<string> = new Set(['Identity', 'StopGradient', 'PreventGradient', 'Snapshot']);

class GraphReader {
  readonly #written: Written;
  readonly #nodes: ReadonlyMap<string, GraphNode>;
  readonly #weights: ReadonlyMap<string, PlainTensor>;
  /** Names of what each node gives. */
  readonly #done = new Map<string, readonly string[]>();

  constructor(written: Written, nodes: ReadonlyMap<string, GraphNode>, weights: ReadonlyMap<string, PlainTensor>) {
    this.#written = written;
    this.#nodes = nodes;
    this.#weights = weights;
  }

  /** A placeholder as the graph's input. */
  input(name: string): OnnxValue {
    const node = this.#node(name, 'the signature');
    const call = new NodeCall(this.#written, node, []);
    if (node.op !== 'Placeholder') throw call.unsupported('is named as an input, and is no Placeholder');
    const type = elementTypes[String(node.attr['dtype']?.type)];
    if (type === undefined) throw call.unsupported(`takes the type ${String(node.attr['dtype']?.type)}`);
    const shape = node.attr['shape']?.shape;
    const sizes =
      shape === undefined || shape.unknownRank === true
        ? undefined
        : shape.dim.map(({ size }) => (size < 0 ? undefined : size));
    return { name, form: 'tensor', elementType: type, shape: sizes };
  }

  /** The name in our graph of a value, after everything that it needs; without recursion, which long chains would exhaust. */
  value(wanted: string): string {
    const { what } = this.#written;
    const open = new Set<string>();
    const waiting = [split(wanted).node];
    for (let name = waiting.at(-1); name !== undefined; name = waiting.at(-1)) {
      if (this.#done.has(name)) {
        waiting.pop();
        continue;
      }
      const node = this.#node(name, waiting.at(-2) ?? 'an output');
      const inputs = node.input.map(split).filter(({ isControl }) => !isControl);
      const missing = inputs.map((input) => input.node).filter((input) => !this.#done.has(input));
      if (missing.length === 0)
        this.#done.set(
          name,
          this.#convert(
            node,
            inputs.map((input) => this.#named(input)),
          ),
        );
      else {
        if (open.has(name))
          throw damaged(what, `its node "${name}" (${node.op}) takes its own output, by others or itself`);
        open.add(name);
        waiting.push(...missing);
      }
    }
    return this.#named(split(wanted));
  }

  #named({ node, output }: { readonly node: string; readonly output: number }): string {
    const name = this.#done.get(node)?.[output];
    if (name !== undefined) return name;
    const { op } = this.#node(node, 'the graph');
    throw new InputError(
      'tfjs-unsupported',
      `${this.#written.what}: node "${node}" (${op}) is asked for its output ${output}, which is not supported.`,
    );
  }

  #node(name: string, who: string): GraphNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw damaged(this.#written.what, `"${who}" takes "${name}", which no node is named`);
    return node;
  }

  #convert(node: GraphNode, inputs: readonly string[]): readonly string[] {
    const { constants } = this.#written;
    if (node.op === 'Placeholder') return [node.name];
    const call = new NodeCall(this.#written, node, inputs);
    if (node.op === 'Const') {
      const tensor = this.#weights.get(node.name);
      if (tensor === undefined)
        throw damaged(this.#written.what, `node "${node.name}" (Const) has no weight of its name`);
      // Sizes and places are 64 bits wide in ONNX.
      const wide =
        tensor.type === 'int32' ? tensorFromNumbers('int64', tensor.shape, [...toFloat64(node.name, tensor)]) : tensor;
      constants.set(node.name, wide);
      return [node.name];
    }
    // Left out: what stands before it is the same, to a loss at the end too.
    if (identities.has(node.op) && inputs.length > 0) return inputs.slice(0, 1);
    const convert = converters.get(node.op);
    if (convert === undefined) throw call.unsupported('is an operator that is not supported');
    const result = convert(call);
    return typeof result === 'string' ? [result] : result;
  }
}
