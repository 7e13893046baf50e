/**
 * What one compute party does in one execution, round by round, with every value in its buffer: fill what comes from outside,
 * run instructions, exchange openings. Computed once and replayed for every batch.
 * Knows nothing of keys, sockets or time.
 */
import { InternalError } from '../../shared/errors.ts';
import { packedBytes, slotBytes } from '../kernels/kernels.ts';
import type { Instruction, Slot, WordSlot } from '../kernels/kernels.ts';
import { BufferAllocator } from './buffers.ts';
import { stepValues } from './builder.ts';
import type { Liveness } from './liveness.ts';
import { localise, toInstruction, toSlot } from './place.ts';
import { Bits, Words } from './program.ts';
import type { LocalOperation, Program, Tag } from './program.ts';
import type { Demand } from './records.ts';
import type { StateLayout } from './state-layout.ts';

/** A slot to fill before the instructions of a round. */
export type Fill =
  /** Correlated randomness: expanded from the party's stream, or read from its correction record. */
  | { readonly from: 'record'; readonly slot: Slot; readonly step: number }
  | { readonly from: 'input'; readonly slot: WordSlot; readonly name: string }
  | { readonly from: 'known'; readonly slot: WordSlot; readonly name: string }
  | { readonly from: 'constant'; readonly slot: WordSlot; readonly words: readonly bigint[] };

export interface PlannedOpening {
  /** Identifies the masked value within the plan; part of every mask id. */
  readonly step: number;
  readonly share: Slot;
  readonly opened: Slot;
  readonly width: number;
  readonly bytes: number;
  /** Index of the only sender, or undefined when all send. */
  readonly sender: number | undefined;
  readonly tag: Tag;
}

export interface PlannedReveal {
  readonly step: number;
  readonly name: string;
  /** Where this party's share is; only its length counts where another party sends alone. */
  readonly share: WordSlot;
  readonly receivers: readonly string[];
  readonly width: number;
  readonly bytes: number;
  /** Index of the only sender, or undefined when all send. */
  readonly sender: number | undefined;
  readonly tag: Tag;
}

export interface Round {
  readonly fills: readonly Fill[];
  /** Needed before this round's exchange. */
  readonly before: readonly Instruction[];
  readonly beforeTags: readonly Tag[];
  /** Carried out while the exchange is under way. */
  readonly during: readonly Instruction[];
  readonly duringTags: readonly Tag[];
  readonly openings: readonly PlannedOpening[];
  readonly reveals: readonly PlannedReveal[];
}

export interface PartyPlan {
  readonly program: string;
  readonly index: number;
  readonly rounds: readonly Round[];
  /** Copies into states, after the last round. */
  readonly stores: readonly Instruction[];
  readonly memoryBytes: number;
}

interface Placed {
  operation: LocalOperation;
  tag: Tag;
}

interface RoundWork {
  fills: { value: number; fill: (slot: Slot) => Fill }[];
  before: Placed[];
  during: Placed[];
  openings: {
    step: number;
    share: Words | Bits;
    opened: number;
    width: number;
    sender: number | undefined;
    tag: Tag;
  }[];
  reveals: {
    step: number;
    name: string;
    share: Words;
    receivers: readonly string[];
    width: number;
    sender: number | undefined;
    tag: Tag;
  }[];
}

export function planParty(
  program: Program,
  live: Liveness,
  demand: Demand,
  states: StateLayout,
  index: number,
): PartyPlan {
  const work = collect(program, live, demand, index);
  return assign(program, work, states, index);
}

