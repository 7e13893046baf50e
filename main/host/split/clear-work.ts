/**
 * What the owner of the features does between the executions of a split training: runs the network in the clear for each
 * batch, brings what the shares need of it, and takes the revealed gradients. Knows nothing of shares or links.
 */
import { denseChain } from '../../../engine/nn/split/chain.ts';
import {
  deltaBits,
  DELTA_SCALE,
  derivativeScale,
  KERNEL_BITS,
  METRIC_BITS,
  splitNames,
  TAKEN_BITS,
} from '../../../engine/nn/split/spec.ts';
import type { SplitSpec } from '../../../engine/nn/split/spec.ts';
import { metricNames, names, scoreWidth } from '../../../engine/nn/training/spec.ts';
import type { Execution } from '../../../engine/runtime/script.ts';
import { decodeFixed, encodeFixed } from '../../../engine/runtime/words.ts';
import { InternalError } from '../../../shared/errors.ts';
import type { ModelWeights } from '../../../shared/model.ts';
import type { ClearWork } from '../jobs/tasks/task.ts';
import { trainingLoss } from '../../../engine/nn/losses/table.ts';
import { ClearNetwork } from './clear-network.ts';
import { rowFactors } from './cut.ts';
import type { PossibleLabels } from './cut.ts';

export interface ClearWorkOptions {
  readonly spec: SplitSpec;
  /** The owner's rows as the network takes them, row-major, in the order of the table. */
  readonly features: Float64Array;
  readonly weights: ModelWeights;
  /** The schedule's multiple of the learning rate at a step. */
  readonly rate: (step: number) => number;
}

export async function splitWork(options: ClearWorkOptions): Promise<ClearWork> {
  const { spec, weights } = options;
  const network = await ClearNetwork.create({
    links: denseChain(spec.description),
    weights,
    loss: trainingLoss(spec.task, spec.loss),
    optimizer: spec.optimizer,
    clip: spec.clip,
  });
  return new OwnerWork(options, network);
}

class OwnerWork implements ClearWork {
  readonly #options: ClearWorkOptions;
  readonly #network: ClearNetwork;
  readonly #columns: number;
  #steps = 0;

  constructor(options: ClearWorkOptions, network: ClearNetwork) {
    this.#options = options;
    this.#network = network;
    this.#columns = options.spec.description.inputShape[0] ?? 1;
  }

  inputs({ kind, known }: Execution): Map<string, BigUint64Array> {
    if (kind === 'step') return this.#stepInputs(this.#rows(known));
    if (kind === 'evaluate') return this.#metricInputs(this.#rows(known), known);
    return kind === 'reveal' ? this.#weightInputs() : new Map();
  }

