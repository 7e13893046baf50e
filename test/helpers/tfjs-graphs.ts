/** Graph models of TF.js for tests, written node by node as the converter writes them. */
import { drawn } from './tfjs-models.ts';

type Attribute = Record<string, unknown>;

export interface GraphNode {
  name: string;
  op: string;
  input?: string[];
  attr?: Record<string, Attribute>;
}

export interface GraphConstant {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly type?: 'float32' | 'int32';
}

/** The last node gives the output. */
export interface GraphFile {
  /** Shape of the input `x`, without batch. */
  readonly input: readonly number[];
  readonly nodes: readonly GraphNode[];
  readonly constants: Readonly<Record<string, GraphConstant>>;
}

export interface GraphJson {
  modelTopology: { node: GraphNode[] };
}

export const stringAttribute = (value: string): Attribute => ({ s: btoa(value) });
export const intList = (...values: number[]): Attribute => ({ list: { i: values.map(String) } });
export const stringList = (...names: string[]): Attribute => ({ list: { s: names.map((name) => btoa(name)) } });

export function graphNode(name: string, op: string, input: string[], attr: Record<string, Attribute> = {}): GraphNode {
  return { name, op, input, attr };
}

/** Values that float32 and 16 fraction bits both hold. */
export function drawnConstant(seed: number, ...shape: number[]): GraphConstant {
  const values = drawn(
    shape.reduce((product, n) => product * n, 1),
    seed,
  );
  return { shape, values: [...values].map((v) => Math.round(v * 4096) / 4096) };
}
export const wholesConstant = (...values: number[]): GraphConstant => ({
  shape: [values.length],
  values,
  type: 'int32',
});
export const wholeConstant = (value: number): GraphConstant => ({ shape: [], values: [value], type: 'int32' });

/** The text of model.json, and the one file of weights that it names, group1-shard1of1.bin. */
export function graphModel(
  { input, nodes, constants }: GraphFile,
  change?: (json: GraphJson) => void,
): { readonly json: string; readonly data: Uint8Array<ArrayBuffer> } {
  const dim = ['-1', ...input.map(String)].map((size) => ({ size }));
  const all: GraphNode[] = [
    { name: 'x', op: 'Placeholder', attr: { dtype: { type: 'DT_FLOAT' }, shape: { shape: { dim } } } },
    ...Object.entries(constants).map(([name, { type }]) => ({
      name,
      op: 'Const',
      attr: { dtype: { type: type === 'int32' ? 'DT_INT32' : 'DT_FLOAT' } },
    })),
    ...structuredClone(nodes),
  ];
  const bytes = Object.values(constants).map(({ values, type }) =>
    Buffer.from((type === 'int32' ? Int32Array.from(values) : Float32Array.from(values)).buffer),
  );
  const json = {
    format: 'graph-model',
    generatedBy: '2.15.0',
    convertedBy: 'TensorFlow.js Converter v4.22.0',
    signature: {
      inputs: { x: { name: 'x:0', dtype: 'DT_FLOAT', tensorShape: { dim } } },
      outputs: { y: { name: `${nodes.at(-1)?.name ?? 'x'}:0`, dtype: 'DT_FLOAT' } },
    },
    modelTopology: { node: all, library: {}, versions: { producer: 1645 } },
    weightsManifest: [
      {
        paths: ['group1-shard1of1.bin'],
        weights: Object.entries(constants).map(([name, { shape, type }]) => ({
          name,
          shape,
          dtype: type ?? 'float32',
        })),
      },
    ],
  };
  change?.(json);
  return { json: JSON.stringify(json), data: Uint8Array.from(Buffer.concat(bytes)) };
}
