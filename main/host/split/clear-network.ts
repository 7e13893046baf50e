/**
 * The network of a split training in the clear, at the owner of the features: forward up to the scores, how each row's gradient
 * depends on its label, and updates by revealed gradients. In float32 by TensorFlow.js, as the baseline. Knows nothing of shares.
 */
import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of all operations.
import '@tensorflow/tfjs-layers';
import type { ChainActivation, ChainLink } from '../../../engine/nn/split/chain.ts';
import type { LossSpec } from '../../../shared/losses.ts';
import type { ModelWeights } from '../../../shared/model.ts';
import type { ClipSpec, OptimizerSpec } from '../../../shared/optimizers.ts';
import { baselineBackend } from '../baseline/backend.ts';
import { batchLoss, rowLosses } from '../baseline/losses.ts';
import { PlainOptimizer } from '../baseline/optimizer.ts';

/** A function of a row's label y, numbers or one-hot: offset + slope y; offset row-major [rows, outputs], slope one a row. */
export interface LinearInLabel {
  readonly offset: Float64Array;
  readonly slope: Float64Array;
}

/** A layer's part in a forward pass, row-major. */
export interface LayerPass {
  /** What it takes, [rows, inputs]. */
  readonly taken: Float64Array;
  /** Derivatives of the activations that made it, of the same shape; nothing for the first layer. */
  readonly derivative: Float64Array | undefined;
}

export interface ClearPass {
  readonly layers: readonly LayerPass[];
  /** Gradients by the scores, of each row's loss. */
  readonly gradient: LinearInLabel;
  /** By row, [outputs, outputs]: inner products of the gradients of two scores by all weights. */
  readonly products: Float64Array;
}

interface Layer {
  readonly link: ChainLink;
  readonly kernel: tf.Variable<tf.Rank.R2>;
  readonly bias: tf.Variable<tf.Rank.R1> | undefined;
}

interface Traced {
  readonly scores: tf.Tensor2D;
  readonly taken: readonly tf.Tensor2D[];
  /** Before each layer but the first. */
  readonly derivatives: readonly (tf.Tensor2D | undefined)[];
}

const activate: Readonly<Record<ChainActivation, (x: tf.Tensor2D) => tf.Tensor2D>> = {
  relu: (x) => tf.relu(x),
  sigmoid: (x) => tf.sigmoid(x),
  tanh: (x) => tf.tanh(x),
};
/** From what an activation gave out. */
const slopeOf: Readonly<Record<ChainActivation, (y: tf.Tensor2D) => tf.Tensor2D>> = {
  relu: (y) => tf.step(y),
  sigmoid: (y) => tf.mul(y, tf.sub(1, y)),
  tanh: (y) => tf.sub(1, tf.square(y)),
};

export class ClearNetwork {
  readonly #layers: readonly Layer[];
  readonly #loss: LossSpec;
  readonly #optimizer: PlainOptimizer;

  private constructor(layers: readonly Layer[], loss: LossSpec, optimizer: PlainOptimizer) {
    this.#layers = layers;
    this.#loss = loss;
    this.#optimizer = optimizer;
  }

  static async create(options: {
    readonly links: readonly ChainLink[];
    readonly weights: ModelWeights;
    readonly loss: LossSpec;
    readonly optimizer: OptimizerSpec;
    readonly clip: ClipSpec | undefined;
  }): Promise<ClearNetwork> {
    await baselineBackend();
    const { links, weights, loss, optimizer, clip } = options;
    const first = (key: string): Float32Array => Float32Array.from(weights.get(key)?.data ?? []);
    const layers = links.map((link): Layer => {
      const { name, inputs, outputs, useBias } = link.layer;
      return {
        link,
        kernel: tf.variable(tf.tensor2d(first(`${name}/kernel`), [inputs, outputs])),
        bias: useBias ? tf.variable(tf.tensor1d(first(`${name}/bias`))) : undefined,
      };
    });
    return new ClearNetwork(layers, loss, new PlainOptimizer(optimizer, clip, variablesOf(layers)));
  }

