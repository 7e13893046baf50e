/**
 * What the programs of real jobs open, step by step: every opening is hidden by a random value of its own, of the opening's
 * length, that hides nothing else; and the dealer computes from nothing but masks and what everybody knows.
 */
import { describe, expect, test } from 'vitest';
import { memberNames } from '../../../engine/nn/membership.ts';
import { trainingGraphs } from '../../../engine/nn/training/graphs.ts';
import { names } from '../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../engine/nn/training/spec.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { narrow } from '../../../engine/plan/narrow.ts';
import { operands } from '../../../engine/plan/program.ts';
import type { Bits, Program, Words } from '../../../engine/plan/program.ts';
import type { ModelDescription } from '../../../shared/model.ts';

const mlp: ModelDescription = {
  inputShape: [6],
  layers: [
    { kind: 'dense', name: 'first', inputs: 6, outputs: 5, useBias: true },
    { kind: 'relu', name: 'middle' },
    { kind: 'dense', name: 'last', inputs: 5, outputs: 3, useBias: true },
    { kind: 'softmax', name: 'classes' },
  ],
};
const convolution: ModelDescription = {
  inputShape: [1, 6, 6],
  layers: [
    {
      kind: 'conv2d',
      name: 'windows',
      channels: 1,
      filters: 2,
      kernel: [3, 3],
      stride: [1, 1],
      dilation: [1, 1],
      padding: [1, 1, 1, 1],
      groups: 1,
      useBias: true,
    },
    { kind: 'relu', name: 'middle' },
    { kind: 'maxPool2d', name: 'pool', kernel: [2, 2], stride: [2, 2], dilation: [1, 1], padding: [0, 0, 0, 0] },
    { kind: 'flatten', name: 'flat' },
    { kind: 'dense', name: 'last', inputs: 18, outputs: 1, useBias: false },
    { kind: 'sigmoid', name: 'answer' },
  ],
};

function spec(description: ModelDescription, columns: number, standardise: boolean): TrainingSpec {
  return {
    features: ['a', 'b'].map((owner) => ({ owner, rows: 12, columns })),
    arrangement: 'rows',
    labels: ['a', 'b'].map((owner) => ({ owner, rows: 12 })),
    description,
    task: 'classification',
    trainingRows: 20,
    testRows: 4,
    batch: 8,
    optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9, dampening: 0, nesterov: false, weightDecay: 0.01 },
    reveal: { model: ['a'], metrics: ['a', 'dealer'] },
    fractionBits: 16,
    assumedBound: 54,
    featureMagnitudeBits: standardise ? 0.01 : 4,
    labelMagnitudeBits: 1,
    standardise: standardise ? new Array<boolean>(columns).fill(true) : undefined,
  };
}

const specs: Record<string, TrainingSpec> = {
  'multi-layer perceptron': spec(mlp, 6, false),
  'standardised on shares': spec(mlp, 6, true),
  'convolution and pooling': spec(convolution, 36, false),
  'features of one party, labels of another': {
    ...spec(mlp, 6, true),
    features: ['a', 'a'].map((owner) => ({ owner, rows: 12, columns: 6 })),
    labels: [{ owner: 'b', rows: 24 }],
  },
  'slots of hidden members': {
    ...spec(mlp, 3, true),
    arrangement: 'columns',
    features: ['a', 'b'].map((owner) => ({ owner, rows: 24, columns: 3 })),
    labels: [{ owner: 'b', rows: 24 }],
    membership: { required: ['a', 'b'], optional: [], floor: 3, parties: ['a', 'b', 'c'] },
    standardise: new Array<boolean>(6).fill(true),
  },
  'slots of which one party may lack some': {
    ...spec(convolution, 12, true),
    arrangement: 'columns',
    features: [
      { owner: 'a', rows: 24, columns: 12 },
      { owner: 'b', rows: 24, columns: 23 },
    ],
    labels: [{ owner: 'b', rows: 24 }],
    membership: { required: ['b'], optional: ['a'], floor: 3, parties: ['a', 'b', 'c'] },
    standardise: Array.from({ length: 35 }, (_, i) => i % 2 === 0),
  },
};

