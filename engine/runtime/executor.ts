/**
 * Replays planned programs as one compute party: fills buffers, runs kernels, exchanges openings, and hands out what is
 * revealed to this party. No operation is traced or planned here. Knows nothing of sockets, stores, or of what is computed.
 */
import { InternalError } from '../../shared/errors.ts';
import type { Kernels, Memory, WordSlot } from '../kernels/kernels.ts';
import type { PartyPlan, PlannedOpening, PlannedReveal, Round } from '../plan/party-plan.ts';
import type { Plan, PlannedProgram } from '../plan/plan.ts';
import type { CryptoPort, SecretKey } from '../random/crypto-port.ts';
import { slotOf } from '../plan/records.ts';
import type { PartyStreams } from '../random/streams.ts';
import type { MaskGuard, RecordSource } from './ports.ts';
import type { Profiler } from './profiler.ts';
import { addRevealShares, blind } from './reveal.ts';
import { fillFromStream } from './stream-fill.ts';
import type { MessageKey, Transport } from './transport.ts';
import { bytesToWords, packWords, unpackWords, wordsToBytes } from './words.ts';

export interface ExecutorOptions {
  readonly plan: Plan;
  /** Index of this party among the compute parties. */
  readonly index: number;
  readonly attempt: number;
  readonly kernels: Kernels;
  readonly transport: Transport;
  readonly crypto: CryptoPort;
  readonly streams: PartyStreams;
  /** Pairwise keys for zero shares, by party name; the dealer does not know them (corrections C1). */
  readonly zeroKeys: ReadonlyMap<string, SecretKey>;
  readonly records: RecordSource;
  readonly guard: MaskGuard;
  readonly profiler: Profiler;
}

export interface Feeds {
  /** This party's plaintext inputs, as ring words. */
  readonly inputs: ReadonlyMap<string, BigUint64Array>;
  /** Public inputs, the same at all parties and the dealer. */
  readonly known: ReadonlyMap<string, BigUint64Array>;
}

export class PartyExecutor {
  readonly #options: ExecutorOptions;
  readonly #memory: Memory;
  readonly #self: string;

  private constructor(options: ExecutorOptions, memory: Memory) {
    this.#options = options;
    this.#memory = memory;
    this.#self = options.plan.parties[options.index] ?? '';
  }

  static async create(options: ExecutorOptions): Promise<PartyExecutor> {
    const bytes = Math.max(
      64,
      ...[...options.plan.programs.values()].map((p) => p.parties[options.index]?.memoryBytes ?? 0),
    );
    return new PartyExecutor(options, await options.kernels.allocate(bytes));
  }

