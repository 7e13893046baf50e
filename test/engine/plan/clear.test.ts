/**
 * What one party or everybody knows is computed in the clear by whoever knows it: no byte, no round, and the words that the
 * fixed-point oracle defines, on every kernel set. Where it meets what others know it enters as its owner's value.
 */
import { describe, expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import { exponential, gelu } from '../../../engine/functions/activations.ts';
import { sigmoid } from '../../../engine/functions/elementary.ts';
import { logarithm, reciprocal } from '../../../engine/functions/powers.ts';
import { floor, round } from '../../../engine/functions/rounding.ts';
import { softmax } from '../../../engine/functions/softmax.ts';
import { sine } from '../../../engine/functions/trigonometry.ts';
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import { referenceKernels } from '../../../engine/kernels/reference/reference.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { concat, constant, knownInput, privateInput, sharedInput, stateInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { FixedPointOracle } from '../../helpers/fixed-point.ts';
import { TestJob } from '../../helpers/run-job.ts';
import type { Execution } from '../../helpers/run-job.ts';
import { noise } from '../operations/measure.ts';

const kernelSets: Record<string, () => Promise<Kernels>> = {
  reference: () => Promise.resolve(referenceKernels(64)),
  wasm: () => wasmKernels({ threads: 1 }),
};

function newGraph(name = 'test'): Graph {
  return new Graph({ name, fractionBits: 16, assumedBound: 54, wordBits: 64 });
}

/** Words of numbers with 16 fraction bits. */
function words(values: readonly number[]): BigUint64Array {
  return BigUint64Array.from(values, (value) => BigInt.asUintN(64, BigInt(Math.round(value * 2 ** 16))));
}

const windows = {
  batch: 1,
  channels: 2,
  height: 4,
  width: 4,
  kernel: [2, 2],
  stride: [2, 2],
  dilation: [1, 1],
  padding: [0, 0, 0, 0],
} as const;

const pairs = (x: Tensor): Tensor => x.reshape([4, x.size / 4]);

/** Every operation, by name; x and y are 32 numbers between -8 and 8. */
const operations: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
  'sums and multiples': (x, y) => x.add(y).sub(x.timesInteger(3n)).addNumber(0.25),
  'products, rounded': (x, y) => x.mul(y),
  'matrix products': (x, y) => pairs(x).matmul(pairs(y), { transposeB: true }),
  'public factors': (x) => x.timesNumber(1 / 3),
  comparisons: (x, y) => x.sub(y).atLeast(0.5).toNumber(),
  'comparisons before a truncation': (x, y) => x.mul(y).atLeast(0).toNumber(),
  equality: (x) => x.rescaled(0).equalsNumber(3).toNumber(),
  bits: (x) => concat([x.bitOf(3).toNumber(), x.bitOf(63).toNumber()], 0),
  'and, or, xor, not': (x, y) => {
    const [a, b] = [x.atLeast(0), y.atLeast(1)];
    return a.and(b).toNumber().add(a.or(b).toNumber().timesInteger(2n)).add(a.xor(b).not().toNumber().timesInteger(4n));
  },
  rectifier: (x, y) => x.mul(y).relu(),
  'first of the largest': (x) => pairs(x).oneHotMaximum().toNumber(),
  'windows and back': (x) => x.reshape([1, 2, 4, 4]).unfold(windows).fold(windows).reshape([x.size]),
  'other views': (x) => pairs(x).transpose().slice([1, 0], [3, 4]).embed([1, 0], [6, 4]).sum(0),
  sigmoid: (x) => sigmoid(x),
  'exponential and logarithm': (x) => logarithm(exponential(x).addNumber(0.5)),
  reciprocal: (x) => reciprocal(x),
  'gelu of a product': (x, y) => gelu(x.mul(y)),
  sine: (x) => sine(x),
  softmax: (x) => softmax(pairs(x)),
  rounding: (x) => concat([floor(x), round(x)], 0),
};

const x = noise(32, -8, 8, 1).map((value, i) => (i % 7 === 0 ? Math.round(value) : value));
const y = noise(32, -8, 8, 2).map((value, i) => (i % 5 === 0 ? (x[i] ?? 0) : value));

