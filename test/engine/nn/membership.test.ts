/**
 * Training behind a hidden or a left join: identifiers are joined, every party shares its rows in its slots, and the model on
 * shares is the one that training in the clear gives on the rows that count.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Curve } from '../../../engine/join/curve.ts';
import { wasmCurve } from '../../../engine/join/wasm/pool.ts';
import { checkReached, memberNames } from '../../../engine/nn/membership.ts';
import { revealedStandardisation } from '../../../engine/nn/table.ts';
import { metricSum } from '../../../engine/nn/training/totals.ts';
import { names } from '../../../engine/nn/training/spec.ts';
import { decodeFixed } from '../../../engine/runtime/words.ts';
import { initialWeights } from '../../../shared/initialise.ts';
import type { ModelDescription } from '../../../shared/model.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import { epochBatches } from '../../../shared/schedule.ts';
import { PublicRandom } from '../../../shared/shuffle.ts';
import { trainHidden } from '../../helpers/hidden-training.ts';
import type { HiddenJob, HiddenRun, PartyRows } from '../../helpers/hidden-training.ts';
import { hasHead, plainForward, plainTraining } from '../../helpers/plain-training.ts';
import type { PlainStep } from '../../helpers/plain-training.ts';

let curve: Curve;
beforeAll(async () => {
  curve = await wasmCurve({ threads: 1 });
});
afterAll(() => curve.dispose());

const SEED = 5;

/** People of whom each party knows some, with columns of its own. The last party has the label, a number if it has no classes. */
function population(
  parties: number,
  people: number,
  share: number,
  classes: number,
  seed: number,
): Map<string, PartyRows> {
  const random = new PublicRandom(seed, 'weights');
  const uniform = (): number => random.nextBelow(2 ** 20) / 2 ** 20;
  const widths = [3, 2, 1].slice(0, parties);
  const everybody = Array.from({ length: people }, (_, i) => ({
    identifier: `person ${i}`,
    cells: widths.map((width) => Array.from({ length: width }, () => Math.round(uniform() * 2048) / 4096)),
  }));
  return new Map(
    widths.map((_, who) => {
      const own = everybody.filter(() => uniform() < share).sort(() => uniform() - 0.5);
      const rows: PartyRows = {
        identifiers: own.map(({ identifier }) => identifier),
        features: own.map(({ cells }) => cells[who]!),
      };
      if (who < widths.length - 1) return ['abc'[who]!, rows];
      const targets = own.map(({ cells }) => {
        const score = cells.flat().reduce((sum, v, i) => sum + (i % 2 === 0 ? v : -v), 0);
        if (classes === 0) return [score / 2];
        const label = Math.min(classes - 1, Math.max(0, Math.floor((score + 0.25) * classes)));
        return classes === 2 ? [label] : Array.from({ length: classes }, (__, c) => Number(c === label));
      });
      return ['abc'[who]!, { ...rows, targets }];
    }),
  );
}

