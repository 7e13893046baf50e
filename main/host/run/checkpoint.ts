/**
 * A compute party's shares between two executions as one blob: the states that change after the set-up, and what was revealed
 * to the party until then. What only the set-up makes is not in it: every attempt shares it anew, under new masks.
 * Knows nothing of where blobs are kept.
 */
import { z } from 'zod';
import type { PlanCost } from '../../../engine/plan/cost.ts';
import type { PartyExecutor } from '../../../engine/runtime/executor.ts';
import type { Plan } from '../../../engine/plan/plan.ts';
import type { Revealed } from '../../../engine/runtime/script.ts';
import { bytesToWords, wordsToBytes } from '../../../engine/runtime/words.ts';
import { MachineError } from '../../../shared/errors.ts';

const headerSchema = z.strictObject({
  planDigest: z.string(),
  states: z.array(z.strictObject({ name: z.string(), bytes: z.int().min(0) })),
  revealed: z.array(
    z.strictObject({
      execution: z.int().min(0),
      epoch: z.int().min(0),
      name: z.string(),
      bytes: z.int().min(0).multipleOf(8),
    }),
  ),
});

/** What any program but the set-up, which is the first, stores. */
function changingStates(plan: Plan): string[] {
  const [, ...later] = [...plan.programs.values()];
  const stored = new Set(
    later.flatMap(({ program }) => program.steps.flatMap((step) => (step.op === 'store' ? [step.state] : []))),
  );
  return [...plan.partyStates.slots.keys()].filter((name) => stored.has(name));
}

export async function packCheckpoint(
  plan: Plan,
  executor: PartyExecutor,
  revealed: readonly Revealed[],
): Promise<Uint8Array> {
  const states = await Promise.all(
    changingStates(plan).map(async (name) => ({ name, content: await executor.readState(name) })),
  );
  const sizes = states.map(({ name, content }) => ({ name, bytes: content.length }));
  const outputs = revealed.map(({ words, ...rest }) => ({ ...rest, bytes: words.byteLength }));
  const header = Buffer.from(JSON.stringify({ planDigest: plan.digest, states: sizes, revealed: outputs }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([
    length,
    header,
    ...states.map(({ content }) => content),
    ...revealed.map(({ words }) => wordsToBytes(words)),
  ]);
}

/** Writes the states back and returns what was revealed. A blob of another plan is refused (`checkpoint-foreign`). */
export function unpackCheckpoint(plan: Plan, executor: PartyExecutor, blob: Uint8Array): Revealed[] {
  const buffer = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  const headerBytes = buffer.readUInt32LE(0);
  const parsed = headerSchema.safeParse(JSON.parse(buffer.subarray(4, 4 + headerBytes).toString()));
  const header = parsed.data;
  const names = header?.states.map(({ name }) => name);
  if (header?.planDigest !== plan.digest || changingStates(plan).some((name) => names?.includes(name) !== true)) {
    throw new MachineError('checkpoint-foreign', 'The checkpoint was made under another plan.', {
      hint: 'Start the job anew: the program has changed since.',
    });
  }
  let at = 4 + headerBytes;
  for (const { name, bytes } of header.states) {
    executor.writeState(name, new Uint8Array(buffer.subarray(at, at + bytes)));
    at += bytes;
  }
  return header.revealed.map(({ bytes, ...rest }) => {
    const words = bytesToWords(buffer.subarray(at, at + bytes));
    at += bytes;
    return { ...rest, words };
  });
}

/** Work between two checkpoints: what a crash costs at most. */
const INTERVAL_SECONDS = 2;

/**
 * Roughly how long an execution takes: a function of the plan alone, so that all parties save at the same executions
 * without talking. Rates of one core and of a quick link; a checkpoint too many or few does no harm.
 */
function roughSeconds(cost: PlanCost): number {
  const largest = (values: readonly number[]): number => Math.max(0, ...values);
  return largest(cost.multiplyAdds) / 1e9 + largest(cost.bytesSent) / 40e6 + cost.rounds * 1e-3;
}

/** Says after which executions to save. */
export class CheckpointSchedule {
  #seconds = 0;

  isDue(cost: PlanCost): boolean {
    const before = Math.floor(this.#seconds / INTERVAL_SECONDS);
    this.#seconds += roughSeconds(cost);
    return Math.floor(this.#seconds / INTERVAL_SECONDS) > before;
  }
}
