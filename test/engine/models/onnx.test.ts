/** ONNX files: what is written comes back, others' files mean what they say, and damaged or foreign ones are refused. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
} from '../../../engine/models/onnx/generated/onnx_pb.ts';
import type { ModelProto } from '../../../engine/models/onnx/generated/onnx_pb.ts';
import { readOnnxGraph } from '../../../engine/models/onnx/graph.ts';
import { readOnnx } from '../../../engine/models/onnx/read.ts';
import { readTensorProto, tensorToProto } from '../../../engine/models/onnx/tensor-proto.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { toFloat64 } from '../../../engine/models/tensor.ts';
import { InputError } from '../../../shared/errors.ts';
import { requires } from '../../helpers/requires.ts';
import { plainForward } from './plain-forward.ts';
import { convolutional, mlp, standardisedLogistic, withSampleWeights } from './sample-models.ts';

const codeOf = (code: string) => expect.objectContaining({ code, kind: 'input' });

/** A model file, changed before it is encoded again. */
function changed(model: Parameters<typeof writeOnnx>[0], change: (proto: ModelProto) => void): Uint8Array {
  const proto = fromBinary(ModelProtoSchema, writeOnnx(model));
  change(proto);
  return toBinary(ModelProtoSchema, proto);
}

const floats = (name: string, shape: number[], values: number[]) =>
  tensorToProto({ type: 'float32', shape, data: Float32Array.from(values) }, name);

const value = (name: string, shape: readonly number[]) => ({
  name,
  type: {
    value: {
      case: 'tensorType' as const,
      value: {
        elemType: 1,
        shape: { dim: shape.map((n) => ({ value: { case: 'dimValue' as const, value: BigInt(n) } })) },
      },
    },
  },
});

/** A file built node by node; the input is x. */
function file(graph: Omit<MessageInitShape<typeof GraphProtoSchema>, '$typeName'>, opset = 17n): Uint8Array {
  const full = create(GraphProtoSchema, { name: 'g', ...graph });
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 8n, opsetImport: [{ version: opset }], graph: full }),
  );
}

describe('written files', () => {
  test.each([
    ['a perceptron', mlp],
    ['a standardised logistic regression', standardisedLogistic],
    ['a convolutional network', convolutional],
  ])('%s comes back unchanged', (_, model) => {
    expect(readOnnx(writeOnnx(model), 'model.onnx')).toEqual(model);
  });

  test('the graph is as documented: one node a layer, named; batch free; raw features in', () => {
    const graph = readOnnxGraph(writeOnnx(standardisedLogistic), 'model.onnx');
    expect(graph.opset).toBe(17);
    expect(graph.inputs).toEqual([{ name: 'input', form: 'tensor', elementType: 'FLOAT', shape: ['batch', 3] }]);
    expect(graph.outputs).toEqual([{ name: 'output', form: 'tensor', elementType: 'FLOAT', shape: ['batch', 1] }]);
    expect(graph.nodes.map((node) => `${node.name} ${node.operator}`)).toEqual([
      'standardise/subtract Sub',
      'standardise/multiply Mul',
      'dense1 Gemm',
      'sigmoid Sigmoid',
    ]);
    expect([...graph.constants.keys()]).toContain('dense1/kernel');
  });

  test.each([NaN, Infinity, 1e39])('a weight of %d is refused by name', (bad) => {
    const weights = new Map(mlp.weights).set('dense2/bias', { shape: [4], data: Float64Array.of(0, bad, 0, 0) });
    expect(() => writeOnnx({ ...mlp, weights })).toThrow(/dense2\/bias.*position 1/u);
  });
});

