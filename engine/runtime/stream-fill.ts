/**
 * Fills slots from key streams as their records say, piece by piece: a piece stays in the processor's cache between the cipher
 * and the memory, and no stream is ever held whole. Knows nothing of keys.
 */
import { packedBytes } from '../kernels/kernels.ts';
import type { Memory, Slot } from '../kernels/kernels.ts';
import type { CorrelationRecord } from '../plan/records.ts';
import type { PartyStreams } from '../random/streams.ts';

/** Words of a piece: with any width it ends at a whole block of the cipher. */
const PIECE_WORDS = 4096;

/**
 * Overwrites a slot with a party's part of a record (`write`), or adds to it (`accumulate`).
 * @throws InternalError for a record that does not begin at a whole block.
 */
export function fillFromStream(
  memory: Memory,
  streams: PartyStreams,
  record: CorrelationRecord,
  execution: number,
  slot: Slot,
  how: 'write' | 'accumulate',
): void {
  const { streamOffset, width, bytes } = record;
  if (memory.expand !== undefined) {
    memory.expand(slot, streams.keystream(record, execution, streamOffset), width, how);
    return;
  }
  if (slot.kind === 'bits') {
    memory[how](slot, streams.expand(record, execution, streamOffset, bytes), width);
    return;
  }
  let offset = streamOffset;
  for (let start = 0; start < slot.length; start += PIECE_WORDS) {
    const length = Math.min(PIECE_WORDS, slot.length - start);
    const piece: Slot = { kind: 'words', offset: slot.offset + start * 8, length };
    const pieceBytes = packedBytes(piece, width);
    memory[how](piece, streams.expand(record, execution, offset, pieceBytes), width);
    offset += pieceBytes;
  }
}
