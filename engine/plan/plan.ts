/**
 * A job's plan: every program that its executions replay, with the parties' and the dealer's part of each, the states they
 * share, what they cost, and one digest over all of it that parties compare before any secret moves.
 */
import { liveness } from './liveness.ts';
import { demandOf } from './records.ts';
import type { Demand } from './records.ts';
import { costOf } from './cost.ts';
import type { PlanCost } from './cost.ts';
import { planDealer } from './dealer-plan.ts';
import type { DealerPlan } from './dealer-plan.ts';
import { implicitWindows } from './implicit-windows.ts';
import { narrow } from './narrow.ts';
import { planParty } from './party-plan.ts';
import type { PartyPlan } from './party-plan.ts';
import type { Program } from './program.ts';
import { stateLayout } from './state-layout.ts';
import type { StateLayout } from './state-layout.ts';

/** Raised whenever a change makes old and new programs disagree on bytes, rounds or randomness. */
const PLAN_VERSION = 2;

export interface PlannedProgram {
  readonly program: Program;
  readonly demand: Demand;
  readonly parties: readonly PartyPlan[];
  readonly dealer: DealerPlan;
  readonly cost: PlanCost;
}

export interface Plan {
  readonly parties: readonly string[];
  readonly programs: ReadonlyMap<string, PlannedProgram>;
  readonly partyStates: StateLayout;
  readonly dealerStates: StateLayout;
  /** Hex SHA-256 over the programs. */
  readonly digest: string;
}

/** Plans the programs of a job; all have the same compute parties. */
export function planJob(lowered: readonly Program[], sha256: (data: Uint8Array) => Uint8Array): Plan {
  const programs = narrow(lowered.map(implicitWindows));
  const partyStates = stateLayout(programs, 'party');
  const dealerStates = stateLayout(programs, 'dealer');
  const planned = programs.map((program): PlannedProgram => {
    const live = liveness(program);
    const demand = demandOf(program, live);
    const parties = program.parties.map((_, index) => planParty(program, live, demand, partyStates, index));
    return {
      program,
      demand,
      parties,
      dealer: planDealer(program, live, demand, dealerStates),
      cost: costOf(program, live, demand, parties),
    };
  });
  return {
    parties: programs[0]?.parties ?? [],
    programs: new Map(planned.map((p) => [p.program.name, p])),
    partyStates,
    dealerStates,
    digest: digestOf(programs, sha256),
  };
}

function digestOf(programs: readonly Program[], sha256: (data: Uint8Array) => Uint8Array): string {
  const text = JSON.stringify([PLAN_VERSION, programs], (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
  return Array.from(sha256(new TextEncoder().encode(text)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
