/**
 * What a dealer that receives outputs can find out (corrections C1). It knows every seed, so it can compute the shares that
 * any inputs would have led to; a solver that does so finds the inner values from unblinded output shares (the control), and
 * nothing but the output from blinded ones: whatever inner values lead to that output explain what it received.
 */
import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import type { CryptoPort } from '../../../engine/random/crypto-port.ts';
import { unpackWords } from '../../../engine/runtime/words.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { privateInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { TestJob } from '../../helpers/run-job.ts';

const ELEMENTS = 24;
const WORD_BITS = 8;

/** The same party seeds in every run; keys between parties fresh, or such that blinding adds zero. */
function knownSeeds(parties: number, blinding: boolean): CryptoPort {
  const pairKeys: Uint8Array[] = [];
  let drawn = 0;
  return {
    ...nodeCrypto,
    randomBytes: (length) => {
      if (drawn++ < parties) return nodeCrypto.sha256(Uint8Array.of(drawn)).subarray(0, length);
      const key = nodeCrypto.randomBytes(length);
      pairKeys.push(key);
      return key;
    },
    chacha20: (key, nonce, block, length) =>
      !blinding && pairKeys.some((bytes) => bytes === key.expose())
        ? new Uint8Array(length)
        : nodeCrypto.chacha20(key, nonce, block, length),
  };
}

interface Gadget {
  readonly fractionBits: number;
  readonly bound: number;
  readonly inputs: number;
  /** Whether unblinded shares tell more than the output. */
  readonly isTellingBare: boolean;
  readonly trace: (...inputs: Tensor[]) => Tensor;
}

/** Zeros of the second party, without a bound of their own. */
function zeros(graph: Graph): Tensor {
  return privateInput(graph, 'zeros', 'b', [ELEMENTS], -1000);
}

/** Shares of the output that the dealer receives, by party, as words of the revealed width. */
async function received(
  gadget: Gadget,
  inputs: readonly (readonly bigint[])[],
  blinding: boolean,
): Promise<{ width: number; shares: bigint[][] }> {
  const graph = new Graph({ name: 'test', fractionBits: gadget.fractionBits, assumedBound: 6, wordBits: WORD_BITS });
  const tensors = inputs.map((_, i) =>
    privateInput(graph, `x${i}`, i === 0 ? 'a' : 'b', [ELEMENTS], gadget.bound - gadget.fractionBits),
  );
  // What one party knows it would compute alone: b adds its zeros.
  if (inputs.length === 1) tensors[0] = tensors[0]!.add(zeros(graph));
  gadget.trace(...tensors).reveal('y', ['dealer']);
  const job = await TestJob.start([graph], { outsiders: ['dealer'], crypto: () => knownSeeds(2, blinding) });
  const { frames } = await job.execute('test', {
    inputs: {
      ...Object.fromEntries(inputs.map((words, i) => [`x${i}`, words.map((w) => BigInt.asUintN(WORD_BITS, w))])),
      zeros: new Array<bigint>(ELEMENTS).fill(0n),
    },
  });
  await job.close();
  const reveal = job.plan.programs.get('test')?.parties[0]?.rounds.flatMap((round) => round.reveals)[0];
  const width = reveal?.width ?? 0;
  const toDealer = frames.filter((frame) => frame.to === 'dealer').sort((f, g) => (f.from < g.from ? -1 : 1));
  expect(toDealer.map((frame) => frame.from)).toEqual(['a', 'b']);
  return { width, shares: toDealer.map((frame) => [...unpackWords(frame.payload, width)]) };
}

const gadgets: Record<string, Gadget> = {
  ReLU: { fractionBits: 6, bound: 6, inputs: 1, isTellingBare: true, trace: (x) => x.relu() },
  'ReLU fused with truncation': {
    fractionBits: 6,
    bound: 6,
    inputs: 1,
    isTellingBare: true,
    trace: (x) => x.rescaled(3).relu(),
  },
  // Both shares of a truncated value follow from the value and the masks: blinding is not what protects it.
  truncation: { fractionBits: 6, bound: 6, inputs: 1, isTellingBare: false, trace: (x) => x.rescaled(2) },
  product: { fractionBits: 3, bound: 3, inputs: 2, isTellingBare: true, trace: (x, y) => x.mulRaw(y) },
};

function candidates(gadget: Gadget): bigint[][] {
  const side = Array.from({ length: 2 ** (gadget.bound + 1) }, (_, i) => BigInt(i - 2 ** gadget.bound));
  return gadget.inputs === 1 ? side.map((x) => [x]) : side.flatMap((x) => side.map((y) => [x, y]));
}