/** The random values that hide a share that is opened: terms of the share that are nothing but such a value. */
function hidingValues(program: Program, share: Words | Bits): number[] {
  const producer = program.steps.find(
    (step) => step.op === 'local' && operands(step.operation).outputs.some((out) => out.value === share.value),
  );
  if (producer?.op !== 'local') return [];
  const random = new Set(
    program.steps.flatMap((step) => (step.op === 'random' || step.op === 'ownerMask' ? [step.share] : [])),
  );
  const unit = (1n << BigInt(program.wordBits)) - 1n;
  const { operation } = producer;
  if (operation.op === 'combine')
    return operation.terms.flatMap(({ coefficient, factors }) => {
      const [only] = factors;
      const isUnit = coefficient === 1n || coefficient === unit;
      return only !== undefined &&
        factors.length === 1 &&
        isUnit &&
        random.has(only.slot.value) &&
        isWhole(program, only.slot, share)
        ? [only.slot.value]
        : [];
    });
  if (operation.op === 'combineBits')
    return operation.terms.flatMap(({ factors }) => {
      const [only] = factors;
      return only !== undefined && factors.length === 1 && random.has(only.value) && isWhole(program, only, share)
        ? [only.value]
        : [];
    });
  return [];
}

function isWhole(program: Program, mask: Words | Bits, share: Words | Bits): boolean {
  const info = program.values[mask.value];
  return (
    info?.length === share.length &&
    mask.start === 0 &&
    (mask.kind === 'words' || (share.kind === 'bits' && mask.planes === share.planes && info.planes === share.planes))
  );
}

describe.each(Object.entries(specs))('%s', (_, training) => {
  const programs = narrow(trainingGraphs(training).map((graph) => lower(graph, { parties: ['a', 'b', 'c'] })));

  test('every opening is hidden by a mask of its own', () => {
    let openings = 0;
    for (const program of programs) {
      const used = new Map<number, number>();
      program.steps.forEach((step, index) => {
        if (step.op !== 'open') return;
        openings++;
        const hiding = hidingValues(program, step.share);
        expect(hiding.length, `${program.name}, step ${index}`).toBe(1);
        const mask = hiding[0] ?? -1;
        expect(used.has(mask), `${program.name}, step ${index}: mask of step ${used.get(mask)} again`).toBe(false);
        used.set(mask, index);
        const source = program.steps.find((s) => (s.op === 'random' || s.op === 'ownerMask') && s.share === mask);
        // Only the owner of a mask may open what it hides alone, and only the owner's own value is hidden by it.
        expect(source?.op === 'ownerMask' ? source.owner : undefined).toBe(step.from);
      });
    }
    expect(openings).toBeGreaterThan(20);
  });

  test('what is not linear is computed on shares by their owner only, who alone has them', () => {
    const ownersOf = (program: Program, values: readonly (Words | Bits)[]): (string | undefined)[] =>
      values.flatMap(({ place, value }) => (place === 'share' ? [program.values[value]?.owner] : []));
    for (const program of programs) {
      for (const step of program.steps) {
        if (step.op !== 'local') continue;
        const { inputs, outputs } = operands(step.operation);
        const [from, to] = [ownersOf(program, inputs), ownersOf(program, outputs)];
        // A result is somebody's own only where all shares behind it are.
        for (const owner of to) if (owner !== undefined) expect(new Set(from)).toEqual(new Set([owner]));
        const isGadget = ['field', 'bitPlanes', 'bitsToWords'].includes(step.operation.op);
        if (isGadget) expect(from).not.toContain(undefined);
      }
    }
  });

  test('the dealer reads nothing but masks and what everybody knows', () => {
    for (const program of programs) {
      const placeOf = (value: number): string => program.values[value]?.place ?? '';
      for (const step of program.steps) {
        if (step.op === 'deal') expect(placeOf(step.dealer.value)).toBe('dealer');
        if (step.op === 'store' && placeOf(step.value.value) === 'dealer') expect(step.state).toMatch(/dealer-mask$/);
        if (step.op !== 'local') continue;
        const { inputs, outputs } = operands(step.operation);
        if (!outputs.some((out) => out.place === 'dealer')) continue;
        for (const input of inputs) expect(['dealer', 'known']).toContain(placeOf(input.value));
      }
    }
  });

  test('shares become public by openings only, and leave by named reveals only', () => {
    for (const program of programs) {
      for (const step of program.steps) {
        if (step.op === 'reveal') {
          const { membership, reveal } = training;
          const receivers: Record<string, readonly string[]> = {
            [names.reveal]: reveal.model,
            // Sums of rows that nobody may count stay shared.
            [membership === undefined ? names.evaluate : names.metrics]: reveal.metrics,
            ...(membership === undefined ? {} : { [names.setup]: membership.parties }),
          };
          expect(step.receivers, `reveal of ${program.name}`).toEqual(receivers[program.name]);
          if (program.name === names.setup) expect(step.name).toBe(memberNames.reached);
        }
        if (step.op !== 'local') continue;
        const { inputs, outputs } = operands(step.operation);
        if (outputs.every((out) => out.place === 'share')) continue;
        expect(inputs.some((input) => input.place === 'share')).toBe(false);
      }
    }
  });
});
