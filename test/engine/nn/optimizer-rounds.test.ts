/** What docs/training.md says of rounds: those of every optimizer and limit after the gradient, and of every loss. */
import { describe, expect, test } from 'vitest';
import { lossOf } from '../../../engine/nn/losses/table.ts';
import type { TrainingSpec } from '../../../engine/nn/training/spec.ts';
import { limited, updateWeights } from '../../../engine/nn/training/update.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { sharedInput, stateInput } from '../../../engine/tensor/tensor.ts';
import { scheduleSchema } from '../../../shared/learning-rate.ts';
import { lossSchema } from '../../../shared/losses.ts';
import { clipSchema, optimizerSchema } from '../../../shared/optimizers.ts';

function newGraph(): Graph {
  return new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
}

function roundsOf(graph: Graph): number {
  const plan = planJob([lower(graph, { parties: ['a', 'b'] })], nodeCrypto.sha256);
  return plan.programs.get('test')!.cost.rounds;
}

/** Rounds from the sums of a batch's gradients to the next weights, all of them kept as shares. */
function updateRounds(optimizer: object, options: { schedule?: object; clip?: object } = {}): number {
  const graph = newGraph();
  const spec = {
    optimizer: optimizerSchema.parse(optimizer),
    ...(options.schedule === undefined ? {} : { schedule: scheduleSchema.parse(options.schedule) }),
    ...(options.clip === undefined ? {} : { clip: clipSchema.parse(options.clip) }),
  } as TrainingSpec;
  const shape = [3, 2];
  const weight = stateInput(graph, 'weight/first/kernel', shape, { bound: 38 });
  const gradient = sharedInput(graph, 'gradient', shape, 10, 32);
  const weights = limited(graph, spec, [{ key: 'first/kernel', weight, gradient, perRow: 1 / 8 }]);
  updateWeights(graph, spec, weights);
  return roundsOf(graph);
}

describe('optimizers', () => {
  test.each([
    ['sgd', { name: 'sgd', lr: 0.1 }, 1],
    ['sgd with momentum and decay', { name: 'sgd', lr: 0.1, momentum: 0.9, weightDecay: 0.01 }, 1],
    ['sgd, Nesterov', { name: 'sgd', lr: 0.1, momentum: 0.9, nesterov: true }, 2],
    ['adam', { name: 'adam', lr: 0.01 }, 12],
    ['adamw', { name: 'adamw', lr: 0.01, weightDecay: 0.1 }, 12],
    ['rmsprop', { name: 'rmsprop', lr: 0.01 }, 12],
    ['rmsprop with momentum', { name: 'rmsprop', lr: 0.01, momentum: 0.9 }, 12],
    ['adagrad', { name: 'adagrad', lr: 0.01 }, 13],
  ])('%s', (_, optimizer, rounds) => {
    expect(updateRounds(optimizer)).toBe(rounds);
  });

  test.each([
    ['a schedule', { schedule: { name: 'cosine' } }, 1],
    ['entries limited', { clip: { value: 0.5 } }, 4],
    ['their length limited', { clip: { norm: 0.5 } }, 11],
  ])('sgd with %s: rounds more', (_, options, more) => {
    expect(updateRounds({ name: 'sgd', lr: 0.1, momentum: 0.9 }, options) - 1).toBe(more);
  });
});

describe('losses', () => {
  test.each([
    ['mse', 1, 0],
    ['l1', 1, 3],
    ['huber', 1, 3],
    ['crossEntropy', 1, 3],
    ['crossEntropy', 10, 13],
    ['hinge', 1, 5],
    ['squaredHinge', 1, 7],
    ['rappor', 1, 5],
  ])('%s over %i outputs', (name, width, rounds) => {
    const graph = newGraph();
    const loss = lossOf(lossSchema.parse(name === 'rappor' ? { name, keep: 0.8 } : { name }), width);
    const [scores, labels] = ['z', 'y'].map((input) => sharedInput(graph, input, [8, width], 4));
    loss.seed(scores!, labels!).store('seed');
    // The opening of the scores, or of their distance from the labels, is not counted.
    expect(Math.max(0, roundsOf(graph) - 1)).toBe(rounds);
  });
});
