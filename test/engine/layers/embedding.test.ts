/** Embeddings of numbers that everybody or one party knows: gradients by the table, and what they cost. */
import { describe, expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import { forward } from '../../../engine/nn/forward.ts';
import { decodeFixed } from '../../../engine/runtime/words.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { knownInput, privateInput, sharedInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { describeLayers } from '../../../shared/job-model.ts';
import { modelLayerSchema } from '../../../shared/job.ts';
import { TestJob } from '../../helpers/run-job.ts';
import { noise, onUnit } from '../operations/measure.ts';

const [tokens, size, rows, places] = [5, 2, 3, 2];
/** One number twice in a row of the batch and again in another, one never. */
const indices = [4, 4, 0, 2, 4, 1];
const { layers } = describeLayers([modelLayerSchema.parse({ kind: 'embedding', tokens, size })], [places]);
const table = noise(tokens * size, -1, 1, 1);
const direction = noise(rows * places * size, -1, 1, 2);

const words = (values: readonly number[], fractionBits = 16): BigUint64Array =>
  BigUint64Array.from(values, (value) => BigInt.asUintN(64, BigInt(Math.round(value * 2 ** fractionBits))));

/** sum(direction * rows of the table by the indices), in doubles. */
function combined(values: readonly number[]): number {
  return indices.reduce(
    (sum, index, i) => sum + [0, 1].reduce((part, j) => part + values[index * size + j]! * direction[i * size + j]!, 0),
    0,
  );
}
const differences = table.map((value, i) => {
  const by = (change: number): number => combined(table.with(i, value + change));
  return onUnit((by(0.5) - by(-0.5)) / 1);
});

/** Traces the layer and its gradient by the table; `keep` says what becomes of both. */
function trace(makeIndex: (graph: Graph) => Tensor, keep: (rows: Tensor, gradient: Tensor) => void): Graph {
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const kernel = sharedInput(graph, 'table', [tokens, size], 1);
  const seed = sharedInput(graph, 'direction', [rows, places, size], 1);
  const y = forward(layers, new Map([[`${layers[0]!.name}/kernel`, kernel]]), makeIndex(graph));
  const [gradient] = gradients([[y, seed]], [kernel]);
  keep(y, gradient!);
  return graph;
}

async function costAndValues(makeIndex: (graph: Graph) => Tensor, fractionBits: number) {
  const graph = trace(makeIndex, (y, gradient) => {
    y.reveal('y', ['a']);
    gradient.reveal('gradient', ['a']);
  });
  const job = await TestJob.start([graph]);
  const index = { index: words(indices, fractionBits) };
  const feeds = { table: words(table), direction: words(direction) };
  const { revealed } = await job.execute('test', { inputs: { ...feeds, ...index }, known: index });
  const { cost } = job.plan.programs.get('test')!;
  await job.close();
  const values = (name: string): number[] => [...decodeFixed(revealed.get('a')!.get(name)!, 16)];
  return { cost, y: values('y'), gradient: values('gradient') };
}

/** What b sends a of rows and gradient in the end: 17 bits and sign and headroom, in 3 bytes each. */
const revealBytes = 3 * (rows * places * size + tokens * size);

const picked = indices.flatMap((index) => [table[index * size]!, table[index * size + 1]!]);

describe('public numbers', () => {
  test.each([
    ['whole', 0],
    ['with fraction bits', 16],
  ])('%s: rows and gradient are exact, and cost nothing before they are revealed', async (_, scale) => {
    const known = (graph: Graph): Tensor => knownInput(graph, 'index', [rows, places], 3, scale);
    const { cost, y, gradient } = await costAndValues(known, scale);
    expect(y).toEqual(picked);
    expect(gradient).toEqual(differences);
    expect(cost).toMatchObject({ rounds: 1, bytesSent: [0, revealBytes], dealerBytes: [0, 0] });
  });

  test('a number outside the table is refused by the kernels', async () => {
    const graph = trace(
      (of) => knownInput(of, 'index', [rows, places], 3, 0),
      (y) => y.reveal('y', ['a']),
    );
    const job = await TestJob.start([graph]);
    const feeds = { table: words(table), direction: words(direction) };
    const index = { index: words(indices.with(0, tokens), 0) };
    await expect(job.execute('test', { inputs: feeds, known: index })).rejects.toThrow(/index|row/i);
    await job.close();
  });
});

test('numbers of one party stay its own: it alone opens their one-hot form, once for both products', async () => {
  const own = (graph: Graph): Tensor => privateInput(graph, 'index', 'b', [rows, places], 3);
  const { cost, y, gradient } = await costAndValues(own, 16);
  expect(y).toEqual(picked);
  expect(gradient).toEqual(differences);
  // One round, and the reveal. Both open the table and the gradient of the rows under masks, b also the one-hot form.
  expect(cost.rounds).toBe(2);
  const [a = 0, b = 0] = cost.bytesSent;
  expect(a).toBe(3 * (tokens * size + rows * places * size));
  expect(b - a - revealBytes).toBe(3 * rows * places * tokens);
});
