/** What a memory takes from a key stream, piece by piece, is the stream. */
import { expect, test } from 'vitest';
import { referenceKernels } from '../../../engine/kernels/reference/reference.ts';
import { packedBytes } from '../../../engine/kernels/kernels.ts';
import type { Slot } from '../../../engine/kernels/kernels.ts';
import type { CorrelationRecord } from '../../../engine/plan/records.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { PartyStreams } from '../../../engine/random/streams.ts';
import { fillFromStream } from '../../../engine/runtime/stream-fill.ts';

const EXECUTION = 3;
const streams = new PartyStreams(nodeCrypto, new SecretKey(new Uint8Array(32).fill(5)));

test.each<[string, Slot, number]>([
  ['a few words', { kind: 'words', offset: 64, length: 5 }, 64],
  ['words of several pieces', { kind: 'words', offset: 128, length: 9001 }, 64],
  ['narrow words of several pieces', { kind: 'words', offset: 0, length: 8193 }, 46],
  ['bits', { kind: 'bits', offset: 64, length: 777, planes: 3 }, 1],
])('%s', async (_, slot, width) => {
  const bytes = packedBytes(slot, width);
  const record: CorrelationRecord = {
    ...{ step: 0, kind: 'deal', purpose: 'share', lane: 1, streamOffset: 192, bytes, width },
    ...{ correctionSlot: 0, correctionOffset: 0 },
  };
  const kernels = referenceKernels();
  const [piecewise, whole] = [await kernels.allocate(80_000), await kernels.allocate(80_000)];
  const stream = streams.expand(record, EXECUTION, record.streamOffset, bytes);
  for (const how of ['write', 'accumulate'] as const) {
    fillFromStream(piecewise, streams, record, EXECUTION, slot, how);
    whole[how](slot, stream, width);
    const [own, expected] = [await piecewise.pack([{ slot, width }]), await whole.pack([{ slot, width }])];
    expect(own.some((byte) => byte !== 0)).toBe(slot.kind === 'words' || how === 'write');
    expect(Buffer.from(own).equals(expected)).toBe(true);
  }
});