  learn({ kind, known, step }: Execution, revealed: ReadonlyMap<string, BigUint64Array>): ReadonlySet<string> {
    if (kind !== 'step') return new Set();
    const { spec, rate } = this.#options;
    const rows = this.#rows(known).length / this.#columns;
    const factor = spec.loss?.reduction === 'sum' ? 1 : 1 / rows;
    const gradients = [...this.#network.weights().keys()].map((key) => {
      const words = revealed.get(splitNames.gradient(key));
      if (words === undefined) throw new InternalError('split-gradient', `No gradient of ${key} was revealed.`);
      return decodeFixed(words, spec.fractionBits).map((value) => value * factor);
    });
    this.#network.update(gradients, rate(step));
    this.#steps++;
    return new Set(revealed.keys());
  }

  save(): Map<string, BigUint64Array> {
    const numbers = [Float64Array.of(this.#steps), ...this.#network.state()];
    return new Map(numbers.map((values, i) => [`${i}`, new BigUint64Array(values.slice().buffer)]));
  }

  restore(kept: ReadonlyMap<string, BigUint64Array>): void {
    const numbers = (i: number): Float64Array | undefined => {
      const words = kept.get(`${i}`);
      return words && new Float64Array(words.slice().buffer);
    };
    const count = this.#network.state().length;
    const state = Array.from({ length: count }, (_, i) => numbers(i + 1)).filter((one) => one !== undefined);
    if (state.length !== count) throw new InternalError('split-checkpoint', 'The checkpoint lacks the clear model.');
    this.#steps = numbers(0)?.[0] ?? 0;
    this.#network.restore(state, this.#steps);
  }

  dispose(): void {
    this.#network.dispose();
  }

  /** Rows of the batch of an execution, row-major. */
  #rows(known: ReadonlyMap<string, BigUint64Array>): Float64Array {
    const width = this.#columns;
    const numbers = known.get(names.rowNumbers) ?? new BigUint64Array(0);
    const rows = new Float64Array(numbers.length * width);
    numbers.forEach((row, i) =>
      rows.set(this.#options.features.subarray(Number(row) * width, (Number(row) + 1) * width), i * width),
    );
    return rows;
  }

  #stepInputs(x: Float64Array): Map<string, BigUint64Array> {
    const { spec } = this.#options;
    const pass = this.#network.pass(x);
    const { norm } = spec.split;
    const { slope, offset } = pass.gradient;
    const factors = norm === undefined ? slope.map(() => 1) : rowFactors(pass, possibleLabels(spec), norm);
    const bits = deltaBits(spec);
    const outputs = scoreWidth(spec);
    const encode = (values: Float64Array, what: string, magnitude: number, scale = spec.fractionBits): BigUint64Array =>
      encodeFixed(values, scale, magnitude, (i) => `Number ${i + 1} of ${what}`);
    const inputs = new Map<string, BigUint64Array>([
      [
        splitNames.offset,
        encode(
          offset.map((value, i) => value * (factors[Math.floor(i / outputs)] ?? 1)),
          'the gradient by the scores',
          bits,
          DELTA_SCALE,
        ),
      ],
      [
        splitNames.slope,
        encode(
          slope.map((value, row) => value * (factors[row] ?? 1)),
          'the gradient’s slope',
          bits,
          DELTA_SCALE,
        ),
      ],
    ]);
    const weights = this.#network.weights();
    const links = denseChain(spec.description);
    links.forEach(({ layer: { name } }, i) => {
      const part = pass.layers[i];
      if (part?.derivative === undefined) return;
      inputs.set(splitNames.taken(name), encode(part.taken, `what ${name} takes`, TAKEN_BITS));
      inputs.set(
        splitNames.derivative(name),
        encode(part.derivative, `the derivatives before ${name}`, 0.01, derivativeScale(spec, links[i - 1])),
      );
      const kernel = weights.get(`${name}/kernel`) ?? new Float64Array(0);
      inputs.set(splitNames.kernel(name), encode(kernel, `the kernel of ${name}`, KERNEL_BITS));
    });
    return inputs;
  }

  /** Each metric's sum over the rows that count as offset + sum of slope and label. */
  #metricInputs(x: Float64Array, known: ReadonlyMap<string, BigUint64Array>): Map<string, BigUint64Array> {
    const { spec } = this.#options;
    const { fractionBits } = spec;
    const outputs = scoreWidth(spec);
    const counts = decodeFixed(known.get(names.rowWeights) ?? new BigUint64Array(0), fractionBits);
    const { scores, loss } = this.#network.judge(x);
    const inputs = new Map<string, BigUint64Array>();
    for (const metric of metricNames(spec)) {
      const { offset, slope } =
        metric === names.loss ? loss : metric === names.correct ? hits(scores, outputs) : squares(scores);
      const total = offset.reduce((sum, value, row) => sum + value * (counts[row] ?? 0), 0);
      const counted = slope.map((value, i) =>
        Math.max(-MOST, Math.min(MOST, value * (counts[Math.floor(i / outputs)] ?? 0))),
      );
      const place = (): string => `The ${metric}`;
      const bits = METRIC_BITS + Math.log2(counts.length);
      inputs.set(splitNames.metricOffset(metric), encodeFixed([total], 2 * fractionBits, bits, place));
      inputs.set(splitNames.metricSlope(metric), encodeFixed(counted, fractionBits, METRIC_BITS, place));
    }
    return inputs;
  }

  #weightInputs(): Map<string, BigUint64Array> {
    const { fractionBits } = this.#options.spec;
    return new Map(
      [...this.#network.weights()].map(([key, values]) => [
        splitNames.weight(key),
        encodeFixed(values, fractionBits, KERNEL_BITS, (i) => `Weight ${i + 1} of ${key}`),
      ]),
    );
  }
}

/** A single row's loss counts no more than this. */
const MOST = 2 ** METRIC_BITS - 1;

/** Numbers are at most 1 in magnitude, classes 0 or 1, or one-hot. */
function possibleLabels(spec: SplitSpec): PossibleLabels {
  const outputs = scoreWidth(spec);
  if (outputs > 1)
    return Array.from({ length: outputs }, (_, k) => Array.from({ length: outputs }, (_, j) => +(j === k)));
  const most = 2 ** spec.labelMagnitudeBits;
  return spec.task === 'regression' ? [[-most], [most]] : [[0], [1]];
}

/** Right answers: of the predicted class. */
function hits(scores: Float64Array, outputs: number): { offset: Float64Array; slope: Float64Array } {
  const rows = scores.length / outputs;
  if (outputs === 1) {
    const isOne = scores.map((score) => Number(score >= 0));
    return { offset: isOne.map((bit) => 1 - bit), slope: isOne.map((bit) => 2 * bit - 1) };
  }
  const slope = new Float64Array(scores.length);
  for (let row = 0; row < rows; row++) {
    const own = scores.subarray(row * outputs, (row + 1) * outputs);
    slope[row * outputs + own.indexOf(Math.max(...own))] = 1;
  }
  return { offset: new Float64Array(rows), slope };
}

/** (z - y)^2 less y^2, which the labels' shares give. */
function squares(scores: Float64Array): { offset: Float64Array; slope: Float64Array } {
  return { offset: scores.map((z) => z ** 2), slope: scores.map((z) => -2 * z) };
}