  /** Runs a program once; returns the words revealed to this party, by name. */
  async execute(
    programName: string,
    execution: number,
    feeds: Feeds,
    signal?: AbortSignal,
  ): Promise<Map<string, BigUint64Array>> {
    const { plan, index, guard, records, profiler } = this.#options;
    const planned = plan.programs.get(programName);
    const party = planned?.parties[index];
    if (planned === undefined || party === undefined)
      throw new InternalError('no-such-program', `The plan has no program ${programName}.`);
    profiler.begin(programName, execution);
    await guard.begin(execution);
    const slot = slotOf(index, execution, plan.parties.length);
    const recordBytes = planned.demand.correctionBytes[slot] ?? 0;
    const needsRecord = recordBytes > 0;
    const record = needsRecord
      ? await profiler.receiving('dealer', () => records.take(execution, signal))
      : new Uint8Array(0);
    if (record.length !== recordBytes) {
      throw new InternalError(
        'record-size',
        `The correction record of execution ${execution} has ${record.length} bytes.`,
      );
    }
    const revealed = new Map<string, BigUint64Array>();
    for (const [number, round] of party.rounds.entries()) {
      profiler.round(number);
      profiler.measure('fill', () => this.#fill(planned, round, execution, record, feeds));
      await this.#run(round.before, round.beforeTags);
      const key: MessageKey = { attempt: this.#options.attempt, execution, round: number };
      const sent = await this.#send(planned, party, round, key, signal);
      const coming = this.#expect(planned, round, key, signal);
      await this.#run(round.during, round.duringTags);
      this.#memory.flush?.();
      await this.#receive(planned, round, sent, coming, revealed);
    }
    await this.#run(party.stores, []);
    this.#memory.flush?.();
    await this.#memory.settle?.([...plan.partyStates.slots.values()]);
    guard.finish(execution);
    profiler.end();
    return revealed;
  }

  /** State words, for checkpoints. */
  async readState(name: string): Promise<Uint8Array> {
    return await this.#memory.pack([{ slot: this.#stateSlot(name), width: 64 }]);
  }

  writeState(name: string, bytes: Uint8Array): void {
    this.#memory.write(this.#stateSlot(name), bytes, 64);
  }

  dispose(): void {
    this.#memory.dispose();
  }

  #stateSlot(name: string): WordSlot {
    const slot = this.#options.plan.partyStates.slots.get(name);
    if (slot === undefined) throw new InternalError('no-such-state', `The plan has no state ${name}.`);
    return slot;
  }

  #fill(planned: PlannedProgram, round: Round, execution: number, record: Uint8Array, feeds: Feeds): void {
    for (const fill of round.fills) {
      if (fill.from === 'record') {
        const demand = planned.demand.records.get(fill.step);
        if (demand === undefined) throw new InternalError('no-record', `Step ${fill.step} has no correlation record.`);
        const { correctionOffset, correctionSlot, bytes, width } = demand;
        if (correctionSlot === slotOf(this.#options.index, execution, planned.program.parties.length)) {
          this.#memory.write(fill.slot, record.subarray(correctionOffset, correctionOffset + bytes), width);
        } else fillFromStream(this.#memory, this.#options.streams, demand, execution, fill.slot, 'write');
      } else if (fill.from === 'constant') {
        this.#memory.write(fill.slot, wordsToBytes(BigUint64Array.from(fill.words)), 64);
      } else {
        const words = (fill.from === 'input' ? feeds.inputs : feeds.known).get(fill.name);
        if (words?.length !== fill.slot.length) {
          throw new InternalError(
            'missing-input',
            `Input ${fill.name} has ${words?.length ?? 0} words instead of ${fill.slot.length}.`,
          );
        }
        this.#memory.write(fill.slot, wordsToBytes(words), 64);
      }
    }
  }

  async #run(instructions: Round['before'], tags: Round['beforeTags']): Promise<void> {
    if (instructions.length === 0) return;
    await this.#options.profiler.computing(tags, (timer) =>
      this.#options.kernels.run(this.#memory, instructions, timer),
    );
  }

