/** What gadgets cost, exactly: rounds, bytes opened by each party, and prediction against count. */
import { describe, expect, test } from 'vitest';
import { Graph } from '../../../engine/tensor/graph.ts';
import { privateInput, sharedInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { TestJob } from '../../helpers/run-job.ts';
import type { Execution } from '../../helpers/run-job.ts';

const ELEMENTS = 160;

interface Cost {
  /** Rounds and bytes an element and party, without the reveal. */
  readonly rounds: number;
  readonly opened: number;
  readonly dealt: number;
}

/**
 * Cost of `trace` on inputs of ELEMENTS numbers of magnitude up to 2^bound in ring units, without inputs' openings and reveal.
 * Several belong to two parties in turn; one alone is nobody's, else its owner would compute all of it.
 */
async function costOf(parties: number, bound: number, trace: (...inputs: Tensor[]) => Tensor): Promise<Cost> {
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 62, wordBits: 64 });
  const inputs = ['x', 'y', 'z'].map((name, i) =>
    trace.length === 1
      ? sharedInput(graph, name, [ELEMENTS], bound - 16)
      : privateInput(graph, name, i % 2 === 0 ? 'a' : 'b', [ELEMENTS], bound - 16),
  );
  trace(...inputs).reveal('result', ['a']);
  const job = await TestJob.start([graph], { parties });
  const numbers = Array.from({ length: ELEMENTS }, (_, i) => BigInt.asUintN(64, BigInt((i - ELEMENTS / 2) * 4_001)));
  const seen = await job.execute('test', { inputs: { x: numbers, y: numbers, z: numbers } });
  await job.close();
  const cost = job.plan.programs.get('test')?.cost;
  if (cost === undefined) throw new RangeError('no cost');
  expectPredicted(job, seen);
  // All parties open the same, except inputs, which this measure leaves out.
  const opened = seen.openings
    .filter(({ step }) =>
      job.plan.programs
        .get('test')
        ?.parties[0]?.rounds.some((round) => round.openings.some((o) => o.step === step && o.sender === undefined)),
    )
    .reduce((sum, o) => sum + (o.words.length > 0 ? o.words.length * Math.ceil(o.width / 8) : o.planes.length), 0);
  return {
    rounds: cost.rounds - 1,
    opened: opened / ELEMENTS,
    dealt: cost.dealerBytes.reduce((sum, bytes) => sum + bytes, 0) / ELEMENTS,
  };
}

/** Bytes and rounds that the plan predicts are the ones that crossed links. */
function expectPredicted(job: TestJob, seen: Execution): void {
  const cost = job.plan.programs.get('test')?.cost;
  job.plan.parties.forEach((party, i) => {
    const sent = seen.frames.filter((f) => f.from === party).reduce((sum, f) => sum + f.payload.length, 0);
    const received = seen.frames.filter((f) => f.to === party).reduce((sum, f) => sum + f.payload.length, 0);
    expect(sent).toBe(cost?.bytesSent[i]);
    expect(received).toBe(cost?.bytesReceived[i]);
  });
  expect(new Set(seen.frames.map((frame) => frame.round)).size).toBe(cost?.rounds);
}

describe.each([2, 3, 5])('%i parties', (parties) => {
  test('ReLU of 46 bits: 4 rounds, at most 9.2 bytes', async () => {
    const cost = await costOf(parties, 46, (x) => x.relu());
    expect(cost).toMatchObject({ rounds: 4, opened: 9.125 });
  });

  test('ReLU of 54 bits, the default: 4 rounds', async () => {
    const cost = await costOf(parties, 54, (x) => x.relu());
    expect(cost).toMatchObject({ rounds: 4, opened: 11 });
  });

  test('ReLU of any bound: at most 12.5 bytes', async () => {
    const cost = await costOf(parties, 62, (x) => x.relu());
    expect(cost).toMatchObject({ rounds: 4, opened: 12.25 });
  });

  test('ReLU fused with the truncation before it costs no more', async () => {
    // The operands of the product are opened in the round before.
    const product = await costOf(parties, 23, (x, y) => x.mulRaw(y));
    const fused = await costOf(parties, 23, (x, y) => x.mul(y).relu());
    expect(fused.rounds - product.rounds).toBe(4);
    expect(fused.opened).toBeCloseTo(9.125, 6);
  });

  test('fused, then opened for the next product: 5 rounds', async () => {
    const product = await costOf(parties, 23, (x, y) => x.mulRaw(y));
    const next = await costOf(parties, 23, (x, y, z) => x.mul(y).relu().mulRaw(z));
    expect(next.rounds - product.rounds).toBe(5);
  });

  test('truncation: 1 round, whole bytes of the opening', async () => {
    const product = await costOf(parties, 23, (x, y) => x.mulRaw(y));
    const truncated = await costOf(parties, 23, (x, y) => x.mul(y));
    expect(truncated.rounds - product.rounds).toBe(1);
    expect(truncated.opened).toBe(6);
  });
});