/** Sorts the live steps into rounds, for this party. */
function collect(
  program: Program,
  live: Liveness,
  demand: Demand,
  index: number,
): { rounds: RoundWork[]; stores: { state: string; value: Words }[] } {
  const rounds: RoundWork[] = Array.from({ length: live.rounds + 1 }, () => ({
    fills: [],
    before: [],
    during: [],
    openings: [],
    reveals: [],
  }));
  const at = (round: number): RoundWork => {
    const work = rounds[round];
    if (work === undefined) throw new InternalError('no-such-round', `Program ${program.name} has no round ${round}.`);
    return work;
  };
  const stores: { state: string; value: Words }[] = [];
  const self = program.parties[index] ?? '';
  const zero = new Set<number>();
  const isOwn = (party: number | undefined): boolean => party === undefined || party === index;
  const locals: { operation: LocalOperation; tag: Tag; round: number; defines: number[]; reads: number[] }[] = [];
  const sources = new Map<number, (slot: Slot) => Fill>();

  program.steps.forEach((step, stepIndex) => {
    if (live.party[stepIndex] !== true) return;
    switch (step.op) {
      case 'random':
      case 'deal':
        if (!demand.records.has(stepIndex)) throw new InternalError('no-record', 'A live correlation has no record.');
        sources.set(step.share, (slot) => ({ from: 'record', slot, step: stepIndex }));
        break;
      case 'ownerMask':
        if (self === step.owner) sources.set(step.share, (slot) => ({ from: 'record', slot, step: stepIndex }));
        else zero.add(step.share);
        break;
      case 'input':
        if ((step.owner === undefined || self === step.owner) && step.name !== '') {
          const name = step.name;
          sources.set(step.share, (slot) => ({ from: 'input', slot: words(slot), name }));
        } else zero.add(step.share);
        break;
      case 'known':
        sources.set(step.known, (slot) => ({ from: 'known', slot: words(slot), name: step.name }));
        break;
      case 'constant':
        sources.set(step.known, (slot) => ({ from: 'constant', slot: words(slot), words: step.words }));
        break;
      case 'load': {
        const { owner } = program.values[step.value] ?? {};
        if (owner !== undefined && owner !== self) zero.add(step.value);
        break;
      }
      case 'store':
        stores.push({ state: step.state, value: step.value });
        break;
      case 'local': {
        const { defines } = stepValues(step);
        const { owner } = program.values[defines[0] ?? -1] ?? {};
        // What belongs to one party is computed by it alone, public contributions included.
        const isFirst = owner === undefined ? index === 0 : owner === self;
        const operation =
          owner === undefined || isFirst
            ? localise(step.operation, { isFirst, isZero: (value) => zero.has(value) })
            : undefined;
        if (operation === undefined) {
          for (const value of defines) zero.add(value);
          break;
        }
        const reads = stepValues({ op: 'local', operation }).reads;
        materialiseZeros(reads, step.tag);
        const round = Math.max(0, ...defines.map((value) => live.round[value] ?? 0));
        locals.push({ operation, tag: step.tag, round, defines, reads });
        break;
      }
      case 'open': {
        const sender = step.from === undefined ? undefined : program.parties.indexOf(step.from);
        if (isOwn(sender)) materialiseZeros([step.share.value], step.tag);
        const round = (live.round[step.opened] ?? 1) - 1;
        at(round).openings.push({
          step: stepIndex,
          share: step.share,
          opened: step.opened,
          width: step.width,
          sender,
          tag: step.tag,
        });
        break;
      }
      case 'reveal': {
        // What everybody knows each receiver tells itself.
        const isKnown = step.share.place === 'known';
        if (isKnown && !step.receivers.includes(self)) break;
        const sender = isKnown ? index : step.from === undefined ? undefined : program.parties.indexOf(step.from);
        if (isOwn(sender)) materialiseZeros([step.share.value], step.tag);
        at(live.round[step.share.value] ?? 0).reveals.push({
          step: stepIndex,
          name: step.name,
          share: step.share,
          receivers: isKnown ? [self] : step.receivers,
          width: step.width,
          sender,
          tag: step.tag,
        });
        break;
      }
    }
  });
  for (const { value } of stores) materialiseZeros([value.value], { layer: '', phase: 'store' });

  /** Gives a zero share real bytes where something cannot do without. */
  function materialiseZeros(values: readonly number[], tag: Tag): void {
    for (const value of values) {
      const info = program.values[value];
      if (!zero.has(value) || info === undefined) continue;
      zero.delete(value);
      const operation: LocalOperation =
        info.kind === 'words'
          ? { op: 'combine', out: new Words(value, 'share', 0, info.length), terms: [] }
          : { op: 'combineBits', out: new Bits(value, 'share', info.length, 0, info.planes), terms: [], constant: 0 };
      locals.push({ operation, tag, round: live.round[value] ?? 0, defines: [value], reads: [] });
    }
  }

  // What the openings of a round need comes before the exchange, the rest goes on during it.
  const producer = new Map<number, number>();
  locals.forEach((local, i) => {
    for (const value of local.defines) producer.set(value, i);
  });
  const urgent = new Set<number>();
  const want = (value: number, round: number): void => {
    const pending = [value];
    while (pending.length > 0) {
      const i = producer.get(pending.pop() ?? -1);
      const local = i === undefined ? undefined : locals[i];
      if (i === undefined || local === undefined || local.round !== round || urgent.has(i)) continue;
      urgent.add(i);
      pending.push(...local.reads);
    }
  };
  rounds.forEach((work, round) => {
    for (const { share, sender } of [...work.openings, ...work.reveals]) if (isOwn(sender)) want(share.value, round);
  });
  locals.forEach((local, i) => {
    (urgent.has(i) ? at(local.round).before : at(local.round).during).push({
      operation: local.operation,
      tag: local.tag,
    });
  });

  // Fill sources in the first round that reads them.
  const firstUse = new Map<number, number>();
  const use = (value: number, round: number): void => {
    if (sources.has(value)) firstUse.set(value, Math.min(firstUse.get(value) ?? Infinity, round));
  };
  for (const local of locals) for (const value of local.reads) use(value, local.round);
  rounds.forEach((work, round) => {
    for (const { share, sender } of [...work.openings, ...work.reveals]) if (isOwn(sender)) use(share.value, round);
  });
  for (const { value } of stores) use(value.value, live.rounds);
  for (const [value, round] of firstUse) {
    const fill = sources.get(value);
    if (fill !== undefined) at(round).fills.push({ value, fill });
  }
  return { rounds, stores };
}