  /** Packs and sends this round's openings and reveals; returns the own parts that the exchange needs again. */
  async #send(
    planned: PlannedProgram,
    party: PartyPlan,
    round: Round,
    key: MessageKey,
    signal?: AbortSignal,
  ): Promise<OwnParts> {
    const { transport, guard, crypto, profiler } = this.#options;
    const { index } = party;
    const own: OwnParts = { openings: new Uint8Array(0), reveals: new Map() };
    if (round.openings.length === 0 && round.reveals.length === 0) return own;
    const mine = round.openings.filter((opening) => opening.sender === undefined || opening.sender === index);
    const told = round.reveals.filter((reveal) => reveal.sender === undefined || reveal.sender === index);
    const parts = [
      ...mine.map(({ share, width }) => ({ slot: share, width })),
      ...told.map(({ share }) => ({ slot: share, width: 64 })),
    ];
    const packed = await profiler.packing(() => this.#memory.pack(parts), this.#memory.deviceTimes?.bind(this.#memory));
    profiler.measure('serialise', () => {
      let at = mine.reduce((sum, opening) => sum + opening.bytes, 0);
      own.openings = packed.subarray(0, at);
      for (const reveal of told) {
        const share = bytesToWords(packed.subarray(at, at + reveal.share.length * 8));
        own.reveals.set(reveal, this.#leaving(planned, reveal, share, key.execution));
        at += reveal.share.length * 8;
      }
    });
    const recipients = [...planned.program.parties, ...outsideReceivers(planned, round)].filter(
      (name) => name !== this.#self,
    );
    for (const peer of recipients) {
      const reveals = told.filter((reveal) => reveal.receivers.includes(peer)).map((reveal) => own.reveals.get(reveal));
      const openings = planned.program.parties.includes(peer) ? own.openings : new Uint8Array(0);
      const payload = reveals.length === 0 ? openings : join([openings, ...reveals.map((r) => r ?? new Uint8Array(0))]);
      if (payload.length === 0) continue;
      if (payload === own.openings) own.digest ??= crypto.sha256(payload);
      guard.record(
        key.execution,
        roundKey(key.round, recipients.indexOf(peer), reveals.length > 0),
        own.digest !== undefined && payload === own.openings ? own.digest : crypto.sha256(payload),
      );
      await profiler.sending(peer, payload.length, () => transport.send(peer, key, payload, signal));
    }
    return own;
  }

  /** What this party receives of a round from another: openings it takes part in, and reveals to itself. */
  #incoming(round: Round, sender: number): { openings: readonly PlannedOpening[]; reveals: readonly PlannedReveal[] } {
    return {
      openings: round.openings.filter((opening) => opening.sender === undefined || opening.sender === sender),
      reveals: round.reveals.filter(
        (reveal) => reveal.receivers.includes(this.#self) && (reveal.sender === undefined || reveal.sender === sender),
      ),
    };
  }

  /** Asks for all messages of a round at once, so that they come in while instructions run. By sender. */
  #expect(
    planned: PlannedProgram,
    round: Round,
    key: MessageKey,
    signal?: AbortSignal,
  ): Map<number, Promise<Uint8Array>> {
    const coming = new Map<number, Promise<Uint8Array>>();
    planned.program.parties.forEach((peer, sender) => {
      if (sender === this.#options.index) return;
      const { openings, reveals } = this.#incoming(round, sender);
      const length = [...openings, ...reveals].reduce((sum, part) => sum + part.bytes, 0);
      if (length === 0) return;
      const payload = this.#options.transport.receive(peer, key, length, signal);
      // Whoever waits for it meets the error.
      payload.catch(() => {});
      coming.set(sender, payload);
    });
    return coming;
  }

  async #receive(
    planned: PlannedProgram,
    round: Round,
    own: OwnParts,
    coming: ReadonlyMap<number, Promise<Uint8Array>>,
    revealed: Map<string, BigUint64Array>,
  ): Promise<void> {
    const { index, profiler } = this.#options;
    if (round.openings.length === 0 && round.reveals.length === 0) return;
    let at = 0;
    profiler.measure('serialise', () => {
      for (const opening of round.openings) {
        if (opening.sender !== undefined && opening.sender !== index) continue;
        this.#memory.write(opening.opened, own.openings.subarray(at, at + opening.bytes), opening.width);
        at += opening.bytes;
      }
    });
    const sums = new Map(
      round.reveals
        .filter((reveal) => reveal.receivers.includes(this.#self))
        .map((reveal) => {
          const share = own.reveals.get(reveal);
          const words =
            share === undefined ? new BigUint64Array(reveal.share.length) : unpackWords(share, reveal.width);
          return [reveal, words];
        }),
    );
    for (const [sender, arriving] of coming) {
      const peer = planned.program.parties[sender] ?? '';
      const { openings, reveals } = this.#incoming(round, sender);
      const length = [...openings, ...reveals].reduce((sum, part) => sum + part.bytes, 0);
      const payload = await profiler.waiting(peer, length, () => arriving);
      profiler.measure('serialise', () => {
        let from = 0;
        for (const opening of openings) {
          const part = payload.subarray(from, from + opening.bytes);
          if (opening.sender === undefined) this.#memory.accumulate(opening.opened, part, opening.width);
          else this.#memory.write(opening.opened, part, opening.width);
          from += opening.bytes;
        }
        for (const reveal of reveals) {
          addRevealShares(
            sums.get(reveal) ?? new BigUint64Array(0),
            payload.subarray(from, from + reveal.bytes),
            reveal.width,
          );
          from += reveal.bytes;
        }
      });
    }
    for (const [reveal, words] of sums) {
      revealed.set(
        reveal.name,
        words.map((word) => BigInt.asUintN(64, BigInt.asIntN(reveal.width, word))),
      );
    }
  }

  /** This party's part of a result: its share, blinded; or the result itself where it is this party's own. */
  #leaving(planned: PlannedProgram, reveal: PlannedReveal, share: BigUint64Array, execution: number): Uint8Array {
    if (reveal.sender === undefined) {
      blind(share, {
        crypto: this.#options.crypto,
        keys: this.#options.zeroKeys,
        parties: planned.program.parties,
        index: this.#options.index,
        execution,
        step: reveal.step,
        width: reveal.width,
      });
      return packWords(share, reveal.width);
    }
    return packWords(
      share.map((word) => BigInt.asUintN(reveal.width, word)),
      reveal.width,
    );
  }
}

interface OwnParts {
  openings: Uint8Array;
  readonly reveals: Map<PlannedReveal, Uint8Array>;
  digest?: Uint8Array;
}

/** Receivers of reveals that are not compute parties, in order of first mention. */
function outsideReceivers(planned: PlannedProgram, round: Round): string[] {
  const names = round.reveals.flatMap((reveal) => reveal.receivers);
  return [...new Set(names)].filter((name) => !planned.program.parties.includes(name));
}

/** A guard key for each distinct payload of a round: openings alone are one, frames with reveals one a recipient. */
function roundKey(round: number, recipient: number, hasReveals: boolean): number {
  return round * 1024 + (hasReveals ? recipient + 1 : 0);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
