/**
 * The exact demand for correlated randomness of one execution: every random or dealt value, where its bytes lie in the
 * parties' key streams, and which party receives the correction of a dealt one. Parties and dealer derive the same list.
 * Knows nothing of keys or of how streams are expanded.
 */
import { packedBytes } from '../kernels/kernels.ts';
import type { Liveness } from './liveness.ts';
import type { Program } from './program.ts';

/** Streams never share a key (corrections H6). */
export type StreamPurpose = 'mask' | 'bit' | 'input' | 'share';

/** Records start at whole blocks of the stream cipher. */
const STREAM_ALIGNMENT_BYTES = 64;

/** A stream of an execution: its own key by purpose, its own nonce by lane. */
export interface StreamName {
  readonly purpose: StreamPurpose;
  /** For dealt values the slot that receives the correction and so skips the stream; for inputs the owner; else 0. */
  readonly lane: number;
}

export interface CorrelationRecord extends StreamName {
  /** Index of the step in the program. */
  readonly step: number;
  readonly kind: 'random' | 'ownerMask' | 'deal';
  /** Offset in the party's stream. */
  readonly streamOffset: number;
  /** Packed bytes, in the stream and in a correction. */
  readonly bytes: number;
  readonly width: number;
  /** Who receives the correction of a dealt value: a slot that another party fills in each execution (slotOf). */
  readonly correctionSlot: number | undefined;
  /** Offset in that slot's correction record of an execution. */
  readonly correctionOffset: number;
}

export interface Demand {
  readonly records: ReadonlyMap<number, CorrelationRecord>;
  /** Bytes of the correction record of each slot for one execution. */
  readonly correctionBytes: readonly number[];
  /** Length of every stream of one execution. */
  readonly streams: readonly (StreamName & { readonly bytes: number })[];
}

export function demandOf(program: Program, live: Liveness): Demand {
  const streams = new Map<string, StreamName & { bytes: number }>();
  const correctionBytes = program.parties.map(() => 0);
  const records = new Map<number, CorrelationRecord>();
  program.steps.forEach((step, index) => {
    if (step.op !== 'random' && step.op !== 'ownerMask' && step.op !== 'deal') return;
    if (live.party[index] !== true && live.dealer[index] !== true) return;
    const info = program.values[step.share];
    if (info === undefined) return;
    const width = step.op === 'deal' ? step.width : program.wordBits;
    const bytes = packedBytes(info, width);
    // The correction goes to the slot that has received least so far.
    const correctionSlot = step.op === 'deal' ? correctionBytes.indexOf(Math.min(...correctionBytes)) : undefined;
    const correctionOffset = correctionSlot === undefined ? 0 : (correctionBytes[correctionSlot] ?? 0);
    if (correctionSlot !== undefined) correctionBytes[correctionSlot] = correctionOffset + bytes;
    const purpose =
      step.op === 'deal' ? 'share' : step.op === 'ownerMask' ? 'input' : info.kind === 'bits' ? 'bit' : 'mask';
    const lane = correctionSlot ?? (step.op === 'ownerMask' ? program.parties.indexOf(step.owner) : 0);
    const stream = streams.get(streamKey({ purpose, lane })) ?? { purpose, lane, bytes: 0 };
    streams.set(streamKey(stream), stream);
    records.set(index, {
      step: index,
      kind: step.op,
      purpose,
      lane,
      streamOffset: stream.bytes,
      bytes,
      width,
      correctionSlot,
      correctionOffset,
    });
    stream.bytes += Math.ceil(bytes / STREAM_ALIGNMENT_BYTES) * STREAM_ALIGNMENT_BYTES;
  });
  return { records, correctionBytes, streams: [...streams.values()] };
}

function streamKey({ purpose, lane }: StreamName): string {
  return `${purpose}/${lane}`;
}

/** Slot that a party fills in an execution: corrections rotate, so that over a job all parties receive about the same. */
export function slotOf(party: number, execution: number, parties: number): number {
  return (((party - execution) % parties) + parties) % parties;
}

/** Inverse of slotOf. */
export function partyOf(slot: number, execution: number, parties: number): number {
  return (slot + execution) % parties;
}
