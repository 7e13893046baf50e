/**
 * What crosses links is uniform whatever it hides: a training step repeated on fixed inputs under fresh seeds, its frames
 * tested byte position by byte position, and no two openings of a run related (which a mask used twice would show).
 */
import { describe, expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import { sigmoid } from '../../../engine/functions/elementary.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { privateInput } from '../../../engine/tensor/tensor.ts';
import { trainingGraphs } from '../../../engine/nn/training/graphs.ts';
import { names } from '../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../engine/nn/training/spec.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import { fixedCrypto } from '../../helpers/fixed-crypto.ts';
import { TestJob } from '../../helpers/run-job.ts';
import type { Execution } from '../../helpers/run-job.ts';

const ROWS = 8;
const COLUMNS = 4;
const HIDDEN = 8;
const JOBS = 2;
const EXECUTIONS = 80;
/** A normal deviate that chance exceeds about once in 10^9. */
const LIMIT = 6;
/** Values a bin must expect for that. */
const ENOUGH = 8;

function step(): Graph {
  const graph = new Graph({ name: 'step', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const x = privateInput(graph, 'x', 'a', [ROWS, COLUMNS], 4);
  const y = privateInput(graph, 'y', 'b', [ROWS, 1], 1);
  const first = privateInput(graph, 'first', 'b', [COLUMNS, HIDDEN], 4);
  const second = privateInput(graph, 'second', 'a', [HIDDEN, 1], 4);
  const score = x.matmul(first).relu().matmul(second);
  const derivatives = gradients([[score, sigmoid(score).sub(y)]], [first, second]);
  [first, second].forEach((weight, i) => {
    const derivative = derivatives[i];
    if (derivative !== undefined) weight.sub(derivative.timesRaw(0.1, 8).rescaled(16)).reveal(`weight ${i}`, ['a']);
  });
  return graph;
}

/**
 * Neighbouring bins joined until each expects `ENOUGH` values: below that the square's tail is far above chi-square's (80
 * values in 256 bins exceed six deviates once in 10^6), and thousands of histograms would find it by chance.
 */
function joined(counts: readonly number[], total: number): readonly number[] {
  if (counts.length <= 2 || total / counts.length >= ENOUGH) return counts;
  const pairs = Array.from({ length: counts.length / 2 }, (_, i) => (counts[2 * i] ?? 0) + (counts[2 * i + 1] ?? 0));
  return joined(pairs, total);
}

/** Counts of values, and how unlikely they are: a standard normal deviate (Wilson, Hilferty 1931) of Pearson's chi-square. */
class Histogram {
  readonly counts: number[];
  constructor(bins: number) {
    this.counts = new Array<number>(bins).fill(0);
  }
  add(value: number): void {
    this.counts[value] = (this.counts[value] ?? 0) + 1;
  }
  get deviate(): number {
    const total = this.counts.reduce((a, b) => a + b, 0);
    const counts = joined(this.counts, total);
    const expected = total / counts.length;
    const square = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    const freedom = counts.length - 1;
    return (Math.cbrt(square / freedom) - (1 - 2 / (9 * freedom))) / Math.sqrt(2 / (9 * freedom));
  }
}

class Histograms {
  readonly #all = new Map<string, Histogram>();
  add(name: string, value: number, bins: number): void {
    const histogram = this.#all.get(name) ?? new Histogram(bins);
    this.#all.set(name, histogram);
    histogram.add(value);
  }
  get size(): number {
    return this.#all.size;
  }
  /** Names of those that chance does not explain. */
  get suspicious(): string[] {
    return [...this.#all].flatMap(([name, h]) => (h.deviate > LIMIT ? [`${name}: ${h.deviate.toFixed(1)}`] : []));
  }
}

/** Notes the bytes of every party's share of every opening of a program. */
function noteFrames(job: TestJob, program: string, seen: Execution, into: Histograms): void {
  job.plan.parties.forEach((party, index) => {
    job.plan.programs.get(program)?.parties[index]?.rounds.forEach((round, number) => {
      const payload = seen.frames.find((f) => f.from === party && f.round === number)?.payload ?? new Uint8Array(0);
      let at = 0;
      for (const opening of round.openings) {
        if (opening.sender !== undefined && opening.sender !== index) continue;
        const { kind, length } = opening.opened;
        const size = kind === 'words' ? Math.ceil(opening.width / 8) : Math.ceil(length / 8);
        for (let i = 0; i < opening.bytes; i++) {
          // The last byte of a word, or of a plane of bits, may be used in part.
          const bits = Math.min(8, (kind === 'words' ? opening.width : length) - 8 * (i % size));
          const place = kind === 'words' ? i % size : `of ${bits} bits`;
          into.add(
            `${program}, party ${party}, opening ${opening.step}, byte ${place}`,
            payload[at + i] ?? 0,
            2 ** bits,
          );
        }
        at += opening.bytes;
      }
    });
  });
}

/** Notes differences of every two openings of words, which would not be uniform if they shared a mask. */
function noteDifferences(seen: Execution, into: Histograms): void {
  const words = seen.openings.filter((opening) => opening.words.length > 0);
  words.forEach((one, i) => {
    for (const other of words.slice(i + 1)) {
      const length = Math.min(one.words.length, other.words.length);
      for (let e = 0; e < length; e++) {
        const [a, b] = [one.words[e] ?? 0n, other.words[e] ?? 0n];
        into.add(`openings ${one.step} - ${other.step}`, Number(BigInt.asUintN(8, (a - b) >> 8n)), 256);
        into.add(`openings ${one.step} + ${other.step}`, Number(BigInt.asUintN(8, (a + b) >> 8n)), 256);
      }
    }
  });
}

const inputs = {
  zeros: (length: number): bigint[] => new Array<bigint>(length).fill(0n),
  'large numbers': (length: number): bigint[] =>
    Array.from({ length }, (_, i) => BigInt.asUintN(64, i % 2 === 0 ? 65_535n * 12n : -65_536n * 13n)),
};

describe.each(Object.entries(inputs))('a training step on %s', (_, fill) => {
  test('frames are uniform, openings unrelated', async () => {
    const frames = new Histograms();
    const pairs = new Histograms();
    const crypto = fixedCrypto();
    for (let i = 0; i < JOBS; i++) {
      const job = await TestJob.start([step()], { kernels: () => wasmKernels({ threads: 1 }), crypto: () => crypto });
      for (let execution = 0; execution < EXECUTIONS; execution++) {
        const seen = await job.execute('step', {
          inputs: {
            x: fill(ROWS * COLUMNS),
            y: fill(ROWS).map((v) => (v === 0n ? 0n : 65_536n)),
            first: fill(COLUMNS * HIDDEN),
            second: fill(HIDDEN),
          },
        });
        noteFrames(job, 'step', seen, frames);
        noteDifferences(seen, pairs);
      }
      await job.close();
    }
    expect(frames.size).toBeGreaterThan(100);
    expect(frames.suspicious).toEqual([]);
    expect(pairs.suspicious).toEqual([]);
  });
});

/** A table of four slots, of which none, some or all count. */
const slots: TrainingSpec = {
  features: ['a', 'b'].map((owner) => ({ owner, rows: 4, columns: 1 })),
  arrangement: 'columns',
  labels: [{ owner: 'b', rows: 4 }],
  description: expandTemplate({ template: 'logistic' }, [2], 1, 'classification'),
  task: 'classification',
  trainingRows: 3,
  testRows: 1,
  batch: 'all',
  optimizer: { name: 'sgd', lr: 0.1, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 },
  reveal: { model: [], metrics: ['a'] },
  fractionBits: 16,
  assumedBound: 54,
  featureMagnitudeBits: 0.01,
  labelMagnitudeBits: 0.01,
  standardise: [true, true],
  membership: { required: ['a', 'b'], optional: [], floor: 2, parties: ['a', 'b'] },
};

test.each([
  ['nobody in common', [1n, 1n, 0n, 0n], [0n, 0n, 1n, 1n]],
  ['everybody in common', [1n, 1n, 1n, 1n], [1n, 1n, 1n, 1n]],
])('frames about slots are uniform, openings unrelated: %s', async (_, ofA, ofB) => {
  const frames = new Histograms();
  const pairs = new Histograms();
  const job = await TestJob.start(trainingGraphs(slots), { kernels: () => wasmKernels({ threads: 1 }) });
  const cells = (bits: readonly bigint[], value: bigint): bigint[] => bits.map((bit) => bit * value);
  const known = {
    [names.trainingRows]: [0n, 1n, 2n],
    [names.weight('dense1/kernel')]: [0n, 0n],
    [names.weight('dense1/bias')]: [0n],
  };
  for (let execution = 0; execution < EXECUTIONS; execution++) {
    const setup = await job.execute(names.setup, {
      inputs: {
        'presence/a': ofA,
        'presence/b': ofB,
        'features/0': cells(ofA, 30_000n),
        'features/1': cells(ofB, 65_000n),
        'centres/0': [-20_000n].map((v) => BigInt.asUintN(64, v)),
        'centres/1': [1000n],
        'squares/0': cells(ofA, 225_000_000n),
        'squares/1': cells(ofB, 1_056_250_000n),
        'labels/0': cells(ofB, 65_536n),
      },
      known,
    });
    noteFrames(job, names.setup, setup, frames);
    noteDifferences(setup, pairs);
    const step = await job.execute(names.step(3), { known: { [names.rowNumbers]: [0n, 1n, 2n] } });
    noteFrames(job, names.step(3), step, frames);
  }
  await job.close();
  expect(frames.size).toBeGreaterThan(100);
  expect(frames.suspicious).toEqual([]);
  expect(pairs.suspicious).toEqual([]);
});

test('the test notices a mask used twice', () => {
  const pairs = new Histograms();
  const opening = (step: number, words: readonly number[]): Execution['openings'][number] => ({
    step,
    node: 0,
    width: 64,
    round: 0,
    words: BigUint64Array.from(words, (w) => BigInt(w)),
    planes: new Uint8Array(0),
  });
  for (let i = 0; i < 2000; i++) {
    const mask = Math.floor((i * 2_654_435_761) % 2 ** 32);
    noteDifferences(
      {
        execution: i,
        revealed: new Map(),
        frames: [],
        openings: [opening(1, [mask + 12_345]), opening(2, [mask + 99])],
      },
      pairs,
    );
  }
  expect(pairs.suspicious.length).toBeGreaterThan(0);
});