/** What all operations reveal to the owner or the outsider, with the words that the oracle has. */
async function runAll(
  make: (graph: Graph, name: string) => Tensor,
  options: { parties: number; kernels: () => Promise<Kernels>; receivers: readonly string[] },
): Promise<{ job: TestJob; seen: Execution; expected: ReadonlyMap<string, bigint[]> }> {
  const graph = newGraph();
  const [left, right] = [make(graph, 'x'), make(graph, 'y')];
  for (const [name, trace] of Object.entries(operations)) trace(left, right).reveal(name, options.receivers);
  const job = await TestJob.start([graph], options);
  const inputs = { x: words(x), y: words(y) };
  const seen = await job.execute('test', { inputs, known: inputs });
  const oracle = new FixedPointOracle([{ graph, program: lower(graph, { parties: job.plan.parties }) }]);
  const expected = await oracle.execute('test', { words: inputs, openings: seen.openings });
  await job.close();
  return { job, seen, expected };
}

function expectSame(
  found: ReadonlyMap<string, BigUint64Array> | undefined,
  expected: ReadonlyMap<string, bigint[]>,
): void {
  expect(expected.size).toBe(Object.keys(operations).length);
  for (const [name, wanted] of expected)
    expect(
      [...(found?.get(name) ?? [])].map((word) => BigInt.asIntN(64, word)),
      name,
    ).toEqual(wanted);
}

describe.each(Object.entries(kernelSets))('%s kernels', (_, kernels) => {
  test.each([
    [2, 'a'],
    [3, 'b'],
  ])(
    '%i parties, all of it %s’s: the oracle’s words, not a byte on any link, nothing dealt',
    async (parties, owner) => {
      const make = (graph: Graph, name: string): Tensor => privateInput(graph, name, owner, [32], 3);
      const { job, seen, expected } = await runAll(make, { parties, kernels, receivers: [owner] });
      expectSame(seen.revealed.get(owner), expected);
      expect(seen.frames).toEqual([]);
      const cost = job.plan.programs.get('test')?.cost;
      const none = new Array<number>(parties).fill(0);
      expect(cost).toMatchObject({ rounds: 0, bytesSent: none, bytesReceived: none, dealerBytes: none });
      // Nobody else has anything to do.
      expect(cost?.instructions.map((count) => count > 0)).toEqual(job.plan.parties.map((party) => party === owner));
    },
  );

  test('public values, revealed to several parties: the oracle’s words, not a byte on any link, nothing dealt', async () => {
    const make = (graph: Graph, name: string): Tensor => knownInput(graph, name, [32], 3);
    const { job, seen, expected } = await runAll(make, { parties: 3, kernels, receivers: ['b', 'c'] });
    for (const party of ['b', 'c']) expectSame(seen.revealed.get(party), expected);
    expect(seen.revealed.get('a')?.size).toBe(0);
    expect(seen.frames).toEqual([]);
    const none = [0, 0, 0];
    const cost = job.plan.programs.get('test')?.cost;
    expect(cost).toMatchObject({ rounds: 0, bytesSent: none, bytesReceived: none, dealerBytes: none });
  });
});

test('a public value revealed to a party and to somebody outside: the first party sends it, outside only', async () => {
  const graph = newGraph();
  knownInput(graph, 'x', [4], 3)
    .mul(knownInput(graph, 'y', [4], 3))
    .reveal('product', ['b', 'outsider']);
  const job = await TestJob.start([graph], { outsiders: ['outsider'] });
  const seen = await job.execute('test', { known: { x: words([1, -2, 3, 0.5]), y: words([2, 2, 2, 2]) } });
  expect(seen.revealed.get('b')?.get('product')).toEqual(words([2, -4, 6, 1]));
  // Whole bytes of 25 bits each; the cost counts what compute parties receive.
  expect(job.plan.programs.get('test')?.cost).toMatchObject({ rounds: 1, bytesSent: [16, 0], bytesReceived: [0, 0] });
  expect(seen.frames.map(({ from, to, payload }) => [from, to, payload.length])).toEqual([['a', 'outsider', 16]]);
  await job.close();
});

