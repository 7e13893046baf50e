/**
 * Stochastic gradient descent on dense networks in doubles, written out by hand: what training on shares is held against. Shares
 * nothing with the engine but the order of the weights.
 */
import type { Layer } from '../../shared/layers/table.ts';
import type { ModelDescription, ModelWeights } from '../../shared/model.ts';

export interface PlainStep {
  /** Rows of features, and of targets: class bits, or numbers. */
  readonly x: readonly (readonly number[])[];
  readonly y: readonly (readonly number[])[];
  /** What the sum of the rows' gradients is multiplied by. */
  readonly factor: number;
}

export interface PlainOptimizer {
  readonly lr: number;
  readonly momentum: number;
}

type Dense = Extract<Layer, { kind: 'dense' }>;

const activate = (kind: Layer['kind'], row: readonly number[]): number[] => {
  if (kind === 'relu') return row.map((v) => Math.max(0, v));
  if (kind === 'sigmoid') return row.map((v) => 1 / (1 + Math.exp(-v)));
  if (kind !== 'softmax') throw new RangeError(`no plain ${kind}`);
  const exps = row.map((v) => Math.exp(v - Math.max(...row)));
  return exps.map((v) => v / exps.reduce((a, b) => a + b, 0));
};

const denseRow = (weights: ReadonlyMap<string, Float64Array>, layer: Dense, row: readonly number[]): number[] =>
  Array.from({ length: layer.outputs }, (_, j) =>
    row.reduce(
      (sum, v, i) => sum + v * weights.get(`${layer.name}/kernel`)![i * layer.outputs + j]!,
      weights.get(`${layer.name}/bias`)?.[j] ?? 0,
    ),
  );

/** Answers of the model for one row: what every layer gives, the input first. */
export function plainForward(
  { layers }: ModelDescription,
  weights: ReadonlyMap<string, Float64Array>,
  row: readonly number[],
): number[][] {
  const values = [[...row]];
  for (const layer of layers) {
    const last = values.at(-1)!;
    values.push(layer.kind === 'dense' ? denseRow(weights, layer, last) : activate(layer.kind, last));
  }
  return values;
}

/** Whether the model gives probabilities, and is trained by cross-entropy; else numbers, by half the squared error. */
export function hasHead({ layers }: ModelDescription): boolean {
  const last = layers.at(-1)?.kind;
  return last === 'sigmoid' || last === 'softmax';
}

/** Weights after the steps: v = momentum v + factor * sum of gradients, w = w - lr v. */
export function plainTraining(
  description: ModelDescription,
  initial: ModelWeights,
  steps: readonly PlainStep[],
  optimizer: PlainOptimizer,
): Map<string, Float64Array> {
  const weights = new Map([...initial].map(([key, { data }]) => [key, Float64Array.from(data)]));
  const velocities = new Map([...weights].map(([key, data]) => [key, new Float64Array(data.length)]));
  for (const { x, y, factor } of steps) {
    const gradients = new Map([...weights].map(([key, data]) => [key, new Float64Array(data.length)]));
    x.forEach((row, r) => {
      const values = plainForward(description, weights, row);
      let gradient = values.at(-1)!.map((v, j) => v - y[r]![j]!);
      // The head's own derivative cancels with that of the loss.
      for (let l = description.layers.length - (hasHead(description) ? 2 : 1); l >= 0; l--) {
        const layer = description.layers[l]!;
        const input = values[l]!;
        if (layer.kind === 'relu') {
          gradient = gradient.map((g, j) => (input[j]! > 0 ? g : 0));
          continue;
        }
        if (layer.kind !== 'dense') throw new RangeError(`no plain ${layer.kind} here`);
        const [kernel, bias] = [gradients.get(`${layer.name}/kernel`)!, gradients.get(`${layer.name}/bias`)];
        const old = weights.get(`${layer.name}/kernel`)!;
        gradient.forEach((g, j) => {
          if (bias !== undefined) bias[j]! += g;
          input.forEach((v, i) => (kernel[i * layer.outputs + j]! += v * g));
        });
        gradient = input.map((_, i) => gradient.reduce((sum, g, j) => sum + g * old[i * layer.outputs + j]!, 0));
      }
    });
    for (const [key, data] of weights) {
      const [velocity, gradient] = [velocities.get(key)!, gradients.get(key)!];
      data.forEach((_, i) => {
        velocity[i] = optimizer.momentum * velocity[i]! + factor * gradient[i]!;
        data[i]! -= optimizer.lr * velocity[i];
      });
    }
  }
  return weights;
}
