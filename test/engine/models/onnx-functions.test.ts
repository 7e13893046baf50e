/** Functions of a file: put in place with their attributes, nested, and refused where they use themselves. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  FunctionProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
} from '../../../engine/models/onnx/generated/onnx_pb.ts';
import type { FunctionProto, NodeProto } from '../../../engine/models/onnx/generated/onnx_pb.ts';
import { readOnnxGraph } from '../../../engine/models/onnx/graph.ts';
import { sampleNode, sampleOnnx } from '../../helpers/onnx-models.ts';

const own = (node: NodeProto): NodeProto => create(NodeProtoSchema, { ...node, domain: 'own' });

function withFunctions(nodes: NodeProto[], functions: FunctionProto[]): Uint8Array {
  const proto = fromBinary(ModelProtoSchema, sampleOnnx({ nodes, inputs: { x: {} }, outputs: { y: {} } }));
  proto.functions = functions;
  return toBinary(ModelProtoSchema, proto);
}

function definition(name: string, node: NodeProto[], version = 13n): FunctionProto {
  return create(FunctionProtoSchema, {
    domain: 'own',
    name,
    input: ['a'],
    output: ['b'],
    node,
    attribute: ['slope'],
    opsetImport: [{ domain: '', version }],
  });
}

const slopeOf = (attribute: string) =>
  create(AttributeProtoSchema, { name: 'alpha', refAttrName: attribute, type: AttributeProto_AttributeType.FLOAT });

test('nodes of functions stand in place of their use, with attributes, versions and values of their own', () => {
  const leaky = create(NodeProtoSchema, {
    opType: 'LeakyRelu',
    input: ['inner'],
    output: ['b'],
    attribute: [slopeOf('slope')],
  });
  const inner = definition('Inner', [sampleNode('Neg', ['a'], ['inner']), leaky]);
  const outer = definition(
    'Outer',
    [own(sampleNode('Inner', ['a'], ['inner'])), sampleNode('Neg', ['inner'], ['b'])],
    14n,
  );
  const use = own(sampleNode('Inner', ['x'], ['inner']));
  use.attribute = [create(AttributeProtoSchema, { name: 'slope', type: AttributeProto_AttributeType.FLOAT, f: 0.25 })];
  const graph = readOnnxGraph(withFunctions([use, own(sampleNode('Outer', ['inner'], ['y']))], [inner, outer]), 'm');
  expect(graph.nodes.map(({ operator, version, inputs, outputs }) => ({ operator, version, inputs, outputs }))).toEqual(
    [
      { operator: 'Neg', version: 13, inputs: ['x'], outputs: ['Inner-inner/inner'] },
      { operator: 'LeakyRelu', version: 13, inputs: ['Inner-inner/inner'], outputs: ['inner'] },
      { operator: 'Neg', version: 13, inputs: ['inner'], outputs: ['Outer-y/Inner-inner/inner'] },
      { operator: 'LeakyRelu', version: 13, inputs: ['Outer-y/Inner-inner/inner'], outputs: ['Outer-y/inner'] },
      { operator: 'Neg', version: 14, inputs: ['Outer-y/inner'], outputs: ['y'] },
    ],
  );
  expect(graph.nodes[1]?.attributes.get('alpha')).toEqual({ kind: 'float', value: 0.25 });
  // Not given: the operator's own preset.
  expect(graph.nodes[3]?.attributes.size).toBe(0);
});

test('a function that uses itself is refused', () => {
  const endless = definition('Endless', [own(sampleNode('Endless', ['a'], ['b']))]);
  expect(() => readOnnxGraph(withFunctions([own(sampleNode('Endless', ['x'], ['y']))], [endless]), 'm')).toThrow(
    /function Endless is nested more than 32 deep/,
  );
});

test('functions that use others over and over are refused before they fill the memory', () => {
  const nodes = Array.from({ length: 150 }, (_, i) =>
    sampleNode('Neg', [i === 0 ? 'a' : `v${i}`], [i === 149 ? 'b' : `v${i + 1}`]),
  );
  const twice = (name: string, inner: string): FunctionProto =>
    definition(name, [own(sampleNode(inner, ['a'], ['half'])), own(sampleNode(inner, ['half'], ['b']))]);
  const names = Array.from({ length: 14 }, (_, i) => `Level${i}`);
  const levels = names.map((name, i) => twice(name, names[i + 1] ?? 'Last'));
  const file = withFunctions([own(sampleNode('Level0', ['x'], ['y']))], [...levels, definition('Last', nodes)]);
  expect(() => readOnnxGraph(file, 'm')).toThrow(/functions are more than 200000 nodes/);
});
