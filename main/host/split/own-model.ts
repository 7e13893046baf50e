/**
 * The weights of a split training at their owner: updated by revealed gradients, by any optimizer of the job, in float32 by
 * TensorFlow.js as the baseline's. Knows nothing of layers, rows or shares.
 */
import * as tf from '@tensorflow/tfjs-core';
import { InternalError } from '../../../shared/errors.ts';
import { modelWeights } from '../../../shared/model.ts';
import type { ModelDescription, ModelWeights } from '../../../shared/model.ts';
import type { ClipSpec, OptimizerSpec } from '../../../shared/optimizers.ts';
import { baselineBackend } from '../baseline/backend.ts';
import { PlainOptimizer } from '../baseline/optimizer.ts';

interface Weight {
  readonly key: string;
  readonly variable: tf.Variable;
  readonly isTrained: boolean;
}

export class OwnModel {
  readonly #weights: readonly Weight[];
  readonly #optimizer: PlainOptimizer;

  private constructor(weights: readonly Weight[], optimizer: PlainOptimizer) {
    this.#weights = weights;
    this.#optimizer = optimizer;
  }

  static async create(options: {
    readonly description: ModelDescription;
    readonly weights: ModelWeights;
    readonly optimizer: OptimizerSpec;
    readonly clip: ClipSpec | undefined;
  }): Promise<OwnModel> {
    await baselineBackend();
    const { description, weights, optimizer, clip } = options;
    const own = modelWeights(description).map(({ key, shape, role }): Weight => {
      const first = Float32Array.from(weights.get(key)?.data ?? []);
      return { key, variable: tf.variable(tf.tensor(first, [...shape])), isTrained: role !== 'statistic' };
    });
    const trained = own.filter(({ isTrained }) => isTrained).map(({ variable }) => variable);
    return new OwnModel(own, new PlainOptimizer(optimizer, clip, trained));
  }

  /** By key. */
  weights(): Map<string, Float64Array> {
    return new Map(this.#weights.map(({ key, variable }) => [key, numbers(variable)]));
  }

  get trainedKeys(): readonly string[] {
    return this.#weights.filter(({ isTrained }) => isTrained).map(({ key }) => key);
  }

  /** @param gradients in the order of `trainedKeys`. @param rate the schedule's multiple of the learning rate. */
  update(gradients: readonly Float64Array[], rate: number): void {
    tf.tidy(() => {
      const trained = this.#weights.filter(({ isTrained }) => isTrained);
      this.#optimizer.apply(
        trained.map(({ variable }, i) => tf.tensor(Float32Array.from(gradients[i] ?? []), variable.shape)),
        rate,
      );
    });
  }

  /** Sets a running statistic. */
  keep(key: string, values: Float64Array): void {
    const weight = this.#weights.find((own) => own.key === key);
    if (weight === undefined) throw new InternalError('split-statistic', `The model has no statistic ${key}.`);
    assign(weight.variable, values);
  }

  /** Everything that changes from step to step. */
  state(): Float64Array[] {
    return [...this.#weights.map(({ variable }) => variable), ...this.#optimizer.states].map(numbers);
  }

  /** Goes on from `state` after as many steps. */
  restore(state: readonly Float64Array[], steps: number): void {
    [...this.#weights.map(({ variable }) => variable), ...this.#optimizer.states].forEach((variable, i) =>
      assign(variable, state[i] ?? new Float64Array(0)),
    );
    this.#optimizer.stepsDone = steps;
  }

  dispose(): void {
    tf.dispose(this.#weights.map(({ variable }) => variable));
    this.#optimizer.dispose();
  }
}

function assign(variable: tf.Variable, values: Float64Array): void {
  tf.tidy(() => variable.assign(tf.tensor(Float32Array.from(values), variable.shape)));
}

function numbers(tensor: tf.Tensor): Float64Array {
  return Float64Array.from(tensor.dataSync());
}
