/**
 * The optimizers of the engine in the clear, by the same formulas in float32: one step on TensorFlow.js variables from their
 * mean gradients. Knows nothing of models or batches.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { ClipSpec, OptimizerSpec } from '../../../shared/optimizers.ts';

export class PlainOptimizer {
  readonly #spec: OptimizerSpec;
  readonly #clip: ClipSpec | undefined;
  readonly #variables: readonly tf.Variable[];
  /** By state and variable; zero at first. */
  readonly #states = new Map<string, tf.Variable[]>();
  /** Whoever restores `states` sets it too. */
  stepsDone = 0;

  constructor(spec: OptimizerSpec, clip: ClipSpec | undefined, variables: readonly tf.Variable[]) {
    this.#spec = spec;
    this.#clip = clip;
    this.#variables = variables;
    const names = spec.name === 'sgd' || spec.name === 'rmsprop' ? ['update', 'square'] : ['mean', 'square'];
    for (const name of names) {
      this.#states.set(
        name,
        variables.map((variable) => tf.variable(tf.zerosLike(variable), false)),
      );
    }
  }

  /** What it keeps between steps, always in the same order. */
  get states(): readonly tf.Variable[] {
    return [...this.#states.values()].flat();
  }

  /** @param rate the schedule's multiple of the learning rate. */
  apply(gradients: readonly tf.Tensor[], rate: number): void {
    const limited = this.#limited(gradients);
    this.#variables.forEach((variable, i) => {
      const gradient = limited[i];
      if (gradient !== undefined) this.#update(variable, gradient, i, rate);
    });
    this.stepsDone++;
  }

  dispose(): void {
    for (const state of this.#states.values()) tf.dispose(state);
  }

  #limited(gradients: readonly tf.Tensor[]): readonly tf.Tensor[] {
    const clip = this.#clip;
    if (clip === undefined) return gradients;
    if ('value' in clip) return gradients.map((gradient) => tf.clipByValue(gradient, -clip.value, clip.value));
    const length = tf.sqrt(tf.addN(gradients.map((gradient) => tf.sum(tf.square(gradient)))));
    const factor = tf.minimum(1, tf.div(clip.norm, length));
    return gradients.map((gradient) => tf.mul(gradient, factor));
  }

  #update(variable: tf.Variable, gradient: tf.Tensor, i: number, rate: number): void {
    const spec = this.#spec;
    const n = this.stepsDone + 1;
    const lr = spec.lr * rate;
    const decayed =
      spec.weightDecay === 0 || spec.name === 'adamw' ? gradient : tf.add(gradient, tf.mul(variable, spec.weightDecay));
    if (spec.name === 'sgd') {
      const taken = tf.mul(decayed, n === 1 ? 1 : 1 - spec.dampening);
      const velocity = this.#keep('update', i, (old) => tf.add(tf.mul(old, spec.momentum), taken));
      const step = spec.nesterov ? tf.add(taken, tf.mul(velocity, spec.momentum)) : velocity;
      variable.assign(tf.sub(variable, tf.mul(step, lr)));
      return;
    }
    const average = (name: string, value: tf.Tensor, keep: number): tf.Tensor =>
      this.#keep(name, i, (old) => tf.add(tf.mul(old, keep), tf.mul(value, 1 - keep)));
    const square = tf.square(decayed);
    const floor = spec.epsilon ** 2;
    switch (spec.name) {
      case 'adam':
      case 'adamw': {
        const mean = tf.div(average('mean', decayed, spec.beta1), 1 - spec.beta1 ** n);
        const root = tf.sqrt(tf.add(tf.div(average('square', square, spec.beta2), 1 - spec.beta2 ** n), floor));
        const shrunk = spec.name === 'adamw' ? tf.mul(variable, 1 - lr * spec.weightDecay) : variable;
        variable.assign(tf.sub(shrunk, tf.mul(tf.div(mean, root), lr)));
        return;
      }
      case 'rmsprop': {
        const root = tf.sqrt(tf.add(average('square', square, spec.decay), floor));
        const step = tf.mul(tf.div(decayed, root), lr);
        const update = this.#keep('update', i, (old) => tf.add(tf.mul(old, spec.momentum), step));
        variable.assign(tf.sub(variable, update));
        return;
      }
      case 'adagrad': {
        const sum = this.#keep('square', i, (old) => tf.add(old, square));
        const root = tf.sqrt(tf.add(sum, spec.initial + floor));
        variable.assign(tf.sub(variable, tf.mul(tf.div(decayed, root), lr)));
      }
    }
  }

  #keep(name: string, i: number, next: (old: tf.Tensor) => tf.Tensor): tf.Tensor {
    const state = this.#states.get(name)?.[i];
    if (state === undefined) throw new RangeError(`no state ${name}`);
    state.assign(next(state));
    return state;
  }
}
