/**
 * Where values kept between executions lie in a memory: one layout for all programs of a job, one for the parties and one for
 * the dealer. Knows nothing of what the values mean.
 */
import { InternalError } from '../../shared/errors.ts';
import type { WordSlot } from '../kernels/kernels.ts';
import { roundUp } from './buffers.ts';
import type { Program } from './program.ts';

export interface StateLayout {
  readonly slots: ReadonlyMap<string, WordSlot>;
  readonly bytes: number;
}

/** Collects every state that the programs load or store, on the parties' or on the dealer's side. */
export function stateLayout(programs: readonly Program[], side: 'party' | 'dealer'): StateLayout {
  const slots = new Map<string, WordSlot>();
  let bytes = 0;
  for (const program of programs) {
    for (const step of program.steps) {
      if (step.op !== 'load' && step.op !== 'store') continue;
      const info = program.values[step.op === 'load' ? step.value : step.value.value];
      if (info === undefined || (info.place === 'dealer') !== (side === 'dealer')) continue;
      if (step.op === 'load' && info.owner !== undefined) checkOwner(programs, step.state, info.owner);
      const length = step.op === 'load' ? info.length : step.value.length;
      const existing = slots.get(step.state);
      if (existing !== undefined) {
        if (existing.length !== length) throw new InternalError('state-size', `State ${step.state} has two sizes.`);
        continue;
      }
      slots.set(step.state, { kind: 'words', offset: bytes, length });
      bytes += roundUp(length * 8);
    }
  }
  return { slots, bytes };
}

/** A state read as one party's own is never stored as anything else: other parties' shares of it would be left out. */
function checkOwner(programs: readonly Program[], state: string, owner: string): void {
  for (const { steps, values } of programs) {
    for (const step of steps) {
      if (step.op !== 'store' || step.state !== state || values[step.value.value]?.owner === owner) continue;
      throw new InternalError(
        'state-owner',
        `State ${state} is read as ${owner}'s own, and stored as shares of others.`,
      );
    }
  }
}
