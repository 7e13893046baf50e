/**
 * The idx format of the MNIST files: a big-endian array of up to 255 dimensions (Y. LeCun, "The MNIST database", file
 * format section). Knows nothing of where the bytes come from.
 */
import { tensorFromBytes, type ElementType, type PlainTensor } from '../../../engine/models/tensor.ts';
import { InputError } from '../../../shared/errors.ts';

const types: Readonly<Record<number, ElementType>> = {
  8: 'uint8',
  9: 'int8',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
};

/** Whether a file that starts so claims to be idx: two zeros, a known type, at least one dimension. */
export function looksLikeIdx(head: Uint8Array): boolean {
  return head[0] === 0 && head[1] === 0 && types[head[2] ?? 0] !== undefined && (head[3] ?? 0) > 0;
}

/**
 * Reads one array.
 * @param what names the file in errors.
 * @throws InputError (`idx-format`, `tensor-size`).
 */
export function readIdx(bytes: Uint8Array, what: string): PlainTensor {
  const type = types[bytes[2] ?? 0];
  const dimensions = bytes[3] ?? 0;
  const start = 4 + 4 * dimensions;
  if (!looksLikeIdx(bytes) || type === undefined || bytes.length < start) {
    throw new InputError('idx-format', `${what} is not a readable idx file.`, { hint: 'Fetch it again.' });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: dimensions }, (_, axis) => view.getUint32(4 + 4 * axis));
  return tensorFromBytes(what, type, shape, bytes.subarray(start), true);
}