test('the same words on shares but for the last unit of roundings', async () => {
  const kernels = kernelSets['wasm']!;
  const own = await runAll((graph, name) => privateInput(graph, name, 'a', [32], 3), {
    parties: 2,
    kernels,
    receivers: ['a'],
  });
  const shared = await runAll((graph, name) => sharedInput(graph, name, [32], 3), {
    parties: 2,
    kernels,
    receivers: ['a'],
  });
  expect(shared.seen.frames.length).toBeGreaterThan(0);
  const exact = [
    'sums and multiples',
    'comparisons before a truncation',
    'bits',
    'first of the largest',
    'windows and back',
  ];
  for (const name of exact) expect(own.expected.get(name), name).toEqual(shared.expected.get(name));
});

describe('where it meets what others know', () => {
  /** Rounds and bytes of a trace on x of a and y of b, kept as shares, and whether shares agree with the oracle. */
  async function costOf(trace: (x: Tensor, y: Tensor, secret: Tensor) => Tensor, size = 32) {
    const graph = newGraph();
    const inputs = [privateInput(graph, 'x', 'a', [32], 3), privateInput(graph, 'y', 'b', [32], 3)] as const;
    const result = trace(...inputs, sharedInput(graph, 's', [32], 3));
    expect(result.size).toBe(size);
    result.reveal('z', ['b']);
    const job = await TestJob.start([graph]);
    const feeds = { x: words(x), y: words(y), s: words(noise(32, -8, 8, 3)) };
    const seen = await job.execute('test', { inputs: feeds });
    const oracle = new FixedPointOracle([{ graph, program: lower(graph, { parties: job.plan.parties }) }]);
    const expected = await oracle.execute('test', { words: feeds, openings: seen.openings });
    await job.close();
    const found = seen.revealed.get('b')?.get('z') ?? new BigUint64Array(0);
    expect([...found].map((word) => BigInt.asIntN(64, word))).toEqual(expected.get('z'));
    const { rounds, bytesSent } = job.plan.programs.get('test')!.cost;
    expect(seen.frames.reduce((sum, { payload }) => sum + payload.length, 0)).toBe(bytesSent[0]! + bytesSent[1]!);
    const revealed = Math.ceil((Math.ceil(result.node.bound) + 2) / 8) * size;
    return { rounds: rounds - 1, a: bytesSent[0]! - revealed, b: bytesSent[1]! };
  }

  test('a sum opens nothing', async () => {
    expect(await costOf((x, y) => sigmoid(x).add(y.relu()))).toEqual({ rounds: 0, a: 0, b: 0 });
  });

  test('a product opens each factor once, by its owner, after any number of steps', async () => {
    // 37 bits are read of each word: 5 bytes.
    expect(
      await costOf((x, y) =>
        softmax(pairs(x.mul(x).relu()))
          .reshape([32])
          .mulRaw(sigmoid(y)),
      ),
    ).toEqual({
      rounds: 1,
      a: 32 * 5,
      b: 32 * 5,
    });
  });

  test('parts of both keep their owners’ masks', async () => {
    const both = await costOf((x, y, s) => concat([x.relu(), y.relu()], 0).mulRaw(concat([s, s], 0)), 64);
    // Of s twice: its halves are one value.
    expect(both).toEqual({ rounds: 1, a: 32 * 5 + 32 * 5, b: 32 * 5 + 32 * 5 });
  });

  test('a known bit or number in a select costs nothing beyond the other', async () => {
    const graph = newGraph();
    const bits = constant(graph, x, [32]).atLeast(0);
    expect(bits.node.visibility).toEqual({ kind: 'public' });
    const chosen = await costOf((_, y, s) => constant(s.graph, x, [32]).atLeast(0).select(s.add(y)));
    expect(chosen).toEqual({ rounds: 0, a: 0, b: 0 });
    const compared = await costOf((_, y, s) => s.add(y).atLeast(0).toNumber());
    const selected = await costOf((_, y, s) =>
      s
        .add(y)
        .atLeast(0)
        .select(constant(s.graph, x, [32])),
    );
    expect(selected).toEqual(compared);
    const joined = await costOf((_, y, s) =>
      s
        .add(y)
        .atLeast(0)
        .and(constant(s.graph, x, [32]).atLeast(0))
        .toNumber(),
    );
    expect(joined).toEqual(compared);
  });

  test('bits of one party join bits that nobody knows', async () => {
    const { rounds } = await costOf((x, _, s) => s.atLeast(0).and(x.atLeast(0)).xor(x.atLeast(2)).not().select(s));
    // The opening of s, its comparison, the product of bits, the mask of the result.
    expect(rounds).toBe(5);
  });

  test('the number that a secret bit selects is opened by its owner alone', async () => {
    const one = await costOf((x, _, s) => s.atLeast(0).select(x.relu()));
    const other = await costOf((_, y, s) => s.atLeast(0).select(y.relu()));
    expect(one).toEqual({ rounds: other.rounds, a: other.b, b: other.a });
    // 19 bits and headroom, 3 bytes.
    expect(one.a - one.b).toBe(32 * 3);
  });

  test('gradients pass through it: backward meets the loss of another owner', async () => {
    const graph = newGraph();
    const [data, weight] = [privateInput(graph, 'x', 'a', [4, 8], 3), privateInput(graph, 'w', 'a', [8, 4], 1)];
    const label = privateInput(graph, 'y', 'b', [4, 4], 3);
    const hidden = data.matmul(weight).relu();
    expect(hidden.node.visibility).toEqual({ kind: 'private', owner: 'a' });
    const [gradient] = gradients([[hidden, sigmoid(hidden).sub(label)]], [weight]);
    gradient!.reveal('gradient', ['a']);
    const job = await TestJob.start([graph]);
    const feeds = { x: words(x), w: words(noise(32, -1, 1, 4)), y: words(y.slice(0, 16)) };
    const seen = await job.execute('test', { inputs: feeds });
    const oracle = new FixedPointOracle([{ graph, program: lower(graph, { parties: job.plan.parties }) }]);
    const expected = await oracle.execute('test', { words: feeds, openings: seen.openings });
    await job.close();
    const found = seen.revealed.get('a')?.get('gradient') ?? new BigUint64Array(0);
    expect([...found].map((word) => BigInt.asIntN(64, word))).toEqual(expected.get('gradient'));
    // A bit's mask and its choice of the loss's gradient, the product with the data, its truncation, the reveal.
    expect(job.plan.programs.get('test')?.cost.rounds).toBe(4);
  });
});

