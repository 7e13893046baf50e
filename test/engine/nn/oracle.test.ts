/**
 * Training on shares is fixed-point training in the clear: an oracle that is given nothing but inputs and what is public
 * (openings) must end with the same words. And it stays close to training in doubles.
 */
import { describe, expect, test } from 'vitest';
import { trainingGraphs } from '../../../engine/nn/training/graphs.ts';
import { names } from '../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../engine/nn/training/spec.ts';
import { memberNames } from '../../../engine/nn/membership.ts';
import { VARIANCE_SCALE } from '../../../engine/nn/table.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { encodeFixed } from '../../../engine/runtime/words.ts';
import { weightShapes } from '../../../shared/model.ts';
import type { ModelDescription } from '../../../shared/model.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import { FixedPointOracle } from '../../helpers/fixed-point.ts';
import { floatGraph, logistic, softplusOf } from '../../helpers/float-graph.ts';
import { TestJob } from '../../helpers/run-job.ts';

const FRACTION_BITS = 16;
const ROWS = 40;
const TRAINING = 30;

const mlp: ModelDescription = {
  inputShape: [6],
  layers: [
    { kind: 'dense', name: 'first', inputs: 6, outputs: 5, useBias: true },
    { kind: 'relu', name: 'middle' },
    { kind: 'dense', name: 'last', inputs: 5, outputs: 3, useBias: true },
    { kind: 'softmax', name: 'classes' },
  ],
};
const logisticModel: ModelDescription = {
  inputShape: [6],
  layers: [
    { kind: 'dense', name: 'score', inputs: 6, outputs: 1, useBias: true },
    { kind: 'sigmoid', name: 'probability' },
  ],
};

/** Numbers between -1 and 1 without structure, the same in every run. */
function noise(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43_758.5453;
    return Math.round((2 * (x - Math.floor(x)) - 1) * 4096) / 4096;
  });
}

interface Case {
  readonly parties: number;
  readonly spec: TrainingSpec;
  /** Functions behind the look-ups of a program, in order. */
  readonly functions: Readonly<Record<string, readonly ((x: number) => number)[]>>;
  readonly tolerance: number;
}

const base = {
  trainingRows: TRAINING,
  testRows: ROWS - TRAINING,
  optimizer: { name: 'sgd', lr: 0.25, momentum: 0.9, dampening: 0, nesterov: false, weightDecay: 0 },
  reveal: { model: ['a'], metrics: ['a'] },
  fractionBits: FRACTION_BITS,
  assumedBound: 54,
  featureMagnitudeBits: 2,
  labelMagnitudeBits: 1,
  standardise: undefined,
  task: 'classification',
} as const;

const reciprocal = (x: number): number => 1 / x;
/** No mantissa is 0 but that of 0. */
const inverseOrZero = (x: number): number => (x === 0 ? 0 : 1 / x);
const inverseRoot = (x: number): number => 1 / Math.sqrt(x);

const cases: Record<string, Case> = {
  'logistic regression, columns of two parties, whole batches': {
    parties: 2,
    spec: {
      ...base,
      features: [
        { owner: 'a', rows: ROWS, columns: 4 },
        { owner: 'b', rows: ROWS, columns: 2 },
      ],
      arrangement: 'columns',
      labels: [{ owner: 'b', rows: ROWS }],
      description: logisticModel,
      batch: 'all',
    },
    functions: { [names.step(TRAINING)]: [logistic], [names.evaluate]: [softplusOf] },
    tolerance: 1e-3,
  },
  'a multi-layer perceptron, rows of three parties, batches of 16, weight decay': {
    parties: 3,
    spec: {
      ...base,
      features: [16, 14, 10].map((rows, i) => ({ owner: 'abc'[i] ?? 'a', rows, columns: 6 })),
      arrangement: 'rows',
      labels: [16, 14, 10].map((rows, i) => ({ owner: 'abc'[i] ?? 'a', rows })),
      description: mlp,
      batch: 16,
      optimizer: { name: 'sgd', lr: 0.25, momentum: 0.9, dampening: 0, nesterov: false, weightDecay: 0.01 },
    },
    functions: {
      [names.step(16)]: [Math.exp, reciprocal],
      [names.step(14)]: [Math.exp, reciprocal],
      [names.evaluate]: [Math.exp, Math.log],
    },
    tolerance: 5e-3,
  },
  'standardised on shares': {
    parties: 2,
    spec: {
      ...base,
      features: [20, 20].map((rows, i) => ({ owner: 'ab'[i] ?? 'a', rows, columns: 6 })),
      arrangement: 'rows',
      labels: [20, 20].map((rows, i) => ({ owner: 'ab'[i] ?? 'a', rows })),
      description: logisticModel,
      batch: 15,
      optimizer: { name: 'sgd', lr: 0.125, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 },
      standardise: [true, true, false, true, true, true],
      featureMagnitudeBits: 0.01,
    },
    functions: { [names.setup]: [inverseRoot], [names.step(15)]: [logistic], [names.evaluate]: [softplusOf] },
    tolerance: 5e-3,
  },
  'slots of which nobody knows who has them': {
    parties: 3,
    spec: {
      ...base,
      features: ['a', 'b', 'c'].map((owner, i) => ({ owner, rows: ROWS, columns: i + 1 })),
      arrangement: 'columns',
      labels: [{ owner: 'b', rows: ROWS }],
      description: expandTemplate({ template: 'logistic' }, [7], 1, 'classification'),
      batch: 15,
      standardise: new Array<boolean>(6).fill(true),
      featureMagnitudeBits: 0.01,
      membership: { required: ['a', 'b'], optional: ['c'], floor: 3, parties: ['a', 'b', 'c'] },
    },
    functions: {
      [names.setup]: [inverseOrZero, inverseOrZero, inverseOrZero, inverseRoot],
      [names.step(15)]: [logistic],
      [names.evaluate]: [softplusOf],
    },
    tolerance: 5e-3,
  },
};

