/**
 * The local work of a job on this machine, taken from its plan: what a kernel set has to do between two messages, timed on
 * zeros, which take as long as data. Knows no data and no links.
 */
import type { Instruction, Kernels, PackedPart, WordSlot } from '../../../engine/kernels/kernels.ts';
import type { Plan, PlannedProgram } from '../../../engine/plan/plan.ts';

export interface WorkRound {
  /** Public inputs: among them are row numbers, which have to be in range. */
  readonly known: readonly WordSlot[];
  readonly runs: readonly (readonly Instruction[])[];
  /** What leaves the memory after them. */
  readonly leaves: readonly PackedPart[];
}

export interface PlanWork {
  /** Of the memory that the job needs. */
  readonly memoryBytes: number;
  readonly program: string;
  readonly rounds: readonly WorkRound[];
}

/** The program that takes most of the job's multiply-adds. */
function heaviest(plan: Plan, executions: readonly { readonly program: string }[]): PlannedProgram | undefined {
  const work = new Map<string, number>();
  for (const { program } of executions) {
    const cost = Math.max(0, ...(plan.programs.get(program)?.cost.multiplyAdds ?? []));
    work.set(program, (work.get(program) ?? 0) + cost + 1);
  }
  const [most] = [...work].sort(([, a], [, b]) => b - a);
  return plan.programs.get(most?.[0] ?? '');
}

const largest = (plan: Plan, bytes: (planned: PlannedProgram) => number): number =>
  Math.max(64, ...[...plan.programs.values()].map(bytes));

/** Of the compute party with this index. */
export function partyWork(plan: Plan, index: number, executions: readonly { readonly program: string }[]): PlanWork {
  const planned = heaviest(plan, executions);
  const rounds = (planned?.parties[index]?.rounds ?? []).map(({ fills, before, during, openings, reveals }) => ({
    known: fills.flatMap((fill) => (fill.from === 'known' ? [fill.slot] : [])),
    runs: [before, during],
    leaves: [
      ...openings
        .filter(({ sender }) => sender === undefined || sender === index)
        .map(({ share, width }) => ({ slot: share, width })),
      ...reveals
        .filter(({ sender }) => sender === undefined || sender === index)
        .map(({ share }) => ({ slot: share, width: 64 })),
    ],
  }));
  const memoryBytes = largest(plan, ({ parties }) => parties[index]?.memoryBytes ?? 0);
  return { memoryBytes, program: planned?.program.name ?? '', rounds };
}

/** Of the dealer: products of masks, and corrections. */
export function dealerWork(plan: Plan, executions: readonly { readonly program: string }[]): PlanWork {
  const planned = heaviest(plan, executions);
  const rounds = (planned?.dealer.stages ?? []).map(({ fills, instructions, corrections }) => ({
    known: fills.flatMap((fill) => (fill.from === 'known' && fill.slot.kind === 'words' ? [fill.slot] : [])),
    runs: [instructions],
    leaves: corrections.map(({ step, slot }) => ({ slot, width: planned?.demand.records.get(step)?.width ?? 64 })),
  }));
  return {
    memoryBytes: largest(plan, ({ dealer }) => dealer.memoryBytes),
    program: planned?.program.name ?? '',
    rounds,
  };
}

export interface Comparison {
  readonly firstMs: number;
  readonly secondMs: number;
  /** Rounds of the work that were timed: all of them, or as many as fitted into the time. */
  readonly rounds: number;
}

/** The first set is given so long to warm up; what it has not done by then is not compared. */
const WARM_UP_MS = 500;
const REPEATS = 2;

/** Times the same rounds on both sets, warm, the best of two. Throws what allocating or running throws. */
export async function compareSets(work: PlanWork, first: Kernels, second: Kernels): Promise<Comparison> {
  let rounds = 0;
  const firstMs = await timed(first, work, (startMs) => {
    rounds++;
    return performance.now() - startMs < WARM_UP_MS;
  });
  const reached = rounds;
  let count = 0;
  const secondMs = await timed(second, work, () => ++count < reached);
  return { firstMs, secondMs, rounds: reached };
}

/** `goOn` is asked after every round of the warm-up; those done by then are timed. */
async function timed(kernels: Kernels, work: PlanWork, goOn: (startMs: number) => boolean): Promise<number> {
  const memory = await kernels.allocate(work.memoryBytes);
  const perform = async ({ known, runs, leaves }: WorkRound): Promise<void> => {
    for (const slot of known) memory.write(slot, new Uint8Array(8 * slot.length), 64);
    for (const program of runs) if (program.length > 0) await kernels.run(memory, program);
    if (leaves.length > 0) await memory.pack(leaves);
  };
  try {
    const startMs = performance.now();
    const done: WorkRound[] = [];
    for (const round of work.rounds) {
      await perform(round);
      done.push(round);
      if (!goOn(startMs)) break;
    }
    let bestMs = Infinity;
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const fromMs = performance.now();
      for (const round of done) await perform(round);
      // A set that computes elsewhere is done when this has come back.
      await memory.pack([]);
      bestMs = Math.min(bestMs, performance.now() - fromMs);
    }
    return bestMs;
  } finally {
    memory.dispose();
  }
}
