/** .npy and TensorProto files, in and out, and damaged ones. */
import { fc } from '../../helpers/properties.ts';
import { describe, expect, test } from 'vitest';
import { readNpy, writeNpy } from '../../../engine/models/npy.ts';
import { readTensorProto, writeTensorProto } from '../../../engine/models/onnx/tensor-proto.ts';
import { float16Value, toFloat64 } from '../../../engine/models/tensor.ts';
import type { PlainTensor } from '../../../engine/models/tensor.ts';

const samples: readonly PlainTensor[] = [
  { type: 'float32', shape: [2, 3], data: Float32Array.of(0, -1.5, 3e38, NaN, -Infinity, 1e-45) },
  { type: 'float64', shape: [], data: Float64Array.of(Math.PI) },
  { type: 'float64', shape: [0, 4], data: new Float64Array(0) },
  { type: 'int8', shape: [3], data: Int8Array.of(-128, 0, 127) },
  { type: 'int16', shape: [1, 2], data: Int16Array.of(-32768, 32767) },
  { type: 'int32', shape: [2], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) },
  { type: 'int64', shape: [2, 1, 1], data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n) },
  { type: 'uint8', shape: [2], data: Uint8Array.of(0, 255) },
  { type: 'uint16', shape: [1], data: Uint16Array.of(65535) },
  { type: 'uint32', shape: [1], data: Uint32Array.of(2 ** 32 - 1) },
  { type: 'uint64', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
  { type: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) },
];

/** A .npy file with this header text and these bytes of data. */
function npy(header: string, data: Iterable<number>, version = 1): Uint8Array {
  const text = new TextEncoder().encode(header + '\n');
  const length = version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return Uint8Array.from([0x93, ...new TextEncoder().encode('NUMPY'), version, 0, ...length, ...text, ...data]);
}

describe('.npy', () => {
  test.each(samples)('$type $shape comes back as written', (tensor) => {
    const file = writeNpy(tensor);
    expect(readNpy(file, 'x.npy')).toEqual(tensor);
    // The data starts at a multiple of 64 bytes, wherever the file itself lies in memory.
    expect((file.length - tensor.data.byteLength) % 64).toBe(0);
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    expect(readNpy(shifted.subarray(1), 'x.npy')).toEqual(tensor);
  });

  test.each([1, 2, 3])('version %i, big-endian, column-major', (version) => {
    // [[1, 2, 3], [4, 5, 6]] column by column.
    const data = [1, 4, 2, 5, 3, 6].flatMap((value) => [0, value]);
    const file = npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", data, version);
    expect(readNpy(file, 'x.npy')).toEqual({ type: 'int16', shape: [2, 3], data: Int16Array.of(1, 2, 3, 4, 5, 6) });
  });

  test('column-major order of any rank', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), (shape) => {
        const cells = shape.reduce((a, b) => a * b, 1);
        const data: number[] = [];
        // Row-major position p goes to the column-major place.
        for (let p = 0; p < cells; p++) {
          let rest = p;
          let place = 0;
          for (let axis = shape.length - 1; axis >= 0; axis--) {
            place += (rest % shape[axis]!) * shape.slice(0, axis).reduce((a, b) => a * b, 1);
            rest = Math.floor(rest / shape[axis]!);
          }
          data[place] = p;
        }
        const text = `{'descr': '|u1', 'fortran_order': True, 'shape': (${shape.map((n) => `${n},`).join('')}), }`;
        expect([...readNpy(npy(text, data), 'x').data]).toEqual(Array.from({ length: cells }, (_, p) => p));
      }),
    );
  });

  test.each([
    ['empty', new Uint8Array(0), 'npy-format'],
    ['something else', new TextEncoder().encode('a,b\n1,2\n3,4\n'), 'npy-format'],
    ['cut in the header', writeNpy(samples[0]!).subarray(0, 40), 'npy-format'],
    ['cut in the data', writeNpy(samples[0]!).subarray(0, -1), 'tensor-size'],
    ['too long', Uint8Array.from([...writeNpy(samples[0]!), 0]), 'tensor-size'],
    ['version 9', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }", [], 9), 'npy-format'],
    ['objects', npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", [0]), 'npy-type'],
    ['complex', npy("{'descr': '<c8', 'fortran_order': False, 'shape': (0,), }", []), 'npy-type'],
    ['structured', npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (0,), }", []), 'npy-type'],
    ['no shape', npy("{'descr': '<f4', 'fortran_order': False, }", []), 'npy-format'],
    ['huge', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999, 9), }", []), 'tensor-size'],
  ])('%s is refused', (_, file, code) => {
    expect(() => readNpy(file, 'x.npy')).toThrow(expect.objectContaining({ code, kind: 'input' }));
  });
});

describe('TensorProto', () => {
  test.each(samples)('$type $shape comes back as written', (tensor) => {
    expect(readTensorProto(writeTensorProto(tensor, 'x'), 'x.pb')).toEqual(tensor);
  });

  test.each([
    ['text', new TextEncoder().encode('no tensor at all'), 'tensor-proto-format'],
    ['empty', new Uint8Array(0), 'tensor-proto-format'],
    ['cut short', writeTensorProto(samples[0]!, 'x').subarray(0, -5), 'tensor-proto-format'],
    ['dims 4, no data', Uint8Array.of(0x08, 4, 0x10, 1), 'tensor-size'],
    ['text elements', Uint8Array.of(0x08, 0, 0x10, 8), 'onnx-type'],
    [
      'negative size',
      Uint8Array.of(0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0x10, 1),
      'tensor-proto-format',
    ],
  ])('%s is refused', (_, file, code) => {
    expect(() => readTensorProto(file, 'x.pb')).toThrow(expect.objectContaining({ code, kind: 'input' }));
  });
});

describe('elements', () => {
  test('float16 values', () => {
    const expected = [
      0x0000,
      0,
      0x3c00,
      1,
      0xc000,
      -2,
      0x7bff,
      65504,
      0x0001,
      2 ** -24,
      0x03ff,
      1023 * 2 ** -24,
      0x7c00,
      Infinity,
    ];
    for (let i = 0; i < expected.length; i += 2) expect(float16Value(expected[i]!)).toBe(expected[i + 1]);
    expect(float16Value(0x7e00)).toBeNaN();
  });

  test('integers that float64 cannot hold are refused, not rounded', () => {
    const tensor: PlainTensor = { type: 'int64', shape: [2], data: BigInt64Array.of(1n, 2n ** 53n + 1n) };
    expect(() => toFloat64('x', tensor)).toThrow(expect.objectContaining({ code: 'tensor-integer-too-large' }));
  });
});
