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

export interface CorrelationRecord {
  /** Index of the step in the program. */
  readonly step: number;
  readonly kind: 'random' | 'ownerMask' | 'deal';
  readonly purpose: StreamPurpose;
  /** Offset in the party's stream of that purpose for this execution. */
  readonly streamOffset: number;
  /** Packed bytes, in the stream and in a correction. */
  readonly bytes: number;
  readonly width: number;
  /** Index of the party that receives the correction of a dealt value; undefined for the others. */
  readonly correctionParty: number | undefined;
  /** Offset in that party's correction record of this execution. */
  readonly correctionOffset: number;
}

export interface Demand {
  readonly records: ReadonlyMap<number, CorrelationRecord>;
  /** Bytes of the correction record of each party for one execution. */
  readonly correctionBytes: readonly number[];
}

export function demandOf(program: Program, live: Liveness): Demand {
  const streams: Record<StreamPurpose, number> = { mask: 0, bit: 0, input: 0, share: 0 };
  const correctionBytes = program.parties.map(() => 0);
  const records = new Map<number, CorrelationRecord>();
  program.steps.forEach((step, index) => {
    if (step.op !== 'random' && step.op !== 'ownerMask' && step.op !== 'deal') return;
    if (live.party[index] !== true && live.dealer[index] !== true) return;
    const info = program.values[step.share];
    if (info === undefined) return;
    const purpose =
      step.op === 'deal' ? 'share' : step.op === 'ownerMask' ? 'input' : info.kind === 'bits' ? 'bit' : 'mask';
    const width = step.op === 'deal' ? step.width : program.wordBits;
    const bytes = packedBytes(info, width);
    // The correction goes to whoever has received least so far in this execution.
    const correctionParty = step.op === 'deal' ? correctionBytes.indexOf(Math.min(...correctionBytes)) : undefined;
    const correctionOffset = correctionParty === undefined ? 0 : (correctionBytes[correctionParty] ?? 0);
    if (correctionParty !== undefined) correctionBytes[correctionParty] = correctionOffset + bytes;
    records.set(index, {
      step: index,
      kind: step.op,
      purpose,
      streamOffset: streams[purpose],
      bytes,
      width,
      correctionParty,
      correctionOffset,
    });
    streams[purpose] += Math.ceil(bytes / STREAM_ALIGNMENT_BYTES) * STREAM_ALIGNMENT_BYTES;
  });
  return { records, correctionBytes };
}
