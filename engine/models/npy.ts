/**
 * NumPy's .npy files, versions 1 to 3, in and out. Format: numpy.lib.format in NumPy's documentation (NEP 1). Only plain
 * numeric arrays: object arrays would run code of the file's author, and structured arrays are tables, not tensors.
 * Knows nothing of where the bytes come from.
 */
import { InputError } from '../../shared/errors.ts';
import { elementBytes, fromColumnMajor, tensorBytes, tensorFromBytes } from './tensor.ts';
import type { ElementType, HalfType, PlainTensor } from './tensor.ts';

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

const typeCodes: Readonly<Record<string, ElementType | HalfType>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
};

const codes: Readonly<Record<ElementType, string>> = {
  float32: '<f4',
  float64: '<f8',
  int8: '|i1',
  int16: '<i2',
  int32: '<i4',
  int64: '<i8',
  uint8: '|u1',
  uint16: '<u2',
  uint32: '<u4',
  uint64: '<u8',
  bool: '|b1',
};

/** Longest header that is read; a real one has about 100 bytes. */
const maxHeaderBytes = 1 << 16;

/**
 * Reads one array; column-major arrays are reordered, big-endian ones swapped, float16 widened to float32.
 * @param what names the file in errors.
 * @throws InputError (`npy-format`, `npy-type`, `tensor-size`).
 */
export function readNpy(bytes: Uint8Array, what: string): PlainTensor {
  const damaged = (reason: string): InputError =>
    new InputError('npy-format', `${what} is not a readable .npy file: ${reason}.`, {
      hint: 'Save the array again with numpy.save.',
    });
  if (bytes.length < 10 || magic.some((byte, i) => bytes[i] !== byte)) throw damaged('it does not start like one');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(6);
  if (version < 1 || version > 3) throw damaged(`its format version is ${version}, known are 1 to 3`);
  const headerStart = version === 1 ? 10 : 12;
  if (bytes.length < headerStart) throw damaged('it ends within its header');
  const headerBytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerBytes > maxHeaderBytes) throw damaged(`its header claims ${headerBytes} bytes`);
  const dataStart = headerStart + headerBytes;
  if (bytes.length < dataStart) throw damaged('it ends within its header');
  // Version 3 only adds UTF-8 field names of structured arrays, which are refused below in any version.
  const header = new TextDecoder().decode(bytes.subarray(headerStart, dataStart));

  const descr = /'descr'\s*:\s*'([^']*)'/u.exec(header)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/u.exec(header)?.[1];
  const dimensions = /'shape'\s*:\s*\(([\d\sL,]*)\)/u.exec(header)?.[1];
  if (descr === undefined && header.includes("'descr'")) {
    throw new InputError('npy-type', `${what} holds a structured array.`, {
      hint: 'Save one plain numeric array a file.',
    });
  }
  if (descr === undefined || order === undefined || dimensions === undefined)
    throw damaged('its header lacks an entry');
  const type = typeCodes[descr.slice(1)];
  if (type === undefined || !/^[<>|=]/u.test(descr)) {
    throw new InputError('npy-type', `${what} holds elements of type '${descr}', which is not supported.`, {
      hint: 'Convert the array to float64 (array.astype("<f8")) and save it again.',
    });
  }
  const shape = dimensions
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => Number(part.replace(/L$/u, '')));
  if (shape.some((n) => !Number.isSafeInteger(n))) throw damaged(`its shape is (${dimensions})`);
  const tensor = tensorFromBytes(what, type, shape, bytes.subarray(dataStart), descr.startsWith('>'));
  return order === 'True' ? fromColumnMajor(tensor) : tensor;
}

/** Writes one array as version 1.0, little-endian, row-major. */
export function writeNpy(tensor: PlainTensor): Uint8Array<ArrayBuffer> {
  const shape = tensor.shape.length === 1 ? `(${tensor.shape[0]},)` : `(${tensor.shape.join(', ')})`;
  const header = `{'descr': '${codes[tensor.type]}', 'fortran_order': False, 'shape': ${shape}, }`;
  // The data starts at a multiple of 64 bytes; the header ends with a newline.
  const dataStart = Math.ceil((10 + header.length + 1) / 64) * 64;
  const file = new Uint8Array(dataStart + tensor.data.length * elementBytes[tensor.type]);
  file.set(magic);
  file[6] = 1;
  new DataView(file.buffer).setUint16(8, dataStart - 10, true);
  file.set(new TextEncoder().encode(header.padEnd(dataStart - 11) + '\n'), 10);
  file.set(tensorBytes(tensor), dataStart);
  return file;
}
