/**
 * What the dealer does for one execution: expand and add up the parties' streams, compute what is derived from masks, and
 * leave a correction for one party of every dealt value. It needs nothing but seeds and public indices, so it can run ahead.
 * Knows nothing of keys or links, and of no opening.
 */
import { InternalError } from '../../shared/errors.ts';
import { slotBytes } from '../kernels/kernels.ts';
import type { Instruction, Slot } from '../kernels/kernels.ts';
import { BufferAllocator } from './buffers.ts';
import { stepValues } from './builder.ts';
import type { Liveness } from './liveness.ts';
import { toInstruction, toSlot } from './place.ts';
import type { Program } from './program.ts';
import type { Demand } from './records.ts';
import type { StateLayout } from './state-layout.ts';

export type DealerFill =
  /** Sum (or XOR) of all parties' streams for a random value, or the owner's stream for an owner-known mask. */
  | { readonly from: 'random'; readonly slot: Slot; readonly step: number; readonly owner: number | undefined }
  /** Sum of the streams of all parties but the one in the slot that receives the correction. */
  | { readonly from: 'shares'; readonly slot: Slot; readonly step: number; readonly except: number }
  | { readonly from: 'known'; readonly slot: Slot; readonly name: string }
  | { readonly from: 'constant'; readonly slot: Slot; readonly words: readonly bigint[] };

/** A stage: fill slots, run instructions, read corrections. Split so that memory stays small. */
export interface DealerStage {
  readonly fills: readonly DealerFill[];
  readonly instructions: readonly Instruction[];
  readonly corrections: readonly { readonly step: number; readonly slot: Slot }[];
}

export interface DealerPlan {
  readonly program: string;
  readonly stages: readonly DealerStage[];
  readonly stores: readonly Instruction[];
  readonly memoryBytes: number;
}

/** A stage ends when this many instructions are waiting: few enough that their buffers stay in cache, many enough for one run. */
const STAGE_INSTRUCTIONS = 100;

export function planDealer(program: Program, live: Liveness, demand: Demand, states: StateLayout): DealerPlan {
  const lastUse = new Map<number, number>();
  program.steps.forEach((step, index) => {
    if (live.dealer[index] !== true) return;
    const { defines, reads } = stepValues(step);
    // What is stored lives to the end, whatever else reads it later: stores come last.
    const use = step.op === 'store' ? Infinity : index;
    for (const value of [...defines, ...reads]) lastUse.set(value, Math.max(use, lastUse.get(value) ?? 0));
  });
  const allocator = new BufferAllocator(states.bytes);
  const offsets = new Map<number, number>();
  const bytesOf = (value: number): number => {
    const info = program.values[value];
    if (info === undefined) throw new InternalError('no-such-value', `Program ${program.name} has no value ${value}.`);
    return slotBytes(info);
  };
  const define = (value: number): Slot => {
    const info = program.values[value];
    if (info === undefined) throw new InternalError('no-such-value', `Program ${program.name} has no value ${value}.`);
    const offset = allocator.take(bytesOf(value));
    offsets.set(value, offset);
    return info.kind === 'bits'
      ? { kind: 'bits', offset, length: info.length, planes: info.planes }
      : { kind: 'words', offset, length: info.length };
  };
  const offsetOf = (value: number): number => {
    const offset = offsets.get(value);
    if (offset === undefined)
      throw new InternalError('no-buffer', `A value of program ${program.name} is read before it is made.`);
    return offset;
  };

  const stages: DealerStage[] = [];
  const stores: Instruction[] = [];
  let stage: { fills: DealerFill[]; instructions: Instruction[]; corrections: { step: number; slot: Slot }[] } = {
    fills: [],
    instructions: [],
    corrections: [],
  };
  // Buffers are freed between stages only: fills of a stage happen before all of its instructions.
  let expired: number[] = [];
  const scratch: { offset: number; bytes: number }[] = [];
  const endStage = (): void => {
    if (stage.fills.length + stage.instructions.length > 0) stages.push(stage);
    stage = { fills: [], instructions: [], corrections: [] };
    for (const value of expired) {
      const offset = offsets.get(value);
      if (offset !== undefined && offset >= states.bytes) allocator.free(offset, bytesOf(value));
      offsets.delete(value);
    }
    expired = [];
    for (const { offset, bytes } of scratch.splice(0)) allocator.free(offset, bytes);
  };

  program.steps.forEach((step, index) => {
    if (live.dealer[index] !== true) return;
    switch (step.op) {
      case 'random':
        stage.fills.push({ from: 'random', slot: define(step.dealer), step: index, owner: undefined });
        break;
      case 'ownerMask':
        stage.fills.push({
          from: 'random',
          slot: define(step.dealer),
          step: index,
          owner: program.parties.indexOf(step.owner),
        });
        break;
      case 'known':
        stage.fills.push({ from: 'known', slot: define(step.known), name: step.name });
        break;
      case 'constant':
        stage.fills.push({ from: 'constant', slot: define(step.known), words: step.words });
        break;
      case 'load': {
        const slot = states.slots.get(step.state);
        if (slot === undefined)
          throw new InternalError('no-such-state', `State ${step.state} has no place at the dealer.`);
        offsets.set(step.value, slot.offset);
        break;
      }
      case 'store': {
        const slot = states.slots.get(step.state);
        if (slot === undefined)
          throw new InternalError('no-such-state', `State ${step.state} has no place at the dealer.`);
        const factors = [{ slot: toSlot(step.value, offsetOf), repeat: 'cycle' as const }];
        stores.push({ op: 'combine', out: slot, terms: [{ coefficient: 1n, factors }] });
        break;
      }
      case 'local':
        for (const value of stepValues(step).defines) define(value);
        stage.instructions.push(toInstruction(step.operation, offsetOf));
        break;
      case 'deal': {
        const record = demand.records.get(index);
        if (record?.correctionSlot === undefined) throw new InternalError('no-record', 'A dealt value has no record.');
        const source = toSlot(step.dealer, offsetOf);
        const temporary = (): Slot => {
          const bytes = slotBytes(source);
          const offset = allocator.take(bytes);
          scratch.push({ offset, bytes });
          return { ...source, offset };
        };
        const shares = temporary();
        const correction = temporary();
        stage.fills.push({ from: 'shares', slot: shares, step: index, except: record.correctionSlot });
        if (source.kind === 'words' && shares.kind === 'words' && correction.kind === 'words') {
          stage.instructions.push({
            op: 'combine',
            out: correction,
            terms: [
              { coefficient: 1n, factors: [{ slot: source, repeat: 'cycle' }] },
              { coefficient: (1n << BigInt(program.wordBits)) - 1n, factors: [{ slot: shares, repeat: 'cycle' }] },
            ],
          });
        } else if (source.kind === 'bits' && shares.kind === 'bits' && correction.kind === 'bits') {
          stage.instructions.push({
            op: 'combineBits',
            out: correction,
            terms: [{ factors: [source] }, { factors: [shares] }],
            constant: 0,
          });
        }
        stage.corrections.push({ step: index, slot: correction });
        break;
      }
      case 'open':
      case 'reveal':
      case 'input':
        throw new InternalError('dealer-step', 'The dealer has no part in openings, reveals and inputs.');
    }
    const { defines, reads } = stepValues(step);
    for (const value of new Set([...defines, ...reads])) if (lastUse.get(value) === index) expired.push(value);
    if (stage.instructions.length >= STAGE_INSTRUCTIONS) endStage();
  });
  endStage();
  return { program: program.name, stages, stores, memoryBytes: allocator.peak };
}
