/**
 * A compute party's shares between two executions as one blob: the states that change in training, and the metrics revealed
 * until then. Features and labels are not in it: every attempt shares them anew, under new masks.
 * Knows nothing of where blobs are kept.
 */
import { z } from 'zod';
import type { PlanCost } from '../../../engine/plan/cost.ts';
import type { PartyExecutor } from '../../../engine/runtime/executor.ts';
import type { Plan } from '../../../engine/plan/plan.ts';
import { MachineError } from '../../../shared/errors.ts';

const CHANGING = ['weight/', 'update/'];

const headerSchema = z.strictObject({
  planDigest: z.string(),
  states: z.array(z.strictObject({ name: z.string(), bytes: z.int().min(0) })),
  metrics: z.array(z.strictObject({ epoch: z.int().min(0), name: z.string(), sum: z.number() })),
});

/** A revealed sum over test rows, after an epoch (from 0). */
export type MetricSum = z.infer<typeof headerSchema>['metrics'][number];

function changingStates(plan: Plan): string[] {
  return [...plan.partyStates.slots.keys()].filter((name) => CHANGING.some((prefix) => name.startsWith(prefix)));
}

export async function packCheckpoint(
  plan: Plan,
  executor: PartyExecutor,
  metrics: readonly MetricSum[],
): Promise<Uint8Array> {
  const states = await Promise.all(
    changingStates(plan).map(async (name) => ({ name, content: await executor.readState(name) })),
  );
  const sizes = states.map(({ name, content }) => ({ name, bytes: content.length }));
  const header = Buffer.from(JSON.stringify({ planDigest: plan.digest, states: sizes, metrics }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, ...states.map(({ content }) => content)]);
}

/** Writes the states back and returns the metrics. A blob of another plan is refused (`checkpoint-foreign`). */
export function unpackCheckpoint(plan: Plan, executor: PartyExecutor, blob: Uint8Array): MetricSum[] {
  const buffer = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  const headerBytes = buffer.readUInt32LE(0);
  const header = headerSchema.parse(JSON.parse(buffer.subarray(4, 4 + headerBytes).toString()));
  const names = header.states.map(({ name }) => name);
  if (header.planDigest !== plan.digest || changingStates(plan).some((name) => !names.includes(name))) {
    throw new MachineError('checkpoint-foreign', 'The checkpoint was made under another plan.', {
      hint: 'Start the job anew: the program has changed since.',
    });
  }
  let at = 4 + headerBytes;
  for (const { name, bytes } of header.states) {
    executor.writeState(name, new Uint8Array(buffer.subarray(at, at + bytes)));
    at += bytes;
  }
  return header.metrics;
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