interface PlainRow {
  readonly slot: number;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** The rows that count, in the clear: of people whom all required parties know. */
function countedRows(job: HiddenJob, run: HiddenRun): PlainRow[] {
  const { required, optional } = run.spec.membership;
  const [first] = required;
  const flags = (identifier: string): number[] =>
    optional.map((party) => Number(job.rows.get(party)!.identifiers.includes(identifier)));
  return job.rows.get(first!)!.identifiers.flatMap((identifier, row): PlainRow[] => {
    if (required.some((party) => !job.rows.get(party)!.identifiers.includes(identifier))) return [];
    const x = [...job.rows.values()].flatMap(({ identifiers, features }) => {
      const own = identifiers.indexOf(identifier);
      return own >= 0 ? features[own]! : features[0]!.map(() => NaN);
    });
    const labelled = [...job.rows.values()].find(({ targets }) => targets !== undefined)!;
    const y = labelled.targets![labelled.identifiers.indexOf(identifier)]!;
    return [{ slot: run.slots.get(first!)![row]!, x: [...x, ...flags(identifier)], y }];
  });
}

/** Standardised by the training rows that have the cell; a cell that nobody has is 0 afterwards. */
function standardisedRows(rows: readonly PlainRow[], train: ReadonlySet<number>, columns: number): PlainRow[] {
  const maps = Array.from({ length: columns }, (_, j) => {
    const values = rows.filter(({ slot, x }) => train.has(slot) && !Number.isNaN(x[j])).map(({ x }) => x[j]!);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    return { mean, deviation };
  });
  return rows.map((row) => ({
    ...row,
    x: row.x.map((v, j) => {
      const map = maps[j];
      if (map === undefined) return v;
      return Number.isNaN(v) ? 0 : (v - map.mean) / map.deviation;
    }),
  }));
}

/** The same training in the clear, on the rows that count alone. */
function inTheClear(job: HiddenJob, run: HiddenRun) {
  const training = new Set(run.train);
  const columns = run.spec.features.reduce((sum, block) => sum + block.columns, 0);
  const known = countedRows(job, run);
  const rows = job.standardise === true ? standardisedRows(known, training, columns) : known;
  const bySlot = new Map(rows.map((row) => [row.slot, row]));
  const counted = rows.filter(({ slot }) => training.has(slot)).length;
  const steps: PlainStep[] = [];
  for (let epoch = 0; epoch < job.epochs; epoch++) {
    for (const batch of epochBatches(run.train, job.batch, SEED, epoch)) {
      const present = [...batch].flatMap((slot) => bySlot.get(slot) ?? []);
      const expected = (batch.length * counted) / run.train.length;
      const factor = (hasHead(job.description) ? 1 : 2) / expected;
      steps.push({ x: present.map(({ x }) => x), y: present.map(({ y }) => y), factor });
    }
  }
  const weights = plainTraining(job.description, job.initialWeights, steps, job);
  const tested = rows.filter(({ slot }) => !training.has(slot));
  const answers = tested.map(({ x }) => plainForward(job.description, weights, x).at(-1)!);
  const mean = (of: (answer: readonly number[], y: readonly number[]) => number): number =>
    answers.reduce((sum, answer, i) => sum + of(answer, tested[i]!.y), 0) / answers.length;
  if (!hasHead(job.description)) {
    const squaredError = mean((answer, y) => (answer[0]! - y[0]!) ** 2);
    return { counted, weights, metrics: { [names.squaredError]: squaredError }, doubtful: 0 };
  }
  const probabilities = (answer: readonly number[]): number[] =>
    answer.length === 1 ? [1 - answer[0]!, answer[0]!] : [...answer];
  const classOf = (y: readonly number[]): number => (y.length === 1 ? y[0]! : y.indexOf(1));
  const correct = mean((answer, y) => {
    const all = probabilities(answer);
    return Number(all.indexOf(Math.max(...all)) === classOf(y));
  });
  const doubtful = mean((answer) => {
    const [first = 0, second = 0] = probabilities(answer).sort((p, q) => q - p);
    return Number(first - second < 0.02);
  });
  const loss = mean((answer, y) => -Math.log(probabilities(answer)[classOf(y)]!));
  return { counted, weights, metrics: { [names.correct]: correct, [names.loss]: loss }, doubtful };
}

function metric(run: HiddenRun, name: string): number {
  return metricSum(run.spec, name, run.revealed.get(name)!) / run.spec.testRows;
}

const mlp = (inputs: number, classes: number): ModelDescription =>
  expandTemplate({ template: 'mlp', hidden: [6], activation: 'relu' }, [inputs], classes, 'classification');

const base = { epochs: 8, batch: 'all', testFraction: 0.25, lr: 0.5, momentum: 0.5, standardise: true } as const;
const logistic = (inputs: number): ModelDescription =>
  expandTemplate({ template: 'logistic' }, [inputs], 1, 'classification');

const cases: Record<
  string,
  { parties: number; classes: number; changes: Partial<HiddenJob>; description: ModelDescription }
> = {
  'logistic regression, two parties, all slots in a batch': {
    parties: 2,
    classes: 2,
    changes: {},
    description: logistic(5),
  },
  'logistic regression, three parties, batches of 32 slots, padded lists, not standardised': {
    parties: 3,
    classes: 2,
    changes: { batch: 32, sizes: { a: 120, b: 125, c: 130 }, standardise: false },
    description: logistic(6),
  },
  'a multi-layer perceptron, two parties, batches of 40 slots': {
    parties: 2,
    classes: 3,
    changes: { batch: 40, lr: 0.2 },
    description: mlp(5, 3),
  },
  'linear regression, two parties, batches of 50 slots': {
    parties: 2,
    classes: 0,
    changes: { batch: 50, lr: 0.05 },
    description: expandTemplate({ template: 'linear' }, [5], 1, 'regression'),
  },
  'a left join that keeps the last party, three parties, a flag for each other one': {
    parties: 3,
    classes: 2,
    changes: { keeps: 'c' },
    description: logistic(8),
  },
};

describe.each(Object.entries(cases))('%s', (_, { parties, classes, changes, description }) => {
  test('trains what training in the clear does on the rows that count, at the predicted cost', async () => {
    const job: HiddenJob = {
      ...base,
      rows: population(parties, 140, 0.8, classes, 3),
      description,
      initialWeights: initialWeights(description, SEED),
      curve,
      ...changes,
    };
    const run = await trainHidden(job);
    const clear = inTheClear(job, run);
    expect(clear.counted).toBeGreaterThan(40);
    // The learning rate is kept to half a per cent. At the kink of a ReLU a unit in the last place decides a whole gradient.
    const relative = description.layers.some(({ kind }) => kind === 'relu') ? 5e-2 : 1e-2;
    let weights = 0;
    for (const [key, expected] of clear.weights) {
      const found = decodeFixed(run.revealed.get(names.weight(key))!, run.spec.fractionBits);
      found.forEach((value, i) => {
        weights++;
        const tolerance = relative * Math.max(1, Math.abs(expected[i]!));
        expect(Math.abs(value - expected[i]!), `${key} ${i}: ${value}, ${expected[i]}`).toBeLessThan(tolerance);
      });
    }
    expect(weights).toBeGreaterThan(5);
    for (const [name, expected] of Object.entries(clear.metrics))
      expect(Math.abs(metric(run, name) - expected), name).toBeLessThan(3e-3 + clear.doubtful);
    expect(
      [...run.revealed.keys()].filter((name) => !name.startsWith('weight/') && !name.startsWith('standardise/')),
    ).toEqual([memberNames.reached, ...Object.keys(clear.metrics)]);
    expect(run.revealed.get(memberNames.reached)).toEqual(BigUint64Array.of(1n));
    for (const [{ program }, { frames }] of run.executions) {
      const { cost } = run.job.plan.programs.get(program)!;
      run.job.plan.parties.forEach((party, i) => {
        const sent = frames.filter(({ from }) => from === party);
        expect(sent.reduce((sum, { payload }) => sum + payload.length, 0)).toBe(cost.bytesSent[i]);
      });
      expect(new Set(frames.map(({ round }) => round)).size).toBe(cost.rounds);
    }
    await run.job.close();
  });
});

test('a column whose mean is many of its spreads away from zero is standardised all the same', async () => {
  const rows = population(2, 140, 0.8, 2, 3);
  // Years, say: 0.97 with a spread of less than a thousandth.
  const far = new Map(
    [...rows].map(([party, own]) => [
      party,
      { ...own, features: own.features.map((cells) => cells.map((v, i) => (i === 0 ? 0.97 + v / 512 : v))) },
    ]),
  );
  const job = small({ epochs: 4 }, far);
  const run = await trainHidden(job);
  await run.job.close();
  const clear = inTheClear(job, run);
  const found = revealedStandardisation(run.spec, run.revealed)!;
  expect(found.subtract[0]).toBeCloseTo(0.9705, 3);
  // The spread of what is kept to 16 bits.
  expect(Math.abs(found.multiply[0]! / (512 / Math.sqrt(0.25 / 12)) - 1)).toBeLessThan(0.15);
  for (const [key, expected] of clear.weights) {
    const weights = decodeFixed(run.revealed.get(names.weight(key))!, run.spec.fractionBits);
    weights.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(0.05));
  }
});