/** Gives every value a buffer for as long as it is needed. */
function assign(
  program: Program,
  { rounds, stores }: ReturnType<typeof collect>,
  states: StateLayout,
  index: number,
): PartyPlan {
  const offsets = new Map<number, number>();
  for (const step of program.steps) {
    const slot = step.op === 'load' ? states.slots.get(step.state) : undefined;
    if (step.op === 'load' && slot !== undefined) offsets.set(step.value, slot.offset);
  }
  const lastUse = new Map<number, number>();
  let time = 0;
  const readAt = (value: number): void => {
    lastUse.set(value, time);
  };
  // First pass: the moment of each value's last use, in the order in which everything happens.
  for (const work of rounds) {
    for (const { value } of work.fills) readAt(value);
    for (const { operation } of work.before) {
      time++;
      const { defines, reads } = valuesOf(operation);
      [...defines, ...reads].forEach(readAt);
    }
    time++;
    for (const { share } of [...work.openings, ...work.reveals]) readAt(share.value);
    for (const { opened } of work.openings) readAt(opened);
    for (const { operation } of work.during) {
      time++;
      const { defines, reads } = valuesOf(operation);
      [...defines, ...reads].forEach(readAt);
    }
    time++;
    // Openings stay in use until the exchange is over.
    for (const { opened } of work.openings) readAt(opened);
  }
  time++;
  for (const { value } of stores) readAt(value.value);

  const allocator = new BufferAllocator(states.bytes);
  const expiring = new Map<number, number[]>();
  for (const [value, at] of lastUse) expiring.set(at, [...(expiring.get(at) ?? []), value]);
  const bytesOf = (value: number): number => {
    const info = program.values[value];
    if (info === undefined) throw new InternalError('no-such-value', `Program ${program.name} has no value ${value}.`);
    return slotBytes(info);
  };
  const own = new Set<number>();
  const define = (value: number): void => {
    if (offsets.has(value)) return;
    offsets.set(value, allocator.take(bytesOf(value)));
    own.add(value);
  };
  const release = (at: number): void => {
    for (const value of expiring.get(at) ?? []) {
      const offset = offsets.get(value);
      if (offset !== undefined && own.delete(value)) allocator.free(offset, bytesOf(value));
    }
  };
  const offsetOf = (value: number): number => {
    const offset = offsets.get(value);
    if (offset === undefined)
      throw new InternalError('no-buffer', `A value of program ${program.name} is read before it is made.`);
    return offset;
  };
  const wholeSlot = (value: number): Slot => {
    const info = program.values[value];
    const offset = offsetOf(value);
    return info?.kind === 'bits'
      ? { kind: 'bits', offset, length: info.length, planes: info.planes }
      : { kind: 'words', offset, length: info?.length ?? 0 };
  };

  time = 0;
  const planned = rounds.map((work): Round => {
    for (const { value } of work.fills) define(value);
    const fills = work.fills.map(({ value, fill }) => fill(wholeSlot(value)));
    release(time);
    const run = (placed: readonly Placed[]): Instruction[] =>
      placed.map(({ operation }) => {
        time++;
        valuesOf(operation).defines.forEach(define);
        const instruction = toInstruction(operation, offsetOf);
        release(time);
        return instruction;
      });
    const before = run(work.before);
    time++;
    for (const { opened } of work.openings) define(opened);
    const openings = work.openings.map((opening): PlannedOpening => {
      const share =
        opening.sender === undefined || opening.sender === index
          ? toSlot(opening.share, offsetOf)
          : wholeSlot(opening.opened);
      const opened = wholeSlot(opening.opened);
      return {
        step: opening.step,
        share,
        opened,
        width: opening.width,
        bytes: packedBytes(opened, opening.width),
        sender: opening.sender,
        tag: opening.tag,
      };
    });
    const reveals = work.reveals.map((reveal): PlannedReveal => {
      const isSent = reveal.sender === undefined || reveal.sender === index;
      const share = isSent
        ? toSlot(reveal.share, offsetOf)
        : { kind: 'words' as const, offset: 0, length: reveal.share.length };
      return { ...reveal, share, bytes: packedBytes(share, reveal.width) };
    });
    release(time);
    const during = run(work.during);
    time++;
    release(time);
    return {
      fills,
      before,
      beforeTags: work.before.map(({ tag }) => tag),
      during,
      duringTags: work.during.map(({ tag }) => tag),
      openings,
      reveals,
    };
  });
  const copies = stores.map(({ state, value }): Instruction => {
    const slot = states.slots.get(state);
    if (slot === undefined) throw new InternalError('no-such-state', `State ${state} has no place.`);
    const factors = [{ slot: toSlot(value, offsetOf), repeat: 'cycle' as const }];
    return { op: 'combine', out: slot, terms: [{ coefficient: 1n, factors }] };
  });
  return { program: program.name, index, rounds: planned, stores: copies, memoryBytes: allocator.peak };
}

function valuesOf(operation: LocalOperation): { defines: number[]; reads: number[] } {
  return stepValues({ op: 'local', operation });
}

function words(slot: Slot): WordSlot {
  if (slot.kind !== 'words') throw new InternalError('not-words', 'Bits stand where words are expected.');
  return slot;
}
