/**
 * Who knows model and data decides what is paid: what one party can compute from what it and everybody knows costs nothing,
 * what one party owns is opened by it alone under a mask that it knows, and only what nobody knows is opened by all. Exact
 * bytes and rounds of layers and networks between two parties.
 */
import { describe, expect, test } from 'vitest';
import { forward } from '../../../engine/nn/forward.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { knownInput, privateInput, stateInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { weightShapes } from '../../../shared/model.ts';
import type { ModelDescription } from '../../../shared/model.ts';

const ROWS = 4;
const dense: ModelDescription = {
  inputShape: [6],
  layers: [{ kind: 'dense', name: 'only', inputs: 6, outputs: 5, useBias: false }],
};
const mlp: ModelDescription = {
  inputShape: [6],
  layers: [
    { kind: 'dense', name: 'first', inputs: 6, outputs: 5, useBias: false },
    { kind: 'relu', name: 'middle' },
    { kind: 'dense', name: 'last', inputs: 5, outputs: 2, useBias: false },
  ],
};

type Owner = 'a' | 'b' | undefined;
/** Owner of model, or of its layers by name, and of data; undefined where it is public. */
type Owners = readonly [model: Owner | Readonly<Record<string, Owner>>, data: Owner];

/** What each party sends and how many rounds there are, the result kept as shares. */
function costOf(
  description: ModelDescription,
  [model, data]: Owners,
  after = (answers: Tensor): Tensor => answers.raw,
) {
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const input = (name: string, owner: Owner, shape: readonly number[]): Tensor =>
    owner === undefined ? knownInput(graph, name, shape, 3) : privateInput(graph, name, owner, shape, 3);
  const ownerOf = (key: string): Owner => (typeof model === 'object' ? model[key.split('/')[0] ?? ''] : model);
  const weights = new Map([...weightShapes(description)].map(([key, shape]) => [key, input(key, ownerOf(key), shape)]));
  const y = after(forward(description.layers, weights, input('x', data, [ROWS, ...description.inputShape])));
  y.store('y');
  // Somebody reads all of it later: openings keep all bits.
  const read = new Graph({ name: 'read', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  stateInput(read, 'y', y.shape, { scale: y.scale, bound: 62 }).reveal('y', ['b']);
  const plan = planJob(
    [graph, read].map((one) => lower(one, { parties: ['a', 'b'] })),
    nodeCrypto.sha256,
  );
  const { rounds, bytesSent, dealerBytes } = plan.programs.get('test')!.cost;
  return { rounds, bytesSent, dealer: dealerBytes.some((bytes) => bytes > 0) };
}

describe('a dense layer', () => {
  test.each<[string, Owners, { rounds: number; bytesSent: number[]; dealer: boolean }]>([
    ['public model, private data', [undefined, 'a'], { rounds: 0, bytesSent: [0, 0], dealer: false }],
    ['private model, public data', ['a', undefined], { rounds: 0, bytesSent: [0, 0], dealer: false }],
    // Each owner opens its own words, 8 bytes each: 24 cells and 30 weights.
    ['both private, of two parties', ['a', 'b'], { rounds: 1, bytesSent: [30 * 8, 24 * 8], dealer: true }],
  ])('%s', (_, owners, cost) => {
    expect(costOf(dense, owners)).toEqual(cost);
  });
});

const free = { rounds: 0, bytesSent: [0, 0], dealer: false };

/** A rectifier of 20 values that nobody knows, by each party. */
const RECTIFIER = 189;
/** Second layer of a private model: 20 hidden values under their mask, by each party, and 10 weights by their owner. */
const [HIDDEN, WEIGHTS] = [20 * 8, 10 * 8];

describe('a network with one hidden layer', () => {
  test.each<[string, Owners, { rounds: number; bytesSent: number[]; dealer: boolean }]>([
    ['public model, private data: its owner computes alone', [undefined, 'a'], free],
    ['private model, public data: its owner computes alone', ['a', undefined], free],
    ['model and data of one party', ['b', 'b'], free],
    [
      'a model split between the data’s owner and another: one product',
      [{ first: 'a', last: 'b' }, 'a'],
      { rounds: 1, bytesSent: [HIDDEN, WEIGHTS], dealer: true },
    ],
    [
      'a public first layer: the same',
      [{ first: undefined, last: 'b' }, 'a'],
      { rounds: 1, bytesSent: [HIDDEN, WEIGHTS], dealer: true },
    ],
    [
      // Before a truncation six bytes a word are enough: 30 weights of one party, 24 cells of the other.
      'both private, of two parties',
      ['a', 'b'],
      {
        rounds: 6,
        bytesSent: [RECTIFIER + HIDDEN + WEIGHTS + 30 * 6, RECTIFIER + HIDDEN + 24 * 6],
        dealer: true,
      },
    ],
  ])('%s', (_, owners, cost) => {
    expect(costOf(mlp, owners)).toEqual(cost);
  });
});

describe('a convolutional network', () => {
  const geometry = { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding: [1, 1, 1, 1] } as const;
  const network: ModelDescription = {
    inputShape: [1, 6, 6],
    layers: [
      { kind: 'conv2d', name: 'windows', channels: 1, filters: 2, groups: 1, useBias: true, ...geometry },
      { kind: 'batchNorm', name: 'norm', channels: 2, epsilon: 1e-3, momentum: 0.9 },
      { kind: 'relu', name: 'rectifier' },
      { kind: 'maxPool2d', name: 'pool', kernel: [2, 2], stride: [2, 2], dilation: [1, 1], padding: [0, 0, 0, 0] },
      { kind: 'flatten', name: 'flat' },
      { kind: 'dense', name: 'scores', inputs: 18, outputs: 3, useBias: true },
      { kind: 'softmax', name: 'classes' },
    ],
  };
  /** 18 features of each row after the pool, 54 weights. */
  const [FEATURES, SCORES] = [ROWS * 18, 18 * 3];

  test.each<[string, Owners]>([
    ['public, private data', [undefined, 'a']],
    ['private, public data', ['b', undefined]],
  ])('%s: every layer in the clear', (_, owners) => {
    expect(costOf(network, owners)).toEqual(free);
  });

  test('public feature layers, private scores of another: features and scores meet in one product', () => {
    const shared = costOf({ ...network, layers: network.layers.slice(0, -1) }, [{ scores: 'b' }, 'a']);
    expect(shared).toEqual({ rounds: 1, bytesSent: [FEATURES * 8, SCORES * 8], dealer: true });
  });

  test('a private normalisation of known statistics costs what its product costs', () => {
    const description: ModelDescription = { inputShape: [2, 6, 6], layers: network.layers.slice(1, 2) };
    // The data's owner opens 288 cells, the model's 2 factors; inverse roots and shifts are its own affair.
    const { rounds, bytesSent } = costOf(description, ['b', 'a']);
    expect({ rounds, bytesSent }).toEqual({ rounds: 1, bytesSent: [288 * 8, 2 * 8] });
  });

  test('labels of another: nothing but the loss is paid for', () => {
    const toLabels = (answers: Tensor): Tensor => answers.sub(privateInput(answers.graph, 'labels', 'b', [ROWS, 3], 0));
    // Without a product: what the gradient by the scores starts with.
    expect(costOf(network, [undefined, 'a'], toLabels)).toEqual(free);
    const toSquares = (answers: Tensor): Tensor => {
      const error = toLabels(answers);
      return error.mulRaw(error);
    };
    const square = { rounds: 1, bytesSent: [ROWS * 3 * 8, ROWS * 3 * 8], dealer: true };
    expect(costOf(network, [undefined, 'a'], toSquares)).toEqual(square);
  });
});