const small = (changes: Partial<HiddenJob>, rows: Map<string, PartyRows>): HiddenJob => {
  const description = logistic([...rows.values()].reduce((sum, { features }) => sum + features[0]!.length, 0));
  return {
    ...base,
    epochs: 2,
    rows,
    description,
    initialWeights: initialWeights(description, SEED),
    curve,
    ...changes,
  };
};

/** Rows of parties that have `common` people in common, and `size` each. */
function overlapping(common: number, size: number): Map<string, PartyRows> {
  return new Map(
    ['a', 'b'].map((party) => {
      const identifiers = Array.from({ length: size }, (_, i) =>
        i < common ? `person ${i}` : `person ${i} of ${party}`,
      );
      const features = identifiers.map((_, i) => [(i % 7) / 8, (i % 5) / -8]);
      const targets = identifiers.map((_, i) => [i % 2]);
      return [party, party === 'b' ? { identifiers, features, targets } : { identifiers, features }];
    }),
  );
}

test('nothing that crosses a link depends on who is there, but for the bytes', async () => {
  const shapes = [overlapping(4, 30), overlapping(30, 30), overlapping(0, 30)].map(async (rows) => {
    const { executions, job } = await trainHidden(small({ batch: 20 }, rows));
    await job.close();
    return executions.map(([{ program }, { frames }]) => [
      program,
      job.plan.parties.map((party) =>
        frames
          .filter(({ from }) => from === party)
          .map(({ to, round, payload }) => `${round} to ${to}: ${payload.length}`),
      ),
    ]);
  });
  const [few, all, none] = await Promise.all(shapes);
  expect(few!.length).toBeGreaterThan(6);
  expect(few).toEqual(all);
  expect(none).toEqual(all);
});

test.each([
  [8, 8, undefined, true],
  [8, 9, undefined, false],
  [8, 8, 'b', true],
  // All rows of b count, and a has too few of them.
  [8, 9, 'b', false],
])('%i rows in common, a floor of %i, all rows kept of %s: reached is %s', async (common, floor, keeps, isReached) => {
  const rows = overlapping(common, 20);
  const job = small({ floor, ...(keeps === undefined ? {} : { keeps, description: logistic(5) }) }, rows);
  const run = await trainHidden({ ...job, initialWeights: initialWeights(job.description, SEED) });
  await run.job.close();
  const [, setup] = run.executions[0]!;
  for (const party of ['a', 'b']) {
    const revealed = setup.revealed.get(party)!;
    expect([...revealed.keys()]).toEqual([memberNames.reached]);
    const check = (): void => checkReached(run.spec.membership, revealed.get(memberNames.reached));
    if (isReached) check();
    else expect(check).toThrow(expect.objectContaining({ code: 'join-below-floor' }));
  }
});
