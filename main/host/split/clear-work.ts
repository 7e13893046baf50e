/**
 * What the owner of the features does between the executions of a split training: brings its weights and how far each row is to be
 * cut, and updates the weights by the revealed gradients. Knows nothing of shares or links.
 */
import { weightBits } from '../../../engine/nn/split/graphs.ts';
import { GAIN_BITS, splitNames } from '../../../engine/nn/split/spec.ts';
import type { SplitSpec } from '../../../engine/nn/split/spec.ts';
import { lossOf, trainingLoss } from '../../../engine/nn/losses/table.ts';
import { names, scoreWidth } from '../../../engine/nn/training/spec.ts';
import type { Execution } from '../../../engine/runtime/script.ts';
import { decodeFixed, encodeFixed } from '../../../engine/runtime/words.ts';
import { InternalError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { modelWeights } from '../../../shared/model.ts';
import type { ModelWeights } from '../../../shared/model.ts';
import type { ClearWork } from '../jobs/tasks/task.ts';
import { OwnModel } from './own-model.ts';
import { RowCuts } from './row-cuts.ts';

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
  const { description, optimizer, clip, split } = spec;
  const model = await OwnModel.create({ description, weights, optimizer, clip });
  return new OwnerWork(options, model, split.norm === undefined ? undefined : await RowCuts.create(spec));
}

class OwnerWork implements ClearWork {
  readonly #options: ClearWorkOptions;
  readonly #model: OwnModel;
  readonly #cuts: RowCuts | undefined;
  #steps = 0;

  constructor(options: ClearWorkOptions, model: OwnModel, cuts: RowCuts | undefined) {
    this.#options = options;
    this.#model = model;
    this.#cuts = cuts;
  }

  async inputs({ kind, known }: Execution): Promise<Map<string, BigUint64Array>> {
    if (kind === 'setup') return new Map();
    const weights = this.#weightWords();
    const { norm } = this.#options.spec.split;
    if (kind !== 'step' || this.#cuts === undefined || norm === undefined) return weights;
    return new Map([
      ...weights,
      [splitNames.factor, await this.#cuts.factors(this.#rows(known), weights, known, norm)],
    ]);
  }

  learn({ kind, known, step }: Execution, revealed: ReadonlyMap<string, BigUint64Array>): ReadonlySet<string> {
    if (kind !== 'step') return new Set();
    const { spec, rate } = this.#options;
    const rows = known.get(names.rowNumbers)?.length ?? 1;
    const { factor } = lossOf(trainingLoss(spec.task, spec.loss), scoreWidth(spec));
    const perRow = factor * (spec.loss?.reduction === 'sum' ? 1 : 1 / rows) * 2 ** -GAIN_BITS;
    const gradients = this.#model.trainedKeys.map((key) => {
      const words = revealed.get(splitNames.gradient(key));
      if (words === undefined) throw new InternalError('split-gradient', `No gradient of ${key} was revealed.`);
      return decodeFixed(words, spec.fractionBits).map((value) => value * perRow);
    });
    for (const { key, role } of modelWeights(spec.description)) {
      const words = role === 'statistic' ? revealed.get(splitNames.statistic(key)) : undefined;
      if (words !== undefined) this.#model.keep(key, decodeFixed(words, spec.fractionBits));
    }
    this.#model.update(gradients, rate(step));
    this.#steps++;
    return new Set(revealed.keys());
  }

  save(): Map<string, BigUint64Array> {
    const numbers = [Float64Array.of(this.#steps), ...this.#model.state()];
    return new Map(numbers.map((values, i) => [`${i}`, new BigUint64Array(values.slice().buffer)]));
  }

  restore(kept: ReadonlyMap<string, BigUint64Array>): void {
    const numbers = (i: number): Float64Array | undefined => {
      const words = kept.get(`${i}`);
      return words && new Float64Array(words.slice().buffer);
    };
    const count = this.#model.state().length;
    const state = Array.from({ length: count }, (_, i) => numbers(i + 1)).filter((one) => one !== undefined);
    if (state.length !== count) throw new InternalError('split-checkpoint', 'The checkpoint lacks the clear model.');
    this.#steps = numbers(0)?.[0] ?? 0;
    this.#model.restore(state, this.#steps);
  }

  async dispose(): Promise<void> {
    this.#model.dispose();
    await this.#cuts?.close();
  }

  /** Rows of the batch of an execution, as they were shared. */
  #rows(known: ReadonlyMap<string, BigUint64Array>): BigUint64Array[] {
    const { spec, features } = this.#options;
    const width = elementCount(spec.description.inputShape);
    return [...(known.get(names.rowNumbers) ?? [])].map((row) => {
      const cells = features.subarray(Number(row) * width, (Number(row) + 1) * width);
      return encodeFixed(cells, spec.fractionBits, spec.featureMagnitudeBits, (i) => `Cell ${i + 1} of row ${row}`);
    });
  }

  #weightWords(): Map<string, BigUint64Array> {
    const { description, fractionBits } = this.#options.spec;
    const values = this.#model.weights();
    return new Map(
      modelWeights(description).map((weight) => [
        splitNames.weight(weight.key),
        encodeFixed(
          values.get(weight.key) ?? [],
          fractionBits,
          weightBits(weight),
          (i) => `Weight ${i + 1} of ${weight.key}`,
        ),
      ]),
    );
  }
}