describe('what an owner keeps', () => {
  test.each([false, true])('masked %s: it computes from it alone in later programs', async (masked) => {
    const [setup, later] = [newGraph('setup'), newGraph('later')];
    privateInput(setup, 'x', 'b', [32], 3).timesNumber(0.5).store('kept', { masked });
    const kept = stateInput(later, 'kept', [32], { bound: 20, masked, owner: 'b' });
    kept.relu().reveal('y', ['b']);
    kept.mulRaw(sharedInput(later, 's', [32], 3)).reveal('product', ['b']);
    const graphs = [setup, later];
    const job = await TestJob.start(graphs);
    const oracle = new FixedPointOracle(
      graphs.map((graph) => ({ graph, program: lower(graph, { parties: job.plan.parties }) })),
    );
    const [first, second] = [{ x: words(x) }, { s: words(y) }];
    const seenFirst = await job.execute('setup', { inputs: first });
    await oracle.execute('setup', { words: first, openings: seenFirst.openings });
    const seen = await job.execute('later', { inputs: second });
    const expected = await oracle.execute('later', { words: second, openings: seen.openings });
    await job.close();
    for (const [name, wanted] of expected)
      expect([...seen.revealed.get('b')!.get(name)!].map((word) => BigInt.asIntN(64, word))).toEqual(wanted);
    // The owner's opening, if it was not made before; what is only b's is not on the way to b.
    const sizes = job.plan.programs.get('later')!.cost.bytesOpened;
    expect(sizes[1]! - sizes[0]!).toBe(masked ? 0 : 32 * 6);
  });

  test('a state that others store shares of is nobody’s own', () => {
    const [setup, later] = [newGraph('setup'), newGraph('later')];
    privateInput(setup, 'x', 'a', [2], 3)
      .add(privateInput(setup, 'y', 'b', [2], 3))
      .store('kept');
    stateInput(later, 'kept', [2], { bound: 20, owner: 'a' }).relu().reveal('y', ['a']);
    return expect(TestJob.start([setup, later])).rejects.toMatchObject({ code: 'state-owner' });
  });
});
