/**
 * The dealer: from the plan and the parties' seeds, the correction records of one execution after another. It never sees an
 * opening, a share of data, or an output; whoever runs it must keep it so (docs/security.md).
 */
import type { Kernels, Memory } from '../kernels/kernels.ts';
import { packedBytes } from '../kernels/kernels.ts';
import type { Plan, PlannedProgram } from '../plan/plan.ts';
import { partyOf, slotOf } from '../plan/records.ts';
import type { CorrelationRecord } from '../plan/records.ts';
import { InternalError } from '../../shared/errors.ts';
import type { PartyStreams } from '../random/streams.ts';
import { fillFromStream } from '../runtime/stream-fill.ts';
import { wordsToBytes } from '../runtime/words.ts';

export interface DealerOptions {
  readonly plan: Plan;
  readonly kernels: Kernels;
  /** One for each compute party, in order. */
  readonly streams: readonly PartyStreams[];
}

export class Dealer {
  readonly #options: DealerOptions;
  readonly #memory: Memory;

  private constructor(options: DealerOptions, memory: Memory) {
    this.#options = options;
    this.#memory = memory;
  }

  static async create(options: DealerOptions): Promise<Dealer> {
    const bytes = Math.max(64, ...[...options.plan.programs.values()].map((p) => p.dealer.memoryBytes));
    return new Dealer(options, await options.kernels.allocate(bytes));
  }

  /** Correction records, one a party in order, of one execution of a program with these public inputs. */
  async deal(
    programName: string,
    execution: number,
    known: ReadonlyMap<string, BigUint64Array>,
  ): Promise<Uint8Array[]> {
    const planned = this.#options.plan.programs.get(programName);
    if (planned === undefined) throw new InternalError('no-such-program', `The plan has no program ${programName}.`);
    const n = planned.program.parties.length;
    const records = planned.program.parties.map(
      (_, party) => new Uint8Array(planned.demand.correctionBytes[slotOf(party, execution, n)] ?? 0),
    );
    for (const stage of planned.dealer.stages) {
      for (const fill of stage.fills) {
        if (fill.from === 'constant') this.#memory.write(fill.slot, wordsToBytes(BigUint64Array.from(fill.words)), 64);
        else if (fill.from === 'known') {
          const words = known.get(fill.name);
          if (words === undefined) throw new InternalError('missing-input', `Public input ${fill.name} is missing.`);
          this.#memory.write(fill.slot, wordsToBytes(words), 64);
        } else {
          const record = recordOf(planned, fill.step);
          const parties = this.#options.streams.map((_, index) => index);
          const contributors =
            fill.from === 'shares'
              ? parties.filter((index) => index !== partyOf(fill.except, execution, parties.length))
              : fill.owner === undefined
                ? parties
                : [fill.owner];
          contributors.forEach((party, i) => {
            const how = i === 0 ? 'write' : 'accumulate';
            fillFromStream(this.#memory, this.#streamsOf(party), record, execution, fill.slot, how);
          });
        }
      }
      await this.#options.kernels.run(this.#memory, stage.instructions);
      if (stage.corrections.length > 0) await this.#takeCorrections(planned, execution, stage.corrections, records);
    }
    await this.#options.kernels.run(this.#memory, planned.dealer.stores);
    await this.#memory.settle?.([...this.#options.plan.dealerStates.slots.values()]);
    return records;
  }

  /** Packs corrections of a stage into the records of the parties that get them. */
  async #takeCorrections(
    planned: PlannedProgram,
    execution: number,
    corrections: PlannedProgram['dealer']['stages'][number]['corrections'],
    records: readonly Uint8Array[],
  ): Promise<void> {
    const parts = corrections.map(({ step, slot }) => ({ slot, width: recordOf(planned, step).width }));
    const packed = await this.#memory.pack(parts);
    let at = 0;
    for (const { step, slot } of corrections) {
      const record = recordOf(planned, step);
      const target = records[partyOf(record.correctionSlot ?? -1, execution, records.length)];
      if (target === undefined || packedBytes(slot, record.width) !== record.bytes) {
        throw new InternalError('record-size', 'A correction does not fit its record.');
      }
      target.set(packed.subarray(at, at + record.bytes), record.correctionOffset);
      at += record.bytes;
    }
  }

  #streamsOf(party: number): PartyStreams {
    const streams = this.#options.streams[party];
    if (streams === undefined) throw new InternalError('no-such-party', `The dealer has no party ${party}.`);
    return streams;
  }

  /** Erases what masks the memory holds. */
  dispose(): void {
    this.#memory.dispose();
  }
}

function recordOf(planned: PlannedProgram, step: number): CorrelationRecord {
  const record = planned.demand.records.get(step);
  if (record === undefined) throw new InternalError('no-record', `Step ${step} has no correlation record.`);
  return record;
}
