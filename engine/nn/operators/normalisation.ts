/** Normalisation by batch, instance, layer and group, by neighbouring channels, and by norms. */
import { norm, powerOfPositive } from '../../functions/algebra.ts';
import { divide } from '../../functions/powers.ts';
import { range } from '../../tensor/rearrange.ts';
import { sizeOf } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { affine, normaliseBy, normaliseByBatch, perChannel, standardised } from '../layers/normalisation.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { secretTensor } from './value.ts';
import type { TensorValue } from './value.ts';

function batchNormalization(call: OperatorCall): TensorValue[] {
  const x = call.numbers(0);
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => call.numbers(i)) as [Tensor, Tensor, Tensor, Tensor];
  const statistics = { scale, bias, mean, variance };
  const epsilon = call.float('epsilon', 1e-5);
  const momentum = call.float('momentum', 0.9);
  if (!(momentum >= 0 && momentum <= 1)) throw call.unsupported(`has a momentum of ${momentum}`, 'Repair the model.');
  if (call.int('spatial', 1) === 0) throw call.unsupported('normalises cell by cell (spatial = 0)');
  if (call.version < 7 && call.int('is_test', 0) === 0)
    throw call.unsupported('trains while it runs (is_test = 0)', 'Export the model for inference.');
  if (call.int('training_mode', 0) === 0) {
    if (call.node.outputs.slice(1).some((name) => name !== ''))
      throw call.unsupported('gives statistics without training_mode', 'Export the model for inference.');
    if (!call.isTrained(3) || !call.isTrained(4))
      return [secretTensor(call.type(0), normaliseBy(x, statistics, epsilon))];
    const batch = normaliseByBatch(x, statistics, { epsilon, momentum });
    call.update(3, batch.mean);
    call.update(4, batch.variance);
    return [secretTensor(call.type(0), batch.values)];
  }
  const batch = normaliseByBatch(x, statistics, { epsilon, momentum });
  return [batch.values, batch.mean, batch.variance].map((tensor) => secretTensor(call.type(0), tensor));
}

/** Over whole groups of channels of each row; scale and bias of every channel. */
function byGroups(call: OperatorCall, groups: number, scale: Tensor, bias: Tensor): TensorValue {
  const x = call.numbers(0);
  const rows = (x.shape[0] ?? 1) * groups;
  const { values } = standardised(x.reshape([rows, x.size / rows]), call.float('epsilon', 1e-5), true);
  return secretTensor(
    call.type(0),
    affine(values.reshape(x.shape), perChannel(scale, x.shape), perChannel(bias, x.shape)),
  );
}

function groupNormalization(call: OperatorCall): TensorValue {
  const groups = call.int('num_groups', 1);
  const channels = call.numbers(0).shape[1] ?? 1;
  /** Up to version 20 a weight is that of a group. */
  const widened = (weight: Tensor): Tensor =>
    weight.size === channels
      ? weight
      : weight
          .reshape([groups, 1])
          .broadcastTo([groups, channels / groups])
          .reshape([channels]);
  return byGroups(call, groups, widened(call.numbers(1)), widened(call.numbers(2)));
}

function layerNormalization(call: OperatorCall): TensorValue[] {
  const x = call.numbers(0);
  const axis = call.axis(call.int('axis', -1));
  const cells = sizeOf(x.shape.slice(axis));
  const statistic: Shape = x.shape.map((n, i) => (i < axis ? n : 1));
  const { values, mean, inverse } = standardised(x.reshape([x.size / cells, cells]), call.float('epsilon', 1e-5), true);
  const bias = call.isGiven(2) ? call.numbers(2) : undefined;
  const { fractionBits } = x.graph.options;
  const outputs = [affine(values.reshape(x.shape), call.numbers(1), bias), mean ?? x, inverse.rescaled(fractionBits)];
  return outputs.map((t, i) => secretTensor(call.type(0), i === 0 ? t : t.reshape(statistic)));
}

/** (x - mean) / deviation over the axes named. */
function meanVarianceNormalization(call: OperatorCall): TensorValue {
  const x = call.numbers(0);
  const axes = (call.ints('axes') ?? [0, 2, 3]).map((axis) => call.axis(axis));
  const kept = range(x.shape.length).filter((axis) => !axes.includes(axis));
  const order = [...kept, ...axes];
  const moved = x.transpose(order);
  const cells = sizeOf(axes.map((axis) => x.shape[axis] ?? 1));
  const { values } = standardised(moved.reshape([x.size / cells, cells]), 1e-9, true);
  return secretTensor(
    call.type(0),
    values.reshape(moved.shape).transpose(range(order.length).map((axis) => order.indexOf(axis))),
  );
}

/** x / (bias + alpha / size * sum of squares of neighbouring channels)^beta (Krizhevsky et al. 2012, section 3.3). */
function lrn(call: OperatorCall): TensorValue {
  const x = call.numbers(0);
  const size = call.int('size', 1);
  const [batch = 1, channels = 1, ...cells] = x.shape;
  const before = Math.floor((size - 1) / 2);
  const padded = x.mul(x).embed([0, before, ...cells.map(() => 0)], [batch, channels + size - 1, ...cells]);
  const sum = range(size)
    .map((i) => padded.slice([0, i, ...cells.map(() => 0)], x.shape))
    .reduce((total, part) => total.add(part));
  const base = sum.timesNumber(call.float('alpha', 1e-4) / size).addNumber(call.float('bias', 1));
  return secretTensor(call.type(0), x.mul(powerOfPositive(base, -call.float('beta', 0.75))));
}

function lpNormalization(call: OperatorCall): TensorValue {
  const x = call.numbers(0);
  const p = call.int('p', 2);
  if (p !== 1 && p !== 2) throw call.unsupported(`takes the norm of order ${p}; 1 and 2 are supported`);
  const length = norm(x, p, { axes: [call.axis(call.int('axis', -1))], keepAxes: true });
  return secretTensor(call.type(0), divide(x, length.broadcastTo(x.shape)));
}

export const normalisations: OperatorFamily = {
  BatchNormalization: {
    attributes: ['epsilon', 'is_test', 'momentum', 'spatial', 'training_mode'],
    run: batchNormalization,
  },
  InstanceNormalization: {
    attributes: ['epsilon'],
    run: (call) => byGroups(call, call.numbers(0).shape[1] ?? 1, call.numbers(1), call.numbers(2)),
  },
  GroupNormalization: { attributes: ['epsilon', 'num_groups', 'stash_type'], run: groupNormalization },
  LayerNormalization: { attributes: ['axis', 'epsilon', 'stash_type'], run: layerNormalization },
  MeanVarianceNormalization: { attributes: ['axes'], run: meanVarianceNormalization },
  LRN: { attributes: ['alpha', 'beta', 'bias', 'size'], run: lrn },
  LpNormalization: { attributes: ['axis', 'p'], run: lpNormalization },
};
