/**
 * Normalisation on shares. Mean and variance are taken over the last axis of a matrix; kinds differ in how they make one.
 * 1 / sqrt(mean square + epsilon) comes from the sum of squares as sqrt(n) / sqrt(sum + n epsilon), before any truncation:
 * the sum is right to 2^-32 and no round goes into the division by n. Knows nothing of shares.
 */
import type { LayerOf } from '../../../shared/layers/table.ts';
import { withGradient } from '../../autograd/gradients.ts';
import { inverseSquareRootOf } from '../../functions/powers.ts';
import { moveAxis } from '../../tensor/shapes.ts';
import { sizeOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { batchOf } from './layer.ts';
import type { LayerContext, Table } from './layer.ts';

/** Fraction bits of a mean's public factor once powers of two are taken out. */
const FACTOR_BITS = 14;
/** Scale of inverse deviations. */
const INVERSE_SCALE = 20;

/** sum / n, with few bits: the power of two in n moves the scale. 1 round. */
export function average(sum: Tensor, n: number): Tensor {
  const halvings = Math.floor(Math.log2(n));
  const halved = sum.timesPowerOfTwo(-halvings);
  const rest = 2 ** halvings / n;
  return (rest === 1 ? halved : halved.timesRaw(rest, FACTOR_BITS)).rescaled(sum.scale);
}

export interface Standardised {
  /** [rows, cells]. */
  readonly values: Tensor;
  /** [rows]. */
  readonly mean: Tensor | undefined;
  /** Sum of squared distances from the mean, [rows], at twice the scale. */
  readonly squares: Tensor;
  /** 1 / sqrt(mean square + epsilon), [rows], at 20 fraction bits. */
  readonly inverse: Tensor;
}

/**
 * (x - mean) / sqrt(mean square of that + epsilon) over the last axis of [rows, cells]. Relative error 5e-4. 11 rounds after
 * the truncation of x (10 without mean). Assumes that a row's squares add up to less than 2^22 at a bound of 54.
 */
export function standardised(x: Tensor, epsilon: number, isCentred: boolean): Standardised {
  const [rows = 1, n = 1] = x.shape;
  const column = (t: Tensor): Tensor => t.reshape([rows, 1]);
  const mean = isCentred ? average(x.sum(1), n) : undefined;
  const centred = mean === undefined ? x : x.sub(column(mean));
  const squares = centred.mulRaw(centred).sum(1);
  const inverse = inverseSquareRootOf(squares.addNumber(n * epsilon), {
    scale: INVERSE_SCALE,
    least: (n * epsilon) / 2,
    factor: Math.sqrt(n),
  });
  const values = centred
    .mulRaw(column(inverse))
    .provedBelow(Math.log2(n) / 2 + 0.1)
    .rescaled(x.scale);
  withGradient(values, (gradient) => {
    const along = gradient.mulRaw(values).sum(1).rescaled(x.scale);
    return [[x, backward({ values, gradient, along, factor: inverse, isCentred })]];
  });
  return { values, mean, squares, inverse };
}

/**
 * factor (g - mean(g) - values mean(g values)) by rows, for the gradient g of values times `factor`'s part beside the inverse
 * deviation. All products are added before the one truncation: two openings of the rows' size with that of g.
 */
function backward(of: {
  /** [rows, cells], both. */
  readonly values: Tensor;
  readonly gradient: Tensor;
  /** Sums of g values, [rows]. */
  readonly along: Tensor;
  /** [rows], at the scale of inverse deviations. */
  readonly factor: Tensor;
  readonly isCentred: boolean;
}): Tensor {
  const { values, gradient, along, factor, isCentred } = of;
  const [rows = 1, n = 1] = values.shape;
  const column = (t: Tensor): Tensor => t.reshape([rows, 1]);
  const share = average(along, n).mulRaw(factor).rescaled(INVERSE_SCALE);
  const level = gradient.mulRaw(column(factor)).sub(values.mulRaw(column(share)));
  const centred = isCentred ? level.sub(column(average(gradient.sum(1), n).mulRaw(factor))) : level;
  return centred.rescaled(values.scale);
}

/** values * scale + bias, both widened to the values' shape. 2 rounds. */
export function affine(values: Tensor, scale: Tensor, bias: Tensor | undefined): Tensor {
  const product = values.mulRaw(scale);
  return (bias === undefined ? product : product.add(bias)).rescaled(values.scale);
}

/** A weight [channels] along the second axis of [batch, channels, ...cells]. */
export function perChannel(weight: Tensor, shape: Shape): Tensor {
  return weight.reshape([weight.size, ...shape.slice(2).map(() => 1)]);
}

/** Of every channel, [channels] each. */
export interface ChannelStatistics {
  readonly scale: Tensor;
  readonly bias: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/**
 * (x - mean) / sqrt(variance + epsilon) * scale + bias by channel, with statistics that are known: x enters one product, so that
 * only its owner opens it, and the owner of the statistics computes factor and shift alone.
 */
export function normaliseBy(x: Tensor, statistics: ChannelStatistics, epsilon: number): Tensor {
  const { scale, bias, mean, variance } = statistics;
  const factor = inverseSquareRootOf(variance.addNumber(epsilon), { least: epsilon / 2 }).mul(scale);
  const channels = (weight: Tensor): Tensor => perChannel(weight, x.shape);
  const product = x.mulRaw(channels(factor)).sub(channels(mean.mulRaw(factor)));
  return product.add(channels(bias)).rescaled(x.scale);
}

/** A statistic after a batch: momentum times what it was, and the rest of what the batch has. 1 round. */
function runningStatistic(before: Tensor, fresh: Tensor, momentum: number): Tensor {
  const { fractionBits } = before.graph.options;
  const part = (t: Tensor, factor: number): Tensor => t.timesRaw(factor, fractionBits);
  return part(before, momentum)
    .add(part(fresh, 1 - momentum))
    .rescaled(fractionBits);
}

function batchNorm(layer: LayerOf<'batchNorm'>, context: LayerContext): Tensor {
  const { x, weight, training } = context;
  const { epsilon, momentum, name } = layer;
  const statistics = {
    scale: weight('scale'),
    bias: weight('bias'),
    mean: weight('mean'),
    variance: weight('variance'),
  };
  if (training === undefined) return normaliseBy(x, statistics, epsilon);
  const { values, mean, variance } = normaliseByBatch(x, statistics, { epsilon, momentum });
  training.update(`${name}/mean`, mean);
  training.update(`${name}/variance`, variance);
  return values;
}

/** As `normaliseBy` with the batch's own statistics, and the running ones after it. */
export function normaliseByBatch(
  x: Tensor,
  { scale, bias, mean, variance }: ChannelStatistics,
  { epsilon, momentum }: { readonly epsilon: number; readonly momentum: number },
): { readonly values: Tensor; readonly mean: Tensor; readonly variance: Tensor } {
  const byChannel = moveAxis(x, 1, 0);
  const [channels = 1] = byChannel.shape;
  const n = x.size / channels;
  const byRow = byChannel.reshape([channels, n]);
  const batch = standardised(byRow, epsilon, true);
  const { fractionBits } = x.graph.options;
  const column = (t: Tensor): Tensor => t.reshape([channels, 1]);
  const output = affine(batch.values, column(scale), column(bias));
  withGradient(output, (gradient) => {
    const along = gradient.mulRaw(batch.values).sum(1).rescaled(fractionBits);
    const factor = scale.mulRaw(batch.inverse).rescaled(INVERSE_SCALE);
    return [
      [byRow, backward({ values: batch.values, gradient, along, factor, isCentred: true })],
      [scale, along],
      [bias, gradient.sum(1)],
    ];
  });
  return {
    values: moveAxis(output.reshape(byChannel.shape), 0, 1),
    mean: runningStatistic(mean, batch.mean ?? mean, momentum),
    variance: runningStatistic(variance, average(batch.squares.rescaled(fractionBits), n), momentum),
  };
}

/** Over groups of channels of each row. */
function groupNorm(groups: number, epsilon: number, { x, weight }: LayerContext): Tensor {
  const rows = batchOf(x) * groups;
  const { values } = standardised(x.reshape([rows, x.size / rows]), epsilon, true);
  return affine(values.reshape(x.shape), perChannel(weight('scale'), x.shape), perChannel(weight('bias'), x.shape));
}

export const normalisationLayers: Table<'batchNorm' | 'layerNorm' | 'rmsNorm' | 'groupNorm' | 'instanceNorm'> = {
  batchNorm,
  layerNorm: ({ shape, epsilon }, { x, weight }) => {
    const cells = sizeOf(shape);
    const { values } = standardised(x.reshape([x.size / cells, cells]), epsilon, true);
    return affine(values.reshape(x.shape), weight('scale'), weight('bias'));
  },
  rmsNorm: ({ size, epsilon }, { x, weight }) => {
    const { values } = standardised(x.reshape([x.size / size, size]), epsilon, false);
    return affine(values.reshape(x.shape), weight('scale'), undefined);
  },
  groupNorm: ({ groups, epsilon }, context) => groupNorm(groups, epsilon, context),
  instanceNorm: ({ channels, epsilon }, context) => groupNorm(channels, epsilon, context),
};