  /** Weights by name. */
  weights(): Map<string, Float64Array> {
    return new Map(
      this.#layers.flatMap(({ link, kernel, bias }) => [
        [`${link.layer.name}/kernel`, numbers(kernel)] as const,
        ...(bias === undefined ? [] : [[`${link.layer.name}/bias`, numbers(bias)] as const]),
      ]),
    );
  }

  /** Everything that changes from step to step. */
  state(): Float64Array[] {
    return [...variablesOf(this.#layers), ...this.#optimizer.states].map(numbers);
  }

  /** Goes on from `state` after as many steps. */
  restore(state: readonly Float64Array[], steps: number): void {
    [...variablesOf(this.#layers), ...this.#optimizer.states].forEach((variable, i) => {
      tf.tidy(() => variable.assign(tf.tensor(Float32Array.from(state[i] ?? []), variable.shape)));
    });
    this.#optimizer.stepsDone = steps;
  }

  /** @param x rows, standardised, [rows, inputs of the first layer]. */
  pass(x: Float64Array): ClearPass {
    return onTape(() => {
      const { scores, taken, derivatives } = this.#forward(this.#rows(x));
      return {
        layers: taken.map((tensor, i) => {
          const derivative = derivatives[i];
          return { taken: numbers(tensor), derivative: derivative && numbers(derivative) };
        }),
        gradient: this.#gradient(scores),
        products: this.#products(scores, taken, derivatives),
      };
    });
  }

  /** Scores of the rows, [rows, outputs], and their losses: offset one a row, slope [rows, outputs]. */
  judge(x: Float64Array): { readonly scores: Float64Array; readonly loss: LinearInLabel } {
    return onTape(() => {
      const { scores } = this.#forward(this.#rows(x));
      const [rows, outputs] = scores.shape;
      const losses = (label: tf.Tensor2D): tf.Tensor1D => rowLosses(this.#loss, scores, label);
      const at0 = losses(tf.zeros([rows, outputs]));
      const slope =
        outputs === 1
          ? tf.sub(losses(tf.ones([rows, 1])), at0)
          : tf.stack(
              Array.from({ length: outputs }, (_, k) => tf.sub(losses(oneHot(rows, outputs, k)), at0)),
              1,
            );
      return { scores: numbers(scores), loss: { offset: numbers(at0), slope: numbers(slope) } };
    });
  }

  /** One step of the optimizer by mean gradients, in the order of `weights`. */
  update(gradients: readonly Float64Array[], rate: number): void {
    tf.tidy(() => {
      const variables = variablesOf(this.#layers);
      this.#optimizer.apply(
        variables.map(({ shape }, i) => tf.tensor(Float32Array.from(gradients[i] ?? []), shape)),
        rate,
      );
    });
  }

  dispose(): void {
    tf.dispose([...variablesOf(this.#layers)]);
    this.#optimizer.dispose();
  }

  #rows(x: Float64Array): tf.Tensor2D {
    const inputs = this.#layers[0]?.link.layer.inputs ?? 1;
    return tf.tensor2d(Float32Array.from(x), [x.length / inputs, inputs]);
  }

  #forward(x: tf.Tensor2D): Traced {
    const taken: tf.Tensor2D[] = [];
    const derivatives: (tf.Tensor2D | undefined)[] = [];
    let value = x;
    let derivative: tf.Tensor2D | undefined;
    for (const { link, kernel, bias } of this.#layers) {
      taken.push(value);
      derivatives.push(derivative);
      const product: tf.Tensor2D = tf.matMul(value, kernel);
      value = bias === undefined ? product : tf.add<tf.Tensor2D>(product, bias);
      derivative = tf.onesLike(value);
      for (const name of link.activations) {
        value = activate[name](value);
        derivative = tf.mul<tf.Tensor2D>(derivative, slopeOf[name](value));
      }
    }
    return { scores: value, taken, derivatives };
  }

  /** Gradients at two labels give both coefficients, as they are linear in the label. */
  #gradient(scores: tf.Tensor2D): LinearInLabel {
    const [rows, outputs] = scores.shape;
    const sum = { ...this.#loss, reduction: 'sum' } as const;
    const at = (label: tf.Tensor2D): tf.Tensor2D =>
      tf.grad((z) => batchLoss(sum, z as tf.Tensor2D, label))(scores) as tf.Tensor2D;
    if (outputs === 1) {
      const offset = at(tf.zeros([rows, 1]));
      return { offset: numbers(offset), slope: numbers(tf.sub(at(tf.ones([rows, 1])), offset)) };
    }
    // Cross-entropy over classes: softmax(z) - s / classes - (1 - s) y, with labels smoothed by s.
    const slope = (this.#loss.name === 'crossEntropy' ? this.#loss.smoothing : 0) - 1;
    const first = oneHot(rows, outputs, 0);
    return {
      offset: numbers(tf.sub(at(first), tf.mul(first, slope))),
      slope: new Float64Array(rows).fill(slope),
    };
  }

  /** Of the gradient d of a score by a layer's output: (|input|^2 + 1) d d' summed over layers (Goodfellow 2015). */
  #products(
    scores: tf.Tensor2D,
    taken: readonly tf.Tensor2D[],
    derivatives: readonly (tf.Tensor2D | undefined)[],
  ): Float64Array {
    const [rows, outputs] = scores.shape;
    let deltas = Array.from({ length: outputs }, (_, k) => oneHot(rows, outputs, k));
    let sum: tf.Tensor = tf.zeros([rows, outputs, outputs]);
    for (const [i, { kernel, bias }] of [...this.#layers.entries()].reverse()) {
      const input = taken[i];
      if (input === undefined) continue;
      // At least 1, so that a row's gradient by any layer's output is no longer than its gradient by the weights.
      const lengths = tf.maximum(tf.add(tf.sum(tf.square(input), 1), bias === undefined ? 0 : 1), 1);
      const stacked = tf.stack(deltas, 1);
      const inner = tf.matMul(stacked, stacked, false, true);
      sum = tf.add(sum, tf.mul(inner, tf.reshape(lengths, [rows, 1, 1])));
      const derivative = derivatives[i];
      if (derivative !== undefined)
        deltas = deltas.map((delta) => tf.mul(tf.matMul(delta, kernel, false, true), derivative));
    }
    return numbers(sum);
  }
}

function variablesOf(layers: readonly Layer[]): tf.Variable[] {
  return layers.flatMap(({ kernel, bias }) => (bias === undefined ? [kernel] : [kernel, bias]));
}

function oneHot(rows: number, outputs: number, k: number): tf.Tensor2D {
  const row = Array.from({ length: outputs }, (_, j) => Number(j === k));
  return tf.tile(tf.tensor2d([row]), [rows, 1]);
}

function numbers(tensor: tf.Tensor): Float64Array {
  return Float64Array.from(tensor.dataSync());
}

/** Frees every tensor that `work` makes; its result holds none. */
function onTape<T>(work: () => T): T {
  let result: T | undefined;
  tf.tidy(() => {
    result = work();
  });
  return result as T;
}