describe.each(Object.entries(cases))('%s', (_, { parties, spec, functions, tolerance }) => {
  test('agrees with the fixed-point oracle bit for bit, and with doubles nearly', async () => {
    const graphs = trainingGraphs(spec);
    const job = await TestJob.start(graphs, { parties });
    const oracle = new FixedPointOracle(
      graphs.map((graph) => ({ graph, program: lower(graph, { parties: job.plan.parties }) })),
    );
    const floatStates = new Map<string, readonly number[]>();

    /** One execution three times over: on shares, by the oracle, in doubles. Returns what is revealed. */
    const run = async (
      program: string,
      values: Record<string, readonly number[]>,
      rows: Record<string, readonly number[]> = {},
    ): Promise<Map<string, { words: bigint[]; floats: readonly number[] }>> => {
      const graph = graphs.find((g) => g.options.name === program);
      if (graph === undefined) throw new RangeError(`no program ${program}`);
      const words = Object.fromEntries([
        ...Object.entries(values).map(
          ([name, list]) => [name, encodeFixed(list, FRACTION_BITS, 24, () => name)] as const,
        ),
        ...Object.entries(rows).map(([name, list]) => [name, BigUint64Array.from(list, BigInt)] as const),
      ]);
      const seen = await job.execute(program, { inputs: words, known: words });
      const expected = await oracle.execute(program, { words, openings: seen.openings });
      const plain = floatGraph(
        graph,
        { values: new Map([...floatStates, ...Object.entries(values)]), rows: new Map(Object.entries(rows)) },
        functions[program],
      );
      const floats = new Map(graph.reveals.map((reveal) => [reveal.name, plain.value(reveal.node)]));
      const stored = graph.stores.map(({ name, node }) => [name, plain.value(node)] as const);
      for (const [name, value] of stored) floatStates.set(name, value);
      const revealed = seen.revealed.get('a') ?? new Map<string, BigUint64Array>();
      return new Map(
        [...revealed].map(([name, received]) => {
          const signed = [...received].map((word) => BigInt.asIntN(64, word));
          expect(signed, `${program}: ${name}`).toEqual(expected.get(name));
          return [name, { words: signed, floats: floats.get(name) ?? [] }];
        }),
      );
    };

    const inputs: Record<string, readonly number[]> = {};
    const width = spec.description === mlp ? 3 : 1;
    spec.features.forEach((block, i) => (inputs[`${names.features}/${i}`] = noise(block.rows * block.columns, i)));
    const { membership } = spec;
    for (const party of [...(membership?.required ?? []), ...(membership?.optional ?? [])]) {
      // Words at scale 0, and those of squares at another scale, given as numbers at the scale of the others.
      const bits = noise(ROWS, party.charCodeAt(0)).map((v) => Number(v > -0.5));
      inputs[memberNames.presence(party)] = bits.map((bit) => bit / 2 ** FRACTION_BITS);
      const block = spec.features.findIndex(({ owner }) => owner === party);
      const { columns = 0 } = spec.features[block] ?? {};
      const cells = inputs[`${names.features}/${block}`]?.map((v, i) => v * bits[Math.floor(i / columns)]!) ?? [];
      inputs[`${names.features}/${block}`] = cells;
      inputs[memberNames.centres(block)] = noise(columns, block).map((v) => v / 4);
      inputs[memberNames.squares(block)] = cells.map((v) => v ** 2 * 2 ** (VARIANCE_SCALE - FRACTION_BITS));
    }
    spec.labels.forEach((block, i) => {
      inputs[`${names.labels}/${i}`] = Array.from({ length: block.rows * width }, (_, j) =>
        width === 1 ? (j * 7 + i) % 2 : j % 3 === (Math.floor(j / 3) * 5 + i) % 3 ? 1 : 0,
      );
    });
    for (const [key, shape] of weightShapes(spec.description))
      inputs[names.weight(key)] = noise(
        shape.reduce((a, b) => a * b, 1),
        9,
      ).map((v) => v / 2);
    const trainingRows = Array.from({ length: TRAINING }, (_, i) => (i * 7) % ROWS);
    const setupRows = spec.standardise === undefined ? {} : { [names.trainingRows]: trainingRows };
    await run(names.setup, inputs, setupRows);
    const size = spec.batch === 'all' ? TRAINING : spec.batch;
    for (let epoch = 0; epoch < 3; epoch++) {
      for (let from = 0; from < TRAINING; from += size) {
        const rows = trainingRows.slice(from, from + size);
        await run(names.step(rows.length), {}, { [names.rowNumbers]: rows });
      }
    }
    const testRows = Array.from({ length: ROWS - TRAINING }, (_, i) => (i * 3 + 1) % ROWS);
    const sums = await run(
      names.evaluate,
      { [names.rowWeights]: testRows.map(() => 1) },
      { [names.rowNumbers]: testRows },
    );
    const metrics = membership === undefined ? sums : await run(names.metrics, {});
    expect([...metrics.keys()].sort()).toEqual([names.correct, names.loss]);
    const model = await run(names.reveal, {});
    let weights = 0;
    for (const [name, { words, floats }] of model) {
      if (!name.startsWith('weight/')) continue;
      words.forEach((word, i) => {
        weights++;
        expect(Math.abs(Number(word) / 2 ** FRACTION_BITS - (floats[i] ?? NaN))).toBeLessThan(tolerance);
      });
    }
    expect(weights).toBe(spec.description === mlp ? 53 : (spec.description.inputShape[0] ?? 0) + 1);
    await job.close();
  });
});
