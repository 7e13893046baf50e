/**
 * Messages between a process and the page that computes for it, as one block of bytes each, so that any carrier will do: a
 * message port (which may take the block over), a socket, a test's bridge. Layout: length of the header (u32, little-endian),
 * the header (JSON in UTF-8, big integers as {"n": "decimal"}, byte arrays as {"b": [offset, length]}), the byte arrays.
 * Knows nothing of what messages mean.
 */
import { InternalError } from '../../../shared/errors.ts';

/** A carrier of frames: both ends have one. Frames arrive whole and in order. */
export interface FramePort {
  /** Takes the frame over. */
  send(frame: Uint8Array<ArrayBuffer>): void;
  onFrame(listener: (frame: Uint8Array) => void): void;
  /** The other end is gone. */
  onClose(listener: () => void): void;
  close(): void;
}

const LENGTH_BYTES = 4;

export function encodeFrame(message: unknown): Uint8Array<ArrayBuffer> {
  const arrays: Uint8Array[] = [];
  let bytes = 0;
  const text = JSON.stringify(message, (_, value: unknown) => {
    if (typeof value === 'bigint') return { n: value.toString() };
    if (!(value instanceof Uint8Array)) return value;
    arrays.push(value);
    bytes += value.length;
    return { b: [bytes - value.length, value.length] };
  });
  const header = new TextEncoder().encode(text);
  const frame = new Uint8Array(LENGTH_BYTES + header.length + bytes);
  new DataView(frame.buffer).setUint32(0, header.length, true);
  frame.set(header, LENGTH_BYTES);
  let at = LENGTH_BYTES + header.length;
  for (const array of arrays) {
    frame.set(array, at);
    at += array.length;
  }
  return frame;
}

/** Byte arrays of the message are views of the frame. Throws InternalError `frame-malformed`. */
export function decodeFrame(frame: Uint8Array): unknown {
  try {
    const headerBytes = new DataView(frame.buffer, frame.byteOffset).getUint32(0, true);
    const payload = frame.subarray(LENGTH_BYTES + headerBytes);
    const header = new TextDecoder('utf-8', { fatal: true }).decode(
      frame.subarray(LENGTH_BYTES, LENGTH_BYTES + headerBytes),
    );
    return JSON.parse(header, (_, value: unknown) => {
      if (typeof value !== 'object' || value === null) return value;
      if ('n' in value && typeof value.n === 'string') return BigInt(value.n);
      if (!('b' in value) || !Array.isArray(value.b)) return value;
      const [at, length] = value.b as [number, number];
      if (at + length > payload.length) throw new RangeError('beyond the frame');
      return payload.subarray(at, at + length);
    }) as unknown;
  } catch (cause) {
    throw new InternalError('frame-malformed', 'A frame between the process and its GPU page is malformed.', { cause });
  }
}
