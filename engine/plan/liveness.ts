/**
 * Which steps of a program have an effect, and in which communication round each value exists. Shared by the plans of the
 * parties and of the dealer, so that all agree. Knows nothing of buffers, seeds or instructions' cost.
 *
 * Round of a value: 0 for everything held before the first exchange; an opening's result is one round after its share; a
 * local result is in the latest round of its inputs. All openings of a round travel together, whatever gadget they are from.
 */
import { InternalError } from '../../shared/errors.ts';
import { stepValues } from './builder.ts';
import type { Place, Program, Step } from './program.ts';

export interface Liveness {
  /** Steps that some compute party carries out, by index. */
  readonly party: readonly boolean[];
  /** Steps that the dealer carries out, by index. */
  readonly dealer: readonly boolean[];
  /** Round of each value on the parties' side. */
  readonly round: readonly number[];
  /** Number of exchanges: the highest round of an opening, reveals included. */
  readonly rounds: number;
}

export function liveness(program: Program): Liveness {
  const placeOf = (value: number): Place => {
    const info = program.values[value];
    if (info === undefined) throw new InternalError('no-such-value', `Program ${program.name} has no value ${value}.`);
    return info.place;
  };
  const party = markLive(
    program,
    (step) => isPartyRoot(step, placeOf),
    (step) => isPartyStep(step, placeOf),
  );
  const dealer = markLive(
    program,
    (step, index) =>
      (step.op === 'deal' && party[index] === true) || (step.op === 'store' && placeOf(step.value.value) === 'dealer'),
    (step) => isDealerStep(step, placeOf),
  );
  const round = new Array<number>(program.values.length).fill(0);
  let rounds = 0;
  program.steps.forEach((step, index) => {
    if (party[index] !== true) return;
    const { defines, reads } = stepValues(step);
    const at = step.op === 'deal' ? 0 : reads.reduce((latest, value) => Math.max(latest, round[value] ?? 0), 0);
    if (isExchange(step)) rounds = Math.max(rounds, at + 1);
    for (const value of defines) round[value] = step.op === 'open' ? at + 1 : at;
  });
  return { party, dealer, round, rounds };
}

/** Whether anything crosses a link: not where all who learn a value have it. */
function isExchange(step: Step): boolean {
  if (step.op === 'reveal' && step.share.place === 'known') return false;
  if (step.op === 'reveal') return step.from === undefined || step.receivers.some((name) => name !== step.from);
  return step.op === 'open';
}

function markLive(
  program: Program,
  isRoot: (step: Step, index: number) => boolean,
  mayRun: (step: Step) => boolean,
): boolean[] {
  const live = new Array<boolean>(program.steps.length).fill(false);
  const needed = new Set<number>();
  for (let index = program.steps.length - 1; index >= 0; index--) {
    const step = program.steps[index];
    if (step === undefined || !mayRun(step)) continue;
    const { defines, reads } = stepValues(step);
    if (!isRoot(step, index) && !defines.some((value) => needed.has(value))) continue;
    live[index] = true;
    for (const value of reads) needed.add(value);
  }
  return live;
}

function isPartyRoot(step: Step, placeOf: (value: number) => Place): boolean {
  return step.op === 'reveal' || (step.op === 'store' && placeOf(step.value.value) !== 'dealer');
}

function isPartyStep(step: Step, placeOf: (value: number) => Place): boolean {
  if (step.op === 'store') return placeOf(step.value.value) !== 'dealer';
  return (
    stepValues(step).defines.every((value) => placeOf(value) !== 'dealer') ||
    step.op === 'random' ||
    step.op === 'ownerMask' ||
    step.op === 'reveal'
  );
}

function isDealerStep(step: Step, placeOf: (value: number) => Place): boolean {
  if (step.op === 'deal' || step.op === 'random' || step.op === 'ownerMask') return true;
  if (step.op === 'store') return placeOf(step.value.value) === 'dealer';
  if (step.op === 'open' || step.op === 'reveal' || step.op === 'input') return false;
  return stepValues(step).defines.every((value) => placeOf(value) === 'dealer' || placeOf(value) === 'known');
}
