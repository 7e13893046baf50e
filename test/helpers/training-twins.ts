/** The same training job on two kernel sets with the same seeds: what one computes, the other must. */
import { expect } from 'vitest';
import type { Kernels, Slot } from '../../engine/kernels/kernels.ts';
import { packedBytes } from '../../engine/kernels/kernels.ts';
import { trainingScript } from '../../engine/nn/training/script.ts';
import { trainingGraphs } from '../../engine/nn/training/graphs.ts';
import { names } from '../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../engine/nn/training/spec.ts';
import { lower } from '../../engine/plan/lower.ts';
import { planJob } from '../../engine/plan/plan.ts';
import type { Plan, PlannedProgram } from '../../engine/plan/plan.ts';
import { slotOf } from '../../engine/plan/records.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { Simulation } from '../../engine/runtime/simulation.ts';
import { encodeFixed } from '../../engine/runtime/words.ts';
import { initialWeights } from '../../shared/initialise.ts';
import type { ModelDescription } from '../../shared/model.ts';
import { elementCount } from '../../shared/layers/kind.ts';
import { PublicRandom } from '../../shared/shuffle.ts';
import { fixedCrypto } from './fixed-crypto.ts';
import { twoPartySpec } from './two-party-spec.ts';

const PARTIES = ['a', 'b'];

export interface TwinJob {
  readonly description: ModelDescription;
  readonly classes: number;
  readonly rows: number;
  readonly batch: number;
  readonly steps: number;
}

function specOf(job: TwinJob): TrainingSpec {
  const optimizer = { name: 'sgd', lr: 0.1, momentum: 0.9, dampening: 0, nesterov: false, weightDecay: 0 } as const;
  return twoPartySpec({ ...job, optimizer });
}

/** The plan of the job's two parties. */
export function twinPlan(job: TwinJob): Plan {
  const graphs = trainingGraphs(specOf(job));
  return planJob(
    graphs.map((graph) => lower(graph, { parties: PARTIES })),
    nodeCrypto.sha256,
  );
}

function inputsOf(job: TwinJob): Map<string, Map<string, BigUint64Array>> {
  const random = new PublicRandom(3, 'weights');
  const length = job.rows * elementCount(job.description.inputShape);
  const cells = Float64Array.from({ length }, () => random.nextBelow(2 ** 16) / 2 ** 16);
  const labels = new Float64Array(job.rows * job.classes);
  for (let row = 0; row < job.rows; row++) labels[row * job.classes + random.nextBelow(job.classes)] = 1;
  const encode = (values: Float64Array): BigUint64Array => encodeFixed(values, 16, 1, (i) => `cell ${i}`);
  return new Map([
    ['a', new Map([[`${names.features}/0`, encode(cells)]])],
    ['b', new Map([[`${names.labels}/0`, encode(labels)]])],
  ]);
}

/** Bytes that the parties' and the dealer's memories take in and give out in one execution; what leaves is padded by part. */
export interface Traffic {
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** What the plan says must cross the bus, and nothing else: inputs, corrections, openings, reveals. Streams do not. */
export function plannedTraffic({ parties, dealer, demand }: PlannedProgram, execution: number): Traffic {
  let [bytesUp, bytesDown] = [0, 0];
  const correction = (step: number, index: number): number => {
    const record = demand.records.get(step);
    return record?.correctionSlot === slotOf(index, execution, parties.length) ? record.bytes : 0;
  };
  const leaves = (slot: Slot, width: number): void => {
    bytesDown += Math.ceil(packedBytes(slot, width) / 4) * 4;
  };
  for (const { index, rounds } of parties) {
    for (const { fills, openings, reveals } of rounds) {
      for (const fill of fills) bytesUp += fill.from === 'record' ? correction(fill.step, index) : fill.slot.length * 8;
      for (const { sender, bytes, share, width } of openings) {
        // Every share of an opening arrives everywhere, the own one too.
        bytesUp += sender === undefined ? bytes * parties.length : bytes;
        if (sender === undefined || sender === index) leaves(share, width);
      }
      for (const { sender, share } of reveals) if (sender === undefined || sender === index) leaves(share, 64);
    }
  }
  for (const { fills, corrections } of dealer.stages) {
    for (const fill of fills) {
      if (fill.from === 'known' || fill.from === 'constant') bytesUp += fill.slot.length * 8;
    }
    for (const { step, slot } of corrections) leaves(slot, demand.records.get(step)?.width ?? 64);
  }
  return { bytesUp, bytesDown };
}

async function statesOf(simulation: Simulation): Promise<Buffer[]> {
  const states = [...simulation.plan.partyStates.slots.keys()];
  return await Promise.all(
    simulation.parties.flatMap((party) => states.map(async (state) => Buffer.from(await party.readState(state)))),
  );
}

/**
 * Runs the job on both sets and expects the same shares in all states of all parties after each execution, and the same reveals.
 * `around` is called with each execution on the second set.
 */
export async function expectTwins(
  job: TwinJob,
  sets: readonly [Kernels, Kernels],
  around: (planned: PlannedProgram, execution: number, execute: () => Promise<void>) => Promise<void> = (_p, _e, run) =>
    run(),
): Promise<void> {
  const spec = specOf(job);
  const plan = twinPlan(job);
  const script = trainingScript({
    spec,
    seed: 0,
    epochs: Math.ceil((job.steps * job.batch) / job.rows),
    train: Uint32Array.from({ length: job.rows }, (_, row) => row),
    test: new Uint32Array(0),
    initialWeights: initialWeights(job.description, 0),
    metricsEvery: undefined,
  });
  const twins = await Promise.all(
    sets.map((kernels) => Simulation.create({ plan, crypto: fixedCrypto(), kernels: () => Promise.resolve(kernels) })),
  );
  const [first, second] = twins as [Simulation, Simulation];
  const inputs = inputsOf(job);
  try {
    for (const [execution, { program, known }] of [...script].entries()) {
      const expected = await first.execute(program, { inputs, known });
      let revealed: typeof expected = [];
      await around(plan.programs.get(program)!, execution, async () => {
        revealed = await second.execute(program, { inputs, known });
      });
      expect(revealed, `reveals of ${program}`).toEqual(expected);
      const [shares, others] = [await statesOf(first), await statesOf(second)];
      expect(
        others.every((state, i) => state.equals(shares[i]!)),
        `shares after ${program}`,
      ).toBe(true);
    }
  } finally {
    for (const simulation of twins) await simulation.close();
  }
}
