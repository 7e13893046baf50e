/** How the outcome of a match travels: a header of two words, then positions or slots as little-endian words. */
import { PeerError } from '../../shared/errors.ts';
import { HEADER_BYTES, POSITION_BYTES } from './terms.ts';

export function encodeHeader(reachesFloor: boolean, count: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, reachesFloor ? 1 : 0, true);
  new DataView(header.buffer).setUint32(4, count, true);
  return header;
}

/** @throws PeerError when the header says what cannot be. */
export function decodeHeader(
  header: Uint8Array,
  largest: number,
  peer: string,
): { readonly reachesFloor: boolean; readonly count: number } {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const state = view.getUint32(0, true);
  const count = view.getUint32(4, true);
  if (state > 1 || count > largest || (state === 0 && count > 0)) {
    throw new PeerError('join-header-invalid', peer, `${peer} announces an outcome that cannot be.`, {
      hint: 'The join has ended; ask that party to check its program.',
    });
  }
  return { reachesFloor: state === 1, count };
}

export function encodePositions(positions: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(positions.length * POSITION_BYTES);
  const view = new DataView(bytes.buffer);
  positions.forEach((position, i) => view.setUint32(i * POSITION_BYTES, position, true));
  return bytes;
}

export function decodePositions(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / POSITION_BYTES }, (_, i) =>
    view.getUint32(i * POSITION_BYTES, true),
  );
}