describe("others' spellings", () => {
  const kernel = floats('w', [2, 3], [1, 2, 3, 4, 5, 6]);
  const bias = floats('b', [1, 3], [10, 20, 30]);

  test('MatMul + Add is a dense layer, in either order of operands', () => {
    const model = readOnnx(
      file({
        node: [
          { opType: 'MatMul', input: ['x', 'w'], output: ['h'] },
          { opType: 'Add', input: ['b', 'h'], output: ['y'] },
        ],
        initializer: [kernel, bias],
        input: [value('x', [4, 2])],
        output: [value('y', [4, 3])],
      }),
      'm',
    );
    expect(model.description.layers).toEqual([{ kind: 'dense', name: 'dense1', inputs: 2, outputs: 3, useBias: true }]);
    expect([...plainForward(model, Float64Array.of(1, 1))]).toEqual([15, 27, 39]);
  });

  test('Gemm with factors and transposed weights, Constant nodes, Dropout and Identity', () => {
    const model = readOnnx(
      file(
        {
          node: [
            {
              opType: 'Constant',
              output: ['w'],
              attribute: [{ name: 'value', type: 4, t: floats('', [3, 2], [1, 4, 2, 5, 3, 6]) }],
            },
            { opType: 'Identity', input: ['w'], output: ['w2'] },
            {
              opType: 'Gemm',
              input: ['x', 'w2', 'b'],
              output: ['h'],
              attribute: [
                { name: 'alpha', type: 1, f: 2 },
                { name: 'beta', type: 1, f: 0.5 },
                { name: 'transB', type: 2, i: 1n },
              ],
            },
            { opType: 'Dropout', input: ['h'], output: ['i'], attribute: [{ name: 'ratio', type: 1, f: 0.5 }] },
            { opType: 'Identity', input: ['i'], output: ['y'] },
          ],
          initializer: [bias],
          input: [value('x', [1, 2]), value('b', [1, 3])],
          output: [value('y', [1, 3])],
        },
        7n,
      ),
      'm',
    );
    expect([...plainForward(model, Float64Array.of(1, 1))]).toEqual([15, 24, 33]);
  });

  test('standardisation by any of Sub, Add, Mul, Div', () => {
    const model = readOnnx(
      file({
        node: [
          { opType: 'Add', input: ['x', 'one'], output: ['a'] },
          { opType: 'Div', input: ['a', 'scale'], output: ['c'] },
          { opType: 'Sub', input: ['c', 'one'], output: ['d'] },
          { opType: 'MatMul', input: ['d', 'w'], output: ['y'] },
        ],
        initializer: [kernel, floats('one', [], [1]), floats('scale', [1, 2], [2, 4])],
        input: [value('x', [1, 2])],
        output: [value('y', [1, 3])],
      }),
      'm',
    );
    // ((3 + 1) / 2 - 1, (7 + 1) / 4 - 1) = (1, 1)
    expect([...plainForward(model, Float64Array.of(3, 7))]).toEqual([5, 7, 9]);
  });

  test('a weight kept beside the model, by offset and length; paths that leave the folder are refused', () => {
    const external = (location: string) =>
      changed(mlp, ({ graph }) => {
        const tensor = graph!.initializer.find(({ name }) => name === 'dense1/kernel')!;
        tensor.rawData = new Uint8Array(0);
        tensor.dataLocation = 1;
        const entries = { location, offset: '8', length: '60' };
        tensor.externalData = Object.entries(entries).map(([key, text]) => ({
          $typeName: 'onnx.StringStringEntryProto',
          key,
          value: text,
        }));
      });
    const stored = new Uint8Array(80);
    const data = Float32Array.from(mlp.weights.get('dense1/kernel')!.data);
    stored.set(new Uint8Array(data.buffer), 8);
    const asked: string[] = [];
    const read = (location: string): Uint8Array => {
      asked.push(location);
      return stored;
    };
    expect(readOnnx(external('weights/a.bin'), 'm', read)).toEqual(mlp);
    expect(asked).toEqual(['weights/a.bin']);
    for (const path of ['../a.bin', 'a/../../b', '/etc/passwd', 'C:\\a', '..\\a', '\\\\host\\a', 'a\0b']) {
      expect(() => readOnnx(external(path), 'm', read), path).toThrow(codeOf('onnx-external-data'));
    }
    expect(() => readOnnx(external('a.bin'), 'm')).toThrow(codeOf('onnx-external-data'));
    expect(() => readOnnx(external('a.bin'), 'm', () => stored.subarray(0, 50))).toThrow(codeOf('onnx-external-data'));
  });
});

