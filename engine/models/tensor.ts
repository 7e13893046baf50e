/**
 * Plain (unshared) tensors as files hold them: typed elements, shape, row-major. The bridge between file formats and the
 * float64 world of descriptions and fixed point. Knows no file format and nothing of secret values.
 */
import { InputError } from '../../shared/errors.ts';
import type { ElementName } from '../../shared/operator-graph.ts';
import { elementCount } from '../../shared/layers/kind.ts';

/** The array that holds each element type; bool is 0 or 1 in bytes. Half-precision formats are widened when read. */
export interface ElementArrays {
  float32: Float32Array<ArrayBuffer>;
  float64: Float64Array<ArrayBuffer>;
  int8: Int8Array<ArrayBuffer>;
  int16: Int16Array<ArrayBuffer>;
  int32: Int32Array<ArrayBuffer>;
  int64: BigInt64Array<ArrayBuffer>;
  uint8: Uint8Array<ArrayBuffer>;
  uint16: Uint16Array<ArrayBuffer>;
  uint32: Uint32Array<ArrayBuffer>;
  uint64: BigUint64Array<ArrayBuffer>;
  bool: Uint8Array<ArrayBuffer>;
}

export type ElementType = keyof ElementArrays;

/** Discriminated by `type`; `data.length` is the product of `shape` (1 for a scalar). */
export type PlainTensor = {
  [T in ElementType]: { readonly type: T; readonly shape: readonly number[]; readonly data: ElementArrays[T] };
}[ElementType];

export const elementBytes: Readonly<Record<ElementType, number>> = {
  float32: 4,
  float64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
};

/** Formats narrower than any typed array here; they are widened to float32, which holds them exactly. */
export type HalfType = 'float16' | 'bfloat16';

/** The type that holds elements of this one: half-precision tensors are kept as float32. */
export function storedAs(type: ElementName): ElementType {
  return type === 'float16' || type === 'bfloat16' ? 'float32' : type;
}

/**
 * A tensor from the bytes of its elements in row-major order; copies them, so any alignment will do.
 * @throws InputError `tensor-size` when the bytes are not exactly as many as shape and type need. `what` names the tensor.
 */
export function tensorFromBytes(
  what: string,
  type: ElementType | HalfType,
  shape: readonly number[],
  bytes: Uint8Array,
  bigEndian = false,
): PlainTensor {
  const half = type === 'float16' || type === 'bfloat16';
  const width = half ? 2 : elementBytes[type];
  const expected = elementCount(shape) * width;
  if (!Number.isSafeInteger(expected) || bytes.length !== expected) {
    throw new InputError(
      'tensor-size',
      `${what}: shape [${shape.join(', ')}] of ${type} needs ${expected} bytes, but there are ${bytes.length}.`,
      { hint: 'The file is damaged or was cut short; fetch or export it again.' },
    );
  }
  const copy = new Uint8Array(bytes);
  if (bigEndian) reverseElements(copy, width);
  const buffer = copy.buffer;
  switch (type) {
    case 'float16':
      return { type: 'float32', shape, data: Float32Array.from(new Uint16Array(buffer), float16Value) };
    case 'bfloat16':
      return { type: 'float32', shape, data: widenBfloat16(new Uint16Array(buffer)) };
    case 'float32':
      return { type, shape, data: new Float32Array(buffer) };
    case 'float64':
      return { type, shape, data: new Float64Array(buffer) };
    case 'int8':
      return { type, shape, data: new Int8Array(buffer) };
    case 'int16':
      return { type, shape, data: new Int16Array(buffer) };
    case 'int32':
      return { type, shape, data: new Int32Array(buffer) };
    case 'int64':
      return { type, shape, data: new BigInt64Array(buffer) };
    case 'uint8':
      return { type, shape, data: copy };
    case 'uint16':
      return { type, shape, data: new Uint16Array(buffer) };
    case 'uint32':
      return { type, shape, data: new Uint32Array(buffer) };
    case 'uint64':
      return { type, shape, data: new BigUint64Array(buffer) };
    case 'bool':
      return { type, shape, data: copy.map((value) => (value === 0 ? 0 : 1)) };
  }
}

/** A tensor of whole or other numbers; 64-bit ones beyond the type's range become its ends. */
export function tensorFromNumbers(
  type: ElementType,
  shape: readonly number[],
  numbers: readonly number[],
): PlainTensor {
  switch (type) {
    case 'float32':
      return { type, shape, data: Float32Array.from(numbers) };
    case 'float64':
      return { type, shape, data: Float64Array.from(numbers) };
    case 'int8':
      return { type, shape, data: Int8Array.from(numbers) };
    case 'int16':
      return { type, shape, data: Int16Array.from(numbers) };
    case 'int32':
      return { type, shape, data: Int32Array.from(numbers) };
    case 'int64':
      return { type, shape, data: BigInt64Array.from(numbers, (n) => clipped(n, -(2n ** 63n), 2n ** 63n - 1n)) };
    case 'uint16':
      return { type, shape, data: Uint16Array.from(numbers) };
    case 'uint32':
      return { type, shape, data: Uint32Array.from(numbers) };
    case 'uint64':
      return { type, shape, data: BigUint64Array.from(numbers, (n) => clipped(n, 0n, 2n ** 64n - 1n)) };
    case 'uint8':
    case 'bool':
      return { type, shape, data: Uint8Array.from(numbers) };
  }
}

function clipped(value: number, low: bigint, high: bigint): bigint {
  const whole = BigInt(value);
  return whole < low ? low : whole > high ? high : whole;
}

/** The bytes of the elements, little-endian, row-major; a view, not a copy. */
export function tensorBytes(tensor: PlainTensor): Uint8Array<ArrayBuffer> {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}

/**
 * The elements as float64.
 * @throws InputError `tensor-integer-too-large` for integers that a float64 cannot hold exactly. `what` names the tensor.
 */
export function toFloat64(what: string, tensor: PlainTensor): Float64Array<ArrayBuffer> {
  if (tensor.type === 'float64') return tensor.data;
  if (tensor.type !== 'int64' && tensor.type !== 'uint64') return Float64Array.from(tensor.data);
  return Float64Array.from(tensor.data, (value) => {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      throw new InputError(
        'tensor-integer-too-large',
        `${what} holds ${value}, beyond the integers a float64 keeps exactly.`,
      );
    }
    return number;
  });
}

/** Reorders column-major (Fortran) elements into row-major order. */
export function fromColumnMajor(tensor: PlainTensor): PlainTensor {
  const { shape } = tensor;
  if (shape.length < 2) return tensor;
  const data = tensor.data.slice();
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  const index = new Array<number>(shape.length).fill(0);
  let source = 0;
  for (let target = 0; target < data.length; target++) {
    data[target] = tensor.data[source] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      source += strides[axis] ?? 0;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      source -= next * (strides[axis] ?? 0);
    }
  }
  return { ...tensor, data } as PlainTensor;
}

function reverseElements(bytes: Uint8Array, width: number): void {
  for (let start = 0; start + width <= bytes.length; start += width) bytes.subarray(start, start + width).reverse();
}

/** IEEE 754 binary16 from its bits. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** bfloat16 is the upper half of a float32. */
function widenBfloat16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint32Array.from(bits, (value) => value << 16).buffer);
}
