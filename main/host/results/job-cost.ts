/**
 * What a whole job costs: the plan's exact costs of each program times how often the job runs it, evaluation apart.
 * Knows nothing of machines: times come from rates (predict-time.ts) or from a run (results.ts).
 */
import { InternalError } from '../../../shared/errors.ts';
import { slotOf } from '../../../engine/plan/records.ts';
import type { Plan } from '../../../engine/plan/plan.ts';

/** One execution of a job's script, as far as costs are concerned. */
export interface CostedExecution {
  readonly program: string;
  /** `evaluate` is counted apart from everything else. */
  readonly kind: string;
  /** Counted from 0. */
  readonly epoch?: number;
}

export interface Totals {
  readonly executions: number;
  readonly rounds: number;
  /** For every compute party in order; payload of messages, without headers and seals. */
  readonly bytesSent: readonly number[];
  readonly bytesReceived: readonly number[];
  /** Counted once, however many parties receive them. */
  readonly bytesOpened: readonly number[];
  readonly multiplyAdds: readonly number[];
  /** Corrections that the dealer sends to each compute party. */
  readonly dealerBytes: readonly number[];
}

export interface ProgramCost extends Totals {
  readonly program: string;
  readonly kind: string;
}

/** Costs of one compute party, over all executions. */
export interface LayerTotal {
  readonly layer: string;
  readonly phase: string;
  readonly bytesSent: number;
  readonly bytesOpened: number;
  /** Rounds in which the layer takes part; layers share rounds, so these add up to more than the job's. */
  readonly rounds: number;
  readonly multiplyAdds: number;
  readonly dealerBytes: number;
}

export interface JobCost {
  readonly parties: readonly string[];
  /** In order of first execution. */
  readonly programs: readonly ProgramCost[];
  /** Everything but evaluation: inputs, steps, reveal of the model. */
  readonly training: Totals;
  readonly evaluation: Totals;
  readonly layers: readonly LayerTotal[];
}

/** For people: inputs and reveals outside of any layer have no name of their own. */
export function layerName(layer: string): string {
  return layer === '' ? '(no layer)' : layer;
}

/**
 * Exact costs of a job from its plan and the executions in it.
 * @param self index of the compute party whose layers are told.
 */
export function jobCost(plan: Plan, executions: Iterable<CostedExecution>, self = 0): JobCost {
  const parties = plan.parties.length;
  /** `bySlot`: executions in which this party fills the slot. */
  const counts = new Map<string, { kind: string; count: number; dealerBytes: number[]; bySlot: number[] }>();
  let number = 0;
  for (const { program, kind } of executions) {
    const zeros = (): number[] => new Array<number>(parties).fill(0);
    const entry = counts.get(program) ?? { kind, count: 0, dealerBytes: zeros(), bySlot: zeros() };
    entry.count++;
    const slot = slotOf(self, number, parties);
    entry.bySlot[slot] = (entry.bySlot[slot] ?? 0) + 1;
    const dealt = plan.programs.get(program)?.cost.dealerBytes ?? [];
    entry.dealerBytes = entry.dealerBytes.map((sum, party) => sum + (dealt[slotOf(party, number, parties)] ?? 0));
    counts.set(program, entry);
    number++;
  }
  const layers = new Map<string, LayerTotal>();
  const programs = [...counts].map(([program, { kind, count, dealerBytes, bySlot }]): ProgramCost => {
    const cost = plan.programs.get(program)?.cost;
    if (cost === undefined) throw new InternalError('no-such-program', `The plan has no program ${program}.`);
    for (const row of cost.layers) {
      const key = `${row.layer}\n${row.phase}`;
      const sum = layers.get(key);
      layers.set(key, {
        layer: row.layer,
        phase: row.phase,
        bytesSent: (sum?.bytesSent ?? 0) + count * (row.bytesSent[self] ?? 0),
        bytesOpened: (sum?.bytesOpened ?? 0) + count * (row.bytesOpened[self] ?? 0),
        rounds: (sum?.rounds ?? 0) + count * (row.rounds[self] ?? 0),
        multiplyAdds: (sum?.multiplyAdds ?? 0) + count * (row.multiplyAdds[self] ?? 0),
        dealerBytes: bySlot.reduce(
          (bytes, times, slot) => bytes + times * (row.dealerBytes[slot] ?? 0),
          sum?.dealerBytes ?? 0,
        ),
      });
    }
    const times = (perExecution: readonly number[]): number[] => perExecution.map((value) => value * count);
    return {
      program,
      kind,
      executions: count,
      rounds: cost.rounds * count,
      bytesSent: times(cost.bytesSent),
      bytesReceived: times(cost.bytesReceived),
      bytesOpened: times(cost.bytesOpened),
      multiplyAdds: times(cost.multiplyAdds),
      dealerBytes,
    };
  });
  const isEvaluation = ({ kind }: ProgramCost): boolean => kind === 'evaluate';
  return {
    parties: plan.parties,
    programs,
    training: total(
      plan,
      programs.filter((program) => !isEvaluation(program)),
    ),
    evaluation: total(plan, programs.filter(isEvaluation)),
    layers: [...layers.values()],
  };
}

function total(plan: Plan, programs: readonly ProgramCost[]): Totals {
  const each = (pick: (cost: ProgramCost) => readonly number[]): number[] =>
    plan.parties.map((_, party) => programs.reduce((sum, cost) => sum + (pick(cost)[party] ?? 0), 0));
  return {
    executions: programs.reduce((sum, cost) => sum + cost.executions, 0),
    rounds: programs.reduce((sum, cost) => sum + cost.rounds, 0),
    bytesSent: each((cost) => cost.bytesSent),
    bytesReceived: each((cost) => cost.bytesReceived),
    bytesOpened: each((cost) => cost.bytesOpened),
    multiplyAdds: each((cost) => cost.multiplyAdds),
    dealerBytes: each((cost) => cost.dealerBytes),
  };
}