describe('refusals', () => {
  test('a file cut anywhere is refused, never read as something else', () => {
    const whole = writeOnnx(mlp);
    for (let length = 0; length < whole.length; length += 7) {
      expect(() => readOnnx(whole.subarray(0, length), 'm'), `cut at ${length}`).toThrow(InputError);
    }
  });

  test('a file with any byte changed is read or refused, and nothing else', () => {
    for (const model of [standardisedLogistic, convolutional]) {
      const whole = writeOnnx(model);
      for (let at = 0; at < whole.length; at += 3) {
        const damaged = whole.slice();
        damaged[at]! ^= 1 << (at % 8);
        try {
          readOnnx(damaged, 'm');
        } catch (error) {
          expect(error, `byte ${at}`).toBeInstanceOf(InputError);
        }
      }
    }
  });

  test.each([
    ['NaN', NaN],
    ['infinity', -Infinity],
  ])('%s in a weight is refused by the name of tensor and node', (_, bad) => {
    const bytes = changed(mlp, ({ graph }) => {
      graph!.initializer.find(({ name }) => name === 'dense2/bias')!.rawData = new Uint8Array(
        Float32Array.of(0, 0, bad, 0).buffer,
      );
    });
    expect(() => readOnnx(bytes, 'm')).toThrow(
      /weight "dense2\/bias" of node "dense2" \(Gemm\) holds .* at position 2/u,
    );
  });

  test.each([
    [
      'an operator',
      'onnx-unsupported',
      'node "relu1" (Exp)',
      (m: ModelProto) => void (m.graph!.node.find(({ name }) => name === 'relu1')!.opType = 'Exp'),
    ],
    [
      'an operator of another domain',
      'onnx-unsupported',
      'node "relu1" (com.microsoft.Relu)',
      (m: ModelProto) => void (m.graph!.node.find(({ name }) => name === 'relu1')!.domain = 'com.microsoft'),
    ],
    [
      'an attribute',
      'onnx-unsupported',
      'attribute "transA"',
      (m: ModelProto) => {
        const node = m.graph!.node.find(({ name }) => name === 'relu1')!;
        node.attribute.push(create(AttributeProtoSchema, { name: 'transA', type: 2, i: 1n }));
      },
    ],
    [
      'a type',
      'onnx-type',
      'dense1/kernel',
      (m: ModelProto) => void (m.graph!.initializer.find(({ name }) => name === 'dense1/kernel')!.dataType = 14),
    ],
    [
      'a cycle',
      'onnx-cycle',
      'node "dense1" (Gemm)',
      (m: ModelProto) => void (m.graph!.node[0]!.input[0] = m.graph!.node[1]!.output[0]!),
    ],
    [
      'a node that feeds itself',
      'onnx-cycle',
      'node "dense1" (Gemm)',
      (m: ModelProto) => void (m.graph!.node[0]!.input[0] = m.graph!.node[0]!.output[0]!),
    ],
    [
      'a value from nowhere',
      'onnx-undefined-value',
      '"elsewhere"',
      (m: ModelProto) => void (m.graph!.node[2]!.input[0] = 'elsewhere'),
    ],
    [
      'a value made twice',
      'onnx-duplicate-value',
      'relu1/output',
      (m: ModelProto) => void (m.graph!.node[2]!.output[0] = m.graph!.node[1]!.output[0]!),
    ],
    [
      'a branch that does not fit',
      'model-shape-mismatch',
      'dense3',
      (m: ModelProto) => void (m.graph!.node[4]!.input[0] = m.graph!.node[1]!.output[0]!),
    ],
    [
      'an open size',
      'onnx-input-shape',
      'leaves a size open',
      (m: ModelProto) => {
        const type = m.graph!.input[0]!.type!.value;
        if (type.case === 'tensorType') type.value.shape!.dim[1]!.value = { case: 'dimParam', value: 'n' };
      },
    ],
    [
      'a size that does not fit',
      'model-shape-mismatch',
      'dense1',
      (m: ModelProto) => {
        const type = m.graph!.input[0]!.type!.value;
        if (type.case === 'tensorType') type.value.shape!.dim[1]!.value = { case: 'dimValue', value: 9n };
      },
    ],
    ['no graph', 'onnx-format', 'no graph', (m: ModelProto) => void delete m.graph],
  ])('%s', (_, code, text, change) => {
    expect(() => readOnnx(changed(mlp, change), 'm')).toThrow(codeOf(code));
    expect(() => readOnnx(changed(mlp, change), 'm')).toThrow(text);
  });

  test('ceil_mode where it adds a window, and taken where it does not', () => {
    const pool = (ceil: bigint) =>
      changed(
        withSampleWeights({
          inputShape: [1, 5, 6],
          layers: [
            {
              kind: 'maxPool2d',
              name: 'pool1',
              kernel: [3, 2],
              stride: [2, 2],
              dilation: [1, 1],
              padding: [0, 0, 0, 0],
            },
          ],
        }),
        ({ graph }) => {
          const list = graph!.node[0]!.attribute;
          list.push({ ...list[0]!, name: 'ceil_mode', type: 2, i: 1n, ints: [] });
          if (ceil === 2n) list[1]!.ints = [3n, 2n];
        },
      );
    expect(readOnnx(pool(1n), 'm').description.layers).toHaveLength(1);
    expect(() => readOnnx(pool(2n), 'm')).toThrow('ceil_mode');
  });
});

/** Models of ONNX's own test suite: [folder, how many of its models are layers of ours]. */
requires('libonnx-testdata')('ONNX test data', () => {
  const root = '/usr/share/libonnx-testdata/data';
  const read = (path: string) => new Uint8Array(readFileSync(path));

  test.each([
    ['pytorch-converted', 71],
    ['pytorch-operator', 7],
    ['node', 57],
    ['simple', 1],
  ])('%s: %i models of layers give the expected outputs', (folder, count) => {
    let taken = 0;
    for (const name of readdirSync(`${root}/${folder}`)) {
      const at = `${root}/${folder}/${name}`;
      if (!existsSync(`${at}/model.onnx`)) continue;
      let model: ReturnType<typeof readOnnx>;
      try {
        model = readOnnx(read(`${at}/model.onnx`), name);
      } catch (error) {
        // Refusals are by name and never a crash.
        expect(error, name).toBeInstanceOf(InputError);
        continue;
      }
      const set = `${at}/test_data_set_0`;
      const input = toFloat64(name, readTensorProto(read(`${set}/input_0.pb`), name));
      const expected = toFloat64(name, readTensorProto(read(`${set}/output_0.pb`), name));
      const answer = plainForward(model, input);
      expect(answer.length, name).toBe(expected.length);
      const worst = answer.reduce((most, cell, i) => Math.max(most, Math.abs(cell - expected[i]!)), 0);
      expect(worst, name).toBeLessThan(1e-5);
      taken++;
    }
    expect(taken).toBe(count);
  });
});
