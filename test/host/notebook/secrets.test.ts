/** Tensors for scripts: each operation gives what it gives in the clear, together in one run whose traffic is counted. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nested, Secrets } from '../../../main/notebook/secrets.ts';
import type { SecretTensor } from '../../../main/notebook/secret-tensor.ts';

const [x, y] = [
  [
    [0.5, -1.25, 2],
    [3, 0.75, -0.5],
  ],
  [
    [1.5, 0.5, -2],
    [-1, 0.25, 4],
  ],
] as const;
const each = (f: (a: number, b: number) => number): number[] =>
  x.flatMap((row, i) => row.map((value, j) => f(value, y[i]?.[j] ?? NaN)));

type Case = readonly [
  name: string,
  secret: (a: SecretTensor, b: SecretTensor) => SecretTensor,
  plain: readonly number[],
];

const logistic = (z: number): number => 1 / (1 + Math.exp(-z));
const shrink = (z: number): number => Math.sign(z) * Math.max(0, Math.abs(z) - 0.5);
const length = (row: readonly number[]): number => Math.hypot(...row);
const inner = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * (b[i] ?? 0), 0);

const cases: readonly Case[] = [
  ['sum', (a, b) => a.add(b).add([1, 2, 3]).sub(0.5), each((p, q) => p + q).map((v, i) => v + (i % 3) + 0.5)],
  ['product', (a, b) => a.mul(b).neg(), each((p, q) => -p * q)],
  ['quotient', (a, b) => a.div(b), each((p, q) => p / q)],
  ['square and power', (a) => a.square().add(a.pow(5)), each((p) => p ** 2 + p ** 5)],
  ['fractional power', (a) => a.abs().pow(1.5), each((p) => Math.abs(p) ** 1.5)],
  ['polynomial', (a) => a.polynomial([1, -2, 0.5]), each((p) => 1 - 2 * p + 0.5 * p * p)],
  ['matMul', (a, b) => a.matMul(b, false, true), x.flatMap((p) => y.map((q) => inner(p, q)))],
  ['dot', (a, b) => a.flatten().dot(b.flatten()), [inner(x.flat(), y.flat())]],
  ['outer', (a) => a.sum(1).outerProduct([1, 2]), [1.25, 2.5, 3.25, 6.5]],
  ['cosineSimilarity', (a, b) => a.cosineSimilarity(b), x.map((p, i) => inner(p, y[i]!) / length(p) / length(y[i]!))],
  [
    'mean and variance',
    (a) => a.mean(1).add(a.variance(1)),
    x.map((p) => {
      const m = (p[0] + p[1] + p[2]) / 3;
      return m + p.reduce((s, v) => s + (v - m) ** 2, 0) / 2;
    }),
  ],
  ['prod and cumsum', (a) => a.cumsum(1).prod(1), [0.5 * -0.75 * 1.25, 3 * 3.75 * 3.25]],
  ['norm, trace', (a) => a.norm(2, 1).add(a.slice([0, 0], [2, 2]).trace()), x.map((p) => length(p) + 1.25)],
  [
    'comparisons',
    (a, b) => a.less(b).add(a.greaterEqual(b).mul(2)).add(a.equal(0.5).mul(4)),
    each((p, q) => +(p < q) + 2 * +(p >= q) + 4 * +(p === 0.5)),
  ],
  [
    'truth values',
    (a, b) => a.greater(0).logicalAnd(b.greater(0)).logicalXor(a.lessEqual(b).logicalNot()),
    each((p, q) => +(p > 0 && q > 0) ^ +!(p <= q)),
  ],
  ['where', (a, b) => a.greater(b).logicalOr(b.notEqual(4)).where(a, 7), each((p, q) => (p > q || q !== 4 ? p : 7))],
  [
    'sign, clip, extremes of two',
    (a, b) => a.sign().add(a.clipByValue(-1, 1)).add(a.maximum(b)).add(a.minimum(b)),
    each((p, q) => (p < 0 ? -1 : 1) + Math.max(-1, Math.min(1, p)) + p + q),
  ],
  ['largest', (a) => a.max(1).add(a.argMax(1)).sub(a.min(1)).sub(a.argMin(1)), [2 + 2 + 1.25 - 1, 3 + 0 + 0.5 - 2]],
  ['one-hot', (a) => a.oneHotMax(1).add(a.oneHotMin(1).mul(2)), [0, 2, 1, 1, 0, 2]],
  ['sort', (a) => a.sort(1).values, [-1.25, 0.5, 2, -0.5, 0.75, 3]],
  ['topk', (a) => a.topk(2, 1).indices, [2, 0, 0, 1]],
  ['exp, log', (a, b) => a.exp().add(b.abs().log()), each((p, q) => Math.exp(p) + Math.log(Math.abs(q)))],
  ['log1p', (_, b) => b.abs().log1p(), each((_p, q) => Math.log1p(Math.abs(q)))],
  [
    'roots',
    (_, b) => b.abs().sqrt().add(b.abs().rsqrt()).add(b.reciprocal()),
    each((_p, q) => Math.sqrt(Math.abs(q)) + 1 / Math.sqrt(Math.abs(q)) + 1 / q),
  ],
  ['sin, cos', (a) => a.sin().add(a.cos()), each((p) => Math.sin(p) + Math.cos(p))],
  [
    'curves',
    (a) => a.sigmoid().add(a.tanh()).add(a.softplus()).add(a.silu()),
    each((p) => logistic(p) + Math.tanh(p) + Math.log1p(Math.exp(p)) + p * logistic(p)),
  ],
  [
    'rectifiers',
    (a) => a.relu().add(a.leakyRelu(0.5)).add(a.hardTanh()).add(a.softShrink()),
    each((p) => Math.max(0, p) + (p > 0 ? p : p / 2) + Math.max(-1, Math.min(1, p)) + shrink(p)),
  ],
  ['rounding', (a) => a.floor().add(a.ceil().mul(10)), each((p) => Math.floor(p) + 10 * Math.ceil(p))],
  [
    'softmax',
    (a) => a.softmax(1).add(a.logSoftmax(1)),
    x.flatMap((p) => {
      const s = p.reduce((total, v) => total + Math.exp(v), 0);
      return p.map((v) => Math.exp(v) / s + v - Math.log(s));
    }),
  ],
  ['logSumExp', (a) => a.logSumExp(1), x.map((p) => Math.log(p.reduce((s, v) => s + Math.exp(v), 0)))],
  [
    'views',
    (a) => a.transpose().expandDims(0).squeeze([0]).reshape([2, 3]).reverse([1]).roll(1, 0),
    [-0.5, 2, 0.75, -1.25, 3, 0.5],
  ],
  [
    'tile, repeat, pad',
    (a) => a.gather([1]).tile([1, 1]).repeat(2, 0).pad([0, 1], [0, 0], 'constant', 9),
    [9, 3, 0.75, -0.5, 9, 3, 0.75, -0.5],
  ],
  ['unfold', (a) => a.unfold(1, 2, 1), [0.5, -1.25, -1.25, 2, 3, 0.75, 0.75, -0.5]],
  [
    'gather, scatter',
    (a) => a.scatter([[0], [2]], a.gatherElements([[2], [0]], 1), 1, 'add'),
    [2.5, -1.25, 2, 3, 0.75, 2.5],
  ],
  [
    'diagonal, mask, stride',
    (a) =>
      a
        .maskMatrix((row, column) => column >= row)
        .stridedSlice(1, 0, 3, 2)
        .diagonal(),
    [0.5, -0.5],
  ],
  [
    'secret indices',
    (a) => a.transpose().gatherSecretly(a.argMax(1)).add(a.argMin(1).oneHot(2).sum(1).expandDims(1)),
    [3, 0.5, 0.5, 3],
  ],
  [
    'binary numbers',
    (a, b) => a.round().bitwiseAnd(6, 5).add(b.ceil().bitwiseXor(3, 5).mul(100)),
    each((p, q) => (Math.round(p === -1.25 ? -1 : p === 0.5 || p === -0.5 ? 0 : p) & 6) + 100 * (Math.ceil(q) ^ 3)),
  ],
  [
    'losses of answers',
    (a) => {
      const labels = [
        [1, 0, 0],
        [0, 0, 1],
      ];
      const logs = a.logSoftmax(1);
      const all = [a.sigmoid().binaryCrossEntropy(labels), logs.negativeLogLikelihood(labels), logs.divergence(labels)];
      return all.reduce((sum, loss) => sum.add(loss));
    },
    x.map((p, row) => {
      const [label, s] = [row === 0 ? 0 : 2, p.reduce((total, v) => total + Math.exp(v), 0)];
      const binary = p.reduce((sum, v, i) => sum - Math.log(logistic(i === label ? v : -v)), 0);
      return binary + 2 * (Math.log(s) - (p[label] ?? NaN));
    }),
  ],
  [
    'a convolution and a pool',
    (a) => a.reshape([1, 1, 2, 3]).apply({ kind: 'averagePool2d', kernel: [2, 2], stride: [1, 1] }),
    [0.75, 0.25],
  ],
];

test('every operation gives what it gives in the clear', async () => {
  const mpc = new Secrets(['a', 'b']);
  const [left, right] = [mpc.share(x, 'a'), mpc.share(y, 'b')];
  const { values } = await mpc.reveal(Object.fromEntries(cases.map(([name, secret]) => [name, secret(left, right)])));
  for (const [name, , plain] of cases) {
    const found = values[name]?.data ?? [];
    expect(found.length, name).toBe(plain.length);
    plain.forEach((value, i) =>
      expect(Math.abs((found[i] ?? NaN) - value), `${name} ${i}: ${found[i]} for ${value}`).toBeLessThan(
        4e-3 * Math.max(1, Math.abs(value)),
      ),
    );
  }
});

test('what is sent is counted: a product of two owners opens each factor once, a sum nothing, and one party learns it', async () => {
  const mpc = new Secrets(['a', 'b', 'c']);
  const [left, right] = [mpc.share([1, 2, 3, 4], 'a'), mpc.share([2, 2, 2, -2], 'b')];
  const sum = await mpc.reveal({ sum: left.add(right) }, { to: ['c'] });
  expect(nested(sum.values.sum)).toEqual([3, 4, 5, 2]);
  // Words of 20 bits, in whole bytes, and the third party's share is its own.
  expect(sum).toMatchObject({ rounds: 1, bytesSent: [12, 12, 0] });
  const both = await mpc.reveal({ product: left.mul(right) });
  expect(nested(both.values.product)).toEqual([2, 4, 6, -8]);
  // Masked factors by their owners, the product to round it, and the result.
  expect(both.rounds).toBe(3);
  expect(both.bytesSent[0]).toBe(both.bytesSent[1]);
  const [ofA = 0, , ofC = 0] = both.bytesSent;
  // A factor's words are narrowed to the 40 bits that the product needs.
  expect(ofA - ofC).toBe(2 * 4 * 5);
});

test('public values cost nothing; summands of all parties, and gradients, are computed on', async () => {
  const mpc = new Secrets(['a', 'b']);
  const x = mpc.fromShares([
    [1, -5],
    [2, 3.5],
  ]);
  const known = mpc.tensor([2, 3]);
  const free = await mpc.reveal({ known: known.square() });
  expect(free).toMatchObject({ rounds: 0, bytesSent: [0, 0] });
  expect(nested(free.values.known)).toEqual([4, 9]);
  const [slope] = mpc.gradients(x.square().mul(known), [x]);
  const { values } = await mpc.reveal({ x, slope: slope!, all: mpc.stack([x, known]), row: mpc.concat([x, x.sign()]) });
  expect(nested(values.x)).toEqual([3, -1.5]);
  expect(nested(values.slope)).toEqual([12, -9]);
  expect(nested(values.all)).toEqual([
    [3, -1.5],
    [2, 3],
  ]);
  expect(nested(values.row)).toEqual([3, -1.5, 1, -1]);
});

test('randomness is drawn by all parties, anew for each run', async () => {
  const mpc = new Secrets(['a', 'b']);
  const weights = mpc.share([0, 1, 0], 'a');
  const random = {
    uniform: mpc.randomUniform([50]),
    normal: mpc.randomNormal([50]),
    bits: mpc.bernoulli([50], 0.5),
    dropped: mpc.tensor(new Array<number>(50).fill(1)).dropout(0.5),
    sample: weights.sample(),
  };
  const [first, second] = [(await mpc.reveal(random)).values, (await mpc.reveal(random)).values];
  expect([...first.uniform.data].every((value) => value >= 0 && value < 1)).toBe(true);
  expect([...first.bits.data].every((value) => value === 0 || value === 1)).toBe(true);
  expect([...first.dropped.data].every((value) => value === 0 || Math.abs(value - 2) < 1e-3)).toBe(true);
  expect(nested(first.sample)).toEqual([0, 1, 0]);
  expect(first.uniform.data).not.toEqual(second.uniform.data);
  expect(first.normal.data).not.toEqual(second.normal.data);
});

test('mistakes are named', async () => {
  const code = (expected: string): object => expect.objectContaining({ code: expected }) as object;
  expect(() => new Secrets(['a'])).toThrow(code('party-alone'));
  const mpc = new Secrets(['a', 'b']);
  expect(() => mpc.share([1], 'x')).toThrow(code('no-such-party'));
  expect(() => mpc.share([[1], [2, 3]], 'a')).toThrow(code('values-ragged'));
  expect(() => mpc.share([NaN], 'a')).toThrow(code('not-finite'));
  expect(() => mpc.fromShares([[1]])).toThrow(code('shares-differ'));
  expect(() => mpc.share([1, 2], 'a').add([1, 2, 3])).toThrow(code('shape-mismatch'));
  await expect(mpc.reveal({ x: mpc.share([1], 'a') }, { to: ['x'] })).rejects.toThrow(code('no-such-party'));
});

test('the example of the documentation runs as it stands there', () => {
  const file = join(import.meta.dirname, 'tensors-example.ts');
  const shown = readFileSync(file, 'utf8').replace("'../../../main/", "'./main/");
  const page = readFileSync(join(import.meta.dirname, '../../../docs/typescript-api.md'), 'utf8');
  expect(page).toContain(`\`\`\`ts\n${shown}\`\`\``);
  expect(execFileSync(process.execPath, [file], { encoding: 'utf8' })).toMatch(/^2 0\.\d+ \[/);
});
