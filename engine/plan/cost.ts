/**
 * What an execution costs, known before it runs: bytes and rounds exactly, arithmetic by count, dealer material by bytes; by
 * layer and phase. Time is predicted from these by rates measured on the machine and its links.
 */
import type { Demand } from './records.ts';
import type { Liveness } from './liveness.ts';
import type { PartyPlan } from './party-plan.ts';
import type { Program, Tag } from './program.ts';

/** Every row: for every compute party in order. */
export interface LayerCost {
  readonly layer: string;
  readonly phase: string;
  /** Bytes put on links: openings to every other compute party, reveals to receivers. */
  readonly bytesSent: number[];
  /** Counted once whatever the number of receivers. */
  readonly bytesOpened: number[];
  /** Rounds in which this layer opens something; layers share rounds, so these do not add up to the plan's. */
  readonly rounds: number[];
  readonly multiplyAdds: number[];
  /** Correction bytes for every slot in order, without seals; parties take turns in the slots (records.ts). */
  readonly dealerBytes: number[];
}

export interface PlanCost {
  readonly rounds: number;
  /** For every compute party in order. */
  readonly bytesSent: readonly number[];
  readonly bytesReceived: readonly number[];
  readonly bytesOpened: readonly number[];
  readonly multiplyAdds: readonly number[];
  /** Correction bytes for every slot in order, without seals; parties take turns in the slots (records.ts). */
  readonly dealerBytes: readonly number[];
  readonly instructions: readonly number[];
  readonly layers: readonly LayerCost[];
}

export function costOf(program: Program, live: Liveness, demand: Demand, plans: readonly PartyPlan[]): PlanCost {
  const layers = new Map<string, LayerCost>();
  const layer = (tag: Tag): LayerCost => {
    const key = `${tag.layer}\n${tag.phase}`;
    let row = layers.get(key);
    if (row === undefined) {
      row = {
        layer: tag.layer,
        phase: tag.phase,
        bytesSent: zeros(),
        bytesOpened: zeros(),
        rounds: zeros(),
        multiplyAdds: zeros(),
        dealerBytes: zeros(),
      };
      layers.set(key, row);
    }
    return row;
  };
  const n = program.parties.length;
  const zeros = (): number[] => program.parties.map(() => 0);
  const [bytesSent, bytesReceived, bytesOpened, multiplyAdds, instructions] = [
    zeros(),
    zeros(),
    zeros(),
    zeros(),
    zeros(),
  ];
  const bump = (row: number[], index: number, by: number): void => {
    row[index] = (row[index] ?? 0) + by;
  };
  for (const plan of plans) {
    for (const round of plan.rounds) {
      const seen = new Set<LayerCost>();
      for (const opening of round.openings) {
        const sends = opening.sender === undefined || opening.sender === plan.index;
        const receives = opening.sender === undefined ? n - 1 : opening.sender === plan.index ? 0 : 1;
        if (sends) bump(bytesSent, plan.index, opening.bytes * (n - 1));
        if (sends) bump(bytesOpened, plan.index, opening.bytes);
        bump(bytesReceived, plan.index, opening.bytes * receives);
        const row = layer(opening.tag);
        if (sends) bump(row.bytesOpened, plan.index, opening.bytes);
        if (sends) bump(row.bytesSent, plan.index, opening.bytes * (n - 1));
        seen.add(row);
      }
      for (const reveal of round.reveals) {
        const self = program.parties[plan.index] ?? '';
        const sends = reveal.sender === undefined || reveal.sender === plan.index;
        const receives = reveal.sender === undefined ? n - 1 : reveal.sender === plan.index ? 0 : 1;
        const others = reveal.receivers.filter((receiver) => receiver !== self).length;
        if (sends) bump(bytesSent, plan.index, reveal.bytes * others);
        bump(bytesReceived, plan.index, reveal.receivers.includes(self) ? reveal.bytes * receives : 0);
        const row = layer(reveal.tag);
        if (sends) bump(row.bytesSent, plan.index, reveal.bytes * others);
        const sender = program.parties[reveal.sender ?? -1];
        if (sender === undefined || reveal.receivers.some((receiver) => receiver !== sender)) seen.add(row);
      }
      for (const row of seen) bump(row.rounds, plan.index, 1);
      const count = (list: typeof round.before, tags: readonly Tag[]): void => {
        list.forEach((instruction, i) => {
          bump(instructions, plan.index, 1);
          if (instruction.op !== 'matmul') return;
          const { batch, m, k, n: columns, pairs } = instruction;
          const macs = batch * m * k * columns * pairs.length;
          bump(multiplyAdds, plan.index, macs);
          const tag = tags[i];
          if (tag !== undefined) bump(layer(tag).multiplyAdds, plan.index, macs);
        });
      };
      count(round.before, round.beforeTags);
      count(round.during, round.duringTags);
    }
  }
  for (const record of demand.records.values()) {
    const tag = program.steps[record.step]?.tag;
    if (record.correctionSlot !== undefined && tag !== undefined && live.party[record.step] === true)
      bump(layer(tag).dealerBytes, record.correctionSlot, record.bytes);
  }
  return {
    rounds: live.rounds,
    bytesSent,
    bytesReceived,
    bytesOpened,
    multiplyAdds,
    dealerBytes: demand.correctionBytes,
    instructions,
    layers: [...layers.values()],
  };
}