describe.each(Object.entries(gadgets))('%s', (_, gadget) => {
  test('unblinded shares tell inner values, blinded ones the output only', async () => {
    const all = candidates(gadget);
    // Different hidden values for every element, the same in every run.
    const truth = Array.from({ length: ELEMENTS }, (__, e) => all[(e * 53 + 7) % all.length] ?? []);
    const hidden = Array.from({ length: gadget.inputs }, (__, i) => truth.map((values) => values[i] ?? 0n));
    const { width, shares: bare } = await received(gadget, hidden, false);
    const { shares: blinded } = await received(gadget, hidden, true);
    const { shares: again } = await received(gadget, hidden, true);
    // Fresh keys between the parties: the same job run twice does not send the same shares.
    expect(again[0]).not.toEqual(blinded[0]);

    const sumOf = (shares: readonly (readonly bigint[])[], e: number): bigint =>
      BigInt.asUintN(width, (shares[0]?.[e] ?? 0n) + (shares[1]?.[e] ?? 0n));
    const solutions = { bare: 0, blinded: 0, sameOutput: 0 };
    let foundTruth = 0;
    for (const candidate of all) {
      const guess = candidate.map((value) => new Array<bigint>(ELEMENTS).fill(value));
      const { shares: simulated } = await received(gadget, guess, false);
      for (let e = 0; e < ELEMENTS; e++) {
        const explainsBare = bare.every((shares, party) => shares[e] === simulated[party]?.[e]);
        // A zero share explains the difference if it adds up to zero.
        const blinding = blinded.map((shares, party) => (shares[e] ?? 0n) - (simulated[party]?.[e] ?? 0n));
        const explainsBlinded =
          BigInt.asUintN(
            width,
            blinding.reduce((a, b) => a + b, 0n),
          ) === 0n;
        const hasSameOutput = sumOf(simulated, e) === sumOf(bare, e);
        expect(explainsBlinded).toBe(hasSameOutput);
        if (explainsBare) solutions.bare++;
        if (explainsBlinded) solutions.blinded++;
        if (hasSameOutput) solutions.sameOutput++;
        if (explainsBare && candidate.every((value, i) => value === truth[e]?.[i])) foundTruth++;
      }
    }
    expect(foundTruth).toBe(ELEMENTS);
    expect(solutions.blinded).toBe(solutions.sameOutput);
    // Without blinding the solver is left with a fraction of the values that have this output.
    if (gadget.isTellingBare) expect(solutions.bare).toBeLessThan(solutions.sameOutput / 2);
    else expect(solutions.bare).toBe(solutions.sameOutput);
  });
});

test('the dealer receives nothing that it is not a named receiver of', async () => {
  const graph = new Graph({ name: 'test', fractionBits: 6, assumedBound: 6, wordBits: WORD_BITS });
  const x = privateInput(graph, 'x', 'a', [ELEMENTS], 0).add(zeros(graph));
  x.rescaled(3).relu().reveal('y', ['a']);
  x.rescaled(2).reveal('z', ['b']);
  const job = await TestJob.start([graph], { parties: 3, outsiders: ['dealer'] });
  const { frames } = await job.execute('test', {
    inputs: { x: new Array<bigint>(ELEMENTS).fill(5n), zeros: new Array<bigint>(ELEMENTS).fill(0n) },
  });
  await job.close();
  expect(frames.length).toBeGreaterThan(0);
  expect(frames.filter((frame) => frame.to === 'dealer' || frame.from === 'dealer')).toEqual([]);
});

test('a dealer that receives one output gets that output’s shares and no opening', async () => {
  const graph = new Graph({ name: 'test', fractionBits: 6, assumedBound: 6, wordBits: WORD_BITS });
  const x = privateInput(graph, 'x', 'a', [ELEMENTS], 0).add(zeros(graph));
  x.rescaled(3).relu().reveal('y', ['dealer']);
  const job = await TestJob.start([graph], { parties: 3, outsiders: ['dealer'] });
  const { frames } = await job.execute('test', {
    inputs: { x: new Array<bigint>(ELEMENTS).fill(5n), zeros: new Array<bigint>(ELEMENTS).fill(0n) },
  });
  await job.close();
  expect(frames.flatMap((f) => (f.to === 'dealer' ? [[f.from, f.payload.length]] : [])).sort()).toEqual(
    ['a', 'b', 'c'].map((party) => [party, ELEMENTS]),
  );
});
